"""That alkey 0.7.1 got these wrong, by their numbers in the list of its defects. Each test does what 0.7.1 did, and
shows the harm. Alkey's own tests of the same are test_defects_of_readers, and what test_defects_of_writers names.

Only 24 is of the package and not of what it does: its modules import Pyramid's at their heads.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone

import pytest
import redis
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from alkey import Alkey
from harness import DB_OF_0_7_1, RedisServer, free_port
from models import Base, User
from old_way import CHANGED_SET_EXPIRES_S, RETRY_DELAY_S, OldWay
from spy import spy

Sessions = sessionmaker[Session]
USER = "alkey:users#1"
IN_FLIGHT = -1


@pytest.fixture
def old(empty_client: redis.Redis) -> OldWay:
    return OldWay(empty_client)


@pytest.fixture
def two_users(pg_engine: sa.Engine) -> Sessions:
    """Sessions that nothing is bound to."""
    Base.metadata.create_all(pg_engine)
    sessions = sessionmaker(pg_engine)
    with sessions.begin() as session:
        session.add_all([User(id=1, name="old"), User(id=2)])
    return sessions


def test_04_two_processes_empty_each_other_s_sets(two_users: Sessions, empty_client: redis.Redis) -> None:
    makers = [sessionmaker(two_users.kw["bind"]) for _ in range(2)]
    processes = [OldWay(empty_client) for _ in makers]
    for process, maker in zip(processes, makers, strict=True):
        process.bind(maker)
    before = processes[0].key(USER)
    with makers[0]() as session, makers[1]() as other:
        session.get_one(User, 1).name = "new"
        session.flush()
        other.get_one(User, 2).name = "new"
        other.commit()
        made_before_the_commit = processes[0].key(USER)
        session.commit()
    assert before != made_before_the_commit, "changed by the commit of another process"
    assert processes[0].key(USER) == made_before_the_commit, "and not by its own"


def test_05_a_transaction_outlives_its_set(two_users: Sessions, old: OldWay) -> None:
    old.bind(two_users)
    before = old.key(USER)
    with two_users() as session:
        session.get_one(User, 1).name = "new"
        session.flush()
        changed_set = old.changed_set(session)
        assert 0 < old.client.ttl(changed_set) <= CHANGED_SET_EXPIRES_S
        # The hour is over.
        old.client.pexpire(changed_set, 0)
        session.commit()
    assert old.key(USER) == before


def test_06_between_the_commit_and_the_tokens_the_old_value_is_served(
    two_users: Sessions, old: OldWay, alkey: Alkey
) -> None:
    seen = []

    def between(_session: Session) -> None:
        with Session(two_users.kw["bind"]) as reader:
            name = reader.get_one(User, 1).name
        seen.append((name, old.key(USER), alkey.commands.lookup([alkey.row("users", 1)]).settled_ms))

    sa.event.listen(two_users, "after_commit", between)
    old.bind(two_users)
    alkey.bind(two_users)
    before = old.key(USER)
    with two_users.begin() as session:
        session.get_one(User, 1).name = "new"
    # A process that is killed here leaves it so for a day.
    assert seen == [("new", before, IN_FLIGHT)]


def test_08_a_reader_overwrites_the_token_of_a_writer(two_users: Sessions, old: OldWay) -> None:
    old.bind(two_users)
    # A reader has found no token; before it makes one, a writer's commit makes one.
    assert old.client.get(f"alkey.cache.TOKENS:{USER}") is None
    with two_users.begin() as session:
        session.get_one(User, 1).name = "new"
    of_the_writer = old.token(USER)
    old.make_token(USER)
    assert old.token(USER) != of_the_writer


@pytest.mark.parametrize(
    ("one", "other"),
    [(("a/b",), ("a", "b")), ((1,), ("1",)), ((None,), ("None",)), ((True,), ("True",))],
)
def test_11_different_arguments_have_one_key(
    old: OldWay, one: tuple[object, ...], other: tuple[object, ...]
) -> None:
    assert old.key(*one) == old.key(*other)


def test_11_equal_arguments_have_different_keys(old: OldWay) -> None:
    assert old.key({"a": 1, "b": 2}) != old.key({"b": 2, "a": 1})
    assert "<object object at 0x" in old.key(object())


def test_16_an_old_dump_brings_old_keys_back(own_server: Callable[..., RedisServer]) -> None:
    server = own_server(module=False)
    with server.client() as client:
        old = OldWay(client)
        before = old.key(USER)
        client.save()
        shutil.copy(server.directory / "dump.rdb", server.directory / "old.rdb")
        client.delete(f"alkey.cache.TOKENS:{USER}")
        assert old.key(USER) != before
        server.kill()
        shutil.copy(server.directory / "old.rdb", server.directory / "dump.rdb")
        server.start()
        assert old.key(USER) == before


def test_17_two_commits_in_one_tick_have_one_token(two_users: Sessions, empty_client: redis.Redis) -> None:
    now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    old = OldWay(empty_client, lambda: now)
    old.bind(two_users)
    keys = set()
    for name in ("one", "two"):
        with two_users.begin() as session:
            session.get_one(User, 1).name = name
        keys.add(old.key(USER))
    assert len(keys) == 1


def test_18_a_timeout_after_the_commit_looks_like_a_failed_write(
    two_users: Sessions, own_server: Callable[..., RedisServer]
) -> None:
    server = own_server(module=False)
    with server.client(socket_timeout=0.1) as client:
        client.ping()
        OldWay(client).bind(two_users)
        with two_users() as session:
            session.get_one(User, 1).name = "new"
            session.flush()
            server.pause()
            with pytest.raises(redis.TimeoutError):
                session.commit()
            with pytest.raises(sa.exc.InvalidRequestError):
                session.get_one(User, 2)
        server.resume()
    with Session(two_users.kw["bind"]) as session:
        assert session.get_one(User, 1).name == "new"


def test_19_a_request_sleeps_twice(two_users: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    client = spy(free_port())
    OldWay(client).bind(two_users)
    me, slept = threading.get_ident(), []
    monkeypatch.setattr(time, "sleep", lambda seconds: slept.append((threading.get_ident(), seconds)))
    with two_users.begin() as session:
        session.get_one(User, 1).name = "new"
    assert slept == [(me, RETRY_DELAY_S)] * 2


def test_19_recording_nothing_raises(old: OldWay) -> None:
    with pytest.raises(redis.ResponseError):
        old._record("alkey.handle.CHANGED:1", set())


def test_20_a_long_key_takes_many_round_trips(server: RedisServer, empty_client: redis.Redis) -> None:
    client = spy(server.port, db=DB_OF_0_7_1)
    old = OldWay(client)
    rows = [f"alkey:users#{number}" for number in range(50)]
    old.key(*rows)
    assert len(client.names()) == 100
    old.key(*rows)
    assert len(client.names()) == 50
    key = old.key(*rows[:20])
    assert len(key) > 800
    assert " " in key


def test_20_a_commit_that_only_read_takes_one(two_users: Sessions, server: RedisServer) -> None:
    client = spy(server.port)
    OldWay(client).bind(two_users)
    with two_users.begin() as session:
        session.get(User, 1)
    assert client.names() == ["SMEMBERS"]


def test_22_text_of_a_user_is_a_dependency(two_users: Sessions, old: OldWay) -> None:
    old.bind(two_users)
    before = old.key("search", "alkey:*#*")
    with two_users.begin() as session:
        session.get_one(User, 1).name = "new"
    assert old.key("search", "alkey:*#*") != before


def test_25_two_applications_on_one_redis_share_rows(
    two_users: Sessions, pg_engine: sa.Engine, empty_client: redis.Redis
) -> None:
    one, other = OldWay(empty_client), OldWay(empty_client)
    one.bind(two_users)
    before = other.key(USER)
    assert one.key(USER) == before
    with two_users.begin() as session:
        session.get_one(User, 1).name = "new"
    assert other.key(USER) != before
