"""Tables in several namespaces, on one server."""

from __future__ import annotations

from typing import Any

import pytest
import redis
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from alkey import Alkey, NoIdentifier, Unavailable
from harness import LEASE_MS_LONG
from models import Base, Order, Tag, User, bound_to
from spy import sent_by
from watch import Watch

Sessions = sessionmaker[Session]


@pytest.fixture
def other(namespace: str) -> str:
    return namespace.replace("test", "other")


@pytest.fixture
def spread(client: redis.Redis, namespace: str, other: str) -> Alkey:
    return Alkey(client, namespace, namespaces={other: ["orders", "audit.entries"]}, lease_ms=LEASE_MS_LONG)


def test_names(spread: Alkey, namespace: str, other: str) -> None:
    assert spread.row("orders", 1) == f"{other}:orders#1".encode()
    assert spread.table("orders") == f"{other}:orders#*".encode()
    assert spread.table("entries", schema="audit") == f"{other}:audit.entries#*".encode()
    assert spread.table("orders", schema="audit") == f"{namespace}:audit.orders#*".encode()
    assert spread.row("users", 1) == f"{namespace}:users#1".encode()
    assert str(spread.namespace) == namespace


def test_mistakes(client: redis.Redis) -> None:
    with pytest.raises(ValueError, match="'shop' is not a namespace"):
        Alkey(client, namespaces={"shop": ["orders"]})
    with pytest.raises(ValueError, match="the table 'orders' is in two namespaces: expected one"):
        Alkey(client, namespaces={"alkey{a}": ["orders"], "alkey{b}": ["orders"]})
    with pytest.raises(TypeError, match="'orders' for 'alkey{a}': expected a list of names of tables"):
        Alkey(client, namespaces={"alkey{a}": "orders"})
    with pytest.raises(NoIdentifier, match="everything is in several namespaces"):
        Alkey(client, namespaces={"alkey{a}": ["orders"]}).everything()


@pytest.fixture
def filled(engine: sa.Engine, spread: Alkey) -> Sessions:
    bound = bound_to(spread, engine)
    with bound.begin() as session:
        session.add_all([User(id=1, orders=[Order(id=1)]), User(id=2), Tag(name="x")])
    return bound


