"""What a statement changes that is text: the tables that `alkey.sql` finds in it, and those that the database changes
with them as far as the metadata say so. Where that can't be told, everything.

A name is a table of the metadata if they are alike but for upper and lower case; and of a schema, if it is that one or
if one of the two names none, since which schema that is depends on the connection. A name that no metadata have may be
a view or a partition of a table that has another name, so it can't be told what it is.

Knows no session and no server.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from sqlalchemy import MetaData, Table
from sqlalchemy.orm import mapperlib

from alkey import identifier
from alkey.sql import Written, is_available, tables_written
from alkey.sqlalchemy.tables import cascades, named, seen_metadata, truncated_with

log = logging.getLogger("alkey")

_WORDS_THAT_ONLY_READ = re.compile(
    r"(SELECT|VALUES|TABLE|SHOW|SET|SAVEPOINT|RELEASE|ROLLBACK|BEGIN|START|FETCH)\b", re.IGNORECASE
)
_WRITING_WORDS = re.compile(r"\b(INSERT|UPDATE|DELETE|MERGE|REPLACE\s+INTO)\b", re.IGNORECASE)
_INTO = re.compile(r"\bINTO\b", re.IGNORECASE)
_LOCK = re.compile(r"\bFOR\s+(NO\s+KEY\s+)?UPDATE\b", re.IGNORECASE)
# Not a comment that MySQL executes, nor one that holds another, which ends elsewhere in PostgreSQL.
_COMMENT = re.compile(r"\s+|--[^\n]*(\n|$)|/\*(?!!|M!)(?:(?!/\*).)*?\*/|\(", re.DOTALL)


@lru_cache(maxsize=1024)
def text_writes(statement: str) -> bool:
    """Whether a statement in SQL may change something: all but a SELECT without a writing CTE, and words that change no
    rows. A semicolon within it may begin another statement."""
    start = 0
    while skipped := _COMMENT.match(statement, start):
        start = skipped.end()
    body = statement[start:].rstrip().rstrip(";")
    if ";" in body:
        return True
    if re.match(r"WITH\b", body, re.IGNORECASE):
        return _WRITING_WORDS.search(_LOCK.sub("", body)) is not None
    return _WORDS_THAT_ONLY_READ.match(body) is None


@lru_cache(maxsize=1024)
def _is_to_be_parsed(statement: str) -> bool:
    """All that a SELECT pays. The INTO may be that of SELECT … INTO."""
    return text_writes(statement) or _INTO.search(statement) is not None


def changed_by_text(context: Any, statement: str, namespace: str) -> set[bytes] | None:
    """What a text that is about to be executed changes; None: nothing."""
    if not is_available():
        return identifier.all_of(namespace) if text_writes(statement) else None
    if not _is_to_be_parsed(statement):
        return None
    dialect = context.dialect
    found = tables_written(dialect.name, _without_parameters(statement, dialect.paramstyle))
    if isinstance(found, str):
        _say_once(statement, found)
        return identifier.all_of(namespace)
    any_schema = "schema_translate_map" in context.execution_options
    changed: set[bytes] = set()
    for written in found:
        tables = list(_tables_named(written, any_schema))
        if not tables and written.action != "create":
            _say_once(
                statement, f"{written.name!r} is a table of no metadata, so it may be a view or a partition"
            )
            return identifier.all_of(namespace)
        for table in tables:
            changed.update(each.any_row(namespace) for each in (named(table), *_changed_with(table, written)))
    return changed or None


def _without_parameters(statement: str, paramstyle: str) -> str:
    """The text with values for the driver's placeholders, which look like operators."""
    if paramstyle not in ("format", "pyformat"):
        return statement
    return re.sub(r"%(\(\w+\))?s|%%", lambda match: "%" if match[0] == "%%" else "NULL", statement)


def _tables_named(written: Written, any_schema: bool) -> Iterator[Table]:
    name = written.name.lower()
    for metadata in _all_metadata():
        for table in metadata.tables.values():
            if str(table.name).lower() == name and (any_schema or _may_be(written.schema, table.schema)):
                yield table


def _may_be(schema: str | None, other: str | None) -> bool:
    return schema is None or other is None or schema.lower() == str(other).lower()


def _all_metadata() -> set[MetaData]:
    """Those of the mapped classes, and of the tables that statements had."""
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


@lru_cache(maxsize=4096)
def _say_once(statement: str, why: str) -> None:
    shown = statement if len(statement) <= 200 else f"{statement[:200]}…"
    log.warning("every key changes with this statement, since %s: %s", why, shown)
