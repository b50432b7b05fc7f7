"""The bytes of identifiers: `alkey:users#1` (a row), `alkey:users#*` (a table), `alkey:*#*` (everything).

Two different rows of a table never have the same bytes, and a row always has the same, whoever names it. What a row's
key is named is for `kinds` and `values` to say. Here names are put together, so that none can be taken for another:

- the columns of a composite key are joined by commas, and schema and table by a dot
- a scope, the rows that have certain values, is named by `column=value`, joined by commas in the order of the columns'
  names; no row's name holds a bare `=`
- what would be read as something else is escaped as `%` and two hexadecimal digits, in upper case
- what is too long is named by its digest

Knows nothing of the server. Its grammar, with its 4096 bytes, is in docs/commands.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache

from alkey._names.kinds import NULL, escaped
from alkey._names.values import value_name
from alkey.errors import NoIdentifier

NAMESPACE = re.compile(r"alkey(\{[^}]+\})?")

# Longer rows are named by their digest. The server takes 4096 bytes for an identifier, of which the table's name and a
# tag need some.
ROW_BYTES_MAX = 1024
TABLE_BYTES_MAX = 1024

_RESERVED_IN_TABLE = re.compile(rb"[%#.]")


def checked_namespace(namespace: str) -> str:
    """The namespace, if it is one."""
    if not NAMESPACE.fullmatch(namespace):
        raise ValueError(
            f"{namespace!r} is not a namespace: expected 'alkey', or 'alkey{{TAG}}' with a tag of your own"
        )
    return namespace


def row(namespace: str, table: str, key: Sequence[object], schema: str | None = None) -> bytes:
    """The identifier of a row, whose primary key is the values of `key` in the order of the key's columns."""
    return row_prefix(namespace, table, schema) + row_name([value_name(value) for value in key])


def table(namespace: str, table: str, schema: str | None = None) -> bytes:
    """The identifier of any row of a table."""
    return row_prefix(namespace, table, schema) + b"*"


def scope(prefix: bytes, values: Sequence[tuple[str, bytes]]) -> bytes:
    """The identifier of the rows that have values with these names, each with its column's name. `prefix`: that of
    their table."""
    pairs = [
        b"%b=%b" % (escaped(column.encode("utf-8", "surrogatepass")), name)
        for column, name in sorted(values, key=lambda pair: pair[0])
    ]
    name = b",".join(pairs)
    if len(name) > ROW_BYTES_MAX:
        name = b"%h=" + hashlib.sha256(name).hexdigest().encode()
    return prefix + name


def everything(namespace: str) -> bytes:
    """The identifier of any row of any table."""
    return namespace.encode() + b":*#*"


def all_of(namespace: str) -> set[bytes]:
    """The identifiers of any row of any table, in each namespace that belongs to this one."""
    return {everything(name) for name in namespaces_of(namespace)}


def namespaces_of(namespace: str) -> frozenset[str]:
    """Itself, and where tables are spread over several (see `spread`) the others."""
    return frozenset({str(namespace)}) | getattr(namespace, "others", frozenset())


def namespace_of(identifier: bytes) -> str:
    start = identifier.find(b"}") if identifier.startswith(b"alkey{") else 0
    return identifier[: identifier.index(b":", start)].decode()


def table_of(identifier: bytes) -> bytes:
    """The table's identifier for a row's. That of a table, or of everything, is its own."""
    return prefix_of(identifier) + b"*"


def prefix_of(identifier: bytes) -> bytes:
    """What the identifiers of its table's rows begin with."""
    # The tag of a namespace may hold a "#".
    start = identifier.index(b":", identifier.find(b"}") if identifier.startswith(b"alkey{") else 0)
    return identifier[: identifier.index(b"#", start) + 1]


@lru_cache(maxsize=4096)
def row_prefix(namespace: str, table: str, schema: str | None = None) -> bytes:
    """What the identifiers of a table's rows begin with."""
    of = getattr(namespace, "of", None)
    if of is not None:
        namespace = of(table, schema)
    names = (table,) if schema is None else (schema, table)
    name = b".".join(map(_escaped_in_table, names))
    if name == b"*":
        name = b"%2A"
    if len(name) > TABLE_BYTES_MAX:
        name = b"%h" + hashlib.sha256(name).hexdigest().encode()
    return b"%b:%b#" % (namespace.encode(), name)


def _escaped_in_table(name: str) -> bytes:
    return _RESERVED_IN_TABLE.sub(
        lambda match: b"%%%02X" % match[0][0], name.encode("utf-8", "surrogatepass")
    )


def row_name(names: Sequence[bytes]) -> bytes:
    """What comes after the `#`: the names of the key's values, put together."""
    if not names or (names[0] is NULL and all(name is NULL for name in names)):
        raise NoIdentifier("a row without a primary key can't be named: expected at least one value")
    name = names[0] if len(names) == 1 else b",".join(names)
    if len(name) > ROW_BYTES_MAX:
        return b"%h" + hashlib.sha256(name).hexdigest().encode()
    return name
