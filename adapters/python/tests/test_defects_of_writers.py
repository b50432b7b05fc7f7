"""The defects of alkey 0.7.1 that are of writers, each by the number that it has among all, and shown on the old way.

Each scenario says which keys are to change; the old way must get it wrong, and alkey right. The others are in
test_defects_of_readers, and where more than a few steps show them: 4 in test_transactions (one session does not apply
...), 5 in test_failures (renewed while the commit hangs), 6 in test_failures (a writer that dies ...), 18 in
test_failures (deliver ..., raise ...). That the old way gets those wrong is in test_old_way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import redis
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from alkey import Alkey
from models import Base, Document, Engineer, Order, Seat, Tag, User
from old_way import OldWay
from watch import Watch

Scenario = Callable[[sessionmaker[Session]], None]
SCENARIOS: list[Any] = []


def scenario(number: int, names: str, expected: str) -> Callable[[Scenario], Scenario]:
    """`expected`: those of `names` that are to change."""

    def register(run: Scenario) -> Scenario:
        SCENARIOS.append(
            pytest.param(run, names.split(), set(expected.split()), id=f"{number:02}_{run.__name__}")
        )
        return run

    return register


@scenario(1, "users#1 users#3", "users#3")
def a_rollback_does_not_discard(sessions: sessionmaker[Session]) -> None:
    with sessions() as session:
        session.get_one(User, 1).name = "never"
        session.flush()
        session.rollback()
        session.add(User(id=3))
        session.commit()


@scenario(2, "users#1 users#3", "users#1")
def a_rollback_to_a_savepoint_discards_too_much(sessions: sessionmaker[Session]) -> None:
    with sessions() as session:
        session.get_one(User, 1).name = "new"
        with session.begin_nested() as savepoint:
            session.add(User(id=3))
            session.flush()
            savepoint.rollback()
        session.commit()


@scenario(2, "users#1 users#2", "users#1")
def a_flush_that_fails_discards_too_much(sessions: sessionmaker[Session]) -> None:
    with sessions() as session:
        session.get_one(User, 1).name = "new"
        session.flush()
        with pytest.raises(sa.exc.IntegrityError), session.begin_nested():
            session.add(Document(id=UUID(int=1)))
            session.flush()
        session.commit()


@scenario(3, "users#1", "")
def a_released_savepoint_changes_keys(sessions: sessionmaker[Session]) -> None:
    with sessions() as session:
        with session.begin_nested():
            session.get_one(User, 1).name = "new"
        session.rollback()


@scenario(9, "Documents-2#*", "Documents-2#*")
def tables_of_other_names(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        session.add(Document())


@scenario(10, "tags#x tags#y seats#1,a seats#2,a", "tags#x seats#1,a")
def rows_of_other_keys(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        session.get_one(Tag, "x").note = "new"
        session.get_one(Seat, (1, "a")).taken = True


@scenario(12, "users#1 users#2", "users#1 users#2")
def a_bulk_update(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        session.execute(sa.update(User).values(visits=9))


@scenario(12, "users#1 users#2", "users#1")
def bulk_mappings(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        session.bulk_update_mappings(sa.inspect(User), [{"id": 1, "visits": 9}])


@scenario(12, "users#1 orders#1", "users#1")
def text(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        session.execute(sa.text("UPDATE users SET visits = 9"))


@scenario(13, "people#1 engineers#1", "people#1 engineers#1")
def joined_inheritance(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        session.get_one(Engineer, 1).name = "new"


@scenario(14, "users#1 users#2 orders#1", "users#1 users#2 orders#1")
def another_parent(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        session.get_one(Order, 1).customer = 2


@scenario(14, "users#2 users#3", "users#2 users#3")
def another_primary_key(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        session.get_one(User, 2).id = 3


@scenario(15, "orders#1 orders#2", "orders#1")
def an_orphan(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        user = session.get_one(User, 1)
        user.orders[:] = [order for order in user.orders if order.id == 2]


@scenario(21, "users#1", "")
def nothing_changed(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        user = session.get_one(User, 1)
        user.name = str(user.name)


@scenario(23, "users#1 users#3", "users#3")
def a_session_that_was_left(sessions: sessionmaker[Session]) -> None:
    with sessions() as session:
        session.get_one(User, 1).name = "never"
        session.flush()
    # 0.7.1 kept its set under the session's number, and this is the same session.
    with session:
        session.add(User(id=3))
        session.commit()


@pytest.mark.parametrize(("run", "names", "expected"), SCENARIOS)
def test_defect(
    pg_engine: sa.Engine,
    client: redis.Redis,
    empty_client: redis.Redis,
    namespace: str,
    run: Scenario,
    names: list[str],
    expected: set[str],
) -> None:
    Base.metadata.create_all(pg_engine)
    with Session(pg_engine) as session, session.begin():
        session.add_all(
            [
                User(id=1, name="a", orders=[Order(id=1), Order(id=2)]),
                User(id=2),
                Tag(name="x"),
                Tag(name="y"),
            ]
        )
        session.add_all(
            [Seat(row=1, letter="a"), Seat(row=2, letter="a"), Engineer(id=1), Document(id=UUID(int=1))]
        )
    # Both at once, on the same session.
    sessions = sessionmaker(pg_engine)
    old_way = OldWay(empty_client)
    old_way.bind(sessions)
    Alkey(client, namespace).bind(sessions)
    with Watch(client, namespace).changed(" ".join(names)) as changed:
        changed_by_the_old_way = old_way.changed(names, lambda: run(sessions))
    assert changed == expected
    assert changed_by_the_old_way != expected


def test_the_old_way_is_right_where_it_was(pg_engine: sa.Engine, empty_client: redis.Redis) -> None:
    Base.metadata.create_all(pg_engine)
    sessions = sessionmaker(pg_engine)
    old_way = OldWay(empty_client)
    old_way.bind(sessions)

    def insert() -> None:
        with sessions.begin() as session:
            session.add(User(id=1))

    assert old_way.changed(["users#1", "users#2", "users#*", "*#*"], insert) == {"users#1", "users#*", "*#*"}
