"""The bytes of identifiers: `alkey:users#1` (a row), `alkey:users#*` (a table), `alkey:*#*` (everything).

Two different rows never have the same bytes, and a row always has the same, whether its key was typed by the
application, read from the database, or came from another process. So the encoding is of values, not of how they are
printed:

- integers are their digits; so are a Decimal and a float that are whole, which databases don't tell from integers
- text and UUIDs are themselves, in UTF-8; but text that could be taken for something else (a number, `*`, a list) has
  the offending bytes escaped as `%` and two hexadecimal digits, in upper case
- anything else begins with `%` and a lower-case letter, which no escape does
- the columns of a composite key are joined by commas
- schema and table are joined by a dot
- a scope, the rows that have certain values, is named by `column=value`, joined by commas in the order of the columns'
  names; no row's name holds a bare `=`

Knows nothing of the server and of any ORM. The server's grammar, with its 4096 bytes, is in its docs/commands.md.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timezone
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from uuid import UUID

from alkey.errors import NoIdentifier

NAMESPACE = re.compile(r"alkey(\{[^}]+\})?")

# Longer rows are named by their digest. The server takes 4096 bytes for an identifier, of which the table's name and a
# tag need some.
ROW_BYTES_MAX = 1024
TABLE_BYTES_MAX = 1024

_NUMBER = re.compile(rb"-?[0-9]+(\.[0-9]+)?")
# "=" is for scopes, as in alkey:orders#user_id=5.
_RESERVED_IN_ROW = re.compile(rb"[%,=]")
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
    return row_prefix(namespace, table, schema) + row_name(key)


def table(namespace: str, table: str, schema: str | None = None) -> bytes:
    """The identifier of any row of a table."""
    return row_prefix(namespace, table, schema) + b"*"


def scope(
    namespace: str, table: str, values: Sequence[tuple[str, object]], schema: str | None = None
) -> bytes:
    """The identifier of the rows that have these values, each with its column's name."""
    pairs = [
        b"%b=%b" % (_escape(_RESERVED_IN_ROW, column.encode("utf-8", "surrogatepass")), value_name(value))
        for column, value in sorted(values, key=lambda pair: pair[0])
    ]
    name = b",".join(pairs)
    if len(name) > ROW_BYTES_MAX:
        name = b"%h=" + hashlib.sha256(name).hexdigest().encode()
    return row_prefix(namespace, table, schema) + name


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
    # The tag of a namespace may hold a "#".
    start = identifier.index(b":", identifier.find(b"}") if identifier.startswith(b"alkey{") else 0)
    return identifier[: identifier.index(b"#", start) + 1] + b"*"


@lru_cache(maxsize=4096)
def row_prefix(namespace: str, table: str, schema: str | None = None) -> bytes:
    """What the identifiers of a table's rows begin with."""
    of = getattr(namespace, "of", None)
    if of is not None:
        namespace = of(table, schema)
    names = (table,) if schema is None else (schema, table)
    name = b".".join(_escape(_RESERVED_IN_TABLE, name.encode("utf-8", "surrogatepass")) for name in names)
    if name == b"*":
        name = b"%2A"
    if len(name) > TABLE_BYTES_MAX:
        name = b"%h" + hashlib.sha256(name).hexdigest().encode()
    return b"%b:%b#" % (namespace.encode(), name)


def row_name(key: Sequence[object]) -> bytes:
    """What comes after the `#`."""
    if len(key) == 1:
        name = value_name(key[0])
    elif key:
        name = b",".join([value_name(value) for value in key])
    else:
        raise NoIdentifier("a row without a primary key can't be named: expected at least one value")
    if len(name) > ROW_BYTES_MAX:
        return b"%h" + hashlib.sha256(name).hexdigest().encode()
    return name


def value_name(value: object) -> bytes:
    """One column's value."""
    # Most keys are integers, and this is called for every row that is written.
    if type(value) is int:
        return b"%d" % value
    for kind, encode in _ENCODERS:
        if isinstance(value, kind):
            return encode(value)
    raise NoIdentifier(
        f"a primary key of type {type(value).__qualname__} can't be named: expected integers, text, bytes, UUIDs, "
        "dates, times, numbers, enums or None"
    )


def _text(value: str) -> bytes:
    name = value.encode("utf-8", "surrogatepass")
    if not name:
        return b"%s"
    if name == b"*" or _NUMBER.fullmatch(name):
        return b"%%%02X" % name[0] + name[1:]
    return _escape(_RESERVED_IN_ROW, name)


def _number(value: float | Decimal) -> bytes:
    if not math.isfinite(value):
        return b"%n" + str(value).lower().encode()
    if value == int(value):
        return b"%d" % int(value)
    # repr of a float is the shortest text that gives it back, and that is what the database was given.
    return format(Decimal(repr(value) if isinstance(value, float) else value).normalize(), "f").encode()


def _moment(value: datetime) -> bytes:
    # The same moment has many time zones, and the database keeps one.
    if value.tzinfo is not None:
        return b"%u" + value.astimezone(timezone.utc).replace(tzinfo=None).isoformat().encode()
    return b"%t" + value.isoformat().encode()


def _member(value: Enum) -> bytes:
    # An IntEnum or a StrEnum can be stored as its value in a column that knows of no enum.
    if isinstance(value, int):
        return b"%d" % int(value)
    if isinstance(value, str):
        return _text(str.__str__(value.value))
    return _text(value.name)


# In this order: an Enum may be an int, a bool is an int, a datetime is a date.
_ENCODERS: tuple[tuple[type | tuple[type, ...], Callable[..., bytes]], ...] = (
    (Enum, _member),
    (int, lambda value: b"%d" % int(value)),
    (str, _text),
    (UUID, lambda value: str(value).encode()),
    ((bytes, bytearray, memoryview), lambda value: b"%x" + bytes(value).hex().encode()),
    ((float, Decimal), _number),
    (datetime, _moment),
    ((date, time), lambda value: b"%t" + value.isoformat().encode()),
    (type(None), lambda _: b"%0"),
)


def _escape(reserved: re.Pattern[bytes], name: bytes) -> bytes:
    return reserved.sub(lambda match: b"%%%02X" % match[0][0], name) if reserved.search(name) else name
