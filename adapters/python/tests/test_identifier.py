"""The bytes of identifiers: as they are written in the docs, and never the same for two rows."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alkey._names.identifier import row
from alkey.errors import NoIdentifier


class Color(enum.Enum):
    RED = 1


class Size(enum.IntEnum):
    SMALL = 7


class Word(str, enum.Enum):
    YES = "ja"


# Beside those of names/vectors.json: what Python alone has.
NAMES: list[tuple[tuple[Any, ...], bytes]] = [
    ((1,), b"1"),
    (("a#b\x00",), b"a#b\x00"),
    (("1", 1), b"1,1"),
    ((1, None), b"1,%0"),
    ((b"\x00*",), b"\\x002a"),
    ((bytearray(b"\x00"),), b"\\x00"),
    ((memoryview(b"\x00"),), b"\\x00"),
    ((Color.RED,), b"RED"),
    ((Size.SMALL,), b"7"),
    ((Word.YES,), b"ja"),
    (("\udcff",), b"\xff"),
    (("\ud800",), b"\xed\xa0\x80"),
    (("x" * 1025,), b"%hc6d8e9905300876046729949cc95c2385221270d389176f7234fe7ac00c4e430"),
]


@pytest.mark.parametrize(("key", "name"), NAMES)
def test_names_of_rows(key: tuple[Any, ...], name: bytes) -> None:
    assert row("alkey", "t", key) == b"alkey:t#" + name


def test_a_key_without_a_form_is_an_error_that_names_its_type() -> None:
    with pytest.raises(NoIdentifier, match="of type object"):
        row("alkey", "users", [object()])
    with pytest.raises(NoIdentifier, match="at least one"):
        row("alkey", "users", [])
    with pytest.raises(NoIdentifier, match="expected the mapped class"):
        row("alkey", "users", [1e15])


values = st.none() | st.text() | st.text(st.sampled_from("01-*%#,=\x00aA.ä"))
keys = st.lists(values, min_size=1, max_size=3).filter(lambda key: any(value is not None for value in key))


@given(keys, keys)
def test_different_rows_have_different_names(one: list[Any], other: list[Any]) -> None:
    assert (row("alkey", "t", one) == row("alkey", "t", other)) == (one == other)


def nasty() -> Iterator[bytes]:
    for key, _ in NAMES:
        for name in ("users", "*", "a#b", "a.b", "x" * 5000, "\x00"):
            yield row("alkey{nasty}", name, key)


def test_the_server_takes_them_all_and_each_stands_for_itself(client: Any) -> None:
    identifiers = sorted(set(nasty()))
    client.execute_command("ALKEY.TOUCH", "alkey{nasty}:*#*")
    before = [client.execute_command("ALKEY.TOKEN", one) for one in identifiers]
    client.execute_command("ALKEY.TOUCH", identifiers[0])
    after = [client.execute_command("ALKEY.TOKEN", one) for one in identifiers]
    changed = [identifiers[at] for at in range(len(identifiers)) if before[at] != after[at]]
    assert changed == identifiers[:1]
