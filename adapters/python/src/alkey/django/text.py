"""What a statement in SQL does, as far as its first words tell: it reads, it begins or ends a transaction or a
savepoint, or it writes, to one table if that is plain. A judgement may say too much, never too little.

Knows no connection and no model. What Django's ORM makes is judged by `statements`, which knows more.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import lru_cache
from typing import Any, NamedTuple


class Kind(Enum):
    READS = auto()
    WRITES = auto()
    BEGINS = auto()
    COMMITS = auto()
    PREPARES = auto()
    """The first of two phases."""
    ROLLS_BACK = auto()
    ENTERS = auto()
    """Makes a savepoint."""
    RELEASES = auto()
    ROLLS_BACK_TO = auto()


class Text(NamedTuple):
    kind: Kind
    name: str | None = None
    """Of the savepoint; of the only table that is written, None if that can't be told."""


_NAME = r'("(?:[^"]|"")+"|`[^`]+`|[A-Za-z_][A-Za-z0-9_$]*)'
_ENDS: tuple[tuple[Kind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(rf"{pattern}\s*$", re.IGNORECASE))
    for kind, pattern in (
        (Kind.BEGINS, r"(?:BEGIN|START\s+TRANSACTION)\b[^;]*"),
        (Kind.COMMITS, r"(?:COMMIT|END)(?:\s+(?:WORK|TRANSACTION))?(?:\s+AND\s+(?:NO\s+)?CHAIN)?"),
        (Kind.PREPARES, r"PREPARE\s+TRANSACTION\b.*"),
        (
            Kind.ROLLS_BACK,
            r"(?:ROLLBACK|ABORT)(?:\s+(?:WORK|TRANSACTION))?(?:\s+AND\s+(?:NO\s+)?CHAIN)?",
        ),
        (Kind.ROLLS_BACK_TO, rf"ROLLBACK(?:\s+(?:WORK|TRANSACTION))?\s+TO(?:\s+SAVEPOINT)?\s+{_NAME}"),
        (Kind.RELEASES, rf"RELEASE(?:\s+SAVEPOINT)?\s+{_NAME}"),
        (Kind.ENTERS, rf"SAVEPOINT\s+{_NAME}"),
    )
)
_READING_WORDS = re.compile(
    r"(SELECT|VALUES|TABLE|SHOW|SET|FETCH|CLOSE|PRAGMA|LOCK|LISTEN|UNLISTEN|NOTIFY|ANALYZE|VACUUM|DEALLOCATE)\b",
    re.IGNORECASE,
)
_MAY_READ = re.compile(r"(WITH|EXPLAIN)\b", re.IGNORECASE)
_WRITING_WORDS = re.compile(r"\b(INSERT|UPDATE|DELETE|MERGE|REPLACE|CREATE)\b", re.IGNORECASE)
_NO_WRITES = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+)?UPDATE\b|\bDO\s+UPDATE\b", re.IGNORECASE)
_OF_ONE_TABLE = re.compile(
    rf"(?:(?:INSERT|REPLACE)\s+INTO\s+{_NAME}(?=\s|\()|UPDATE\s+{_NAME}\s+SET\b"
    rf"|DELETE\s+FROM\s+{_NAME}(?=\s*$|\s+WHERE\b))",
    re.IGNORECASE,
)
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_SKIPPED = re.compile(r"\s+|--[^\n]*(\n|$)|/\*.*?\*/|\(", re.DOTALL)


@lru_cache(maxsize=4096)
def judged(sql: str) -> Text:
    start = 0
    while skipped := _SKIPPED.match(sql, start):
        start = skipped.end()
    body = sql[start:]
    # Within text may be any words. Where a backslash may escape a quote, nobody knows where it ends.
    if "\\" not in body:
        body = _LITERAL.sub("''", body)
    body = body.rstrip().rstrip(";").rstrip()
    # Most statements are these, and what follows SELECT may hold any words.
    if ";" in body:
        return Text(Kind.WRITES)
    if _READING_WORDS.match(body):
        return Text(Kind.READS)
    for kind, pattern in _ENDS:
        if found := pattern.match(body):
            return Text(kind, _unquoted(found[1]) if pattern.groups else None)
    words = _WRITING_WORDS.findall(_NO_WRITES.sub("", body))
    if _MAY_READ.match(body) and not words:
        return Text(Kind.READS)
    one = _OF_ONE_TABLE.match(body)
    if one is None or len(words) > 1:
        return Text(Kind.WRITES)
    return Text(Kind.WRITES, _unquoted(next(filter(None, one.groups()))))


def text_of(sql: Any, connection: Any) -> str:
    """The text of what is given to a cursor. PostgreSQL's driver takes composed statements, too."""
    if isinstance(sql, str):
        return sql
    if isinstance(sql, bytes):
        return sql.decode("utf-8", "replace")
    return str(sql.as_string(connection)) if hasattr(sql, "as_string") else str(sql)


def _unquoted(name: str) -> str:
    if name[0] == '"':
        return name[1:-1].replace('""', '"')
    return name[1:-1] if name[0] == "`" else name.lower()
