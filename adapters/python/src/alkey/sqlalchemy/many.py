"""The names of many rows of one table at once: one at a time they cost as much as the flush that writes them.

Knows names and values, and neither sessions nor statements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alkey._names.rows import Rows
from alkey.errors import NoIdentifier
from alkey.sqlalchemy.tables import is_plain


def names_of(rows: Rows, columns: Sequence[str], many: Sequence[Mapping[str, Any]]) -> list[bytes | None]:
    """For each of `many` the row whose key it holds under the names of `columns`. None where it names no row: a part of
    the key is missing, None, an expression, or what only the database knows the row of."""
    if len(columns) == 1:
        column = columns[0]
        keys: list[Any] = [values.get(column) for values in many]
        # Most keys are integers.
        if rows.integer_format is not None and set(map(type, keys)) == {int}:
            row = rows.integer_format
            try:
                return [row % key for key in keys]
            except ValueError:
                # One is too long to be written.
                pass
        return [row_of(rows, (key,)) for key in keys]
    return [row_of(rows, [values.get(column) for column in columns]) for values in many]


def row_of(rows: Rows, key: Sequence[object]) -> bytes | None:
    if not key or not all(map(is_plain, key)):
        return None
    try:
        return rows.row(key)
    except NoIdentifier:
        return None


def row_pointed_at(parents: Rows, key: Sequence[object]) -> bytes | None:
    """The row that these values point at, or its table where it has no name. None: at none, or nobody knows."""
    if not all(map(is_plain, key)):
        return None
    return row_of(parents, key) or parents.any_row
