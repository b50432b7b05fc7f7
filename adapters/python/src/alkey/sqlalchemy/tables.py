"""What matters of a table: its key, which rows its rows point at, and which tables the database changes by itself when
it changes.

Built once for each Table from its metadata. Knows no session.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ForeignKeyConstraint, MetaData, Table
from sqlalchemy.exc import NoReferencedColumnError, NoReferencedTableError
from sqlalchemy.sql.expression import TableClause

from alkey._names.changes import Changes

# What the database does to the rows that point at a row that is deleted, or has another key: all but to refuse it.
_CHANGES = ("CASCADE", "SET NULL", "SET DEFAULT")


# What needs no closer look: to ask an object for an attribute that it has not takes long.
_PLAIN = frozenset({int, str, UUID, bytes})


class Named:
    """A table that can be named. How, `naming` says."""

    def __init__(self, table: TableClause) -> None:
        self.table = table
        self.name = str(table.name)
        schema = getattr(table, "schema", None)
        self.schema = None if schema is None else str(schema)
        self.key_columns: tuple[Column[Any], ...] = (
            tuple(table.primary_key) if isinstance(table, Table) else ()
        )
        self.key_names = tuple(column.key for column in self.key_columns)
        self._parents: tuple[Parent, ...] | None = None

    @property
    def parents(self) -> tuple[Parent, ...]:
        """What its foreign keys point at. Asked late, when all tables are there."""
        if self._parents is None:
            self._parents = tuple(_parents(self.table)) if isinstance(self.table, Table) else ()
        return self._parents


class Parent:
    """Rows of another table, and the columns that point at them: those that hold its key, in the order of the key's
    columns there. Where they hold something else nobody knows which of its rows it is."""

    def __init__(self, named: Named, columns: Sequence[Column[Any]], is_by_key: bool) -> None:
        self.named = named
        self.columns = tuple(columns)
        self.column_names = tuple(column.key for column in columns)
        self.is_by_key = is_by_key


def is_plain(value: object) -> bool:
    """Whether a value is one that can be in a database, not None, and no expression that the database computes."""
    if type(value) in _PLAIN:
        return True
    return (
        value is not None and not hasattr(value, "__clause_element__") and not hasattr(value, "_annotations")
    )


_named: weakref.WeakKeyDictionary[Any, Named] = weakref.WeakKeyDictionary()


changes = Changes()


def named(table: TableClause) -> Named:
    """The same for the same table, and for the copies of it that ORM statements hold."""
    try:
        return _named[table]
    except KeyError:
        pass
    table = _declared(table)
    found = _named.get(table)
    if found is None:
        found = _named[table] = Named(table)
        changes.happen()
    return found


def seen_metadata() -> set[MetaData]:
    """Of the tables that `named` was asked for."""
    return {table.metadata for table in list(_named) if isinstance(table, Table)}


def _declared(table: TableClause) -> TableClause:
    """The table itself, of which ORM statements hold annotated copies: equal, with columns that are equal."""
    return table.metadata.tables.get(table.key, table) if isinstance(table, Table) else table


def _parents(table: Table) -> Iterable[Parent]:
    for constraint in table.foreign_key_constraints:
        try:
            by_column = {element.column: element.parent for element in constraint.elements}
        except (NoReferencedTableError, NoReferencedColumnError):
            continue
        yield parent_by(named(constraint.referred_table), by_column)


def parent_by(target: Named, by_column: Mapping[Any, Column[Any]]) -> Parent:
    """`by_column`: what points at each column of the target."""
    if target.key_columns and by_column.keys() >= set(target.key_columns):
        return Parent(target, [by_column[column] for column in target.key_columns], is_by_key=True)
    return Parent(target, list(by_column.values()), is_by_key=False)


class Cascades:
    """The tables that the database changes by itself, as far as the metadata says so."""

    def __init__(self, table: Table) -> None:
        self.size = len(table.metadata.tables)
        self.on_delete = tuple(map(named, _reached(table, _on_delete)))
        self.on_update = tuple(map(named, _reached(table, _on_update)))


_cascades: weakref.WeakKeyDictionary[Table, Cascades] = weakref.WeakKeyDictionary()


def cascades(table: TableClause) -> Cascades | None:
    table = _declared(table)
    if not isinstance(table, Table):
        return None
    found = _cascades.get(table)
    # Tables may be declared or reflected later.
    if found is None or found.size != len(table.metadata.tables):
        found = _cascades[table] = Cascades(table)
    return found


def truncated_with(table: Table) -> tuple[Named, ...]:
    """The tables that TRUNCATE empties as well, if it may: all that point at the table, and all that point at those."""
    return tuple(map(named, _reached(table, lambda _: "CASCADE")))


def _on_delete(constraint: ForeignKeyConstraint) -> str:
    return (constraint.ondelete or "").upper()


def _on_update(constraint: ForeignKeyConstraint) -> str:
    return (constraint.onupdate or "").upper()


def _reached(table: Table, action: Callable[[ForeignKeyConstraint], str]) -> list[Table]:
    """The tables that change with a table's rows, and those that change with theirs. What is deleted goes on deleting,
    and so does a key that changes with the one it points at, if it is itself pointed at."""
    reached: list[Table] = []
    todo = [table]
    while todo:
        parent = todo.pop()
        for child in table.metadata.tables.values():
            for constraint in child.foreign_key_constraints:
                try:
                    is_child = constraint.referred_table is parent
                except (NoReferencedTableError, NoReferencedColumnError):
                    continue
                if is_child and action(constraint) in _CHANGES and child not in reached:
                    reached.append(child)
                    todo.append(child)
    return reached
