"""The name of a value of a column that nobody knows: by what the program holds.

It is what the column's kind gives for a value that has the column's own type. So a number may be given as text, but not
a UUID, a date or bytes: text is taken as it is.
"""

from __future__ import annotations

import ipaddress
import math
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from alkey._names import kinds, moments, networks, numbers
from alkey._names.kinds import Kind, refused
from alkey.errors import NoIdentifier


def value_name(value: Any) -> bytes:
    # Most keys are integers.
    if type(value) is int:
        return numbers.integer(value)
    for types, kind in _KINDS:
        if isinstance(value, types):
            return kind(value)
    raise refused(
        value,
        "integers, text, bytes, UUIDs, dates, times, numbers, booleans, addresses, enums or None, for a primary key",
    )


def _float(value: float) -> bytes:
    name = numbers.double(value)
    if math.isfinite(value) and b"e" in name:
        raise NoIdentifier(
            f"{value!r} has one name in a column of floats and another in one of decimals: expected the mapped class"
        )
    return name


def _moment(value: datetime) -> bytes:
    return (moments.timestamp if value.tzinfo is None else moments.timestamp_with_zone)(value)


def _member(value: Enum) -> bytes:
    # An IntEnum or a StrEnum can be stored as its value in a column that knows of no enum.
    return numbers.integer(value) if isinstance(value, int) else kinds.label(value)


# In this order: an Enum may be an int, a bool is an int, a datetime is a date.
_KINDS: tuple[tuple[type | tuple[type, ...], Kind], ...] = (
    (Enum, _member),
    (bool, kinds.boolean),
    (int, numbers.integer),
    (str, kinds.text),
    (UUID, kinds.uuid),
    ((bytes, bytearray, memoryview), kinds.octets),
    (float, _float),
    (Decimal, numbers.numeric),
    (datetime, _moment),
    (date, moments.day),
    (time, moments.time_of_day),
    ((ipaddress.IPv4Network, ipaddress.IPv6Network), networks.cidr),
    # An interface is an address.
    ((ipaddress.IPv4Address, ipaddress.IPv6Address), networks.inet),
    (type(None), lambda _: kinds.NULL),
)
