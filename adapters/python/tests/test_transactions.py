"""When keys change, and when not: commits, rollbacks, savepoints, lost outcomes."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from alkey import Alkey
from harness import RedisServer, wait_until
from models import Base, User, bound_to, ids_in
from watch import Watch

Sessions = sessionmaker[Session]
users: sa.Table = Base.metadata.tables["users"]
NAMES = "users#1 users#2 users#3"

pytestmark = pytest.mark.usefixtures("nothing_stays_in_flight")


def test_two_round_trips_for_a_writing_transaction_and_none_for_a_reading_one(
    sessions: Sessions, calls: list[str]
) -> None:
    with sessions() as session:
        session.add_all([User(id=1), User(id=2)])
        session.flush()
        session.add(User(id=3))
        session.commit()
        assert calls == ["ALKEY.RECORD", "ALKEY.COMMIT"]
        calls.clear()
        session.scalars(sa.select(User)).all()
        session.commit()
        session.scalars(sa.select(User)).all()
        session.rollback()
    assert calls == []


def test_a_rolled_back_transaction_changes_nothing(
    sessions: Sessions, watch: Watch, calls: list[str]
) -> None:
    with watch.changed(NAMES) as changed, sessions() as session:
        session.add(User(id=1))
        session.flush()
        session.rollback()
        assert changed == set()
        session.add(User(id=2))
        session.commit()
    assert changed == {"users#2"}
    assert "ALKEY.DISCARD" not in calls


@pytest.mark.parametrize("how", ["close", "with", "garbage"])
def test_a_session_that_is_left_without_a_commit(
    sessions: Sessions, watch: Watch, calls: list[str], how: str
) -> None:
    with watch.changed(NAMES) as changed:
        if how == "with":
            with sessions() as session:
                session.add(User(id=1))
                session.flush()
        else:
            session = sessions()
            session.add(User(id=1))
            session.flush()
            if how == "close":
                session.close()
        del session
        gc.collect()
        with sessions.begin() as another:
            another.add(User(id=2))
    assert changed == {"users#2"}


def test_a_released_savepoint_changes_nothing_until_the_commit(sessions: Sessions, watch: Watch) -> None:
    with watch.changed(NAMES) as changed, sessions() as session:
        with watch.changed(NAMES) as early:
            session.add(User(id=1))
            with session.begin_nested():
                session.add(User(id=2))
            session.flush()
        assert early == set()
        session.commit()
    assert changed == {"users#1", "users#2"}


def test_a_savepoint_that_is_rolled_back_takes_its_changes_and_no_others(
    sessions: Sessions, watch: Watch
) -> None:
    with watch.changed(NAMES + " users#4 users#5") as changed, sessions() as session:
        session.add(User(id=1))
        savepoint = session.begin_nested()
        session.add(User(id=2))
        with session.begin_nested():
            session.add(User(id=3))
        savepoint.rollback()
        session.add(User(id=4))
        session.commit()
    assert changed == {"users#1", "users#4"}


def test_a_flush_that_fails_in_a_savepoint(sessions: Sessions, watch: Watch) -> None:
    with watch.changed(NAMES) as changed, sessions() as session:
        session.add(User(id=1))
        session.flush()
        with pytest.raises(sa.exc.IntegrityError), session.begin_nested():
            session.add(User(id=2))
            session.flush()
            session.execute(sa.insert(users).values(id=1, visits=0))
        session.add(User(id=3))
        session.commit()
    assert changed == {"users#1", "users#3"}


def test_savepoints_of_core(sessions: Sessions, watch: Watch) -> None:
    with watch.changed(NAMES) as changed, sessions() as session:
        connection = session.connection()
        with connection.begin_nested():
            connection.execute(sa.insert(users).values(id=1, visits=0))
        dropped = connection.begin_nested()
        connection.execute(sa.insert(users).values(id=2, visits=0))
        dropped.rollback()
        session.commit()
    assert changed == {"users#1"}


def test_one_session_does_not_apply_what_another_recorded(
    pg_engine: sa.Engine, alkey: Alkey, watch: Watch
) -> None:
    Base.metadata.create_all(pg_engine)
    bound = sessionmaker(pg_engine)
    alkey.bind(bound)
    with bound() as one, bound() as other:
        one.add(User(id=1))
        one.flush()
        other.add(User(id=2))
        with watch.changed(NAMES) as changed:
            other.commit()
        assert changed == {"users#2"}
        with watch.changed(NAMES) as changed:
            one.commit()
        assert changed == {"users#1"}


def test_recorded_before_the_database_commits(
    sessions: Sessions, watch: Watch, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    do_commit = engine.dialect.do_commit

    def look(connection: Any) -> None:
        seen.append(watch.is_in_flight("users#1"))
        do_commit(connection)

    with sessions() as session:
        session.add(User(id=1))
        assert not watch.is_in_flight("users#1")
        monkeypatch.setattr(engine.dialect, "do_commit", look)
        sa.event.listen(session, "after_commit", lambda _: seen.append(watch.is_in_flight("users#1")))
        session.commit()
    assert seen == [True, False]


class Lost(Exception):
    """The answer to the database's COMMIT."""


