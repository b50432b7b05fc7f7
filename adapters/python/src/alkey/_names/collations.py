"""Where two texts are equal only if all their characters are. Elsewhere only the database knows which row a text is."""

from __future__ import annotations

import re

# By SQLAlchemy's and Django's names of databases. In others text has a collation by default that ignores case.
EXACT_DATABASES = frozenset({"postgresql", "cockroachdb", "redshift", "sqlite", "oracle", "duckdb"})
# Where a number is compared with text as a number, so that 5 is equal to "05".
NUMBERS_FOR_TEXT = frozenset({"mysql", "mariadb"})

# Those that a database brings, of which it is known. In MySQL most of those that end in _bin ignore spaces at the end.
_EXACT = re.compile(
    r"binary|.*_nopad_bin|.*_0900_bin|default|c|posix|c\.utf-?8|pg_c_utf8|ucs_basic|.*-x-icu", re.IGNORECASE
)


def is_exact(database: str, collation: str | None) -> bool:
    """`collation`: that of the column, if it says one."""
    return database in EXACT_DATABASES if collation is None else _EXACT.fullmatch(collation) is not None
