"""Transactions that are more than one session on one connection: several databases, two phases, autocommit, an outer
transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from alkey import Alkey
from harness import RedisServer, wait_until
from models import Base, Order, User, bound_to
from watch import Watch

Sessions = sessionmaker[Session]
users: sa.Table = Base.metadata.tables["users"]
NAMES = "users#1 users#2 users#3"

pytestmark = pytest.mark.usefixtures("nothing_stays_in_flight")


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


def test_autocommit_and_a_connection_that_breaks(
    pg_engine: sa.Engine,
    own_server: Callable[..., RedisServer],
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The database may execute the statement yet."""
    server = own_server(lease_ms=2000)
    with server.client() as client:
        watch = Watch(client, namespace)
        sessions = bound_to(
            Alkey(client, namespace), pg_engine.execution_options(isolation_level="AUTOCOMMIT")
        )

        def lose(cursor: Any, *_: Any) -> None:
            cursor.connection.close()
            raise psycopg.OperationalError("the connection is lost")

        with watch.changed(NAMES) as changed:
            with sessions() as session, monkeypatch.context() as patched:
                session.connection()
                patched.setattr(pg_engine.dialect, "do_execute", lose)
                with pytest.raises(sa.exc.OperationalError):
                    session.execute(sa.insert(users).values(id=1, visits=0))
            assert watch.is_in_flight("users#1")
            wait_until("the lease is over", lambda: not watch.is_in_flight("users#1"))
        assert "users#1" in changed


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
