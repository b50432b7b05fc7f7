"""What can be bound, how often, and for how long it lives."""

from __future__ import annotations

import gc

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
