"""Tables in several namespaces, on a cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker
from sqlalchemy.orm import Session

from alkey import Alkey
from alkey.asyncio import AsyncAlkey
from cluster import NAMESPACES, Cluster
from harness import wait_until
from models import Order, Tag, User, bound_to


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    running = Cluster()
    yield running
    running.close()


@pytest.fixture(params=["redis", "valkey"])
def cluster_client(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Any]:
    with cluster.client(request.param) as client:
        yield client


@pytest.fixture(params=["redis.asyncio", "valkey.asyncio"])
async def async_cluster_client(cluster: Cluster, request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    async with cluster.client(request.param) as client:
        yield client


def settled(alkey: Alkey, *parts: object) -> None:
    wait_until("the namespaces' grace is over", lambda: alkey.lookup(*parts).is_shared)


def test_each_namespace_is_on_a_node_of_its_own(cluster: Cluster, cluster_client: Any) -> None:
    ports = [cluster_client.get_node_from_key(name).port for name in NAMESPACES]
    assert ports == [server.port for server in cluster.servers]


def test_sessions_and_keys_on_a_cluster(engine: sa.Engine, cluster: Cluster, cluster_client: Any) -> None:
    first, second, third = NAMESPACES
    alkey = Alkey(cluster_client, first, namespaces={second: ["orders"], third: ["tags"]})
    bound = bound_to(alkey, engine)
    with bound.begin() as session:
        session.add_all([User(id=1, orders=[Order(id=1)]), Tag(name="x")])
    parts = alkey.row("users", 1), alkey.row("orders", 1), alkey.row("tags", "x")
    settled(alkey, *parts)
    writes: list[Callable[[Session], Any]] = [
        lambda session: setattr(session.get_one(User, 1), "name", "new"),
        lambda session: setattr(session.get_one(Order, 1), "total", 5),
        lambda session: setattr(session.get_one(Tag, "x"), "note", "new"),
        lambda session: session.execute(sa.update(Order).values(total=7)),
    ]
    for write in writes:
        before = alkey.key(*parts)
        assert alkey.key(*parts) == before
        with bound.begin() as session:
            write(session)
        assert alkey.key(*parts) != before
    before = alkey.key(*parts)
    alkey.touch(*parts)
    assert alkey.key(*parts) != before
    assert alkey.key("a value") == alkey.key("a value")
    calls = cluster.calls()
    alkey.key(*parts)
    # No node is asked where the keys of a command are.
    assert cluster.calls_since(calls) == {"alkey.lookup": 3}


@pytest.mark.anyio
async def test_async_sessions_and_keys_on_a_cluster(
    async_engine: AsyncEngine, cluster: Cluster, async_cluster_client: Any
) -> None:
    first, second, third = NAMESPACES
    alkey = AsyncAlkey(async_cluster_client, first, namespaces={second: ["orders"], third: ["tags"]})
    sessions = async_sessionmaker(async_engine)
    alkey.bind(sessions)
    async with alkey:
        async with sessions.begin() as session:
            session.add_all([User(id=1, orders=[Order(id=1)]), Tag(name="x")])
        parts = alkey.row("users", 1), alkey.row("orders", 1), alkey.row("tags", "x")
        with cluster.client() as client:
            settled(Alkey(client), *parts)
        for change in (sa.update(User).values(name="new"), sa.update(Order).values(total=7)):
            before = await alkey.key(*parts)
            async with sessions.begin() as session:
                await session.execute(change)
            assert await alkey.key(*parts) != before
        before = await alkey.key(*parts)
        await alkey.touch(*parts)
        assert await alkey.key(*parts) != before
        assert await alkey.key("a value") == await alkey.key("a value")
        calls = cluster.calls()
        await alkey.key(*parts)
        assert cluster.calls_since(calls) == {"alkey.lookup": 3}


def test_a_node_that_is_away_holds_up_nothing_that_goes_to_others(sqlite_engine: sa.Engine) -> None:
    cluster = Cluster()
    try:
        with cluster.client() as client:
            first, second, _third = NAMESPACES
            alkey = Alkey(client, first, namespaces={second: ["orders"]})
            bound = bound_to(alkey, sqlite_engine)
            with bound.begin() as session:
                session.add(User(id=1, orders=[Order(id=1)]))
            user, order = alkey.row("users", 1), alkey.row("orders", 1)
            settled(alkey, user, order)
            cluster.servers[1].kill()
            before = alkey.lookup(user)
            assert before.is_shared
            assert alkey.lookup(user, order).why_private == "the server is unavailable"
            for name in ("Ann", "Eve"):
                with bound.begin() as session:
                    session.get_one(User, 1).name = name
                    session.get_one(Order, 1).total += 1
                after = alkey.lookup(user)
                assert after.is_shared
                assert after.key != before.key
                before = after
            assert alkey.delivery.counts.waiting == 2
            cluster.servers[1].start()
            assert alkey.delivery.flush(60)
            assert alkey.delivery.counts.delivered_late == 2
            settled(alkey, user, order)
    finally:
        cluster.close()


def test_two_of_one_cluster_without_being_told(cluster_client: Any) -> None:
    """Identifiers of another Alkey."""
    one, other = Alkey(cluster_client, NAMESPACES[0]), Alkey(cluster_client, NAMESPACES[1])
    parts = one.row("a", 1), other.row("a", 1)
    settled(one, *parts)
    before = one.key(*parts)
    other.touch(parts[1])
    assert one.key(*parts) != before
