"""What matters of mapped classes: their tables, and what the rows of their instances point at.

Knows the ORM's mappings, and neither sessions nor the server.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Table
from sqlalchemy.orm import InstanceState, Mapper, RelationshipDirection
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.orm.exc import UnmappedColumnError

from alkey._names.rows import Rows
from alkey.errors import NoIdentifier
from alkey.sqlalchemy.many import row_pointed_at
from alkey.sqlalchemy.naming import Naming
from alkey.sqlalchemy.tables import Parent, named, parent_by


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

    def rows(self, naming: Naming, values: Mapping[str, object]) -> list[bytes] | None:
        """A row in each of its tables, or None without a whole primary key. Raises NoIdentifier."""
        rows = []
        for table, attributes in self.tables:
            key = [values.get(attribute) for attribute in attributes]
            if not attributes or all(value is None for value in key):
                return None
            rows.append(naming.rows(table).row(key))
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


def rows_or_tables(state: InstanceState[Any], naming: Naming) -> Iterator[bytes]:
    """Of an instance that was flushed: its rows, or its tables if they can't be named."""
    known = mapping(state.mapper)
    try:
        rows = known.rows(naming, state.dict)
    except NoIdentifier:
        rows = None
    if rows is not None:
        yield from rows
    else:
        yield from (naming.rows(table).any_row for table, _ in known.tables)


def parents_of(state: InstanceState[Any], parents: Rows, attributes: tuple[str, ...]) -> Iterator[bytes]:
    """The row that an instance points at, and the one that it pointed at before its last flush; and their table where
    one of them is not known: the column was written and never read, or the database computed it."""
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
    yield from (row for row in (row_pointed_at(parents, new), row_pointed_at(parents, old)) if row)
    if is_unknown:
        yield parents.any_row


def has_data(state: InstanceState[Any]) -> bool:
    """Whether an instance holds anything that was read."""
    # The manager is a dictionary of the mapped attributes.
    return not state.manager.keys().isdisjoint(state.dict)


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
        if relationship.direction is RelationshipDirection.MANYTOONE:
            local: dict[Any, Any] = {remote: own for own, remote in relationship.local_remote_pairs or ()}
            # That of a class that the related one inherits from, if it points there.
            targets = {remote.table for remote in local}
            if len(targets) == 1 and isinstance(target := targets.pop(), Table):
                found.append(parent_by(named(target), local))
    for parent in found:
        attributes = _attributes(mapper, parent.columns)
        if attributes and (parent.named, attributes) not in seen:
            seen.add((parent.named, attributes))
            yield parent, attributes
