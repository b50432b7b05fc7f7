"""The names of many rows of one table at once: one at a time they cost as much as the flush that writes them.

Knows tables and values, and neither sessions nor statements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alkey.errors import NoIdentifier
from alkey.sqlalchemy.tables import Named, is_plain


def names_of(
    table: Named, namespace: str, columns: Sequence[str], many: Sequence[Mapping[str, Any]]
) -> list[bytes | None]:
    """For each of `many` the row whose key it holds under the names of `columns`. None where it names no row: a part of
    the key is missing, None, an expression, or of a type that has no form."""
    if len(columns) == 1:
        column = columns[0]
        keys: list[Any] = [values.get(column) for values in many]
        # Most keys are integers.
        if set(map(type, keys)) == {int}:
            row = table.prefix(namespace).replace(b"%", b"%%") + b"%d"
            return [row % key for key in keys]
    return [_name(table, namespace, [values.get(column) for column in columns]) for values in many]


def _name(table: Named, namespace: str, key: Sequence[object]) -> bytes | None:
    if not key or not all(map(is_plain, key)):
        return None
    try:
        return table.row(namespace, key)
    except NoIdentifier:
        return None
