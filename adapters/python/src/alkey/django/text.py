"""What a statement in SQL does, as far as its first words tell: it begins or ends a transaction or a savepoint, it
reads, or it may write.

Knows no connection and no model. What is written the ORM's compilers tell (`statements`), or else `alkey.texts`.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import lru_cache
from typing import Any, NamedTuple

from alkey._names.schemas import path_set_by
from alkey.texts import is_to_be_judged


class Kind(Enum):
    READS = auto()
    MAY_WRITE = auto()
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
    savepoint: str | None = None
    path: tuple[str, ...] | None = None
    """What it sets the search path to."""


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
# Any comment, unlike in `alkey.texts`: whatever it holds, what follows may end a transaction.
_SKIPPED = re.compile(r"\s+|--[^\n]*(\n|$)|/\*.*?\*/|\(", re.DOTALL)


@lru_cache(maxsize=4096)
def judged(sql: str) -> Text:
    start = 0
    while skipped := _SKIPPED.match(sql, start):
        start = skipped.end()
    body = sql[start:].rstrip().rstrip(";").rstrip()
    if ";" not in body:
        for kind, pattern in _ENDS:
            if found := pattern.match(body):
                return Text(kind, _unquoted(found[1]) if pattern.groups else None)
    return Text(Kind.MAY_WRITE if is_to_be_judged(sql) else Kind.READS, path=path_set_by(sql))


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
