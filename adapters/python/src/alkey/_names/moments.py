"""The kinds of dates and times: as PostgreSQL prints them in a session whose DateStyle is ISO and whose zone is UTC.

Text may also say what Python has no value for: infinity, years before 1 and after 9999.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, timezone
from typing import Any, TypeVar

from alkey._names.kinds import Kind, OnlyTheDatabaseKnows, refused, shown

_DATE = r"(?P<date>[0-9]{4,6}-[0-9]{2}-[0-9]{2})"
_TIME = r"(?P<time>[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)"
_ZONE = r"(?P<zone>Z|[+-][0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2})?)?)"
_DAY = re.compile(rf"{_DATE}(?P<bc> BC)?", re.ASCII)
_TIME_OF_DAY = re.compile(_TIME, re.ASCII)
_TIMESTAMP = re.compile(rf"{_DATE}(?:[T ]{_TIME}{_ZONE}?)?(?P<bc> BC)?", re.ASCII)
_INFINITE = frozenset({"infinity", "-infinity"})
_END_OF_DAY = "24:00:00"
_YEAR_OF_FOUR_DIGITS = len("2026-01-31")

Moment = TypeVar("Moment", date, datetime)

# asyncpg gives infinity as these, and stores infinity for them. Others don't.
_ENDS = frozenset({date.min, date.max, datetime.min, datetime.max})
_YEARS_OF_ENDS = (1, 9999)


def day(value: Any) -> bytes:
    if isinstance(value, str):
        found = _DAY.fullmatch(value)
        if value in _INFINITE or (found and _is_day(found)):
            return value.encode()
    # The database takes the date of a moment in one place, and midnight for a date in another.
    elif isinstance(value, date) and not isinstance(value, datetime):
        return _checked(value).isoformat().encode()
    raise refused(value, "a date, as in 2026-01-31")


def time_of_day(value: Any) -> bytes:
    """Without a time zone."""
    if isinstance(value, str):
        found = _TIME_OF_DAY.fullmatch(value)
        if value == _END_OF_DAY:
            return value.encode()
        if found and (clock := _time_of(found["time"])) is not None:
            return _clock(clock)
    elif isinstance(value, time) and value.tzinfo is None:
        return _clock(value)
    raise refused(value, "a time without a time zone, as in 03:04:05")


def timestamp(value: Any) -> bytes:
    """Without a time zone."""
    if isinstance(value, str):
        if value in _INFINITE:
            return value.encode()
        found = _TIMESTAMP.fullmatch(value)
        clock = _time_of(found["time"] or "00:00") if found and _is_day(found) else None
        if found and clock is not None:
            if found["zone"]:
                raise _of_session(value)
            return found["date"].encode() + b" " + _clock(clock) + (found["bc"] or "").encode()
    elif isinstance(value, datetime):
        if value.tzinfo is not None:
            raise _of_session(value)
        return _timestamp(_checked(value))
    elif isinstance(value, date):
        return _checked(value).isoformat().encode() + b" 00:00:00"
    raise refused(value, "a moment, as in 2026-01-31 03:04:05")


def timestamp_with_zone(value: Any) -> bytes:
    """The same moment has many time zones, and the database keeps none of them."""
    if isinstance(value, str):
        if value in _INFINITE:
            return value.encode()
        found = _TIMESTAMP.fullmatch(value)
        clock = _time_of(found["time"] or "00:00") if found and _is_day(found) else None
        if found and clock is not None:
            if not found["zone"]:
                raise _of_session(value)
            return _in_utc(found, clock)
    elif isinstance(value, datetime):
        if value.utcoffset() is None:
            raise _of_session(value)
        return _aware(value)
    elif isinstance(value, date):
        raise _of_session(value)
    raise refused(value, "a moment with its offset, as in 2026-01-31 03:04:05+00")


def _of_session(value: object) -> OnlyTheDatabaseKnows:
    """Of a value with a time zone where there is none, or the other way round."""
    return OnlyTheDatabaseKnows(f"which moment {shown(value)} is depends on the session's time zone")


def with_decimals(decimals: int, of: Kind) -> Kind:
    """Where the database keeps so many decimals of a second, and rounds."""

    def encode(value: Any) -> bytes:
        name = of(value)
        fraction = re.search(rb"\.([0-9]+)", name)
        if fraction is not None and len(fraction[1]) > decimals:
            raise OnlyTheDatabaseKnows(f"{shown(value)} has more than {decimals} decimals of a second")
        return name

    return encode


def _checked(value: Moment) -> Moment:
    if value.year in _YEARS_OF_ENDS and value in _ENDS:
        raise OnlyTheDatabaseKnows(f"{shown(value)} may stand for infinity")
    return value


def _timestamp(moment: datetime) -> bytes:
    text = moment.isoformat(" ")
    return (text.rstrip("0") if moment.microsecond else text).encode()


def _aware(moment: datetime) -> bytes:
    try:
        moment = moment if moment.tzinfo is timezone.utc else moment.astimezone(timezone.utc)
    except OverflowError:
        raise refused(moment, "a moment between the years 1 and 9999") from None
    if moment.year in _YEARS_OF_ENDS:
        _checked(moment.replace(tzinfo=None))
    if moment.microsecond:
        return _timestamp(moment.replace(tzinfo=None)) + b"+00"
    # Most have no fraction. Of the offset the hours are printed.
    return moment.isoformat(" ")[:-3].encode()


def _clock(moment: time) -> bytes:
    text = moment.isoformat()
    return (text.rstrip("0") if moment.microsecond else text).encode()


# What text says


def _is_day(found: re.Match[str]) -> bool:
    if found["bc"] or len(found["date"]) > _YEAR_OF_FOUR_DIGITS:
        return True
    try:
        date.fromisoformat(found["date"])
    except ValueError:
        return False
    return True


def _time_of(text: str) -> time | None:
    clock, _, fraction = text.partition(".")
    try:
        hour, minute, second = map(int, (clock if clock.count(":") == 2 else f"{clock}:00").split(":"))
        return time(hour, minute, second, int(fraction.ljust(6, "0")))
    except ValueError:
        return None


def _offset_of(zone: str) -> timedelta:
    if zone == "Z":
        return timedelta()
    digits = zone[1:].replace(":", "").ljust(6, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]), seconds=int(digits[4:]))
    return -offset if zone[0] == "-" else offset


def _in_utc(found: re.Match[str], clock: time) -> bytes:
    offset = _offset_of(found["zone"])
    if not offset:
        return found["date"].encode() + b" " + _clock(clock) + b"+00" + (found["bc"] or "").encode()
    try:
        moment = datetime.combine(date.fromisoformat(found["date"]), clock) - offset
    except (OverflowError, ValueError):
        raise refused(found[0], "a moment between the years 1 and 9999, or in UTC") from None
    return _timestamp(moment) + b"+00"
