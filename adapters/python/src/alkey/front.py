"""`Alkey`: keys that change when what they depend on changes, for strict and for relaxed readers.

It ties the parts of the package together and knows none of their insides: `parts` makes bytes of what it is given,
`commands` asks the server, `age` and the sessions' readings (`alkey.sqlalchemy`) say whether the answer may be used.
SQLAlchemy is imported only where the application has imported it.

The invariant: whatever a strict reader's session has read or will read may be stored under a key that is shared. Where
that is not certain the key is private: nobody else has it, and `cached` stores nothing.
"""

from __future__ import annotations

import logging
import secrets
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Literal, NamedTuple, ParamSpec, TypeVar, overload
from uuid import uuid4

from alkey import identifier
from alkey.age import age_ms, now_ns
from alkey.cached import Cache, decorated, fetch
from alkey.commands import Client, Commands
from alkey.connect import client_of
from alkey.delivery import Delivery
from alkey.errors import Unavailable
from alkey.parts import Encoded, Identifier, encode

log = logging.getLogger("alkey")

P = ParamSpec("P")
T = TypeVar("T")

WhyPrivate = Literal[
    "the session holds changes",
    "the age of an instance is unknown",
    "something is in flight",
    "something has changed since the data was read",
    "the server is unavailable",
]

_HOLDS_CHANGES: WhyPrivate = "the session holds changes"
_AGE_UNKNOWN: WhyPrivate = "the age of an instance is unknown"
_IN_FLIGHT: WhyPrivate = "something is in flight"
_CHANGED: WhyPrivate = "something has changed since the data was read"
_UNAVAILABLE: WhyPrivate = "the server is unavailable"

_PRIVATE = "private-"


def is_private(key: str) -> bool:
    """Whether nobody else has this key, so that nothing need be stored under it."""
    return key.startswith(_PRIVATE)


class Lookup(NamedTuple):
    """A key, and what is known of it."""

    key: str
    settled_ms: int | None
    """For how long nothing in the key has changed; -1 while something is in flight. None if the key depends on nothing,
    and where it was not asked for: under a relaxed key, and under a private one that is none of the server's."""
    age_ms: int
    """How old the data may be that was read before."""
    why_private: WhyPrivate | None
    """None if others get the same key. Else nothing is to be stored under it."""

    @property
    def is_shared(self) -> bool:
        return self.why_private is None


_Lookup = tuple[str, int | None, int, WhyPrivate | None]


