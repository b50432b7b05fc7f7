"""What `Alkey` and `AsyncAlkey` share: the names that keys depend on, and the verdict whether a key may be shared.

It asks no server: the fronts do, each in its own way. SQLAlchemy is imported only where the application has imported
it.

The invariant: whatever a strict reader's session has read or will read may be stored under a key that is shared. Where
that is not certain the key is private: nobody else has it, and nothing is stored under it.
"""

from __future__ import annotations

import logging
import secrets
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any, Literal, NamedTuple

from alkey._names import identifier
from alkey._names.schemas import without_default
from alkey.age import age_ms, now_ns
from alkey.commands import Found
from alkey.errors import NoIdentifier, Unavailable
from alkey.parts import Identifier
from alkey.place import server_of
from alkey.spread import Groups, Spread, by_namespace

log = logging.getLogger("alkey")

# Of a key that needs not be asked for in several namespaces.
_ONE: Groups = {}

WhyPrivate = Literal[
    "the session holds changes",
    "the age of an instance is unknown",
    "something is in flight, or the server is in grace",
    "something has changed since the data was read",
    "the server is unavailable",
]

_HOLDS_CHANGES: WhyPrivate = "the session holds changes"
_AGE_UNKNOWN: WhyPrivate = "the age of an instance is unknown"
_IN_FLIGHT: WhyPrivate = "something is in flight, or the server is in grace"
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
    """For how long nothing in the key has changed; -1 while something is in flight, or the server in grace. None if the
    key depends on nothing, and where it was not asked for: under a relaxed key, and under a private one that is none
    of the server's."""
    age_ms: int
    """How old the data may be that was read before."""
    why_private: WhyPrivate | None
    """None if others get the same key. Else nothing is to be stored under it."""

    @property
    def is_shared(self) -> bool:
        return self.why_private is None


# A key is asked for in each request, so what is passed on are plain tuples: the fields of a Lookup.
LookupFields = tuple[str, int | None, int, WhyPrivate | None]


class Keys:
    """The keys of one namespace."""

    client: Any  # which a front is given

    def __init__(
        self,
        namespace: str,
        namespaces: Mapping[str, Iterable[str]] | None,
        strict: bool,
        unavailable: Literal["deliver", "raise"],
        replica_lag_ms: int,
    ) -> None:
        if unavailable not in ("deliver", "raise"):
            raise ValueError(f"unavailable={unavailable!r} is no policy: expected 'deliver' or 'raise'")
        if replica_lag_ms < 0:
            raise ValueError(f"replica_lag_ms={replica_lag_ms} is no lag: expected 0 or more")
        self.namespace = identifier.checked_namespace(namespace)
        if namespaces:
            self.namespace = Spread(namespace, namespaces)
        # Whether one key may have to be asked for in several namespaces.
        self._spans = bool(namespaces)
        self.strict = strict
        self.unavailable: Literal["deliver", "raise"] = unavailable
        self.replica_lag_ms = replica_lag_ms
        self._is_away = False
        self._orm: Any = None

    def row(self, table: Any, *key: object, schema: str | None = None) -> Identifier:
        """The row of a table, which is given by its name, as a mapped class or as a Table; by the values of its primary
        key in the order of the key's columns. Raises NoIdentifier for values that the columns can't hold."""
        orm = self._orm or self._imported_orm()
        if orm is not None:
            found: Identifier = orm.row_of(table, key, schema, self.namespace)
            return found
        return Identifier(identifier.row(self.namespace, _name(table), key, without_default(schema)))

    def table(self, table: Any, schema: str | None = None) -> Identifier:
        """Any row of a table, which is given as in `row`."""
        orm = self._orm or self._imported_orm()
        if orm is not None:
            found: Identifier = orm.table_of(table, schema, self.namespace)
            return found
        return Identifier(identifier.table(self.namespace, _name(table), without_default(schema)))

    def scope(self, model: Any, /, **values: object) -> Identifier:
        """The rows of a mapped class that have these values in the columns of one of its `__alkey_scopes__`."""
        from alkey.sqlalchemy import scope_of_class

        return Identifier(scope_of_class(model, values, self.namespace))

    def everything(self) -> Identifier:
        """Any row of any table. Raises NoIdentifier where these are in several namespaces."""
        if len(identifier.namespaces_of(self.namespace)) > 1:
            raise NoIdentifier("everything is in several namespaces: expected table() of what is meant")
        return Identifier(identifier.everything(self.namespace))

    def _groups(self, identifiers: list[bytes]) -> Groups:
        return by_namespace(identifiers) if self._spans else _ONE

    def _identify(self, thing: object) -> Sequence[bytes]:
        orm = self._orm or self._imported_orm()
        return () if orm is None else orm.identifiers_of(thing, self.namespace)

    def _identifiers_to_touch(self, things: Iterable[object]) -> list[bytes]:
        identifiers: list[bytes] = []
        own = identifier.namespaces_of(self.namespace)
        for thing in things:
            found = thing.identifiers if isinstance(thing, Identifier) else self._identify(thing)
            if not found or not all(identifier.namespace_of(one) in own for one in found):
                raise TypeError(
                    f"{thing!r} can't be touched: expected a mapped class or instance, or what row(), scope(), table() "
                    f"or everything() of the namespace {self.namespace!r} gave"
                )
            identifiers.extend(found)
        return identifiers

    def _imported_orm(self) -> Any:
        """`alkey.sqlalchemy`, or None where nobody has imported SQLAlchemy: then nothing can be mapped."""
        if "sqlalchemy.orm" in sys.modules:
            self._orm = import_module("alkey.sqlalchemy")
        return self._orm

    def _reading(self, session: Any, things: list[object]) -> tuple[int | None, WhyPrivate | None]:
        """Since when the data is that was read, and why it is nobody else's, if it is."""
        orm = self._orm or self._imported_orm()
        if orm is None:
            return None, None
        since_ns, is_private, is_known = orm.reading_of(session, things)
        if is_private:
            return since_ns, _HOLDS_CHANGES
        return since_ns, None if is_known else _AGE_UNKNOWN

    def _may_store(self, session: Any, things: list[object]) -> bool:
        """Asked after loading, which may have changed something, and have read its own change."""
        return not self.strict or self._reading(session, things)[1] != _HOLDS_CHANGES

    def _judged(self, found: Found, since_ns: int | None) -> LookupFields:
        """The answer that has just come to a strict reader, who has read since then."""
        age = age_ms(since_ns, now_ns(), self.replica_lag_ms)
        if self._is_away:
            self._answered()
        key, settled_ms = found
        if settled_ms is None or settled_ms >= age:
            return key, settled_ms, age, None
        return private(_IN_FLIGHT if settled_ms < 0 else _CHANGED, settled_ms, age)

    def _relaxed(self, key: str) -> LookupFields:
        if self._is_away:
            self._answered()
        return key, None, 0, None

    # One line in the log for each time that the server is away, not one for each request.

    def _unanswered(self, error: Unavailable) -> LookupFields:
        if not self._is_away:
            self._is_away = True
            log.warning("nothing is cached until the alkey server answers: %s", error)
        return private(_UNAVAILABLE)

    def _answered(self) -> None:
        self._is_away = False
        log.info("%s answers again", server_of(self.client))


def _name(table: object) -> str:
    if isinstance(table, str):
        return table
    raise NoIdentifier(f"{table!r} is no table: expected the name of one, since no ORM is imported")


def private(why: WhyPrivate, settled_ms: int | None = None, age: int = 0) -> LookupFields:
    """Nobody else's key, as long as the server's."""
    return _PRIVATE + secrets.token_hex(28), settled_ms, age, why