@pytest.mark.parametrize("commits", ["before", "later", "never"])
def test_an_unknown_outcome_is_in_flight_until_the_lease_is_over_and_then_committed(
    engine: sa.Engine,
    own_server: Callable[..., RedisServer],
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
    commits: str,
) -> None:
    """The database may commit after its client has given up. Who read it in between, and stored what it was under a
    key that is settled, would be stale for ever."""
    server = own_server(lease_ms=2000)
    with server.client() as client:
        watch = Watch(client, namespace)
        sessions = bound_to(Alkey(client, namespace), engine)
        do_commit = engine.dialect.do_commit

        def lose(connection: Any) -> None:
            if commits == "before":
                do_commit(connection)
            raise Lost

        with watch.changed(NAMES) as changed:
            with sessions() as session:
                session.add(User(id=1))
                with monkeypatch.context() as patched:
                    patched.setattr(engine.dialect, "do_commit", lose)
                    with pytest.raises(Lost):
                        session.commit()
            assert watch.is_in_flight("users#1")
            # The pool has the connection as it was left.
            engine.dispose()
            if commits == "later":
                # By another here, who finds what the one that was given up would have left.
                with engine.begin() as connection:
                    connection.execute(sa.insert(users).values(id=1, visits=0))
            assert ids_in(engine) == ([] if commits == "never" else [1])
            wait_until("the lease is over", lambda: not watch.is_in_flight("users#1"))
        assert changed == {"users#1"}


def test_nothing_is_raised_after_the_commit(
    sessions: Sessions, watch: Watch, alkey: Alkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> int:
        raise RuntimeError("whatever a client may raise")

    with sessions() as session:
        with monkeypatch.context() as patched:
            patched.setattr(alkey.commands, "commit", fail)
            session.add(User(id=1))
            session.commit()
        # The session goes on.
        assert session.get_one(User, 1).visits == 0
    assert alkey.delivery.flush(60)
    wait_until("the late COMMIT has ended the flight", lambda: not watch.is_in_flight("users#1"))


def test_more_rows_than_are_told_one_by_one(
    sessions: Sessions, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alkey.transaction.IDENTIFIERS_MAX", 10)
    with watch.changed("users#1 users#10 users#11 users#99") as changed, sessions.begin() as session:
        session.add_all([User(id=number) for number in range(10)])
    assert changed == {"users#1"}
    with watch.changed("users#1 users#10 users#11 users#99 orders#1") as changed, sessions.begin() as session:
        session.add_all([User(id=number) for number in range(10, 21)])
    assert changed == {"users#1", "users#10", "users#11", "users#99"}
