"""Defects of alkey 0.7.1 that concern who reads, by their numbers in the list that was made of them. Each test fails
when it is done the way of 0.7.1; where that way is short, it is in the test, and is shown to be wrong."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import redis
import valkey
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from alkey import Alkey, Lookup, events, is_private
from alkey.cache import CacheKeyGenerator, get_cache_key_generator
from alkey.client import get_redis_client
from harness import RedisServer, wait_until
from models import Base, Order, User
from spy import spy

Sessions = sessionmaker[Session]


def is_shared(alkey: Alkey, instance: object, session: Session) -> bool:
    """Whether its key is. If not, the session begins anew, as it would with the next request."""
    if alkey.lookup(instance).is_shared:
        return True
    session.rollback()
    return False


def test_07_an_old_object_is_not_stored_under_a_new_key(pg_engine: Engine, alkey: Alkey) -> None:
    Base.metadata.create_all(pg_engine)
    sessions = sessionmaker(pg_engine)
    alkey.bind(sessions)
    with sessions.begin() as session:
        session.add(User(id=1, name="old"))
    cache: dict[str, Any] = {}
    relaxed = Alkey(alkey.client, alkey.namespace, strict=False)
    cache_of_0_7_1: dict[str, Any] = {}
    with sessions() as session:
        user = session.get_one(User, 1)
        with sessions.begin() as other:
            other.get_one(User, 1).name = "new"
        assert alkey.cached(cache, user, load=lambda: user.name) == "old"
        cache_of_0_7_1[relaxed.key(user)] = user.name
    with sessions() as session:
        user = session.get_one(User, 1)
        wait_until("the key is settled", partial(is_shared, alkey, user, session))
        assert alkey.cached(cache, user, load=lambda: user.name) == "new"
        assert cache_of_0_7_1[relaxed.key(user)] == "old", (
            "a relaxed key is to be made before the object is loaded"
        )


def test_08_who_reads_overwrites_no_token(alkey: Alkey) -> None:
    """The first look-up made the token, so it could replace one that a writer had made meanwhile."""
    row = alkey.row("users", 1)
    readers = [threading.Thread(target=lambda: [alkey.key(row) for _ in range(50)]) for _ in range(4)]
    for reader in readers:
        reader.start()
    seen = []
    while any(reader.is_alive() for reader in readers):
        alkey.touch(row)
        seen.append(alkey.commands.token(row))
        assert alkey.commands.token(row) == seen[-1]
    for reader in readers:
        reader.join()
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("make", [lambda alkey: alkey.key, lambda alkey: CacheKeyGenerator(alkey.client)])
def test_11_keys_are_unambiguous(alkey: Alkey, make: Callable[[Alkey], Callable[..., str]]) -> None:
    key = make(alkey)
    pairs: list[tuple[tuple[Any, ...], tuple[Any, ...]]] = [
        (("a/b",), ("a", "b")), ((1,), ("1",)), ((None,), ("None",)), ((True,), (1,)), (([1, 2],), (1, 2)),
    ]  # fmt: skip
    for one, other in pairs:
        assert key(*one) != key(*other), f"{one} and {other}"
    assert key({"a": 1, "b": 2}) == key({"b": 2, "a": 1})
    with pytest.raises(TypeError, match="<object object at 0x"):
        key(object())


def test_16_an_old_dump_brings_no_key_back(own_server: Callable[..., RedisServer]) -> None:
    server = own_server(lease_ms=500)
    with server.client() as client:
        alkey = Alkey(client)
        row = alkey.row("users", 1)
        keys = {alkey.key(row)}
        client.save()
        shutil.copy(server.directory / "dump.rdb", server.directory / "old.rdb")
        for _ in range(3):
            alkey.touch(row)
            keys.add(alkey.key(row))
        server.kill()
        shutil.copy(server.directory / "old.rdb", server.directory / "dump.rdb")
        server.start()
        found = wait_until(
            "there is a shared key again", lambda: [f for f in [alkey.lookup(row)] if f.is_shared]
        )
        assert found[0].key not in keys


def test_17_tokens_are_not_of_the_clock(alkey: Alkey) -> None:
    row = alkey.row("users", 1)
    tokens, pipeline = [], alkey.client.pipeline(transaction=True)  # type: ignore[attr-defined]
    # In one transaction of the server its clock stands still.
    for _ in range(1000):
        pipeline.execute_command("ALKEY.TOUCH", row)
        pipeline.execute_command("ALKEY.TOKEN", row)
    tokens = pipeline.execute()[1::2]
    assert len(set(tokens)) == 1000


def test_19_a_request_does_not_sleep_and_recording_nothing_is_nothing(
    sessions: Sessions, server: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = spy(server.port)
    alkey = Alkey(client)
    own = sessionmaker(sessions.kw["bind"])
    alkey.bind(own)
    client.is_cut_off = True
    me, slept, sleep = threading.get_ident(), [], time.sleep

    def watched(seconds: float) -> None:
        if threading.get_ident() == me:
            slept.append(seconds)
        sleep(seconds)

    with monkeypatch.context() as patch:
        for module in (time, redis.retry, valkey.retry):
            patch.setattr(module, "sleep", watched)
        with caplog.at_level(logging.INFO, "alkey"):
            assert len({alkey.key("x", User) for _ in range(5)}) == 5
            assert [record.levelname for record in caplog.records] == ["WARNING"]
            with own.begin() as session:
                session.add(User(id=1))
            with own.begin():
                pass
        # Nor does the client that is made from a URL. Nobody listens at this port.
        assert is_private(Alkey("redis://127.0.0.1:9").key("x"))
        assert is_private(Alkey("valkey://127.0.0.1:9").key("x"))
    assert slept == []
    client.is_cut_off = False
    with caplog.at_level(logging.INFO, "alkey"):
        wait_until("the COMMIT has arrived", lambda: alkey.delivery.counts.waiting == 0)
        assert not is_private(alkey.key("x"))
    assert sum(record.getMessage().endswith(" answers again") for record in caplog.records) == 1


def test_20_a_key_costs_one_round_trip_and_a_commit_that_read_none(
    sessions: Sessions, server: RedisServer
) -> None:
    client = spy(server.port)
    alkey = Alkey(client, "alkey{spied}")
    own = sessionmaker(sessions.kw["bind"])
    alkey.bind(own)
    with own.begin() as session:
        session.add_all([User(id=number) for number in range(50)])
    assert client.names().count("ALKEY.COMMIT") == 1
    with own() as session:
        users = session.query(User).all()
        key = alkey.key(users, User, *users)
        assert client.names() == ["ALKEY.LOOKUP"]
        assert (len(key), " " in key) == (64, False)
        session.commit()
        assert client.names() == []


def test_20_a_write_costs_two_round_trips(sessions: Sessions, server: RedisServer) -> None:
    client = spy(server.port)
    own = sessionmaker(sessions.kw["bind"])
    Alkey(client, "alkey{spied}", lease_ms=60_000).bind(own)
    with own() as session:
        for number in range(3):
            session.add(User(id=number))
            session.flush()
        session.add(Order(id=1, customer=1))
        assert client.names() == []
        session.commit()
    assert client.names() == ["ALKEY.RECORD", "ALKEY.COMMIT"]


@pytest.mark.parametrize("text", ["alkey:*#*", "alkey:users#1", "--", "alkey:"])
def test_22_text_of_a_user_is_no_dependency(alkey: Alkey, client: redis.Redis, text: str) -> None:
    plain = Alkey(client)
    relaxed = CacheKeyGenerator(client)

    def keys() -> list[str]:
        return [plain.key(text), plain.key(text.encode()), plain.key({"q": text}), relaxed([text])]

    before = keys()
    for identifier in (plain.everything(), plain.row("users", 1)):
        plain.touch(identifier)
        assert keys() == before
    assert plain.lookup(text).settled_ms is None


def test_24_importing_it_imports_nothing_else() -> None:
    program = """
