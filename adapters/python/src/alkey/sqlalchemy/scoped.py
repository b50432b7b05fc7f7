"""Which scopes a statement changes: those that its rows were in, and those that they are in then.

What a row holds before a statement is read from the database, and the row is locked: what the session has loaded may
not be true any more, since another transaction may have moved the row to another scope since then. What it holds
afterwards is that, but for the columns that the statement writes. Where anything is not known, the table changes.

Knows no session and no server.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from alkey.errors import NoIdentifier
from alkey.sqlalchemy.naming import Naming
from alkey.sqlalchemy.scopes import UNKNOWN, Scope, scopes_of
from alkey.sqlalchemy.tables import Named

# Where a SELECT can lock rows, or the whole database.
_LOCKING = frozenset({"postgresql", "cockroachdb", "mysql", "mariadb", "oracle", "sqlite"})
# Of more rows than this nobody reads what they hold: their table changes.
ROWS_MAX = 2_000
_ROWS_A_SELECT = 200

Values = Mapping[str, object]
"""By the columns' keys."""


class OldRows:
    """Rows that a statement is about to change: their keys, and the new values of the columns that it writes."""

    def __init__(self, table: Named, rows: Sequence[tuple[tuple[Any, ...], Values]]) -> None:
        self.table = table
        self.rows = rows
        # Those that were read.
        self.names: set[bytes] = set()

    def scopes(self, connection: Connection, naming: Naming, options: Mapping[str, Any]) -> set[bytes]:
        """Reads and locks them. `options`: those with which the statement is executed."""
        scopes = scopes_of(self.table)
        is_unknown = any(value is None for key, _ in self.rows for value in key)
        if is_unknown or connection.dialect.name not in _LOCKING or len(self.rows) > ROWS_MAX:
            return {naming.rows(self.table).any_row}
        new: dict[bytes, list[Values]] = {}
        try:
            for key, written in self.rows:
                new.setdefault(naming.rows(self.table).row(key), []).append(written)
            self.names.update(new)
            found: set[bytes | None] = set()
            for row, old in self._read(connection, naming, scopes, options):
                # One that was named in another way than the database does: nobody knows what it becomes.
                for written in new.get(row, [dict.fromkeys(old, UNKNOWN)]):
                    for scope in scopes:
                        found |= scope.names(naming, [old, {**old, **written}])
        except NoIdentifier:
            found = {None}
        return {naming.rows(self.table).any_row if each is None else each for each in found}

    def _read(
        self, connection: Connection, naming: Naming, scopes: tuple[Scope, ...], options: Mapping[str, Any]
    ) -> Iterator[tuple[bytes, Values]]:
        _begin(connection)
        key_columns = self.table.key_columns
        columns = list(dict.fromkeys(chain.from_iterable(scope.columns for scope in scopes)))
        keys = [key for key, _ in self.rows]
        asked = {name: options[name] for name in ("schema_translate_map",) if name in options}
        for start in range(0, len(keys), _ROWS_A_SELECT):
            these = _have(key_columns, keys[start : start + _ROWS_A_SELECT])
            # In the order of their keys, so that two who lock the same rows don't wait for each other.
            select = sa.select(*key_columns, *columns).where(these).order_by(*key_columns)
            for row in connection.execute(select.with_for_update(key_share=True), execution_options=asked):
                values = dict(zip((column.key for column in columns), row[len(key_columns) :], strict=True))
                yield naming.rows(self.table).row(row[: len(key_columns)]), values


def _have(columns: Sequence[Any], keys: Sequence[tuple[Any, ...]]) -> Any:
    if len(columns) == 1:
        return columns[0].in_([key[0] for key in keys])
    return sa.or_(*(sa.and_(*map(operator.eq, columns, key)) for key in keys))


def _begin(connection: Connection) -> None:
    """SQLite's driver begins a transaction only before it writes. What is read before that is not locked."""
    if connection.dialect.name == "sqlite" and not getattr(
        connection.connection.driver_connection, "in_transaction", True
    ):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def scopes_of_new(table: Named, naming: Naming, parameters: Sequence[Values]) -> set[bytes]:
    """Those of rows that are inserted with these parameters; the table, where these don't tell."""
    found: set[bytes | None] = set()
    for scope in scopes_of(table):
        found |= scope.names(naming, parameters)
    return {naming.rows(table).any_row if each is None else each for each in found}
