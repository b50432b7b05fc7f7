"""The name of a value of one of the database's types: the text that PostgreSQL prints for it, escaped.

A kind takes whatever the database takes for the same value: what programs hold, and text. Two values that the database
takes for equal have one name, and no two others have. Where a value alone does not say what the database makes of it,
the kind raises `OnlyTheDatabaseKnows`; where the type can't hold it, `NoIdentifier`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from typing import Any
from uuid import UUID

from alkey.errors import NoIdentifier

Kind = Callable[[Any], bytes]

EMPTY = b"%s"
NULL = b"%0"

# "," joins the columns of a key, and "=" is for scopes, as in alkey:orders#user_id=5.
_RESERVED = re.compile(rb"[%,=]")
_PLAIN = re.compile(rb"[^%,=*][^%,=]*")
_UUID = re.compile(r"\s*(urn:uuid:)?\{?[0-9a-f-]+\}?\s*", re.IGNORECASE | re.ASCII)
_BYTES = re.compile(r"\\x((?:[0-9a-f]{2})*)", re.IGNORECASE | re.ASCII)
_BOOLEANS = {
    **dict.fromkeys(("t", "true", "y", "yes", "on", "1"), b"t"),
    **dict.fromkeys(("f", "false", "n", "no", "off", "0"), b"f"),
}


class OnlyTheDatabaseKnows(NoIdentifier):
    """Which row has this key depends on more than the value: it is padded, rounded or compared as only the database
    does. So the row is named by its table."""


def shown(value: object) -> str:
    """A value in an error. It may be long, so it is cut."""
    text = repr(value)
    return f"{text if len(text) <= 60 else f'{text[:60]}…'} of type {type(value).__qualname__}"


def refused(value: object, expected: str) -> NoIdentifier:
    return NoIdentifier(f"expected {expected}, not {shown(value)}")


def escaped(text: bytes) -> bytes:
    """The text as a name, or as a part of one."""
    if _RESERVED.search(text):
        return _RESERVED.sub(lambda match: b"%%%02X" % match[0][0], text)
    if text == b"*":
        return b"%2A"
    return text or EMPTY


def utf8(text: str) -> bytes:
    """Bytes that are no UTF-8 come as surrogates from where Python had to make text of them."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def text(value: Any) -> bytes:
    if isinstance(value, str):
        try:
            name = value.encode()
        except UnicodeEncodeError:
            name = utf8(value)
        return name if _PLAIN.fullmatch(name) else escaped(name)
    # Bytes are what a driver gives of text in a database without an encoding.
    if isinstance(value, bytes | bytearray | memoryview):
        return escaped(bytes(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return b"%d" % value
    raise refused(value, "text")


def only_text(value: Any) -> bytes:
    """Where the database compares text with a number as numbers."""
    if isinstance(value, int):
        raise OnlyTheDatabaseKnows(f"{shown(value)} is compared with text by the database's rules")
    return text(value)


def text_up_to(length: int, of: Kind = text) -> Kind:
    """What is longer the database may cut."""

    def encode(value: Any) -> bytes:
        name = of(value)
        if isinstance(value, str | bytes) and len(value) > length:
            raise OnlyTheDatabaseKnows(f"{shown(value)} is longer than {length} characters")
        return name

    return encode


def padded_text(length: int) -> Kind:
    """Of CHAR(n). What is as long as it, and does not end as padding does, is stored as it is."""

    def encode(value: Any) -> bytes:
        name = text(value)
        if not isinstance(value, str) or len(value) != length or value.endswith(" "):
            raise OnlyTheDatabaseKnows(f"{shown(value)} is padded to {length} characters")
        return name

    return encode


def uuid(value: Any) -> bytes:
    return str(_uuid(value)).encode()


def uuid_digits(value: Any) -> bytes:
    """Of a UUID that is stored as text without hyphens."""
    return _uuid(value).hex.encode()


def _uuid(value: Any) -> UUID:
    if isinstance(value, UUID):
        return value
    if isinstance(value, str) and _UUID.fullmatch(value):
        try:
            return UUID(value.strip())
        except ValueError:
            pass
    raise refused(value, "a UUID")


def boolean(value: Any) -> bytes:
    name = None
    if isinstance(value, str):
        name = _BOOLEANS.get(value.strip().lower())
    elif isinstance(value, int) and value in (0, 1):
        name = b"t" if value else b"f"
    if name is None:
        raise refused(value, "a boolean")
    return name


def octets(value: Any) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return b"\\x" + bytes(value).hex().encode()
    if isinstance(value, str) and (digits := _BYTES.fullmatch(value)):
        return b"\\x" + digits[1].lower().encode()
    raise refused(value, "bytes, or \\x and hexadecimal digits")


def label(value: Any) -> bytes:
    """Of an enumeration of the database, whose labels are the names of the members in the program."""
    if isinstance(value, Enum) and not isinstance(value, str):
        return text(value.name)
    if isinstance(value, str):
        return text(value)
    raise refused(value, "a label of the enumeration")
