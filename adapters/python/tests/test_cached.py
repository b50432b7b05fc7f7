"""`cached`: with every kind of cache, by one of all who miss, and never what may not be stored."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import redis
import valkey
from sqlalchemy.orm import Session, sessionmaker

from alkey import Alkey
from caches import CACHES, GetSet, region, stored
from harness import RedisServer, wait_until
from models import User

Sessions = sessionmaker[Session]


class Loads:
    """A function that counts its calls."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        return f"value {self.count}"


@pytest.mark.parametrize("make", CACHES)
def test_it_loads_once_for_each_key(alkey: Alkey, make: Callable[[], Any]) -> None:
    cache, load, row = make(), Loads(), alkey.row("users", 1)
    assert [alkey.cached(cache, row, "profile", load=load) for _ in range(3)] == ["value 1"] * 3
    assert alkey.cached(cache, row, "other", load=load) == "value 2"
    alkey.touch(row)
    assert alkey.cached(cache, row, "profile", load=load) == "value 3"


@pytest.mark.parametrize("make", CACHES)
def test_many_who_miss_load_once(alkey: Alkey, make: Callable[[], Any]) -> None:
    cache, row = make(), alkey.row("users", 1)
    begun, end = threading.Event(), threading.Event()
    loads, values = [], []

    def load() -> str:
        loads.append(1)
        begun.set()
        end.wait()
        return "value"

    looked = [threading.Event() for _ in range(8)]

    def read(has_looked: threading.Event) -> None:
        def lookup(*arguments: Any) -> Any:
            found = original(*arguments)
            has_looked.set()
            return found

        own = Alkey(alkey.client, alkey.namespace)
        original = own.commands.lookup
        vars(own.commands)["lookup"] = lookup
        values.append(own.cached(cache, row, load=load))

    threads = [threading.Thread(target=read, args=(each,)) for each in looked]
    for thread in threads:
        thread.start()
    begun.wait()
    for each in looked:
        each.wait()
    end.set()
    for thread in threads:
        thread.join()
    assert values == ["value"] * 8
    assert len(loads) == 1


@pytest.mark.parametrize("make", CACHES)
def test_who_waited_for_one_that_failed_loads_itself(alkey: Alkey, make: Callable[[], Any]) -> None:
    cache = make()

    def fail() -> str:
        raise RuntimeError("no database")

    with pytest.raises(RuntimeError, match="no database"):
        alkey.cached(cache, "x", load=fail)
    assert alkey.cached(cache, "x", load=lambda: "value") == "value"


@pytest.mark.parametrize("make", CACHES)
def test_a_private_key_stores_nothing_and_reads_nothing(
    sessions: Sessions, alkey: Alkey, make: Callable[[], Any]
) -> None:
    cache, load = make(), Loads()
    with sessions() as session:
        session.add(User(id=1))
        assert alkey.cached(cache, User, load=load, session=session) == "value 1"
        assert alkey.cached(cache, User, load=load, session=session) == "value 2"
        assert stored(cache) == 0
        session.rollback()
        assert alkey.cached(cache, User, load=load, session=session) == "value 3"
        session.add(User(id=1))
        assert alkey.cached(cache, User, load=load, session=session) == "value 4", (
            "it may not see what is cached"
        )


@pytest.mark.parametrize("make", CACHES)
def test_what_a_load_has_changed_itself_is_not_stored(
    sessions: Sessions, alkey: Alkey, make: Callable[[], Any]
) -> None:
    cache = make()
    with sessions() as session:

        def load() -> str:
            session.add(User(id=1))
            session.flush()
            return "uncommitted"

        assert alkey.cached(cache, User, load=load, session=session) == "uncommitted"
        session.rollback()
    assert alkey.cached(cache, User, load=lambda: "clean") == "clean"


@pytest.mark.parametrize("make", CACHES)
def test_what_is_loaded_is_stored_under_the_key_from_before(alkey: Alkey, make: Callable[[], Any]) -> None:
    """A commit while it loads: what was read may be older, so the new key must not get it."""
    cache, row = make(), alkey.row("users", 1)

    def load() -> str:
        alkey.touch(row)
        return "old"

    assert alkey.cached(cache, row, load=load) == "old"
    assert alkey.cached(cache, row, load=lambda: "new") == "new"


def test_relaxed(alkey: Alkey) -> None:
    relaxed = Alkey(alkey.client, alkey.namespace, strict=False)
    cache, row = GetSet(), alkey.row("users", 1)
    assert relaxed.cached(cache, row, load=lambda: "relaxed") == "relaxed"
    assert alkey.cached(cache, row, load=lambda: "strict") == "strict", (
        "a strict reader gets nothing from a relaxed one"
    )
    assert relaxed.cached(cache, row, load=lambda: "more") == "relaxed"
    alkey.commands.record(f"{alkey.namespace}:tx:1".encode(), [row])
    assert relaxed.cached(cache, row, load=lambda: "more") == "relaxed", "it does not mind what is in flight"


@pytest.mark.parametrize("kind", [redis.Redis, valkey.Valkey])
def test_a_client_is_a_cache(alkey: Alkey, server: RedisServer, kind: Any) -> None:
    with kind(host="127.0.0.1", port=server.port, db=2) as cache:
        assert alkey.cached(cache, "a", load=lambda: b"one", ttl=1000) == b"one"
        assert alkey.cached(cache, "a", load=lambda: b"two") == b"one"
        assert 0 < cache.ttl(alkey.key("a")) <= 1000
        assert alkey.cached(cache, "b", load=lambda: b"one") == b"one"
        assert cache.ttl(alkey.key("b")) == -1


def test_a_time_to_live(alkey: Alkey) -> None:
    cache = GetSet()
    alkey.cached(cache, "a", load=lambda: 1, ttl=60)
    alkey.cached(cache, "b", load=lambda: 1)
    assert cache.ttls == [60, None]
    memory, load = region(), Loads()
    alkey.cached(memory, "a", load=load, ttl=0.01)
    wait_until("the value has expired", lambda: alkey.cached(memory, "a", load=load, ttl=0.01) != "value 1")
    with pytest.raises(TypeError, match="a dict keeps no time to live"):
        alkey.cached({}, "a", load=lambda: 1, ttl=60)


def test_none_is_a_value_for_a_region_and_a_miss_for_others(alkey: Alkey) -> None:
    for cache, calls in ((region(), 1), (GetSet(), 2), ({}, 2)):
        loads: list[int] = []
        for _ in range(2):
            assert alkey.cached(cache, "none", load=lambda: loads.append(1)) is None  # noqa: B023
        assert len(loads) == calls


def test_what_is_no_cache_is_refused(alkey: Alkey) -> None:
    with pytest.raises(
        TypeError, match="list is no cache: expected a region of dogpile.cache, an object with get and"
    ):
        alkey.cached([], "a", load=lambda: 1)  # type: ignore[call-overload]


def test_a_load_that_needs_its_own_value_ends_with_an_error(alkey: Alkey) -> None:
    cache = GetSet()

    def load() -> Any:
        return alkey.cached(cache, "loop", load=load)

    with pytest.raises(RuntimeError, match="what is loaded asks the cache for itself"):
        load()
