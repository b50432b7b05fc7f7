"""Scopes: the rows of a table that have the same values in some columns, as the orders of one user. What they are named
by, and which of them mapped classes declare.

    class Order(Base):
        __alkey_scopes__ = ("user_id", ("shop_id", "status"))

The invariant: who writes a row and who asks for its scope make the same name of what the database takes for the same
value. So only columns are allowed of which that can be said, and of any other value nobody says that it is known.

Knows no session and no server.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Column, Table, event
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.orm import Mapper, configure_mappers, mapperlib

from alkey import identifier
from alkey.errors import NoIdentifier
from alkey.sqlalchemy.tables import Named, named

_DECLARATION = "__alkey_scopes__"


class _Unknown:
    """What a column holds, when nobody knows it."""


UNKNOWN = _Unknown()


class Scope:
    """The columns of one scope of a table, in the order of their names."""

    def __init__(self, table: Named, columns: Sequence[Column[Any]]) -> None:
        self.table = table
        self.columns = tuple(sorted(columns, key=lambda column: str(column.name)))
        self.keys = tuple(column.key for column in self.columns)
        self._names = tuple(str(column.name) for column in self.columns)
        self._canonical = tuple(_canonical_of(column) for column in self.columns)

    def name(self, namespace: str, values: Sequence[object]) -> bytes | None:
        """The scope with these values, in the order of the columns. None: they are not known."""
        known = [canonical(value) for canonical, value in zip(self._canonical, values, strict=True)]
        if any(value is UNKNOWN for value in known):
            return None
        pairs = list(zip(self._names, known, strict=True))
        return identifier.scope(namespace, self.table.name, pairs, self.table.schema)

    def names(self, namespace: str, many: Iterable[Mapping[str, object]]) -> set[bytes | None]:
        """Those of many rows."""
        return {self.name(namespace, [row.get(key, UNKNOWN) for key in self.keys]) for row in many}


def scopes_of(table: Named) -> tuple[Scope, ...]:
    """Those that classes declare for a table. Raises NoIdentifier for a declaration that can't be."""
    if _all.scopes is None:
        _all.scopes = _declared()
    return _all.scopes.get(table, ())


def scope_of_class(model: object, values: Mapping[str, object], namespace: str) -> bytes:
    """What `Alkey.scope` gives."""
    try:
        mapper = sa.inspect(model)
    except NoInspectionAvailable:
        mapper = None
    if not isinstance(mapper, Mapper):
        raise NoIdentifier(f"{model!r} has no scopes: expected a mapped class")
    found = {tuple(sorted(attributes)): scope for attributes, scope in _scopes_of_mapper(mapper).items()}
    scope = found.get(tuple(sorted(values)))
    if scope is None:
        declared = ", ".join("(" + ", ".join(each) + ")" for each in found) or "none"
        raise NoIdentifier(
            f"{mapper.class_.__name__} declares no scope of ({', '.join(values)}): "
            f"expected one of those in its {_DECLARATION}: {declared}"
        )
    attribute_of = {mapper.columns[attribute].key: attribute for attribute in values}
    name = scope.name(namespace, [values[attribute_of[key]] for key in scope.keys])
    if name is None:
        shown = ", ".join(f"{attribute}={value!r}" for attribute, value in values.items())
        raise NoIdentifier(
            f"no scope of {mapper.class_.__name__} has {shown}: expected values of the columns' types"
        )
    return name


class _All:
    """Every scope, until another class is mapped."""

    scopes: dict[Named, tuple[Scope, ...]] | None = None


_all = _All()


def _forget(*_: Any) -> None:
    _all.scopes = None
    _of_mappers.clear()


event.listen(Mapper, "after_mapper_constructed", _forget)
event.listen(Mapper, "after_configured", _forget)

_of_mappers: weakref.WeakKeyDictionary[Mapper[Any], dict[tuple[str, ...], Scope]] = (
    weakref.WeakKeyDictionary()
)


def _declared() -> dict[Named, tuple[Scope, ...]]:
    configure_mappers()
    found: dict[Named, dict[tuple[str, ...], Scope]] = {}
    for registry in mapperlib._all_registries():
        for mapper in registry.mappers:
            for scope in _scopes_of_mapper(mapper).values():
                found.setdefault(scope.table, {})[scope.keys] = scope
    return {table: tuple(scopes.values()) for table, scopes in found.items()}


