"""What a statement changes that is text, by the metadata of SQLAlchemy: those of the mapped classes, and of the tables
that statements had.

Knows no session and no server.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import MetaData, Table
from sqlalchemy.orm import mapperlib

from alkey import texts
from alkey.sql import Written
from alkey.sqlalchemy.tables import cascades, named, seen_metadata, truncated_with


def changed_by_text(context: Any, statement: str, namespace: str) -> set[bytes] | None:
    """What a text that is about to be executed changes; None: nothing."""
    is_any_schema = "schema_translate_map" in context.execution_options

    def changed_in(written: Written) -> set[bytes]:
        return {
            each.any_row(namespace)
            for table in _tables_named(written, is_any_schema)
            for each in (named(table), *_changed_with(table, written))
        }

    dialect = context.dialect
    return texts.changed_by_text(statement, dialect.name, dialect.paramstyle, namespace, changed_in)


def _tables_named(written: Written, is_any_schema: bool) -> Iterator[Table]:
    if is_any_schema:
        written = written._replace(schema=None)
    for metadata in _all_metadata():
        for table in metadata.tables.values():
            schema = None if table.schema is None else str(table.schema)
            if texts.may_be(written, str(table.name), schema):
                yield table


def _all_metadata() -> set[MetaData]:
    mapped = {registry.metadata for registry in mapperlib._all_registries()}
    return mapped | seen_metadata()


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
