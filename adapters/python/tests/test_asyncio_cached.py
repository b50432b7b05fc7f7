"""`cached` in an event loop: with every kind of cache, by one of all tasks that miss, whoever is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import redis.asyncio
import sqlalchemy as sa
import valkey.asyncio
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from alkey.asyncio import AsyncAlkey
from alkey.asyncio.cached import _flights
from caches import CACHES, GetSet, region, stored
from harness import RedisServer, eventually
from models import User

Sessions = async_sessionmaker[AsyncSession]

pytestmark = pytest.mark.anyio


class AsyncGetSet(GetSet):
    """As aiocache has it: awaited."""

    async def get(self, key: str) -> Any:
        await asyncio.sleep(0)
        return super().get(key)

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().set(key, value, ttl)


ASYNC_CACHES: list[Callable[[], Any]] = [*CACHES, AsyncGetSet]


class Loads:
    """A coroutine function that counts its calls, and waits if it is told to."""

    def __init__(self) -> None:
        self.count = 0
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def __call__(self) -> str:
        self.count += 1
        value = f"value {self.count}"
        await self.may_end.wait()
        return value


@pytest.mark.parametrize("make", ASYNC_CACHES)
async def test_it_loads_once_for_each_key(async_alkey: AsyncAlkey, make: Callable[[], Any]) -> None:
    cache, load, row = make(), Loads(), async_alkey.row("users", 1)
    values = [await async_alkey.cached(cache, row, "profile", load=load) for _ in range(3)]
    assert values == ["value 1"] * 3
    assert await async_alkey.cached(cache, row, "other", load=load) == "value 2"
    await async_alkey.touch(row)
    assert await async_alkey.cached(cache, row, "profile", load=load) == "value 3"


async def waiting(alkey: AsyncAlkey, cache: Any, load: Loads, count: int) -> list[asyncio.Task[str]]:
    """So many tasks that want the same; one of them loads, and the others wait for it."""
    load.may_end.clear()
    tasks = [asyncio.create_task(alkey.cached(cache, alkey.row("users", 1), load=load)) for _ in range(count)]
    await eventually(
        "all wait", lambda: [flight.passengers for flight in _flights.values()] == [count] and load.count
    )
    return tasks


@pytest.mark.parametrize("make", ASYNC_CACHES)
async def test_many_who_miss_load_once(async_alkey: AsyncAlkey, make: Callable[[], Any]) -> None:
    cache, load = make(), Loads()
    tasks = await waiting(async_alkey, cache, load, 8)
    load.may_end.set()
    assert await asyncio.gather(*tasks) == ["value 1"] * 8
    assert load.count == stored(cache) == 1


def loader(tasks: list[asyncio.Task[str]]) -> asyncio.Task[str]:
    """The one of them that loads."""
    [flight] = _flights.values()
    return next(task for task in tasks if task is flight.pilot)


async def test_who_is_cancelled_while_it_loads_loses_nobody_else_s_value(async_alkey: AsyncAlkey) -> None:
    cache, load = AsyncGetSet(), Loads()
    tasks = await waiting(async_alkey, cache, load, 5)
    first = loader(tasks)
    first.cancel()
    await eventually("another one loads", lambda: load.count == 2)
    # And one that only waits.
    patient = next(task for task in tasks if task not in (first, loader(tasks)))
    patient.cancel()
    load.may_end.set()
    await asyncio.wait(tasks)
    assert {task for task in tasks if task.cancelled()} == {first, patient}
    assert {task.result() for task in tasks if not task.cancelled()} == {"value 2"}
    assert load.count == 2
    assert _flights == {}


async def test_who_waited_for_one_that_failed_loads_itself(async_alkey: AsyncAlkey) -> None:
    cache, load = AsyncGetSet(), Loads()

    async def fail() -> str:
        await load.may_end.wait()
        raise RuntimeError("no database")

    load.may_end.clear()
    failing = asyncio.create_task(async_alkey.cached(cache, "x", load=fail))
    await eventually("it loads", lambda: _flights)
    second = asyncio.create_task(async_alkey.cached(cache, "x", load=load))
    await eventually("the other waits", lambda: [each.passengers for each in _flights.values()] == [2])
    load.may_end.set()
    with pytest.raises(RuntimeError, match="no database"):
        await failing
    assert await second == "value 1"


async def test_a_load_that_needs_its_own_value_ends_with_an_error(async_alkey: AsyncAlkey) -> None:
    cache = GetSet()

    async def load() -> Any:
        return await async_alkey.cached(cache, "loop", load=load)

    with pytest.raises(RuntimeError, match="what is loaded asks the cache for itself"):
        await load()


@pytest.mark.parametrize("make", ASYNC_CACHES)
async def test_a_private_key_stores_nothing_and_reads_nothing(
    async_sessions: Sessions, async_alkey: AsyncAlkey, make: Callable[[], Any]
) -> None:
    cache, load = make(), Loads()
    async with async_sessions() as session:
        session.add(User(id=1))
        for number in (1, 2):
            assert await async_alkey.cached(cache, User, load=load, session=session) == f"value {number}"
        assert stored(cache) == 0
        await session.rollback()
        assert await async_alkey.cached(cache, User, load=load, session=session) == "value 3"
        assert stored(cache) == 1


async def test_what_a_load_has_changed_itself_is_not_stored(
    async_sessions: Sessions, async_alkey: AsyncAlkey
) -> None:
    cache: dict[str, str] = {}
    async with async_sessions() as session:

        async def load() -> str:
            session.add(User(id=1))
            await session.flush()
            return "uncommitted"

        assert await async_alkey.cached(cache, User, load=load, session=session) == "uncommitted"
        assert cache == {}


@pytest.mark.parametrize("kind", [redis.asyncio.Redis, valkey.asyncio.Valkey])
async def test_a_client_is_a_cache_and_a_way_to_the_server(
    server: RedisServer, namespace: str, kind: Any
) -> None:
    async with (
        kind(host="127.0.0.1", port=server.port, db=2) as cache,
        kind(host="127.0.0.1", port=server.port) as client,
        AsyncAlkey(client, namespace) as alkey,
    ):

        async def load() -> bytes:
            return b"one"

        for _ in range(2):
            assert await alkey.cached(cache, "a", load=load, ttl=1000) == b"one"
        assert 0 < await cache.ttl(await alkey.key("a")) <= 1000
        assert await alkey.cached(cache, "b", load=load) == b"one"
        assert await cache.ttl(await alkey.key("b")) == -1
        token = await alkey.commands.token(alkey.everything())
        await alkey.touch(alkey.everything())
        assert await alkey.commands.token(alkey.everything()) != token


async def test_a_time_to_live(async_alkey: AsyncAlkey) -> None:
    load = Loads()
    for cache in (GetSet(), AsyncGetSet()):
        await async_alkey.cached(cache, "a", load=load, ttl=60)
        await async_alkey.cached(cache, "b", load=load)
        assert cache.ttls == [60, None]
    memory = region()
    first = await async_alkey.cached(memory, "a", load=load, ttl=0.01)
    await asyncio.sleep(0.02)
    assert await async_alkey.cached(memory, "a", load=load, ttl=0.01) != first
    with pytest.raises(TypeError, match="a dict keeps no time to live"):
        await async_alkey.cached({}, "a", load=load, ttl=60)


async def test_none_is_a_value_for_a_region_and_a_miss_for_others(async_alkey: AsyncAlkey) -> None:
    for cache, calls in ((region(), 1), (GetSet(), 2), (AsyncGetSet(), 2), ({}, 2)):
        loads: list[int] = []

        async def load(loads: list[int] = loads) -> Any:
            loads.append(1)

        for _ in range(2):
            assert await async_alkey.cached(cache, "none", load=load) is None
        assert len(loads) == calls


async def test_what_is_no_cache_is_refused(async_alkey: AsyncAlkey) -> None:
    with pytest.raises(TypeError, match="list is no cache: expected an object with get and set, awaited or"):
        await async_alkey.cached([], "a", load=Loads())  # type: ignore[call-overload]


async def test_as_a_decorator(async_sessions: Sessions, async_alkey: AsyncAlkey) -> None:
    cache: dict[str, int] = {}
    calls: list[int] = []

    @async_alkey.cached(cache, User)
    async def count(session: AsyncSession, least: int = 0) -> int:
        """How many."""
        calls.append(least)
        return (await session.scalars(sa.select(sa.func.count()).where(User.id >= least))).one()

    assert count.__doc__ == "How many."
    # Older than the session that reads, by more than the margin.
    while ((await async_alkey.lookup(User)).settled_ms or 0) < 50:
        await asyncio.sleep(0.01)
    async with async_sessions() as session:
        assert [await count(session) for _ in range(2)] == [0, 0]
        assert await count(session, least=0) == 0
        assert await count(session, 1) == 0
        assert calls == [0, 1]
        session.add(User(id=1))
        assert await count(session) == 1
        await session.commit()
    async with async_sessions() as session:
        assert await count(session, 1) == 1

    with pytest.raises(TypeError, match="expected a coroutine function, `async def`"):
        async_alkey.cached(cache)(len)  # type: ignore[arg-type]
