"""The arguments of a key as bytes: typed, unambiguous, in their order.

Two argument lists have the same encoding only if they are equal in type and value all the way down. Identifiers are
taken out: the encoding has a place for each, and they go to the server beside it, so that a key depends on them.

It knows nothing of SQLAlchemy or of Redis: `identify` says which arguments are identifiers. The encoding is our own,
since the formats that libraries offer take `1` for `True`, an enum's member for its value, or a tuple for a list, and
have no place for identifiers.

A value is a letter for its type and then its content. What has no fixed length says its length or its count before it.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING, Any
from uuid import UUID

from alkey.errors import NoCanonicalForm

if TYPE_CHECKING:
    from typing_extensions import Self


class Identifier(bytes):
    """The identifier of something that a key depends on, as `Alkey.row`, `.table` and `.everything` make it.

    Plain bytes are a value, whatever they look like: a user may have typed them.
    """

    __slots__ = ()

    @property
    def identifiers(self) -> tuple[bytes, ...]:
        """What it depends on: itself."""
        return (self,)

    def __repr__(self) -> str:
        return f"Identifier({bytes(self)!r})"


class Apart(tuple[bytes, ...]):
    """Identifiers that do not say which row they are of, as that of a table for a row of it: `of` says it, and is in
    the key beside them. Else two rows would have one key."""

    of: object

    def __new__(cls, identifiers: Iterable[bytes], of: object) -> Self:
        made = super().__new__(cls, identifiers)
        made.of = of
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return Apart, (tuple(self), self.of)


class Row(Identifier):
    """A row that its own bytes do not say all of."""

    _identifiers: tuple[bytes, ...]

    def __new__(cls, identifiers: tuple[bytes, ...]) -> Self:
        made = super().__new__(cls, identifiers[0])
        made._identifiers = identifiers
        return made

    @property
    def identifiers(self) -> tuple[bytes, ...]:
        return self._identifiers

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Row) and _told(self) == _told(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return super().__hash__()

    def __reduce__(self) -> tuple[Any, ...]:
        return Row, (self._identifiers,)

    def __repr__(self) -> str:
        return f"Row({_told(self)!r})"


def _told(row: Row) -> tuple[object, ...]:
    identifiers = row.identifiers
    return (tuple(identifiers), identifiers.of if isinstance(identifiers, Apart) else None)


Identify = Callable[[Any], Sequence[bytes]]
"""The identifiers that an argument stands for; none if it is a value. A row may have several, one in each of its
tables. They may be `Apart`."""

# What each value begins with: the codec's name, since programs in another language have others, and its version. Raise
# it when the encoding changes, so that old and new releases share no keys.
_CODEC = b"python/1;"
# The place of one identifier.
_ONE = b"@1;"


Encoded = tuple[list[bytes], bytes, list[object]]
"""An argument list, as it goes to the server: its identifiers in the order of their places, nested ones included and
repeats repeated; its value; and the arguments that the identifiers were taken from by `identify`."""


def encode(parts: Iterable[object], identify: Identify) -> Encoded:
    encoder = _Encoder(identify)
    try:
        value = _CODEC + encoder.encode_all(parts)
    except RecursionError:
        raise NoCanonicalForm(
            "a part is nested too deeply, or holds itself: expected a value that ends"
        ) from None
    return encoder.identifiers, value, encoder.things


class _Encoder:
    """Keys are made in every request, so this is written to be fast where parts are few and simple."""

    __slots__ = ("_identify", "identifiers", "things")

    def __init__(self, identify: Identify) -> None:
        self._identify = identify
        self.identifiers: list[bytes] = []
        self.things: list[object] = []

    def encode_all(self, parts: Iterable[object]) -> bytes:
        forms = []
        for part in parts:
            kind = type(part)
            simple = _SIMPLE.get(kind)
            forms.append(self._encode_other(part, kind) if simple is None else simple(part))
        return b"".join(forms)

    def encode(self, part: object) -> bytes:
        return self.encode_all((part,))

    def _encode_other(self, part: Any, kind: type) -> bytes:
        if kind is Identifier:
            return self._place((part,))
        if kind is Row:
            return self._place(part.identifiers)
        if kind is list:
            return self._sequence(b"l", part)
        if kind is tuple:
            return self._sequence(b"t", part)
        if kind is dict:
            return self._dict(part)
        if kind is set or kind is frozenset:
            return self._set(part)
        identifiers = self._identify(part)
        if identifiers:
            self.things.append(part)
            return self._place(identifiers)
        return self._object(part)

    def _place(self, identifiers: Sequence[bytes]) -> bytes:
        self.identifiers += identifiers
        if type(identifiers) is Apart:
            return b"&%d;%b" % (len(identifiers), self.encode(identifiers.of))
        return _ONE if len(identifiers) == 1 else b"@%d;" % len(identifiers)

    def _sequence(self, letter: bytes, items: Sequence[object]) -> bytes:
        return b"%b%d:%b" % (letter, len(items), self.encode_all(items))

    def _dict(self, items: dict[object, object]) -> bytes:
        """In the order of the encoded keys. A key that is an identifier has no order of its own, so it is refused."""
        keys = sorted([(self._encode_unordered(key), key) for key in items], key=lambda pair: pair[0])
        return b"d%d:%b" % (len(keys), b"".join([form + self.encode(items[key]) for form, key in keys]))

    def _set(self, items: Iterable[object]) -> bytes:
        forms = sorted([self._encode_unordered(item) for item in items])
        return b"S%d:%b" % (len(forms), b"".join(forms))

    def _encode_unordered(self, part: object) -> bytes:
        before = len(self.identifiers)
        form = self.encode(part)
        if len(self.identifiers) != before:
            raise NoCanonicalForm(
                f"{_name(part)} is in a set or is the key of a dict, where identifiers have no order: expected a list"
            )
        return form

    def _object(self, part: object) -> bytes:
        """What is of none of the types above: enums, dataclasses, and subclasses of the types above."""
        kind = type(part)
        if isinstance(part, Enum):
            # A flag of several members has no name in Python 3.10.
            return self._tagged(b"e", kind, part.value if part.name is None else part.name)
        if dataclasses.is_dataclass(part) and not isinstance(part, type):
            fields = [(field.name, getattr(part, field.name)) for field in dataclasses.fields(part)]
            return self._tagged(b"C", kind, fields)
        for base in _BASES:
            if isinstance(part, base) and not _has_state(part, base):
                # `str()` of one may be the same one again, as of a text that is marked as safe.
                return self._tagged(b"c", kind, str.__str__(part) if base is str else base(part))
        raise NoCanonicalForm(
            f"{_name(part)} has no canonical form and can't be part of a key: expected numbers, text, bytes, None, "
            "dates, Decimal, UUID, enums, dataclasses, lists, tuples, sets, dicts, or what is mapped to a table"
        )

    def _tagged(self, letter: bytes, kind: type, content: object) -> bytes:
        return letter + _text(f"{kind.__module__}.{kind.__qualname__}") + self.encode(content)


def _name(part: object) -> str:
    """Names an argument in an error. It may be long, so it is cut."""
    shown = repr(part)
    if len(shown) > 60:
        shown = f"{shown[:60]}…"
    return f"{shown} of type {type(part).__qualname__}"


def _has_state(part: object, base: type) -> bool:
    """Whether an instance of a subclass of `base` holds more than its base: more than the encoding would tell."""
    # SQLAlchemy's lists and dicts know their owner, which is nothing that they hold.
    if any(not name.startswith("_sa_") for name in getattr(part, "__dict__", ())):
        return True
    own = type(part).__mro__[: type(part).__mro__.index(base)]
    return any(vars(kind).get("__slots__") for kind in own)


def _sized(letter: bytes, content: bytes) -> bytes:
    return b"%b%d:%b" % (letter, len(content), content)


def _text(text: str) -> bytes:
    # Half a surrogate pair is text in Python, too.
    return _sized(b"s", text.encode("utf-8", "surrogatepass"))


def _float(number: float) -> bytes:
    # All that are not a number are alike to who reads them.
    return b"f" + struct.pack(">d", float("nan") if number != number else number)


def _datetime(moment: datetime) -> bytes:
    # `fold` tells the two hours apart that a clock set back shows alike. Of a zone the offset is told, not the name.
    return _sized(b"M", f"{moment.isoformat()}/{moment.fold}".encode())


_SIMPLE: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"N",
    bool: lambda value: b"T" if value else b"F",
    int: lambda value: b"i%x;" % value if value >= 0 else b"i-%x;" % -value,
    float: _float,
    complex: lambda value: b"j" + _float(value.real) + _float(value.imag),
    str: _text,
    bytes: lambda value: _sized(b"b", value),
    bytearray: lambda value: _sized(b"B", bytes(value)),
    Decimal: lambda value: _sized(b"D", str(value).encode()),
    Fraction: lambda value: _sized(b"q", str(value).encode()),
    UUID: lambda value: b"u" + value.bytes,
    datetime: _datetime,
    date: lambda value: b"y" + value.isoformat().encode(),
    time: lambda value: _sized(b"h", f"{value.isoformat()}/{value.fold}".encode()),
    timedelta: lambda value: b"p%d,%d,%d;" % (value.days, value.seconds, value.microseconds),
}

# What a subclass may be of. Not bool and None, of which there are none; not the kinds of time, which have state.
_BASES: tuple[type, ...] = (str, bytes, int, float, list, tuple, dict, set, frozenset)
