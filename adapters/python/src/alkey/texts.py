"""What a statement changes that is text: the tables that `alkey.sql` finds in it, and those that the database changes
with them as far as an ORM knows. Where that can't be told, everything.

A name is a table that an ORM knows if they are alike but for upper and lower case; and of a schema, if it is that one
or if one of the two names none, since which schema that is depends on the connection. A name that no ORM knows may be a
view or a partition of a table that has another name, so it can't be told what it is.

Knows no ORM, no session and no server.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection
from functools import lru_cache

from alkey._names import identifier
from alkey.sql import Written, is_available, tables_written

log = logging.getLogger("alkey")

_WORDS_THAT_ONLY_READ = re.compile(
    r"(SELECT|VALUES|TABLE|SHOW|SET|SAVEPOINT|RELEASE|ROLLBACK|BEGIN|START|FETCH|CLOSE|DEALLOCATE"
    r"|PRAGMA|LOCK|LISTEN|UNLISTEN|NOTIFY|VACUUM)\b",
    re.IGNORECASE,
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
def is_to_be_judged(statement: str) -> bool:
    """Whether `changed_by_text` may find something. All that a SELECT pays. The INTO may be that of SELECT … INTO."""
    return text_writes(statement) or _INTO.search(statement) is not None


def changed_by_text(
    statement: str,
    dialect: str,
    paramstyle: str,
    namespace: str,
    changed_in: Callable[[Written], Collection[bytes]],
) -> set[bytes] | None:
    """What a text that is about to be executed changes; None: nothing. `dialect` is its name as SQLAlchemy and Django
    have it. `changed_in` tells what changes with a table that is written; nothing: the ORM does not know it."""
    if not is_available():
        return identifier.all_of(namespace) if text_writes(statement) else None
    if not is_to_be_judged(statement):
        return None
    found = tables_written(dialect, _without_parameters(statement, paramstyle))
    if isinstance(found, str):
        _say_once(statement, found)
        return identifier.all_of(namespace)
    changed: set[bytes] = set()
    for written in found:
        with_it = changed_in(written)
        if not with_it and written.action != "create":
            _say_once(statement, f"{written.name!r} is no table that the ORM knows: a view, or a partition?")
            return identifier.all_of(namespace)
        changed.update(with_it)
    return changed or None


def may_be(written: Written, name: str, schema: str | None) -> bool:
    """Whether what is written may be this table."""
    return written.name.lower() == name.lower() and (
        written.schema is None or schema is None or written.schema.lower() == schema.lower()
    )


def spellings(schema: str | None) -> Collection[str]:
    """What a schema that a text names may be called: names without quotes are folded, by each database in its way."""
    return () if schema is None else {schema, schema.lower()}


def _without_parameters(statement: str, paramstyle: str) -> str:
    """The text with values for the driver's placeholders, which look like operators."""
    if paramstyle not in ("format", "pyformat"):
        return statement
    return re.sub(r"%(\(\w+\))?s|%%", lambda match: "%" if match[0] == "%%" else "NULL", statement)


@lru_cache(maxsize=4096)
def _say_once(statement: str, why: str) -> None:
    shown = statement if len(statement) <= 200 else f"{statement[:200]}…"
    log.warning("alkey changes every key with this statement, since %s: %s", why, shown)
