"""Tables in several namespaces, for AsyncSessions."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from alkey import Alkey, Unavailable
from alkey.asyncio import AsyncAlkey
from harness import DEADLINE_S, LEASE_MS_LONG
from models import Order, User
from spy import sent_by
from watch import Watch

pytestmark = pytest.mark.anyio
Sessions = async_sessionmaker[AsyncSession]


@pytest.fixture
def other(namespace: str) -> str:
    return namespace.replace("test", "other")


@pytest.fixture
def spread(async_alkey: AsyncAlkey, namespace: str, other: str) -> AsyncAlkey:
    return AsyncAlkey(async_alkey.client, namespace, namespaces={other: ["orders"]}, lease_ms=LEASE_MS_LONG)


@pytest.fixture
async def filled(async_engine: AsyncEngine, spread: AsyncAlkey) -> Sessions:
    sessions = async_sessionmaker(async_engine)
    spread.bind(sessions)
    async with sessions.begin() as session:
        session.add(User(id=1, orders=[Order(id=1)]))
    return sessions


async def change(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        (await session.get_one(User, 1)).name = "new"
        (await session.get_one(Order, 1)).total += 1


def parts_of(spread: AsyncAlkey) -> tuple[Any, ...]:
    return spread.row("users", 1), spread.row("orders", 1)


async def test_a_transaction_in_two_namespaces(
    filled: Sessions,
    spread: AsyncAlkey,
    client: redis.Redis,
    namespace: str,
    other: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = sent_by(monkeypatch, (spread.client, "execute_command"), (spread.commands, "_execute"))
    here, there = Watch(client, namespace), Watch(client, other)
    with here.changed("users#1") as in_first, there.changed("orders#1 users#1") as in_other:
        await change(filled)
    assert in_first == {"users#1"}
    assert in_other == {"orders#1"}
    both = sorted([namespace, other])
    assert sent == [(f"ALKEY.{verb}", name) for verb in ("RECORD", "COMMIT") for name in both]


async def test_keys_of_two_namespaces_are_those_of_alkey(
    filled: Sessions, spread: AsyncAlkey, client: redis.Redis, namespace: str, other: str
) -> None:
    parts = parts_of(spread)
    namespaces = {other: ["orders"]}
    twin = Alkey(client, namespace, namespaces=namespaces)
    before = await spread.key(*parts)
    assert before == twin.key(*parts)
    assert (await spread.lookup(*parts)).is_shared
    await change(filled)
    after = await spread.key(*parts)
    assert after != before
    await spread.touch(*parts)
    assert await spread.key(*parts) == twin.key(*parts) != after
    relaxed = AsyncAlkey(spread.client, namespace, namespaces=namespaces, strict=False)
    relaxed_twin = Alkey(client, namespace, namespaces=namespaces, strict=False)
    assert await relaxed.key(*parts) == relaxed_twin.key(*parts)


async def test_private_wins(filled: Sessions, spread: AsyncAlkey, other: str) -> None:
    user, order = parts_of(spread)
    transaction = f"{other}:tx:1".encode()
    await spread.commands.record(transaction, [order])
    assert (
        await spread.lookup(user, order)
    ).why_private == "something is in flight, or the server is in grace"
    assert (await spread.lookup(user)).is_shared
    await spread.commands.commit(transaction)
    assert (await spread.lookup(user, order)).is_shared


async def test_a_commit_that_is_lost_in_one_namespace(
    filled: Sessions, spread: AsyncAlkey, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What depends on it is private until it arrives, and another key then."""
    parts = parts_of(spread)
    before = await spread.lookup(*parts)
    commit = spread.commands.commit
    is_broken = True

    async def lose(transaction: bytes, identifiers: Any = ()) -> int:
        if is_broken and transaction.startswith(other.encode()):
            raise Unavailable("not now")
        return await commit(transaction, identifiers)

    monkeypatch.setattr(spread.commands, "commit", lose)
    async with spread:
        await change(filled)
        assert (
            await spread.lookup(*parts)
        ).why_private == "something is in flight, or the server is in grace"
        assert (await spread.lookup(parts[0])).is_shared
        is_broken = False
        assert await spread.delivery.flush(DEADLINE_S)
    after = await spread.lookup(*parts)
    assert after.is_shared
    assert after.key != before.key
    assert spread.delivery.counts == (0, 1, 0, 0)


async def test_a_touch_that_is_lost_in_one_namespace(
    filled: Sessions, spread: AsyncAlkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = parts_of(spread)
    before = [await spread.key(part) for part in parts]

    async def lose(_identifiers: Any) -> int:
        raise Unavailable("not now")

    monkeypatch.setattr(spread.commands, "touch", lose)
    async with spread:
        await spread.touch(*parts)
        assert await spread.delivery.flush(DEADLINE_S)
    assert set(before).isdisjoint([await spread.key(part) for part in parts])
    assert spread.delivery.counts == (0, 2, 0, 0)
