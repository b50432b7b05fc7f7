"""What a statement changes that is text, by the metadata of SQLAlchemy: those of the mapped classes, and of the tables
that statements had.

Knows no session and no server.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Table

from alkey import texts
from alkey.sql import Written
from alkey.sqlalchemy.known import all_tables
from alkey.sqlalchemy.naming import Naming
from alkey.sqlalchemy.tables import cascades, named, truncated_with


def changed_by_text(context: Any, statement: str, naming: Naming) -> set[bytes] | None:
    """What a text that is about to be executed changes; None: nothing."""
    is_any_schema = "schema_translate_map" in context.execution_options

    def changed_in(written: Written) -> set[bytes]:
        found: set[bytes] = set()
        for table in _tables_named(written, is_any_schema):
            found.update(naming.rows(each).any_row for each in (named(table), *_changed_with(table, written)))
            # A table that is declared once may be in many schemas.
            for schema in texts.spellings(written.schema):
                found.add(naming.prefix(str(table.name), schema) + b"*")
        return found

    dialect = context.dialect
    return texts.changed_by_text(statement, dialect.name, dialect.paramstyle, naming.namespace, changed_in)


def _tables_named(written: Written, is_any_schema: bool) -> Iterator[Table]:
    if is_any_schema:
        written = written._replace(schema=None)
    for table in all_tables():
        schema = None if table.schema is None else str(table.schema)
        if texts.may_be(written, str(table.name), schema):
            yield table


def _changed_with(table: Table, written: Written) -> Iterable[Any]:
    reached = cascades(table)
    if reached is None or written.action in ("create", "insert"):
        return ()
    if written.action == "truncate":
        return truncated_with(table)
    return {
        "update": reached.on_update,
        "delete": reached.on_delete,
        "any": (*reached.on_update, *reached.on_delete),
    }[written.action]
