"""What users of alkey 0.7.1 have and must not lose: sixteen behaviours, as its README tells them.

Its names: test_drop_in_names.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, sessionmaker

from alkey import Unavailable, events, is_private
from alkey.cache import CacheKeyGenerator, alkey_of, get_cache_key_generator, get_token
from alkey.client import get_redis_client
from alkey.constants import GLOBAL_WRITE_TOKEN
from harness import DB_OF_0_7_1, RedisServer, wait_until
from models import Base, Order, User
from spy import Spy, spy

Sessions = sessionmaker[Session]

pytestmark = pytest.mark.usefixtures("environment_of_0_7_1")


@pytest.fixture
def bound(engine: Engine) -> Sessions:
    """Bound as 0.7.1's README says."""
    Base.metadata.create_all(engine)
    maker = sessionmaker(engine)
    events.bind(maker)
    with maker.begin() as session:
        session.add_all([User(id=1, name="a"), User(id=2, name="b"), Order(id=1)])
    return maker


def token(thing: Any) -> str:
    return get_token(get_redis_client(), thing)


ALL = (
    "alkey:users#1",
    "alkey:users#2",
    "alkey:users#*",
    "alkey:orders#1",
    "alkey:orders#*",
    GLOBAL_WRITE_TOKEN,
)


def changed(work: Callable[[], None]) -> set[str]:
    """Those of ALL whose keys and tokens a piece of work changes."""
    key = get_cache_key_generator()
    before = {name: (key(name), token(name)) for name in ALL}
    work()
    after = {name: (key(name), token(name)) for name in ALL}
    for name in ALL:
        assert (before[name][0] == after[name][0]) == (before[name][1] == after[name][1])
    return {name for name in ALL if before[name] != after[name]}


def test_01_two_rows_that_one_commit_changes_have_different_keys(
    bound: Sessions, key: CacheKeyGenerator
) -> None:
    with bound.begin() as session:
        for user in session.scalars(select(User)):
            user.name = "same"
    assert key("alkey:users#1") != key("alkey:users#2")
    with bound() as session:
        assert key(session.get_one(User, 1)) != key(session.get_one(User, 2))


def test_02_a_class_and_an_instance_without_an_id_stand_for_their_table(
    bound: Sessions, key: CacheKeyGenerator
) -> None:
    assert key(User) == key(User(name="new")) == key("alkey:users#*") != key("alkey:users#1")
    assert token(User) == token(User()) == token("alkey:users#*")
    with bound() as session:
        assert key(session.get_one(User, 1)) == key("alkey:users#1")


def test_03_bytes_are_text_in_utf_8(bound: Sessions, key: CacheKeyGenerator) -> None:
    assert key("grün".encode()) == key("grün")
    assert key(b"\xff") == key("�")
    assert key(b"alkey:users#1") == key("alkey:users#1")


def test_04_the_order_matters_and_repeats_are_allowed(bound: Sessions, key: CacheKeyGenerator) -> None:
    with bound() as session:
        user = session.get_one(User, 1)
        keys = [
            key(user, 1, "foo"),
            key(1, user, "foo"),
            key(user, user, 1, "foo"),
            key(user, 1, 1, "foo"),
            key(),
        ]
        assert len(set(keys)) == 5
        assert keys[2] == key(user, user, 1, "foo")
        assert key(user, "alkey:users#1", 1, "foo", {"bar": "baz"}) == key(
            "alkey:users#1", user, 1, "foo", {"bar": "baz"}
        )


def test_05_what_nobody_has_looked_up_has_a_key_and_keeps_it(key: CacheKeyGenerator) -> None:
    assert key("alkey:nobody#7") == key("alkey:nobody#7")
    assert token("alkey:nobody#8") == token("alkey:nobody#8")


def test_06_a_commit_changes_row_table_and_global_token_and_then_they_are_stable(bound: Sessions) -> None:
    def work() -> None:
        with bound() as session:
            session.get_one(User, 1).name = "c"
            session.flush()
            assert changed(lambda: None) == set()
            session.commit()

    assert changed(work) == {"alkey:users#1", "alkey:users#*", GLOBAL_WRITE_TOKEN}
    assert changed(lambda: None) == set()


def test_07_one_session_s_commit_does_not_apply_another_s_records(bound: Sessions) -> None:
    if bound.kw["bind"].dialect.name == "sqlite":
        pytest.skip("SQLite lets one session write at a time")
    with bound() as one, bound() as other:
        one.get_one(User, 1).name = "c"
        one.flush()
        other.get_one(User, 2).name = "c"
        assert changed(other.commit) == {"alkey:users#2", "alkey:users#*", GLOBAL_WRITE_TOKEN}
        assert changed(one.commit) == {"alkey:users#1", "alkey:users#*", GLOBAL_WRITE_TOKEN}


def test_08_what_was_rolled_back_is_unchanged_by_a_later_commit(bound: Sessions) -> None:
    with bound() as session:
        session.get_one(User, 1).name = "c"
        session.flush()

        def work() -> None:
            session.rollback()
            session.add(Order(id=2))
            session.commit()

        assert changed(work) == {"alkey:orders#*", GLOBAL_WRITE_TOKEN}


