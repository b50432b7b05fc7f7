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
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Table, event
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.orm import Mapper, configure_mappers, mapperlib

from alkey._names import identifier
from alkey._names.kinds import NULL, OnlyTheDatabaseKnows
from alkey.errors import NoIdentifier
from alkey.sqlalchemy.naming import Naming, naming_of_readers
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
        for column in self.columns:
            _refuse_unless_exact(column)

    def name(self, naming: Naming, values: Sequence[object]) -> bytes | None:
        """The scope with these values, in the order of the columns. None: they are not known."""
        try:
            names = [_name(naming, column, value) for column, value in zip(self.columns, values, strict=True)]
        except NoIdentifier:
            return None
        return identifier.scope(naming.rows(self.table).prefix, list(zip(self._names, names, strict=True)))

    def names(self, naming: Naming, many: Iterable[Mapping[str, object]]) -> set[bytes | None]:
        """Those of many rows."""
        return {self.name(naming, [row.get(key, UNKNOWN) for key in self.keys]) for row in many}


def scopes_of(table: Named) -> tuple[Scope, ...]:
    """Those that classes declare for a table. Raises NoIdentifier for a declaration that can't be."""
    if _all.scopes is None:
        _all.scopes = _declared()
    return _all.scopes.get(table, ())


def scope_of_class(model: object, values: Mapping[str, object], namespace: str) -> bytes:
    """What `Alkey.scope` gives."""
    naming = naming_of_readers(namespace)
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
    name = scope.name(naming, [values[attribute_of[key]] for key in scope.keys])
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


# Which columns have values with names


def _refuse_unless_exact(column: Column[Any]) -> None:
    # Somebody's own types may store another value than they are given, and those that round do.
    if not isinstance(column.type, _TYPES) or isinstance(column.type, sa.CHAR | sa.NCHAR):
        raise _refusal(column)
    if not type(column.type).__module__.startswith("sqlalchemy.") or _REFERENCE.kind(column.type) is None:
        raise _refusal(column)


def _refusal(column: Column[Any]) -> NoIdentifier:
    return NoIdentifier(
        f"a scope can't be made of the column {column}, which is of type {column.type!r}: "
        "expected one of integers, text, booleans, dates, UUIDs or enums"
    )


def _name(naming: Naming, column: Column[Any], value: object) -> bytes:
    if value is None:
        return NULL
    kind = naming.kind(column.type)
    if value is UNKNOWN or kind is None:
        raise OnlyTheDatabaseKnows("nobody knows what the column holds")
    return kind(value)


_REFERENCE = Naming("alkey")
_TYPES = (sa.Integer, sa.String, sa.Boolean, sa.Date, sa.Uuid)
