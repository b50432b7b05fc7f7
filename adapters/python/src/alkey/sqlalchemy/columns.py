"""The columns that a compiled statement writes, and those that it compares with a value.

Reads the statement's insides, which SQLAlchemy has no public names for. Knows no session and no server.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Table, TypeDecorator
from sqlalchemy.sql import operators
from sqlalchemy.sql.dml import Update
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, BooleanClauseList

from alkey.sqlalchemy.tables import Named


def written_columns(compiled: Any, statement: Update) -> set[str] | None:
    """The names of the columns after SET, as far as they can be told."""
    written = set(compiled.column_keys or ())
    values = getattr(statement, "_values", None) or {}
    ordered = getattr(statement, "_ordered_values", None) or ()
    for column in [*values, *(column for column, _ in ordered)]:
        name = column if isinstance(column, str) else getattr(column, "key", None)
        if name is None:
            return None
        written.add(name)
    return written or None


def computed(table: Named) -> list[str]:
    """The columns that an update changes although it does not name them."""
    columns = table.table.columns
    return [each.key for each in columns if each.onupdate is not None or each.server_onupdate is not None]


def is_pointed_at(table: Named, written: set[str]) -> bool:
    """Whether a foreign key may point at one of these columns."""
    return isinstance(table.table, Table) and any(
        element.column.key in written
        for child in table.table.metadata.tables.values()
        for constraint in child.foreign_key_constraints
        for element in constraint.elements
        if element.target_fullname.startswith(table.table.fullname + ".")
    )


def bound(compiled: Any, statement: Any) -> dict[Any, str]:
    """The columns that WHERE binds to one value, with the name of the parameter that holds it."""
    found = {}
    if statement.whereclause is not None:
        for column, bind in _comparisons(statement.whereclause):
            name = compiled.bind_names.get(bind) or (bind.key if bind.key in compiled.binds else None)
            if name is not None:
                found[column] = name
    return found


def _comparisons(clause: Any) -> Iterator[tuple[Any, BindParameter[Any]]]:
    """The comparisons that must all hold. One that is left out makes what is named no smaller than it is."""
    if isinstance(clause, BooleanClauseList) and clause.operator is operators.and_:
        for each in clause.clauses:
            yield from _comparisons(each)
    elif (
        isinstance(clause, BinaryExpression)
        and clause.operator is operators.eq
        and isinstance(clause.right, BindParameter)
        and _is_compared_as_it_is(clause.left, clause.right)
    ):
        yield clause.left, clause.right


def _is_compared_as_it_is(column: Any, bind: BindParameter[Any]) -> bool:
    """Whether the database gets what the column's type makes of the value. Another type may make another one of it."""
    if bind.type is getattr(column, "type", None):
        return True
    return not any(
        isinstance(each, TypeDecorator) or each._has_bind_expression for each in (bind.type, column.type)
    )