def test_09_a_commit_without_records_does_nothing(bound: Sessions) -> None:
    def work() -> None:
        with bound() as session:
            session.get_one(User, 1)
            session.commit()
            session.commit()

    assert changed(work) == set()


def test_10_to_record_twice_is_to_record_once(bound: Sessions, server: RedisServer) -> None:
    with redis.Redis(port=server.port, db=DB_OF_0_7_1) as client:
        commits = client.info("alkey")["alkey_commits"]

        def work() -> None:
            with bound() as session:
                for name in ("c", "d"):
                    session.get_one(User, 1).name = name
                    session.flush()
                session.commit()

        assert changed(work) == {"alkey:users#1", "alkey:users#*", GLOBAL_WRITE_TOKEN}
        assert client.info("alkey")["alkey_commits"] == commits + 1
        assert client.execute_command("ALKEY.PENDING") == []  # It tells of one database.


def test_11_to_lose_all_tokens_changes_every_key(bound: Sessions, server: RedisServer) -> None:
    with redis.Redis(port=server.port, db=DB_OF_0_7_1) as client:

        def work() -> None:
            client.flushdb()

        assert changed(work) == set(ALL)


@pytest.fixture
def line(server: RedisServer, engine: Engine) -> Iterator[tuple[Spy, Sessions]]:
    """A client that can be cut off, and sessions that write by it."""
    client = spy(server.port, db=DB_OF_0_7_1)
    Base.metadata.create_all(engine)
    maker = sessionmaker(engine)
    events.bind(maker, client)
    yield client, maker
    client.close()


def test_12_redis_away_while_a_key_is_made(
    line: tuple[Spy, Sessions], caplog: pytest.LogCaptureFixture
) -> None:
    client, _ = line
    key = CacheKeyGenerator(client)
    before = key("alkey:users#1")
    client.is_cut_off = True
    with caplog.at_level(logging.INFO, "alkey"):
        keys = {key("alkey:users#1") for _ in range(10)}
        assert len(keys) == 10
        assert all(is_private(each) for each in keys)
        assert get_token(client, "alkey:users#1") != get_token(client, "alkey:users#1")
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "INFO"]
    client.is_cut_off = False
    assert key("alkey:users#1") == before, "nothing was stored"


def test_12_redis_away_while_a_session_commits(
    line: tuple[Spy, Sessions], caplog: pytest.LogCaptureFixture
) -> None:
    client, maker = line
    delivery = alkey_of(client).delivery

    def work() -> None:
        with maker() as session:
            session.add(User(id=1))
            client.is_cut_off = True
            session.commit()
        assert caplog.records
        client.is_cut_off = False
        wait_until("the COMMIT has arrived", lambda: delivery.counts.waiting == 0)

    assert changed(work) == {"alkey:users#1", "alkey:users#*", GLOBAL_WRITE_TOKEN}


def test_12_redis_away_and_asked_to_raise(line: tuple[Spy, Sessions]) -> None:
    client, maker = line
    careful = sessionmaker(maker.kw["bind"])
    alkey_of(client, unavailable="raise").bind(careful)
    with careful() as session:
        session.add(User(id=1))
        session.flush()
        client.is_cut_off = True
        with pytest.raises(Unavailable):
            session.commit()
    client.is_cut_off = False
    with careful() as session:
        assert session.get(User, 1) is None


def test_13_a_foreign_key_invalidates_the_row_that_it_points_at(bound: Sessions) -> None:
    def work() -> None:
        with bound.begin() as session:
            session.add(Order(id=2, customer=2))

    assert changed(work) == {"alkey:users#2", "alkey:users#*", "alkey:orders#*", GLOBAL_WRITE_TOKEN}


def test_14_several_flushes_one_commit(bound: Sessions) -> None:
    def work() -> None:
        with bound.begin() as session:
            for each in (1, 2):
                session.get_one(User, each).name = "c"
                session.flush()
            session.get_one(Order, 1).total = 5

    assert changed(work) == set(ALL)


def test_15_inserts_and_deletes_count(bound: Sessions) -> None:
    def insert() -> None:
        with bound.begin() as session:
            session.add(Order(id=2))

    def delete() -> None:
        with bound.begin() as session:
            session.delete(session.get_one(Order, 2))
            session.delete(session.get_one(User, 1))

    assert changed(insert) == {"alkey:orders#*", GLOBAL_WRITE_TOKEN}
    assert changed(delete) == {"alkey:users#1", "alkey:users#*", "alkey:orders#*", GLOBAL_WRITE_TOKEN}


def test_16_it_works_outside_of_a_request_and_without_pyramid(server: RedisServer) -> None:
    program = """
import sys
sys.modules["pyramid"] = None
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from alkey import events
from alkey.cache import get_cache_key_generator
from models import Base, User
engine = create_engine("sqlite://")
Base.metadata.create_all(engine)
with Session(engine) as session:
    events.bind(session)
    key = get_cache_key_generator()
    before = key("alkey:users#1")
    session.add(User(id=1))
    session.commit()
    assert key("alkey:users#1") != before
print("it works")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, cwd="tests"
    )
    assert done.stdout == "it works\n", done.stderr
