"""What is not the same has not the same encoding, and what is the same has the same."""

from __future__ import annotations

import collections
import dataclasses
import enum
import pickle
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from alkey import Identifier, NoCanonicalForm
from alkey.parts import Apart, encode
from alkey.parts import Row as PartOfTable


class Color(enum.Enum):
    RED = 1


class Shade(enum.IntEnum):
    RED = 1


class Size(str, enum.Enum):
    RED = "1"


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Point:
    x: object
    y: object


@dataclasses.dataclass(frozen=True)
class Vector:
    x: object
    y: object


class Pair(NamedTuple):
    x: object
    y: object


class Text(str):
    __slots__ = ()


class Row:
    """What is mapped to tables, as these tests see it."""

    def __init__(self, *identifiers: bytes) -> None:
        self.identifiers = identifiers


def form(*parts: object) -> tuple[tuple[bytes, ...], bytes]:
    identifiers, value, _ = encode(parts, lambda part: part.identifiers if isinstance(part, Row) else ())
    return tuple(identifiers), value


UTC = timezone.utc
USER = Identifier(b"alkey:users#1")

# Each is another one than all others.
DIFFERENT: list[tuple[Any, ...]] = [
    (), (None,), ("None",), (None, None), ("",), (b"",), ([],), ((),), ({},), (set(),), (frozenset([""]),),
    (1,), (True,), ("1",), (b"1",), (1.0,), (Decimal(1),), (Decimal("1.0"),), (Fraction(1),), (complex(1),), (-1,),
    (Color.RED,), (Shade.RED,), (Size.RED,), (Rights.READ,), (Rights.READ | Rights.WRITE,),
    (0,), (False,), (0.0,), (-0.0,), (float("nan"),), (float("inf"),), (10**30,), (Decimal("NaN"),),
    ("a/b",), ("a", "b"), (["a", "b"],), (("a", "b"),), ([["a"], "b"],), ("ab",), ("--",), ("\ud800",),
    (Text("ab"),), (Markup("ab"),),
    ({"a": 1, "b": 2},), ({"a": 2, "b": 1},), ([("a", 1), ("b", 2)],), ({1: 2},), ({"1": 2},), ({(1,): 2},),
    ({1, 2},), ({"1", 2},), ([1, 2],), ([2, 1],),
    (Point(1, 2),), (Point(2, 1),), (Point("1", 2),), (Vector(1, 2),), (Pair(1, 2),), (1, 2),
    (date(2020, 1, 1),), ("2020-01-01",), (datetime(2020, 1, 1),), (datetime(2020, 1, 1, tzinfo=UTC),),
    (datetime(2020, 1, 1, fold=1),), (datetime(2020, 1, 1, tzinfo=timezone(timedelta(hours=1))),),
    (time(1),), (time(1, fold=1),), (time(1, tzinfo=UTC),), (timedelta(1),), (timedelta(0, 86401),),
    (UUID(int=1),), (str(UUID(int=1)),), (UUID(int=1).bytes,),
    (USER,), (b"alkey:users#1",), ("alkey:users#1",), ([USER],), (USER, USER), (USER, 1), (1, USER),
    ([USER], []), ([], [USER]), (Row(b"alkey:users#1", b"alkey:people#1"),),
    (Row(b"alkey:users#1"), Row(b"alkey:people#1")), ("@1;",),
    (PartOfTable(Apart((b"alkey:users#1",), "a")),), (PartOfTable(Apart((b"alkey:users#1",), "A")),), (USER, "a"),
]  # fmt: skip


def test_what_is_not_the_same_has_not_the_same_encoding() -> None:
    forms: dict[Any, Any] = {}
    for parts in DIFFERENT:
        known = forms.setdefault(form(*parts), parts)
        assert known is parts, f"{parts} and {known} are encoded alike"


SAME: list[tuple[Any, Any]] = [
    ({"a": 1, "b": [2]}, {"b": [2], "a": 1}),
    ({3, "x", 1}, {1, 3, "x"}),
    (collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1)),
    (float("nan"), -float("nan")),
    (Point(1, {"a": 1, "b": 2}), Point(1, {"b": 2, "a": 1})),
    (USER, Row(b"alkey:users#1")),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_is_the_same_has_the_same_encoding(one: Any, other: Any) -> None:
    assert form(one) == form(other)