def _scopes_of_mapper(mapper: Mapper[Any]) -> dict[tuple[str, ...], Scope]:
    """By their attributes, as they are declared."""
    known = _of_mappers.get(mapper)
    if known is None:
        declared = getattr(mapper.class_, _DECLARATION, ())
        if isinstance(declared, str):
            raise NoIdentifier(f"{_of(mapper)} is {declared!r}: expected a tuple, as in ({declared!r},)")
        each = [
            (attributes,) if isinstance(attributes, str) else tuple(attributes) for attributes in declared
        ]
        known = _of_mappers[mapper] = {attributes: _scope(mapper, attributes) for attributes in each}
    return known


def _scope(mapper: Mapper[Any], attributes: tuple[str, ...]) -> Scope:
    columns: list[Column[Any]] = []
    for attribute in attributes:
        column = mapper.columns.get(attribute)
        if not isinstance(column, Column) or not isinstance(column.table, Table):
            raise NoIdentifier(f"{_of(mapper)} names {attribute!r}: expected attributes that are columns")
        columns.append(column)
    tables = {column.table for column in columns if isinstance(column.table, Table)}
    if len(tables) != 1 or len(set(columns)) != len(attributes):
        raise NoIdentifier(f"{_of(mapper)} has {attributes!r}: expected columns of one table, each once")
    (table,) = tables
    return Scope(named(table), columns)


def _of(mapper: Mapper[Any]) -> str:
    return f"{mapper.class_.__name__}.{_DECLARATION}"


# Which values of a column are the same


def _canonical_of(column: Column[Any]) -> Callable[[Any], object]:
    """Gives what to name of a value of the column, or UNKNOWN."""
    kind = column.type
    # Others may change a value on its way. Padded or case-insensitive text would be equal to the database alone.
    if type(kind).__module__.startswith("sqlalchemy."):
        if isinstance(kind, sa.Enum):
            return _or_none(_member(kind))
        for base, canonical in _CANONICAL.items():
            if isinstance(kind, base) and (base is not sa.String or kind.__visit_name__ in _TEXTS):
                return _or_none(canonical)
    raise NoIdentifier(
        f"a scope can't be made of the column {column}, which is of type {kind!r}: "
        "expected one of integers, text, booleans, dates, UUIDs or enums"
    )


def _or_none(canonical: Callable[[Any], object]) -> Callable[[Any], object]:
    return lambda value: None if value is None else canonical(value)


def _integer(value: Any) -> object:
    if type(value) is int:
        return value
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return UNKNOWN
    return number if isinstance(value, str) or number == value else UNKNOWN


def _text(value: Any) -> object:
    return str(value) if isinstance(value, str) and not isinstance(value, Enum) else UNKNOWN


def _boolean(value: Any) -> object:
    return bool(value) if isinstance(value, int) and value in (0, 1) else UNKNOWN


def _date(value: Any) -> object:
    return value if isinstance(value, date) and not isinstance(value, datetime) else UNKNOWN


def _uuid(value: Any) -> object:
    try:
        return value if isinstance(value, UUID) else UUID(value)
    except (AttributeError, TypeError, ValueError):
        return UNKNOWN


def _member(kind: sa.Enum) -> Callable[[Any], object]:
    members = getattr(kind.enum_class, "__members__", None)

    def canonical(value: Any) -> object:
        if isinstance(value, Enum):
            return value.name if members is not None and value.name in members else UNKNOWN
        if not isinstance(value, str) or value not in (kind.enums if members is None else members):
            return UNKNOWN
        return str(value) if members is None else members[value].name

    return canonical


# Not CHAR, which is padded, nor CITEXT.
_TEXTS = frozenset(
    {"string", "text", "unicode", "unicode_text", "VARCHAR", "NVARCHAR", "TEXT", "NTEXT", "CLOB", "VARCHAR2"}
)
_CANONICAL: dict[type[Any], Callable[[Any], object]] = {
    sa.Integer: _integer,
    sa.String: _text,
    sa.Boolean: _boolean,
    sa.Date: _date,
    sa.Uuid: _uuid,
}