def test_a_transaction_in_two_namespaces(
    filled: Sessions,
    spread: Alkey,
    client: redis.Redis,
    namespace: str,
    other: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = sent_by(monkeypatch, (spread.commands, "_execute"))
    here, there = Watch(client, namespace), Watch(client, other)

    def write() -> None:
        with filled.begin() as session:
            session.get_one(User, 1).name = "new"
            with session.begin_nested() as point:
                session.get_one(Tag, "x").note = "never"
                session.flush()
                point.rollback()
            session.get_one(Order, 1).total = 5

    with here.changed("users#1 users#2 tags#x") as in_first, there.changed("orders#1 users#1") as in_other:
        write()
    assert in_first == {"users#1"}
    assert in_other == {"orders#1"}
    both = sorted([namespace, other])
    assert sent == [(f"ALKEY.{verb}", name) for verb in ("RECORD", "COMMIT") for name in both]
    sent.clear()
    with filled.begin() as session:
        session.get_one(User, 2).name = "new"
    assert sent == [("ALKEY.RECORD", namespace), ("ALKEY.COMMIT", namespace)]
    with (
        here.changed("users#1") as in_first,
        there.changed("orders#1") as in_other,
        filled.begin() as session,
    ):
        session.execute(sa.DDL("CREATE VIEW unclear AS SELECT 1"))
    assert (in_first, in_other) == ({"users#1"}, {"orders#1"})


def test_a_key_of_two_namespaces(filled: Sessions, spread: Alkey) -> None:
    user, order = spread.row("users", 1), spread.row("orders", 1)

    def keys() -> list[str]:
        return [
            spread.key(*parts)
            for parts in (
                (user, order), (order, user), (user, order, "x"), (user, order, order), ([user, order],),
                (user, user, order), (user, order, user), (order, user, user), (User, Order),
            )
        ]  # fmt: skip

    before = keys()
    assert before == keys()
    assert len(set(before)) == len(before)
    assert all(len(key) == 64 for key in before)
    assert spread.lookup(user, order).settled_ms is not None
    with filled.begin() as session:
        session.get_one(Order, 1).total = 5
    assert set(before).isdisjoint(keys())
    before = keys()
    spread.touch(user)
    assert set(before).isdisjoint(keys())
    relaxed = Alkey(
        spread.client, str(spread.namespace), namespaces={"alkey{none}": ["orders"]}, strict=False
    )
    assert relaxed.key(user, relaxed.row("orders", 1)) not in keys()
    with filled() as session:
        instances = session.get_one(User, 1), session.get_one(Order, 1)
        assert spread.lookup(*instances).settled_ms is not None


def test_private_wins(filled: Sessions, spread: Alkey, other: str) -> None:
    user, order = spread.row("users", 1), spread.row("orders", 1)
    transaction = f"{other}:tx:1".encode()
    assert spread.lookup(user, order).is_shared
    spread.commands.record(transaction, [order])
    assert spread.lookup(user, order)[1:] == (-1, 0, "something is in flight, or the server is in grace")
    assert spread.lookup(user).is_shared
    spread.commands.commit(transaction)
    assert spread.lookup(user, order).is_shared
    settled = spread.lookup(user, order).settled_ms
    assert settled is not None
    assert settled <= (spread.lookup(order).settled_ms or 0)


def test_a_namespace_that_can_t_be_recorded_refuses_for_all(
    engine: sa.Engine, client: redis.Redis, namespace: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alkey = Alkey(
        client, namespace, namespaces={other: ["orders"]}, unavailable="raise", lease_ms=LEASE_MS_LONG
    )
    bound = bound_to(alkey, engine)
    with bound.begin() as session:
        session.add(User(id=1, orders=[Order(id=1)]))
    record = alkey.commands.record

    def refuse(transaction: bytes, identifiers: Any) -> int:
        if transaction.startswith(max(namespace, other).encode()):
            raise Unavailable("not today")
        return record(transaction, identifiers)

    monkeypatch.setattr(alkey.commands, "record", refuse)
    watch = Watch(client, namespace)
    with watch.changed("users#1") as changed, pytest.raises(Unavailable), bound.begin() as session:
        session.get_one(User, 1).name = "new"
        session.get_one(Order, 1).total = 5
    assert changed == set()
    with bound() as session:
        assert session.get_one(Order, 1).total == 0
    assert alkey.lookup(alkey.row("users", 1), alkey.row("orders", 1)).is_shared


def test_a_commit_that_is_lost_in_one_namespace(
    filled: Sessions, spread: Alkey, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What depends on it is private until it arrives, and another key then."""
    parts = spread.row("users", 1), spread.row("orders", 1)
    before = spread.lookup(*parts)
    commit = spread.commands.commit
    is_broken = True

    def lose(transaction: bytes, identifiers: Any = ()) -> int:
        if is_broken and transaction.startswith(other.encode()):
            raise Unavailable("not now")
        return commit(transaction, identifiers)

    monkeypatch.setattr(spread.commands, "commit", lose)
    with filled.begin() as session:
        session.get_one(User, 1).name = "new"
        session.get_one(Order, 1).total = 5
    assert spread.lookup(*parts).why_private == "something is in flight, or the server is in grace"
    assert spread.lookup(parts[0]).is_shared
    is_broken = False
    assert spread.delivery.flush(60)
    after = spread.lookup(*parts)
    assert after.is_shared
    assert after.key != before.key


def test_one_namespace_for_each_session(
    engine: sa.Engine, client: redis.Redis, namespace: str, other: str
) -> None:
    """As for tenants."""
    Base.metadata.create_all(engine)
    tenants = [Alkey(client, name) for name in (namespace, other)]
    watches = [Watch(client, name) for name in (namespace, other)]
    for number, tenant in enumerate(tenants):
        session = Session(engine)
        tenant.bind(session)
        with watches[0].changed("users#0 users#1") as first, watches[1].changed("users#0 users#1") as second:
            session.add(User(id=number))
            session.commit()
        session.close()
        assert (first, second) == ((set(), {"users#1"}) if number else ({"users#0"}, set()))
