"""When keys change, and when not: savepoints, rollbacks, two phases, several databases, autocommit, lost outcomes."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import sqlalchemy as sa
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from alkey import Alkey
from harness import wait_until
from models import Base, Order, User
from watch import Watch

Sessions = sessionmaker[Session]
users: sa.Table = Base.metadata.tables["users"]
NAMES = "users#1 users#2 users#3"


@pytest.fixture(autouse=True)
def _nothing_stays_in_flight(client: Any, namespace: str) -> Iterator[None]:
    yield
    left = [
        entry[b"transaction"] if isinstance(entry, dict) else entry[1]
        for entry in client.execute_command("ALKEY.PENDING")
    ]
    assert [name for name in left if name.startswith(f"{namespace}:".encode())] == []


@pytest.fixture
def calls(client: redis.Redis, monkeypatch: pytest.MonkeyPatch, alkey: Alkey) -> list[str]:
    """The commands that are sent."""
    assert alkey.delivery.lease_ns == 5_000_000_000
    sent: list[str] = []
    execute = alkey.commands._execute

    def spy(*arguments: Any) -> Any:
        sent.append(arguments[0])
        return execute(*arguments)

    monkeypatch.setattr(alkey.commands, "_execute", spy)
    return sent


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


@pytest.mark.parametrize("kind", ["class", "sessionmaker", "scoped_session", "session"])
def test_what_can_be_bound(engine: sa.Engine, alkey: Alkey, watch: Watch, kind: str) -> None:
    Base.metadata.create_all(engine)

    class OwnSession(Session):
        pass

    targets: dict[str, Any] = {"class": OwnSession, "session": OwnSession(engine)}
    targets["sessionmaker"] = sessionmaker(engine, class_=OwnSession)
    targets["scoped_session"] = scoped_session(targets["sessionmaker"])
    for _ in range(2):
        alkey.bind(targets[kind])
    session = {"class": lambda: OwnSession(engine), "session": lambda: targets["session"]}.get(
        kind, targets[kind]
    )()
    with watch.changed(NAMES) as changed, session:
        session.add(User(id=1))
        session.commit()
    assert changed == {"users#1"}
    if kind == "scoped_session":
        targets[kind].remove()


def test_what_can_not_be_bound(alkey: Alkey, engine: sa.Engine) -> None:
    for wrong in (engine, object, None):
        with pytest.raises(TypeError, match="can't be bound: expected a Session class"):
            alkey.bind(wrong)
    with Session(engine) as session:
        session.connection()
        with pytest.raises(ValueError, match="is in a transaction, of which alkey has missed"):
            alkey.bind(session)


def test_two_databases_on_one_server_by_two_namespaces(
    engine: sa.Engine, client: redis.Redis, namespace: str
) -> None:
    Base.metadata.create_all(engine)
    own, other = Alkey(client, f"{namespace[:-1]}a}}"), Alkey(client, f"{namespace[:-1]}b}}")
    bound = sessionmaker(engine)
    own.bind(bound)
    with (
        Watch(client, own.namespace).changed(NAMES) as changed,
        Watch(client, other.namespace).changed(NAMES) as others,
        bound.begin() as session,
    ):
        session.add(User(id=1))
    assert (changed, others) == ({"users#1"}, set())


def test_several_binds(pg_engine: sa.Engine, sqlite_engine: sa.Engine, alkey: Alkey, watch: Watch) -> None:
    for each in (pg_engine, sqlite_engine):
        Base.metadata.create_all(each)
    bound = sessionmaker(binds={User: pg_engine, Order: sqlite_engine})
    alkey.bind(bound)
    with sqlite_engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO users (id, visits) VALUES (1, 0)")
    names = "users#1 users#2 orders#1 orders#2 orders#3"
    with watch.changed(names) as changed, bound() as session:
        session.add(User(id=1))
        session.flush()
        savepoint = session.connection(bind_arguments={"mapper": User}).begin_nested()
        session.execute(sa.insert(users).values(id=2, visits=0), bind_arguments={"mapper": User})
        session.add(Order(id=1, customer=1))
        session.flush()
        # Only what was changed on its connection.
        savepoint.rollback()
        session.commit()
    assert changed == {"users#1", "orders#1"}
    with watch.changed(names) as changed, bound() as session:
        session.add_all([Order(id=3)])
        session.flush()
        session.rollback()
    assert changed == set()


@pytest.mark.parametrize("ends", ["commit", "rollback", "rollback after prepare"])
def test_two_phases(pg_engine: sa.Engine, alkey: Alkey, watch: Watch, calls: list[str], ends: str) -> None:
    Base.metadata.create_all(pg_engine)
    bound = sessionmaker(pg_engine, twophase=True)
    alkey.bind(bound)
    with watch.changed(NAMES) as changed, bound() as session:
        session.add(User(id=1))
        session.flush()
        if ends != "rollback":
            session.prepare()
            assert watch.is_in_flight("users#1")
        if ends == "commit":
            session.commit()
        else:
            session.rollback()
    assert changed == ({"users#1"} if ends == "commit" else set())
    expected = {
        "commit": ["ALKEY.RECORD", "ALKEY.COMMIT"],
        "rollback": [],
        "rollback after prepare": ["ALKEY.RECORD", "ALKEY.DISCARD"],
    }
    assert calls == expected[ends]


def test_autocommit(pg_engine: sa.Engine, alkey: Alkey, watch: Watch, calls: list[str]) -> None:
    Base.metadata.create_all(pg_engine)
    in_flight: list[bool] = []

    @sa.event.listens_for(pg_engine, "before_cursor_execute")
    def _look(*_: Any) -> None:
        in_flight.append(watch.is_in_flight("users#1"))

    bound = sessionmaker(pg_engine.execution_options(isolation_level="AUTOCOMMIT"))
    alkey.bind(bound)
    with watch.changed(NAMES) as changed, bound() as session:
        session.execute(sa.insert(users).values(id=1, visits=0))
        # What the database has committed is committed, whatever becomes of the session.
        with watch.changed(NAMES) as again:
            session.add(User(id=2))
            session.flush()
        with pytest.raises(sa.exc.IntegrityError):
            session.execute(sa.insert(users).values(id=1, visits=0))
        session.rollback()
    assert {"users#1", "users#2"} <= changed
    assert "users#2" in again
    assert calls.count("ALKEY.RECORD") <= calls.count("ALKEY.COMMIT")
    assert "ALKEY.DISCARD" not in calls


def test_autocommit_of_the_engine_and_of_sqlite(
    postgres: Any, pg_engine: sa.Engine, sqlite_engine: sa.Engine, tmp_path: Any
) -> None:
    from alkey.sqlalchemy.autocommit import commits_by_itself

    def judged(engine: sa.Engine, **options: Any) -> bool:
        with engine.connect().execution_options(**options) as connection:
            connection.execute(sa.select(1))
            found = commits_by_itself(connection)
        engine.dispose()
        return found

    plain = sa.create_engine(f"sqlite:///{tmp_path}/plain")
    assert not judged(pg_engine)
    assert judged(pg_engine, isolation_level="AUTOCOMMIT")
    assert judged(sa.create_engine(pg_engine.url, isolation_level="AUTOCOMMIT"))
    assert not judged(sqlite_engine)
    assert not judged(plain)
    assert judged(plain, isolation_level="AUTOCOMMIT")


class Lost(Exception):
    """The answer to the database's COMMIT."""