def test_identifiers_are_beside_the_value_in_their_order() -> None:
    other = Row(b"alkey:a#1", b"alkey:b#1")
    identifiers, value, things = encode(
        (1, USER, [{"x": other}], USER), lambda part: part.identifiers if isinstance(part, Row) else ()
    )
    assert identifiers == [b"alkey:users#1", b"alkey:a#1", b"alkey:b#1", b"alkey:users#1"]
    assert things == [other]
    assert value == b"python/1;i1;@1;l1:d1:s1:x@2;@1;"


class Secretive:
    def __repr__(self) -> str:
        return "<secretive " + "x" * 200


class Stateful(str):
    def __init__(self, _text: str) -> None:
        self.more = 1


class Slotted(list[int]):
    __slots__ = ("more",)


looped: list[Any] = []
looped.append(looped)

REFUSED: list[tuple[Any, str]] = [
    (object(), "of type object has no canonical form"),
    (Secretive(), "… of type Secretive has no canonical form"),
    ([{"deep": Secretive}], "of type type has no canonical form"),
    (Stateful("a"), "'a' of type Stateful has no canonical form"),
    (Slotted(), r"\[\] of type Slotted has no canonical form"),
    (lambda: None, "of type function has no canonical form"),
    (looped, "holds itself"),
    ({USER: 1}, "is the key of a dict, where identifiers have no order"),
    ({USER}, "in a set"),
]


@pytest.mark.parametrize(("part", "words"), REFUSED)
def test_what_has_no_canonical_form_is_refused_by_name(part: Any, words: str) -> None:
    with pytest.raises(NoCanonicalForm, match=words):
        form(part)


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.decimals() | st.uuids()
    | st.dates() | st.datetimes() | st.timedeltas() | st.sampled_from([Color.RED, Shade.RED])
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=2) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)


def typed(value: Any) -> Any:
    """The value with its types, so that == tells what is the same. The oracle."""
    if isinstance(value, list | tuple):
        return (type(value), *[typed(item) for item in value])
    if isinstance(value, dict):
        return (dict, frozenset((typed(key), typed(item)) for key, item in value.items()))
    if isinstance(value, float | Decimal):
        # Zero has a sign, a number that is none is not itself, and a Decimal has digits after the point.
        return (type(value), repr(value))
    return (type(value), value)


@given(st.lists(values, max_size=3), st.lists(values, max_size=3))
def test_two_lists_have_the_same_encoding_if_they_are_the_same(one: list[Any], other: list[Any]) -> None:
    assert (form(*one) == form(*other)) == (typed(one) == typed(other))
    assert form(*one) == form(*one)


tricky = st.text(alphabet="a1:;@ls\x00", max_size=4)
tricky_lists = st.lists(tricky | st.lists(tricky, max_size=3), max_size=4)


@given(tricky_lists, tricky_lists)
def test_text_that_looks_like_the_encoding_is_told_apart(one: list[Any], other: list[Any]) -> None:
    assert (form(*one) == form(*other)) == (one == other)


def test_text_that_is_its_own_str() -> None:
    class Safe(str):
        def __str__(self) -> str:
            return self

    one, other, _ = (encode([part], lambda _: ())[1] for part in (Safe("a"), Safe("b"), "a"))
    assert one != other
    assert one == encode([Safe("a")], lambda _: ())[1]
    assert one != encode(["a"], lambda _: ())[1]


def test_a_row_that_only_the_database_knows_is_apart_from_others_of_its_table() -> None:
    row = PartOfTable(Apart((b"alkey:users#*",), ["a"]))
    assert row != PartOfTable(Apart((b"alkey:users#*",), ["A"]))
    assert row == PartOfTable(Apart((b"alkey:users#*",), ["a"])) == pickle.loads(pickle.dumps(row))
    assert len({row, PartOfTable(Apart((b"alkey:users#*",), ["a"]))}) == 1
    assert form(row)[0] == (b"alkey:users#*",)
