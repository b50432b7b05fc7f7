"""The module's commands, through the application's own client of redis-py or valkey-py.

Whatever client it is (text or bytes, RESP2 or RESP3, a pool, TLS, Sentinel), the replies come out the same, and so do
the errors: those of `alkey.errors` with the client's as their cause. The client's time limits and retries are the
application's: one that sleeps between retries makes requests sleep. Holds no state but the lease.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Protocol

from alkey.errors import AlkeyError, ModuleNotLoaded, Refused, Unavailable
from alkey.place import server_of

Argument = bytes | str

# The server's default, for a server that does not tell.
LEASE_MS_DEFAULT = 5000


class Client(Protocol):
    """What is asked of a client."""

    def execute_command(self, *args: Any, **options: Any) -> Any: ...

    def __hash__(self) -> int: ...


class Found(NamedTuple):
    """The answer to LOOKUP: `settled_ms` is -1 while something is in flight, None if the key depends on nothing."""

    key: str
    settled_ms: int | None


class Commands:
    """The commands that applications use. Each is one round trip."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._execute = client.execute_command

    def record(self, transaction: bytes, identifiers: Iterable[bytes]) -> int:
        return int(self._call("ALKEY.RECORD", transaction, *identifiers))

    def commit(self, transaction: bytes, identifiers: Iterable[bytes] = ()) -> int:
        return int(self._call("ALKEY.COMMIT", transaction, *identifiers))

    def discard(self, transaction: bytes) -> int:
        return int(self._call("ALKEY.DISCARD", transaction))

    def touch(self, identifiers: Iterable[Argument]) -> int:
        return int(self._call("ALKEY.TOUCH", *identifiers))

    def key(self, parts: Iterable[Argument]) -> str:
        return text_of(self._call("ALKEY.KEY", *parts))

    def key_ro(self, parts: Iterable[Argument]) -> str | None:
        key = self._call("ALKEY.KEY_RO", *parts)
        return None if key is None else text_of(key)

    def lookup(self, parts: Iterable[Argument]) -> Found:
        try:
            reply = self._execute("ALKEY.LOOKUP", *parts)
        except Exception as error:
            raise translated(error, "ALKEY.LOOKUP", self.client) from error
        return found_in(reply)

    def token(self, identifier: Argument) -> str | None:
        token = self._call("ALKEY.TOKEN", identifier)
        return None if token is None else text_of(token)

    def lease_ms(self) -> int | None:
        """The server's lease, or None if it does not tell: CONFIG is often forbidden to applications."""
        try:
            reply = self._call("CONFIG GET", "alkey.lease-ms")
        except Refused:
            return None
        return lease_ms_in(reply)

    def _call(self, *arguments: Argument) -> Any:
        try:
            return self._execute(*arguments)
        except Exception as error:
            raise translated(error, arguments[0], self.client) from error


# By name, since redis-py and valkey-py have classes of their own with the same names, and either may not be installed.
_UNAVAILABLE_KINDS = frozenset({
    "ConnectionError", "TimeoutError", "OSError", "ReadOnlyError", "OutOfMemoryError", "TryAgainError",
    "ClusterDownError", "ClusterError",
    "MasterDownError", "AskError", "MovedError", "SlotNotCoveredError", "RedisClusterException",
    "ValkeyClusterException", "ExecAbortError",
})  # fmt: skip
_MISTAKE_KINDS = frozenset(
    {"AuthenticationError", "AuthenticationWrongNumberOfArgsError", "AuthorizationError"}
)
_UNAVAILABLE_CODES = (
    "READONLY", "NOREPLICAS", "MISCONF", "OOM", "LOADING", "BUSY", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN",
    "EXECABORT", "MOVED", "ASK", "UNBLOCKED", "too many transactions are in flight",
)  # fmt: skip


def translated(error: Exception, command: Argument = "ALKEY", client: object = None) -> AlkeyError:
    """The client's error as one of alkey's."""
    text, server = str(error), server_of(client)
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "unknown command" in text.lower():
        return ModuleNotLoaded(str(command), server)
    if kinds.isdisjoint(_MISTAKE_KINDS) and (
        not kinds.isdisjoint(_UNAVAILABLE_KINDS) or text.startswith(_UNAVAILABLE_CODES)
    ):
        return Unavailable(f"{server} can't serve {command!s}: {type(error).__name__}: {text}")
    return Refused(f"{command!s} failed on {server}: {type(error).__name__}: {text}")


def text_of(reply: bytes | str) -> str:
    return reply if isinstance(reply, str) else reply.decode("ascii")


def found_in(reply: Any) -> Found:
    # RESP3 has a map, in the order of the array of RESP2.
    key, settled_ms = reply.values() if isinstance(reply, dict) else (reply[1], reply[3])
    return Found(text_of(key), settled_ms)


def lease_ms_in(reply: object) -> int | None:
    return next((int(text) for text in _leaves(reply) if text.isdigit()), None)


def _leaves(reply: object) -> Iterator[str]:
    """All texts in a reply, of one server or of each node of a cluster."""
    if isinstance(reply, dict):
        for value in reply.values():
            yield from _leaves(value)
    elif isinstance(reply, list):
        for item in reply:
            yield from _leaves(item)
    elif isinstance(reply, bytes | str):
        yield text_of(reply)