import sys
import alkey, alkey.cache, alkey.client, alkey.constants, alkey.utils, alkey.events
found = {"sqlalchemy", "pyramid", "dogpile", "redis", "valkey"} & set(sys.modules)
assert not found, found
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_24_another_configuration_is_another_client(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch, sqlite_engine: Engine
) -> None:
    Base.metadata.create_all(sqlite_engine)
    makers = []
    for number in (8, 9):
        monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{server.port}?socket_timeout=60")
        monkeypatch.setenv("REDIS_DB", str(number))
        makers.append(sessionmaker(sqlite_engine))
        events.bind(makers[-1])
        client: Any = get_redis_client()
        assert client.connection_pool.connection_kwargs["db"] == number
    keys = {number: _key_in(number, monkeypatch) for number in (8, 9)}
    with makers[0].begin() as session:
        session.add(User(id=1))
    assert _key_in(8, monkeypatch) != keys[8]
    assert _key_in(9, monkeypatch) == keys[9]


def _key_in(number: int, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("REDIS_DB", str(number))
    return get_cache_key_generator()("alkey:users#1")


def test_25_two_tenants_share_nothing(client: redis.Redis, engine: Engine) -> None:
    Base.metadata.create_all(engine)
    one, other = Alkey(client, "alkey{one}"), Alkey(client, "alkey{other}")
    makers = [sessionmaker(engine), sessionmaker(engine)]
    one.bind(makers[0])
    other.bind(makers[1])

    def keys() -> list[str]:
        return [each.lookup(User).key for each in (one, other)]

    before = keys()
    assert before[0] != before[1]
    with makers[0].begin() as session:
        session.add(User(id=1))
    after: list[Lookup] = [one.lookup(User), other.lookup(User)]
    assert after[0].key != before[0]
    assert after[1].key == before[1]
    with makers[0]() as mine, makers[1]() as theirs:
        cached: dict[str, Any] = {}
        user, other_user = mine.get_one(User, 1), theirs.get_one(User, 1)
        wait_until("both are settled", partial(is_shared, one, user, mine))
        assert one.cached(cached, user, load=lambda: "mine") == "mine"
        assert other.cached(cached, other_user, load=lambda: "theirs") == "theirs"
