"""The kinds of numbers. Text of a number is that number, as PostgreSQL reads it."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from decimal import Context, Decimal
from fractions import Fraction
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
# Below it none of seventeen digits or fewer lies just between two doubles.
_BETWEEN_DOUBLES_MIN = 2.0**49
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

    def digits() -> str:
        # Python's are the fewest, too. Of large numbers they may lie just between two, where PostgreSQL has more.
        if abs(number) < _BETWEEN_DOUBLES_MIN:
            return repr(number)
        return _fewest_digits(number, math.nextafter(number, 0), math.nextafter(number, number * 2))

    return _shortest(number, digits, 15)


def single(value: Any) -> bytes:
    """Of four bytes."""
    number = _float(value)
    if math.isfinite(number):
        try:
            number = struct.unpack("<f", struct.pack("<f", number))[0]
        except OverflowError:
            raise refused(value, "a number that four bytes can hold") from None
    return _shortest(number, lambda: _fewest_digits(number, *_singles_beside(number)), 6)


def _singles_beside(number: float) -> tuple[float, float]:
    """The next one on the way to zero, and the one before it."""
    (bits,) = struct.unpack("<I", struct.pack("<f", number))
    return struct.unpack("<2f", struct.pack("<2I", bits - 1, bits + 1))


def _fewest_digits(number: float, before: float, after: float) -> str:
    """Those that are nearer to the number than to its neighbours, of which `before` is on the way to zero."""
    exact = abs(Fraction(number))
    low = (exact + abs(Fraction(before))) / 2
    # After the largest one comes infinity.
    high = (exact + abs(Fraction(after))) / 2 if math.isfinite(after) else 2 * exact - low
    for digits in range(17):
        nearest = Decimal(f"{number:.{digits}e}")
        # After a power of two there is more room than before it: what is next to the nearest may lie there.
        step = Decimal((0, (1,), int(nearest.as_tuple().exponent)))
        for each in (nearest, _CONTEXT.add(nearest, step.copy_sign(nearest))):
            if low < abs(Fraction(each)) < high:
                return str(each)
    return repr(number)


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
