"""What can be bound, how often, and for how long it lives."""

from __future__ import annotations

import gc
from typing import Any

import pytest
import redis
import sqlalchemy as sa
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from alkey import Alkey
from harness import RedisServer
from models import Base, User
from spy import spy
from watch import Watch


def test_each_of_many_that_live_shortly_is_bound(
    sqlite_engine: sa.Engine, alkey: Alkey, watch: Watch
) -> None:
    """A new session, or maker, is often where an old one was in memory."""
    Base.metadata.create_all(sqlite_engine)
    for number in range(40):
        if number % 2:
            session = Session(sqlite_engine)
            alkey.bind(session)
        else:
            maker = sessionmaker(sqlite_engine)
            alkey.bind(maker)
            session = maker()
            del maker
        with watch.changed(f"users#{number}") as changed, session:
            session.add(User(id=number))
            session.commit()
        assert changed == {f"users#{number}"}
        del session
        if number % 3 == 0:
            gc.collect()


def test_what_is_bound_twice_is_told_once(sqlite_engine: sa.Engine, server: RedisServer) -> None:
    Base.metadata.create_all(sqlite_engine)
    maker = sessionmaker(sqlite_engine)
    client = spy(server.port)
    alkey = Alkey(client, lease_ms=60_000)
    for target in (maker, scoped_session(maker), maker.class_, maker):
        alkey.bind(target)
    with maker.begin() as session:
        session.add(User(id=1))
    assert client.names() == ["ALKEY.RECORD", "ALKEY.COMMIT"]


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
    with watch.changed("users#1 users#2 users#3") as changed, session:
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
        Watch(client, own.namespace).changed("users#1 users#2 users#3") as changed,
        Watch(client, other.namespace).changed("users#1 users#2 users#3") as others,
        bound.begin() as session,
    ):
        session.add(User(id=1))
    assert (changed, others) == ({"users#1"}, set())
