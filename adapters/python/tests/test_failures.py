"""What becomes of writes when Redis, the database or the process fails."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from alkey import Alkey, ModuleNotLoaded, Unavailable
from harness import LEASE_MS_LONG, RedisServer, wait_until
from models import Base, User, bound_to, ids_in
from watch import Watch

Start = Callable[..., RedisServer]


def test_nobody_waits_for_a_server_that_is_known_to_be_away(
    own_server: Start, sqlite_engine: sa.Engine
) -> None:
    server = own_server(lease_ms=50)
    with server.client() as client:
        alkey = Alkey(client)
        sessions = bound_to(alkey, sqlite_engine)
        assert alkey.delivery.lease_ns == 50_000_000
        server.kill()
        sent: list[str] = []
        execute = alkey.commands._execute
        request = threading.get_ident()

        def spy(*arguments: Any) -> Any:
            if threading.get_ident() == request:
                sent.append(arguments[0])
            return execute(*arguments)

        alkey.commands._execute = spy
        for number in range(3):
            with sessions.begin() as session:
                session.add(User(id=number))
        assert sent == ["ALKEY.RECORD", "ALKEY.COMMIT"]
        server.start()
        assert alkey.delivery.flush(60)


@pytest.mark.parametrize("kind", ["own connection", "two phases", "a connection of the application"])
def test_raise_refuses_the_write(own_server: Start, pg_engine: sa.Engine, kind: str) -> None:
    server = own_server(lease_ms=50)
    with server.client() as client:
        alkey = Alkey(client, unavailable="raise", lease_ms=LEASE_MS_LONG)
        sessions = bound_to(alkey, pg_engine, twophase=kind == "two phases")
        server.kill()
        with pg_engine.connect() as connection:
            options = {"bind": connection} if kind == "a connection of the application" else {}
            with sessions(**options) as session:
                session.add(User(id=1))
                with pytest.raises(Unavailable, match="can't serve ALKEY.RECORD"):
                    session.commit()
                session.rollback()
                assert session.scalars(sa.select(User)).all() == []
                session.commit()
                server.start()
                session.add(User(id=2))
                session.commit()
        assert ids_in(pg_engine) == [2]
        assert alkey.delivery.counts == (0, 0, 0, 0)


@pytest.mark.parametrize("unavailable", ["deliver", "raise"])
def test_a_server_without_the_module(
    own_server: Start, engine: sa.Engine, caplog: pytest.LogCaptureFixture, unavailable: Any
) -> None:
    server = own_server(module=False, config="enable-module-command yes\n")
    with server.client() as client:
        alkey = Alkey(client, unavailable=unavailable)
        sessions = bound_to(alkey, engine)
        with sessions() as session:
            session.add(User(id=1))
            if unavailable == "raise":
                with pytest.raises(ModuleNotLoaded, match="loadmodule"):
                    session.commit()
            else:
                session.commit()
                assert "loadmodule" in caplog.text
        assert ids_in(engine) == ([] if unavailable == "raise" else [1])
        if unavailable == "deliver":
            client.execute_command("MODULE LOAD", os.environ["ALKEY_MODULE"])
            assert alkey.delivery.flush(60)


WRITER = """
    import os, sys
    import redis, sqlalchemy as sa
    from models import User
    from sqlalchemy.orm import sessionmaker
    from alkey import Alkey
    alkey = Alkey(redis.Redis(port=int(sys.argv[1])))
    engine = sa.create_engine(sys.argv[2])
    sessions = sessionmaker(engine)
    alkey.bind(sessions)
    {setup}
    with sessions.begin() as session:
        session.add(User(id=1))
"""


def run_writer(server: RedisServer, engine: sa.Engine, setup: str) -> int:
    code = textwrap.dedent(WRITER).format(setup=setup)
    url = engine.url.render_as_string(hide_password=False)
    done = subprocess.run([sys.executable, "-c", code, str(server.port), url], check=False, timeout=120)
    return done.returncode


def test_a_writer_that_dies_between_the_two_commits(own_server: Start, pg_engine: sa.Engine) -> None:
    server = own_server(lease_ms=2000)
    Base.metadata.create_all(pg_engine)
    with server.client() as client:
        watch = Watch(client, "alkey")
        with watch.changed("users#1 users#2") as changed:
            assert run_writer(server, pg_engine, "alkey.commands.commit = lambda *_: os._exit(9)") == 9
            assert ids_in(pg_engine) == [1]
            wait_until("its lease is over", lambda: not watch.is_in_flight("users#1"))
        assert changed == {"users#1"}


def test_a_process_that_ends_delivers_what_waits(own_server: Start, pg_engine: sa.Engine) -> None:
    server = own_server(lease_ms=50)
    Base.metadata.create_all(pg_engine)
    setup = "alkey.delivery.commit = alkey.delivery.commit_later; alkey.commands.record = lambda *_: 0"
    with server.client() as client, Watch(client, "alkey").changed("users#1 users#2") as changed:
        assert run_writer(server, pg_engine, setup) == 0
    assert changed == {"users#1"}
