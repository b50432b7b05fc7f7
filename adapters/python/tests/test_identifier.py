"""The bytes of identifiers: as they are written in the docs, and never the same for two rows."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alkey.errors import NoIdentifier
from alkey.identifier import checked_namespace, everything, row, row_name, table, table_of


class Color(enum.Enum):
    RED = 1


class Size(enum.IntEnum):
    SMALL = 7


NAMES: list[tuple[tuple[Any, ...], bytes]] = [
    ((1,), b"1"),
    ((-1,), b"-1"),
    ((Decimal("1.00"),), b"1"),
    ((-0.0,), b"0"),
    ((1.5,), b"1.5"),
    ((Decimal("1.50"),), b"1.5"),
    (("1",), b"%31"),
    (("-1",), b"%2D1"),
    (("1.5",), b"%31.5"),
    (("one",), b"one"),
    (("",), b"%s"),
    (("*",), b"%2A"),
    (("**",), b"**"),
    (("a#b\x00",), b"a#b\x00"),
    (("a,b",), b"a%2Cb"),
    (("user_id=5",), b"user_id%3D5"),
    (("%31",), b"%2531"),
    (("ä",), "ä".encode()),
    (("1", 1), b"%31,1"),
    ((1, None), b"1,%0"),
    ((b"\x00*",), b"%x002a"),
    ((True,), b"1"),
    ((Color.RED,), b"RED"),
    ((Size.SMALL,), b"7"),
    ((UUID(int=1),), b"00000000-0000-0000-0000-000000000001"),
    ((date(2026, 1, 2),), b"%t2026-01-02"),
    ((datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=1))),), b"%u2026-01-02T02:00:00"),
    (("x" * 1025,), b"%hc6d8e990"),
]


@pytest.mark.parametrize(("key", "name"), NAMES)
def test_names_of_rows(key: tuple[Any, ...], name: bytes) -> None:
    encoded = row_name(key)
    assert encoded[: len(name)] == name if name.startswith(b"%h") else encoded == name


def test_whole_identifiers() -> None:
    assert row("alkey", "users", [1]) == b"alkey:users#1"
    assert table("alkey{shop}", "users") == b"alkey{shop}:users#*"
    assert everything("alkey") == b"alkey:*#*"
    assert table("alkey", "orders", "sales") == b"alkey:sales.orders#*"
    assert table("alkey", "sales.orders") == b"alkey:sales%2Eorders#*"
    assert table("alkey", "Order-Lines2") == b"alkey:Order-Lines2#*"
    assert table("alkey", "*") == b"alkey:%2A#*"
    assert table("alkey", "a#b") == b"alkey:a%23b#*"


def test_the_table_of_a_row() -> None:
    for namespace in ("alkey", "alkey{a:b#c}"):
        assert table_of(row(namespace, "users", ["#"])) == table(namespace, "users")
        assert table_of(everything(namespace)) == everything(namespace)


def test_a_key_without_a_form_is_an_error_that_names_its_type() -> None:
    with pytest.raises(NoIdentifier, match="type object"):
        row("alkey", "users", [object()])
    with pytest.raises(NoIdentifier, match="at least one"):
        row("alkey", "users", [])


@pytest.mark.parametrize("wrong", ["", "users", "alkey:", "alkey{}", "alkey{a}b", "alkey{a", " alkey"])
def test_what_is_no_namespace_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="is not a namespace"):
        checked_namespace(wrong)


values = st.one_of(
    st.integers(),
    st.text(st.sampled_from("01-*%#,=\x00aA.ä")),
    st.text(),
    st.binary(),
    st.uuids(),
    st.none(),
    st.dates(),
    st.datetimes(),
    st.decimals(allow_nan=False),
)


def canonical(value: Any) -> Any:
    """What two keys have in common if they are of one row."""
    if isinstance(value, int | Decimal):
        return ("number", Decimal(value))
    if isinstance(value, UUID):
        return ("str", str(value))
    return (type(value).__name__, value)


@given(st.lists(values, min_size=1, max_size=3), st.lists(values, min_size=1, max_size=3))
def test_different_rows_have_different_names(one: list[Any], other: list[Any]) -> None:
    same = [canonical(value) for value in one] == [canonical(value) for value in other]
    assert (row_name(one) == row_name(other)) == same


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
