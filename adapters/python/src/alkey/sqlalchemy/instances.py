"""The identifiers of mapped instances and classes, and of the rows that an instance points at.

Knows the ORM's mappings, and neither sessions nor the server.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import Table, inspect
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.orm import InstanceState, Mapper, RelationshipDirection
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.orm.exc import UnmappedColumnError

from alkey.errors import NoIdentifier
from alkey.sqlalchemy.tables import Parent, named


class Mapped:
    """What matters of a mapper."""

    def __init__(self, mapper: Mapper[Any]) -> None:
        own = [table for table in mapper.tables if isinstance(table, Table)]
        # The table of the class itself first: the one that its instances are known by.
        own.sort(key=lambda table: table is not mapper.local_table)
        self.tables = tuple((named(table), _attributes(mapper, named(table).key_columns)) for table in own)
        related = dict.fromkeys(table for each in mapper.self_and_descendants for table in each.tables)
        self.class_tables = tuple(
            dict.fromkeys([*map(named, own), *(named(t) for t in related if isinstance(t, Table))])
        )
        self.parents = tuple(_parents(mapper, own))

    def rows(self, namespace: str, values: Mapping[str, object]) -> list[bytes] | None:
        """A row in each of its tables, or None without a whole primary key. Raises NoIdentifier."""
        rows = []
        for table, attributes in self.tables:
            key = [values.get(attribute) for attribute in attributes]
            if not attributes or all(value is None for value in key):
                return None
            rows.append(table.row(namespace, key))
        return rows


_mappings: weakref.WeakKeyDictionary[Mapper[Any], Mapped] = weakref.WeakKeyDictionary()


def mapping(mapper: Mapper[Any]) -> Mapped:
    found = _mappings.get(mapper)
    if found is None:
        found = _mappings[mapper] = Mapped(mapper)
    return found


def state_of(thing: object) -> InstanceState[Any] | None:
    """The state of a mapped instance. Readers ask for it with every key, and `inspect` takes ten times as long."""
    try:
        state = instance_state(thing)
    except AttributeError:
        return None
    return state if isinstance(state, InstanceState) else None


def identifiers_of(thing: object, namespace: str) -> tuple[bytes, ...]:
    """See the package."""
    state = state_of(thing)
    if state is not None:
        key = state.key
        rows = None if key is None else _rows_by_identity(state.mapper, key[1], namespace)
        if rows is not None:
            return rows
        known = mapping(state.mapper)
        found = known.rows(namespace, _identity(state))
        if found is not None:
            return tuple(found)
        return tuple(table.any_row(namespace) for table, _ in known.tables)
    try:
        inspected = inspect(thing)
    except NoInspectionAvailable:
        return ()
    if isinstance(inspected, Mapper):
        return tuple(table.any_row(namespace) for table in mapping(inspected).class_tables)
    return ()


@lru_cache(maxsize=16384)
def _rows_by_identity(
    mapper: Mapper[Any], identity: tuple[Any, ...], namespace: str
) -> tuple[bytes, ...] | None:
    """The rows of a persistent instance, or None where more than its identity has to be known. Keys that are equal, as
    1 and True are, have the same name."""
    names = [mapper.get_property_by_column(column).key for column in mapper.primary_key]
    known = mapping(mapper)
    if any(attribute not in names for _, attributes in known.tables for attribute in attributes):
        return None
    rows = known.rows(namespace, dict(zip(names, identity, strict=True)))
    return None if rows is None else tuple(rows)


def rows_or_tables(state: InstanceState[Any], namespace: str) -> Iterator[bytes]:
    """Of an instance that was flushed: its rows, or its tables if they can't be named."""
    known = mapping(state.mapper)
    try:
        rows = known.rows(namespace, state.dict)
    except NoIdentifier:
        rows = None
    if rows is not None:
        yield from rows
    else:
        yield from (table.any_row(namespace) for table, _ in known.tables)


def parents_of(
    state: InstanceState[Any], parent: Parent, attributes: tuple[str, ...], namespace: str
) -> Iterator[bytes]:
    """The row of `parent` that an instance points at, and the one that it pointed at before its last flush. Its table
    where one of them is not known: the column was written and never read, or the database computed it."""
    new: list[object] = []
    old: list[object] = []
    is_unknown = False
    for attribute in attributes:
        new.append(state.dict.get(attribute))
        old.append(new[-1])
        if attribute not in state.dict:
            is_unknown = is_unknown or state.key is not None or attribute in state.expired_attributes
        elif attribute in state.committed_state and state.key is not None:
            history = state.attrs[attribute].history
            if history.deleted:
                old[-1] = history.deleted[0]
            elif history.added:
                is_unknown = True
    yield from (row for row in (parent.row_of(namespace, new), parent.row_of(namespace, old)) if row)
    if is_unknown:
        yield parent.named.any_row(namespace)


def has_data(state: InstanceState[Any]) -> bool:
    """Whether an instance holds anything that was read."""
    # The manager is a dictionary of the mapped attributes.
    return not state.manager.keys().isdisjoint(state.dict)


def _identity(state: InstanceState[Any]) -> Mapping[str, object]:
    """The values of the primary key's attributes, without asking the database for those that have expired."""
    mapper = state.mapper
    if state.identity is None:
        return state.dict
    names = [mapper.get_property_by_column(column).key for column in mapper.primary_key]
    values = {**dict(zip(names, state.identity, strict=True))}
    for _, attributes in mapping(mapper).tables:
        for attribute in attributes:
            values.setdefault(attribute, state.dict.get(attribute))
    return values


def _attributes(mapper: Mapper[Any], columns: Any) -> tuple[str, ...]:
    try:
        return tuple(mapper.get_property_by_column(column).key for column in columns)
    except UnmappedColumnError:
        return ()


def _parents(mapper: Mapper[Any], tables: list[Table]) -> Iterator[tuple[Parent, tuple[str, ...]]]:
    """By the foreign keys, and by the many-to-one relationships, which need none."""
    seen = set()
    found = [parent for table in tables for parent in named(table).parents]
    for relationship in mapper.relationships:
        target = relationship.mapper.local_table
        if relationship.direction is RelationshipDirection.MANYTOONE and isinstance(target, Table):
            pairs = relationship.local_remote_pairs or ()
            local: dict[Any, Any] = {remote: own for own, remote in pairs}
            key = named(target).key_columns
            if key and set(local) == set(key):
                found.append(Parent(named(target), [local[column] for column in key]))
    for parent in found:
        attributes = _attributes(mapper, parent.columns)
        if attributes and (parent.named, attributes) not in seen:
            seen.add((parent.named, attributes))
            yield parent, attributes