@pytest.mark.parametrize("is_committed", [True, False])
def test_an_unknown_outcome_counts_as_committed(
    sessions: Sessions, watch: Watch, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, is_committed: bool
) -> None:
    do_commit = engine.dialect.do_commit

    def lose(connection: Any) -> None:
        if is_committed:
            do_commit(connection)
        raise Lost

    with watch.changed(NAMES) as changed:
        with sessions() as session:
            session.add(User(id=1))
            monkeypatch.setattr(engine.dialect, "do_commit", lose)
            with pytest.raises(Lost):
                session.commit()
        assert not watch.is_in_flight("users#1")
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


def test_an_outer_transaction_holds_what_its_sessions_commit(
    pg_engine: sa.Engine, alkey: Alkey, watch: Watch
) -> None:
    Base.metadata.create_all(pg_engine)
    bound = sessionmaker(join_transaction_mode="create_savepoint")
    alkey.bind(bound)
    with pg_engine.connect() as connection:
        outer = connection.begin()
        with bound(bind=connection) as session, watch.changed(NAMES) as changed:
            session.add(User(id=1))
            session.commit()
        # Relaxed readers in the same transaction see it, strict ones elsewhere wait.
        assert changed == {"users#1"}
        assert watch.is_in_flight("users#1")
        with watch.changed(NAMES) as changed:
            outer.commit()
            wait_until("the outer transaction's end was noticed", lambda: not watch.is_in_flight("users#1"))
    assert changed == {"users#1"}


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
