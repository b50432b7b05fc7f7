"""Real servers for the tests: a redis-server with the module, and PostgreSQL. Each has its own directory and port.

`scripts/test` brings both and names them in the environment: ALKEY_REDIS_SERVER, ALKEY_MODULE, ALKEY_POSTGRES_BIN. No
test sleeps for luck: it waits for a condition, see `wait_until`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

DEADLINE_S = 60.0
# What a test tells Alkey that the lease is, where no answer may come too late however slow the machine is.
LEASE_MS_LONG = 3_600_000

# The database that the drop-in uses: 0.7.1 knew one namespace only.
DB_OF_0_7_1 = 3

T = TypeVar("T")


def wait_until(what: str, condition: Callable[[], T], deadline_s: float = DEADLINE_S) -> T:
    """Gives the condition's first true value, or fails with its last one."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"in vain waited {deadline_s} s until {what}; last: {value!r}"
        time.sleep(0.005)


async def eventually(what: str, condition: Callable[[], T], deadline_s: float = DEADLINE_S) -> T:
    """`wait_until` for a task, while others go on."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"in vain waited {deadline_s} s until {what}; last: {value!r}"
        await asyncio.sleep(0.005)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedisServer:
    """A redis-server, by default with the module and past its grace."""

    def __init__(self, *, lease_ms: int = 5000, module: bool = True, config: str = "") -> None:
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="alkey-redis-"))
        self.lease_ms = lease_ms
        self.module = module
        load = f"loadmodule {os.environ['ALKEY_MODULE']} lease-ms {lease_ms}\n" if module else ""
        (self.directory / "redis.conf").write_text(
            f'bind 127.0.0.1\nport {self.port}\ndir {self.directory}\nsave ""\ndatabases 64\n'
            f"enable-debug-command yes\nunixsocket {self.directory}/socket\n{load}{config}"
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self, **options: Any) -> redis.Redis:
        """A client of redis-py that neither sleeps nor tries again."""
        return redis.Redis.from_url(
            self.url, **{"retry": Retry(NoBackoff(), 0), "socket_timeout": DEADLINE_S, **options}
        )

    def start(self) -> None:
        """Starts it, also again, and waits for one lease: until then it is in grace."""
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [os.environ["ALKEY_REDIS_SERVER"], str(self.directory / "redis.conf")],
                stdout=log,
                stderr=log,
            )
        process = self.process
        with self.client() as client:

            def is_up() -> bool:
                assert process.poll() is None, (self.directory / "log").read_text()
                try:
                    return int(client.info("server")["process_id"]) == process.pid
                except (redis.ConnectionError, redis.TimeoutError):
                    return False

            wait_until("the server answers", is_up)
            if self.module:
                wait_until(
                    "grace is over",
                    lambda: client.info("alkey")["alkey_grace_left_ms"] == 0,
                )

    def kill(self) -> None:
        """As a power failure would end it."""
        if self.process is not None:
            self.resume()
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self) -> None:
        """It keeps its connections, and answers nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


def settled_ms(client: Any, *parts: str | bytes) -> int:
    """What LOOKUP says about parts that name something."""
    reply = client.execute_command("ALKEY.LOOKUP", *parts)
    return int(list(reply.values())[1] if isinstance(reply, dict) else reply[3])


def pending(client: Any, namespace: str) -> dict[str, int]:
    """The transactions of a namespace that are in flight, each with the milliseconds that are left of its lease."""
    found = {}
    for reply in client.execute_command("ALKEY.PENDING"):
        # A map in RESP3, its array in RESP2.
        fields = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
        name = fields[b"transaction"].decode()
        if name.startswith(f"{namespace}:"):
            found[name] = int(fields[b"lease-left-ms"])
    return found


class Postgres:
    """PostgreSQL in a directory of its own, as the user `nobody` if this is root, which it refuses to run as."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="alkey-pg-"))
        self.port = free_port()
        self._user = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}
        if self._user:
            shutil.chown(self.directory, "nobody", "nogroup")
        self._programs = self._reachable(Path(os.environ["ALKEY_POSTGRES_BIN"]))
        self._run(
            "initdb", "--auth=trust", "--username=postgres", "--no-sync", "--locale=C", "--encoding=UTF8"
        )
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.directory,
            "max_prepared_transactions": 20,
            "fsync": "off",
            # Where shared memory is scarce, as in containers.
            "dynamic_shared_memory_type": "mmap",
        }
        with (self.directory / "data" / "postgresql.auto.conf").open("a") as config:
            config.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        self._log = (self.directory / "log").open("wb")
        self.process = subprocess.Popen(
            [str(self._programs / "postgres"), "-D", str(self.directory / "data")],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            **self._user,  # type: ignore[call-overload]
        )
        ready = [str(self._programs / "pg_isready"), "-q", "-h", str(self.directory), "-p", str(self.port)]

        def is_up() -> bool:
            assert self.process.poll() is None, (self.directory / "log").read_text()
            return subprocess.run(ready, check=False).returncode == 0

        wait_until("PostgreSQL answers", is_up)

    @property
    def url(self) -> str:
        """For SQLAlchemy, over the unix socket."""
        return f"postgresql+psycopg://postgres@/postgres?host={self.directory}&port={self.port}"

    def _reachable(self, programs: Path) -> Path:
        """The programs where `nobody` can run them: as they are, or a copy, if they are in somebody's home."""
        probe = [str(programs / "postgres"), "--version"]
        try:
            if subprocess.run(probe, check=False, capture_output=True, **self._user).returncode == 0:  # type: ignore[call-overload]
                return programs
        except PermissionError:
            pass
        # In a wheel the programs find their libraries by the way from one directory to the other.
        packages = programs.parents[2]
        copy = self.directory / "programs"
        for folder in (programs.parents[1].name, f"{programs.parents[1].name}.libs"):
            shutil.copytree(packages / folder, copy / folder, symlinks=True)
        for path in (copy, *copy.rglob("*")):
            shutil.chown(path, "nobody", "nogroup")
        return copy / programs.relative_to(packages)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", str(self.directory / "data"), *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, **self._user)  # type: ignore[call-overload]
        assert done.returncode == 0, f"{program} failed:\n{done.stdout}{done.stderr}"

    def close(self) -> None:
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()
        self._log.close()
        shutil.rmtree(self.directory, ignore_errors=True)
