"""What scopes are named, and what can't be one."""

from __future__ import annotations

import enum
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import DeclarativeBase, mapped_column

from alkey import Alkey, NoIdentifier
from alkey._names import identifier
from alkey._names.values import value_name
from scoped_models import Customer, Driver, Sale


def test_names(alkey: Alkey, namespace: str) -> None:
    def name(**values: object) -> str:
        return alkey.scope(Sale, **values).decode().removeprefix(f"{namespace}:")

    assert name(customer_id=5) == name(customer_id="5") == "sales#customer=5"
    assert name(customer_id=None) == "sales#customer=%0"
    assert name(state=1, shop="a") == name(shop="a", state=1) == "sales#shop=a,state=1"
    assert name(shop="a,state=1", state=2) == "sales#shop=a%2Cstate%3D1,state=2"
    assert name(shop="1", state=1) == name(shop=1, state="1") == "sales#shop=1,state=1"
    assert name(shop="x" * 2000, state=1).startswith("sales#%h=")
    assert alkey.scope(Driver, team=3).endswith(b":workers#team=3")


PAIRS = st.lists(
    st.tuples(st.text(min_size=1, max_size=4), st.none() | st.text(max_size=4)),
    min_size=1,
    max_size=3,
    unique_by=lambda pair: pair[0],
)


@given(PAIRS, PAIRS, st.lists(st.none() | st.text(), min_size=1, max_size=3).filter(any))
def test_names_never_collide(
    one: list[tuple[str, Any]], other: list[tuple[str, Any]], key: list[Any]
) -> None:
    def scope(pairs: list[tuple[str, Any]]) -> bytes:
        return identifier.scope(b"alkey:t#", [(column, value_name(value)) for column, value in pairs])

    name = scope(one)
    assert (name == scope(other)) == (dict(one) == dict(other))
    assert name == scope(one[::-1])
    assert name != identifier.row("alkey", "t", key)
    assert name != identifier.table("alkey", "t")


class Color(enum.Enum):
    red = "r"


def mapped(column: Any, *scopes: Any) -> Any:
    class Alone(DeclarativeBase):
        pass

    return type(
        "Thing",
        (Alone,),
        {
            "__tablename__": "things",
            "__alkey_scopes__": scopes,
            "id": mapped_column(sa.Integer, primary_key=True),
            "x": column,
        },
    )


@pytest.mark.parametrize(
    ("kind", "same", "wrong"),
    [
        (sa.Integer(), [5, "5", 5.0], [5.5, "x", object()]),
        (sa.Text(), ["5", 5], [5.0, True]),
        (sa.Boolean(), [True, 1, "t"], [2, "maybe"]),
        (sa.Uuid(), [UUID(int=1), str(UUID(int=1))], ["x", 1]),
        (sa.Enum(Color), [Color.red, "red"], ["r", 1]),
        (sa.Enum("a", "b"), ["a"], ["c", Color.red]),
    ],
)
def test_values(alkey: Alkey, kind: Any, same: list[Any], wrong: list[Any]) -> None:
    model = mapped(mapped_column(kind), "x")
    assert len({alkey.scope(model, x=value) for value in same}) == 1
    for value in wrong:
        with pytest.raises(NoIdentifier, match="no scope of Thing has x="):
            alkey.scope(model, x=value)


@pytest.mark.parametrize(
    "kind", [sa.Float(), sa.Numeric(), sa.DateTime(), sa.CHAR(3), sa.LargeBinary(), sa.JSON()]
)
def test_columns_that_can_t_be_of_a_scope(alkey: Alkey, kind: Any) -> None:
    model = mapped(mapped_column(kind), "x")
    with pytest.raises(NoIdentifier, match=r"a scope can't be made of the column things.x, which is of type"):
        alkey.scope(model, x=1)
    model.registry.dispose()


def test_mistakes(alkey: Alkey) -> None:
    def error(model: Any, **values: object) -> str:
        with pytest.raises(NoIdentifier) as caught:
            alkey.scope(model, **values)
        if getattr(model, "__name__", "") == "Thing":
            model.registry.dispose()
        return str(caught.value)

    expected = "expected one of those in its __alkey_scopes__: (customer_id), (shop, state)"
    assert error(Sale, total=1) == f"Sale declares no scope of (total): {expected}"
    assert error(Sale, no_such=1) == f"Sale declares no scope of (no_such): {expected}"
    assert error(Sale, shop="a") == f"Sale declares no scope of (shop): {expected}"
    assert error(Sale) == f"Sale declares no scope of (): {expected}"
    assert error(Customer, id=1).endswith("__alkey_scopes__: none")
    assert error(7, id=1) == "7 has no scopes: expected a mapped class"
    column = mapped_column(sa.Integer)
    assert (
        error(mapped(column, "y"), y=1)
        == "Thing.__alkey_scopes__ names 'y': expected attributes that are columns"
    )
    assert (
        error(mapped(mapped_column(sa.Integer), ("x", "x")), x=1)
        == "Thing.__alkey_scopes__ has ('x', 'x'): expected columns of one table, each once"
    )