class Alkey:
    """Cache keys of one namespace on one server.

    client          a client of redis-py or valkey-py, or a URL: redis://, rediss://, unix://, valkey://, valkeys://
    namespace       "alkey", or "alkey{TAG}" for one of several databases, tenants or applications on one server
    strict          whether keys are for strict readers
    unavailable     what becomes of a write that can't be recorded: "deliver" lets it go on, and delivers its COMMIT as
                    soon as can be; "raise" refuses it
    replica_lag_ms  how far behind the database is that is read, if it is a replica
    lease_ms        the server's alkey.lease-ms, where CONFIG GET is forbidden
    """

    def __init__(
        self,
        client: Client | str,
        namespace: str = "alkey",
        *,
        strict: bool = True,
        unavailable: Literal["deliver", "raise"] = "deliver",
        replica_lag_ms: int = 0,
        lease_ms: int | None = None,
    ) -> None:
        if unavailable not in ("deliver", "raise"):
            raise ValueError(f"unavailable={unavailable!r} is no policy: expected 'deliver' or 'raise'")
        if replica_lag_ms < 0:
            raise ValueError(f"replica_lag_ms={replica_lag_ms} is no lag: expected 0 or more")
        self.client: Client = client_of(client) if isinstance(client, str) else client
        self.namespace = identifier.checked_namespace(namespace)
        self.strict = strict
        self.unavailable: Literal["deliver", "raise"] = unavailable
        self.replica_lag_ms = replica_lag_ms
        self.commands = Commands(self.client)
        self.delivery = Delivery(self.commands, lease_ms)
        self._is_away = False
        self._orm: Any = None

    # Names

    def row(self, table: str, *key: object, schema: str | None = None) -> Identifier:
        """The row of a table, by the values of its primary key in the order of the key's columns."""
        return Identifier(identifier.row(self.namespace, table, key, schema))

    def table(self, table: str, schema: str | None = None) -> Identifier:
        """Any row of a table."""
        return Identifier(identifier.table(self.namespace, table, schema))

    def everything(self) -> Identifier:
        """Any row of any table."""
        return Identifier(identifier.everything(self.namespace))

    # Writers

    def bind(self, target: Any) -> None:
        """From now on, what sessions change is recorded and committed. `target`: a Session class, a sessionmaker, a
        scoped_session, or a Session."""
        from alkey.sqlalchemy import bind

        bind(self, target)

    def touch(self, *things: object) -> None:
        """Changes the keys of what others than bound sessions have changed. To be called after their commit."""
        identifiers: list[bytes] = []
        for thing in things:
            found = (thing,) if isinstance(thing, Identifier) else self._identify(thing)
            if not found or not all(one.startswith(f"{self.namespace}:".encode()) for one in found):
                raise TypeError(
                    f"{thing!r} can't be touched: expected a mapped class or instance, or what row(), table() or "
                    f"everything() of the namespace {self.namespace!r} gave"
                )
            identifiers.extend(found)
        try:
            self.commands.touch(identifiers)
        except Unavailable as error:
            if self.unavailable == "raise":
                raise
            log.warning("a TOUCH did not arrive and is sent in the background, as a COMMIT: %s", error)
            self.delivery.commit_later(f"{self.namespace}:tx:{uuid4()}".encode(), frozenset(identifiers))

    # Readers

    def key(self, *parts: object, session: Any = None) -> str:
        """The key to store under what is made of `parts`: a private one if it may not be shared."""
        return self._ask(encode(parts, self._identify), session)[0]

    def lookup(self, *parts: object, session: Any = None) -> Lookup:
        """The key, and why it is private if it is. `session` is the one that has read, or will read, the database."""
        return Lookup(*self._ask(encode(parts, self._identify), session))

    @overload
    def cached(
        self,
        cache: Cache,
        *parts: object,
        load: Callable[[], T],
        ttl: float | None = None,
        session: Any = None,
    ) -> T: ...

    @overload
    def cached(
        self, cache: Cache, *parts: object, ttl: float | None = None
    ) -> Callable[[Callable[P, T]], Callable[P, T]]: ...

    def cached(
        self,
        cache: Cache,
        *parts: object,
        load: Callable[[], Any] | None = None,
        ttl: float | None = None,
        session: Any = None,
    ) -> Any:
        """What `cache` has for `parts`, or else what `load` returns, which is stored if it may be.

        Without `load` it is a decorator: the function's name and its arguments are parts, too.
        """
        if load is None:
            return decorated(self, cache, parts, ttl)
        encoded = encode(parts, self._identify)
        found = Lookup(*self._ask(encoded, session))
        _, _, things = encoded

        def may_store() -> bool:
            # `load` may have changed something, and have read its own change.
            if not self.strict or self._orm is None:
                return True
            _since_ns, is_private, _is_known = self._orm.reading_of(session, things)
            return not is_private

        return fetch(cache, found, load, ttl, may_store)

    # A key is asked for in each request, so what is passed on here are plain tuples: the fields of a Lookup.

    def _ask(self, encoded: Encoded, session: Any) -> _Lookup:
        identifiers, value, things = encoded
        if not self.strict:
            return self._relaxed([*identifiers, b"--", value])
        since_ns: int | None = None
        orm = self._orm or self._imported_orm()
        if orm is not None:
            since_ns, is_private, is_known = orm.reading_of(session, things)
            if is_private or not is_known:
                return _private(_HOLDS_CHANGES if is_private else _AGE_UNKNOWN)
        try:
            key, settled_ms = self.commands.lookup([*identifiers, b"--", value])
        except Unavailable as error:
            return self._unanswered(error)
        age = age_ms(since_ns, now_ns(), self.replica_lag_ms)
        if self._is_away:
            self._answered()
        if settled_ms is None or settled_ms >= age:
            return key, settled_ms, age, None
        return _private(_IN_FLIGHT if settled_ms < 0 else _CHANGED, settled_ms, age)

    def _relaxed(self, parts: list[bytes]) -> _Lookup:
        try:
            key = self.commands.key(parts)
        except Unavailable as error:
            return self._unanswered(error)
        if self._is_away:
            self._answered()
        return key, None, 0, None

    def _identify(self, thing: object) -> Sequence[bytes]:
        orm = self._orm or self._imported_orm()
        return () if orm is None else orm.identifiers_of(thing, self.namespace)

    def _imported_orm(self) -> Any:
        """`alkey.sqlalchemy`, or None where nobody has imported SQLAlchemy: then nothing can be mapped."""
        if "sqlalchemy.orm" in sys.modules:
            self._orm = import_module("alkey.sqlalchemy")
        return self._orm

    # One line in the log for each time that the server is away, not one for each request.

    def _unanswered(self, error: Unavailable) -> _Lookup:
        if not self._is_away:
            self._is_away = True
            log.warning("nothing is cached until the server answers: %s", error)
        return _private(_UNAVAILABLE)

    def _answered(self) -> None:
        self._is_away = False
        log.info("the server answers again")


def _private(why: WhyPrivate, settled_ms: int | None = None, age: int = 0) -> _Lookup:
    # As long as the server's keys.
    return _PRIVATE + secrets.token_hex(28), settled_ms, age, why
