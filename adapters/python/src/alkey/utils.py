"""Identifiers as in alkey 0.7.1: text, or whatever else was given.

The name of this module is that of 0.7.1.
"""

from __future__ import annotations

import re
import sys
from typing import Any

from alkey._gone import gone
from alkey._names import identifier

_BEGINNING = re.compile(r"alkey(\{|:)")
_WHOLE = re.compile(r"alkey(\{[^}]+\})?:(\*#\*|(?!\*#)[^#]+#.+)", re.DOTALL)


def get_object_id(instance: Any) -> Any:
    """The identifier of an instance that has an id; of the table for a class, or for an instance without an id;
    anything else as it is. An instance whose class inherits from another one's table has an identifier for each
    table: this is that of its own."""
    if isinstance(instance, str | bytes):
        return instance
    if "sqlalchemy.orm" in sys.modules:
        from alkey.sqlalchemy import identifiers_of

        found = identifiers_of(instance, "alkey")
        if found:
            return found[0].decode("utf-8", "surrogateescape")
    # What is not mapped, and only looks as if: 0.7.1 went by the looks.
    name = getattr(instance, "__tablename__", None)
    if not isinstance(name, str):
        return instance
    key = None if isinstance(instance, type) else getattr(instance, "id", None)
    if key is None:
        return get_table_id(name)
    return identifier.row("alkey", name, (key,)).decode("utf-8", "surrogateescape")


def get_table_id(tablename: str) -> str:
    """The identifier of any row of a table."""
    return identifier.table("alkey", tablename).decode("utf-8", "surrogateescape")


def is_identifier(text: str) -> bool:
    """Whether text is an identifier. Text that only begins as one is an error, as it would never invalidate."""
    if not _BEGINNING.match(text):
        return False
    if not _WHOLE.fullmatch(text):
        raise ValueError(
            f"{text!r} is not an identifier: expected alkey:TABLE#ROW, alkey:TABLE#*, or alkey:*#*. "
            "Text of users, which may look like one, is to be in a list: [text]"
        )
    return True


def __getattr__(name: str) -> Any:
    return gone(
        __name__,
        name,
        {
            "get_stamp": "alkey.cache.get_token: tokens are no times any more",
            "resiliently_call": "Alkey(unavailable=...), which says what happens while the server is away",
            "unpack_object_id": "the primary key of the instance: rows have any key, not only whole numbers",
            "valid_object_id": "Alkey.row, which makes an identifier of any table's row",
            "valid_write_token": "Alkey.table and Alkey.everything",
            "is_single_relation": "Alkey.bind, which finds relations by their foreign keys",
            "get_single_relations": "Alkey.bind, which finds relations by their foreign keys",
        },
    )
