"""The kinds of numbers. Text of a number is that number, as PostgreSQL reads it."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from decimal import Context, Decimal
from typing import Any

from alkey._names.kinds import Kind, OnlyTheDatabaseKnows, refused, shown

_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,100}\s*", re.ASCII)
# No database has one as large, and Python makes no text of those of some thousands of digits.
_INTEGER_MAX = 10**100
_DECIMAL = re.compile(
    r"\s*([+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,9})?|nan|[+-]?inf(inity)?)\s*",
    re.IGNORECASE | re.ASCII,
)
# PostgreSQL's bounds. Beyond them lie numbers that take a gigabyte to write down.
_DIGITS_BEFORE_POINT_MAX = 131_072
_DIGITS_AFTER_POINT_MAX = 16_383
# As many digits of a double stay as they are on their way into a decimal and back.
_DIGITS_OF_A_DOUBLE = 15
# Not that of the application, which may round.
_CONTEXT = Context(prec=20)


def integer(value: Any) -> bytes:
    if isinstance(value, int) and -_INTEGER_MAX < value < _INTEGER_MAX:
        return b"%d" % value
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return b"%d" % int(value)
    if isinstance(value, float | Decimal) and -_INTEGER_MAX < value < _INTEGER_MAX and value == int(value):
        return b"%d" % int(value)
    raise refused(value, "an integer")


def numeric(value: Any) -> bytes:
    return _plain(_decimal(value))


def numeric_of(precision: int | None, scale: int | None) -> Kind:
    """With so many digits, `scale` of them after the point. More are rounded on their way in."""

    def encode(value: Any) -> bytes:
        name = numeric(value)
        if not name[-1:].isalpha():
            before_point, _, after_point = name.lstrip(b"-").partition(b".")
            if scale is not None and len(after_point) > scale:
                raise OnlyTheDatabaseKnows(f"{shown(value)} has more than {scale} decimals")
            if precision is not None and len(before_point.lstrip(b"0")) > precision - (scale or 0):
                raise OnlyTheDatabaseKnows(f"{shown(value)} has more digits than there is room for")
        return name

    return encode


def through_a_double(of: Kind) -> Kind:
    """Where the database keeps a decimal as a double."""

    def encode(value: Any) -> bytes:
        name = of(value)
        if len(name.replace(b".", b"").strip(b"-0")) > _DIGITS_OF_A_DOUBLE:
            raise OnlyTheDatabaseKnows(f"{shown(value)} has more digits than a double has")
        return name

    return encode


def whole(value: Any) -> bytes:
    """Of a decimal whose scale nobody knows."""
    name = numeric(value)
    if b"." in name:
        raise OnlyTheDatabaseKnows(f"{shown(value)} is rounded as the database's column says")
    return name


def double(value: Any) -> bytes:
    number = _float(value)
    return _shortest(number, lambda: repr(number), 15)


def single(value: Any) -> bytes:
    """Of four bytes."""
    number = _float(value)
    if math.isfinite(number):
        try:
            four_bytes = struct.pack("<f", number)
        except OverflowError:
            raise refused(value, "a number that four bytes can hold") from None
        number = struct.unpack("<f", four_bytes)[0]
    return _shortest(number, lambda: _shortest_of_single(number), 6)


def _shortest_of_single(number: float) -> str:
    four_bytes = struct.pack("<f", number)
    texts = (f"{number:.{digits}e}" for digits in range(9))
    return next(text for text in texts if struct.pack("<f", float(text)) == four_bytes)


def _shortest(number: float, digits_of: Callable[[], str], exponent_max: int) -> bytes:
    """As PostgreSQL writes the fewest digits that give the number back. Its minus zero is equal to zero."""
    if number == 0:
        return b"0"
    if not math.isfinite(number):
        return b"NaN" if math.isnan(number) else b"Infinity" if number > 0 else b"-Infinity"
    written = Decimal(digits_of()).normalize(_CONTEXT)
    exponent = written.adjusted()
    if -4 <= exponent < exponent_max:
        return format(written, "f").encode()
    sign, digits, _ = written.as_tuple()
    first, *more = map(str, digits)
    mantissa = f"{first}.{''.join(more)}" if more else first
    return f"{'-' * sign}{mantissa}e{exponent:+03d}".encode()


def _float(value: Any) -> float:
    if isinstance(value, float):
        return value
    try:
        if isinstance(value, int | Decimal) or (isinstance(value, str) and _DECIMAL.fullmatch(value)):
            return float(value)
    except (OverflowError, ValueError):
        pass
    raise refused(value, "a number")


def _decimal(value: Any) -> Decimal:
    number = None
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, int):
        number = Decimal(int(value))
    elif isinstance(value, float):
        number = Decimal(repr(value))
        if len(number.as_tuple().digits) > _DIGITS_OF_A_DOUBLE and number != int(number):
            raise OnlyTheDatabaseKnows(f"{shown(value)} is rounded to {_DIGITS_OF_A_DOUBLE} digits")
    elif isinstance(value, str) and _DECIMAL.fullmatch(value):
        number = Decimal(value.strip())
    if number is None or number.is_snan():
        raise refused(value, "a decimal number")
    if (
        number.is_finite()
        and number
        and not -_DIGITS_AFTER_POINT_MAX <= number.adjusted() < _DIGITS_BEFORE_POINT_MAX
    ):
        raise refused(value, "a number that the database can hold")
    return number


def _plain(number: Decimal) -> bytes:
    """Without an exponent, and without zeros at its end, which the database keeps and does not compare."""
    if number.is_nan():
        return b"NaN"
    if number.is_infinite():
        return b"Infinity" if number > 0 else b"-Infinity"
    if not number:
        return b"0"
    text = format(number, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text).encode()
