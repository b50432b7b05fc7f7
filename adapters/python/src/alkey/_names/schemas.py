"""Which schema needs no name, and where a connection finds a table that names no schema.

The schema that a kind of database uses by itself has no name: `public.users` and `users` are one table in PostgreSQL.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

# By SQLAlchemy's and Django's names of databases. Elsewhere it is another one for each database or user.
DEFAULT = {
    "postgresql": "public",
    "cockroachdb": "public",
    "redshift": "public",
    "sqlite": "main",
    "duckdb": "main",
    "mssql": "dbo",
    "microsoft": "dbo",
}

_PATH = re.compile(
    r"\s*SET\s+(?:(?:SESSION|LOCAL)\s+)?(?:SCHEMA\s+|search_path\s*(?:TO|=)\s*)(?P<path>[^;]+?)\s*;?\s*",
    re.IGNORECASE,
)
_FUNCTION = re.compile(r"set_config\s*\(\s*'search_path'\s*,\s*'(?P<path>[^']*)'", re.IGNORECASE)
_SCHEMA = re.compile(r"\s*(?:\"((?:[^\"]|\"\")+)\"|'([^']*)'|([^\s,\"']+))\s*(?:,|$)")


def without_default(
    schema: str | None, defaults: Collection[str | None] = (DEFAULT["postgresql"],)
) -> str | None:
    """The schema as names say it. `defaults`: those of the databases that the table may be in."""
    return None if schema in defaults else schema


@lru_cache(maxsize=512)
def path_set_by(statement: str) -> tuple[str, ...] | None:
    """The schemas that a statement makes the connection look for tables in, in PostgreSQL; None: it does not."""
    if "search_path" not in statement.lower() and "schema" not in statement.lower():
        return None
    found = _PATH.fullmatch(statement) or _FUNCTION.search(statement)
    if found is None:
        return None
    names = (
        quoted.replace('""', '"') or text or plain.lower()
        for quoted, text, plain in _SCHEMA.findall(found["path"])
    )
    return tuple(name for name in names if name not in ("", "default", "$user"))
