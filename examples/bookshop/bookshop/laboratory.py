"""What goes wrong on purpose: a writer dies between the two commits, and Redis comes back as it was some time ago."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import datetime
from typing import Any, NamedTuple

from redis import RedisError

from alkey.commands import text_of
from bookshop.servers import Redis

_EVENTS_MAX = 6


class Event(NamedTuple):
    at: str
    text: str


class Laboratory:
    def __init__(self, redis: Redis, database_url: str) -> None:
        self._redis, self._database_url = redis, database_url
        self._lock = threading.Lock()
        self._dumped_at = ""
        self.events: list[Event] = []
        self.dump()

    def dump(self) -> None:
        """Called before each change, so that the old dump does not know of the last one."""
        with self._lock:
            self._redis.dump()
            self._dumped_at = _now()

    def restart_redis(self) -> None:
        with self._lock:
            self._redis.restart_from_old_dump()
            self.say(
                f"Redis was killed, and started from the dump of {self._dumped_at}, before the last change."
            )

    def kill_a_writer(self, book: int) -> None:
        """Another process raises the book's price, and is dead before it can tell Redis."""
        writer = [sys.executable, "-m", "bookshop.dying_writer", self._database_url, self._redis.url]
        done = subprocess.run([*writer, str(book)], check=False, capture_output=True, text=True)
        if done.returncode >= 0:
            raise RuntimeError(f"the writer was to die, and ended with {done.returncode}:\n{done.stderr}")
        self.say(f"A writer {done.stdout.strip()}; signal {-done.returncode} ended it before ALKEY.COMMIT.")

    def say(self, text: str) -> None:
        self.events = [Event(_now(), text), *self.events][:_EVENTS_MAX]


class State(NamedTuple):
    """Of Redis: why keys may be private."""

    grace_left_ms: int
    in_flight: list[tuple[list[str], int]]
    """The identifiers of each transaction, and the milliseconds that are left of its lease."""

    @classmethod
    def of(cls, client: Any) -> State:
        in_flight = []
        try:
            grace_left_ms = client.info("alkey")["alkey_grace_left_ms"]
            for reply in client.execute_command("ALKEY.PENDING"):
                # A map in RESP3, its array in RESP2.
                fields = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
                identifiers = client.execute_command("ALKEY.PENDING", fields[b"transaction"])
                names = [text_of(each).partition(":")[2] for each in identifiers]
                in_flight.append((names, fields[b"lease-left-ms"]))
        except RedisError:
            # The labels say that the server is unavailable.
            return cls(0, [])
        return cls(grace_left_ms, in_flight)


def _now() -> str:
    return datetime.now().astimezone().strftime("%H:%M:%S")
