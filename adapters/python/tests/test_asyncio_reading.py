"""Which keys are shared when they are awaited."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_scoped_session, async_sessionmaker

from alkey.asyncio import AsyncAlkey
from harness import RedisServer
from models import User

Sessions = async_sessionmaker[AsyncSession]

pytestmark = pytest.mark.anyio


@pytest.fixture
async def filled(async_sessions: Sessions) -> Sessions:
    async with async_sessions.begin() as session:
        session.add_all([User(id=number) for number in (1, 2)])
    return async_sessions


async def old(alkey: AsyncAlkey, session: AsyncSession) -> User:
    """An instance that was loaded, and its row changed since."""
    user = await session.get_one(User, 1)
    await alkey.touch(user)
    return user


async def test_strict_keys(filled: Sessions, async_alkey: AsyncAlkey, async_engine: AsyncEngine) -> None:
    async with filled() as session:
        assert (await async_alkey.lookup(User, session=session)).is_shared
        user = await old(async_alkey, session)
        for found in (
            await async_alkey.lookup(user),
            await async_alkey.lookup(User, session=session),
            # Of the session that this task has begun.
            await async_alkey.lookup(User),
        ):
            assert found.why_private == "something has changed since the data was read"
            assert found.age_ms >= 2
        await session.rollback()
        assert (await async_alkey.lookup(User, session=session)).is_shared
        (await session.get_one(User, 1)).name = "Ann"
        assert (await async_alkey.lookup(User)).why_private == "the session holds changes"
        await session.rollback()
    async with AsyncSession(async_engine) as unbound:
        user = await unbound.get_one(User, 2)
        unbound.expunge(user)
    assert (await async_alkey.lookup(user)).why_private == "the age of an instance is unknown"
    await async_alkey.commands.record(f"{async_alkey.namespace}:tx:1".encode(), [async_alkey.row("users", 1)])
    assert (
        await async_alkey.lookup(async_alkey.row("users", 1))
    ).why_private == "something is in flight, or the server is in grace"
    await async_alkey.commands.discard(f"{async_alkey.namespace}:tx:1".encode())


async def test_a_scoped_session_is_this_task_s(filled: Sessions, async_alkey: AsyncAlkey) -> None:
    scoped = async_scoped_session(filled, scopefunc=asyncio.current_task)
    scoped.add(User(id=3))
    assert (await async_alkey.lookup(User, session=scoped)).why_private == "the session holds changes"
    await scoped.remove()


async def test_a_session_of_another_task_is_not_seen_unless_it_is_named(
    filled: Sessions, async_alkey: AsyncAlkey
) -> None:
    async with filled() as session:
        await asyncio.create_task(session.get_one(User, 1))
        session.add(User(id=3))
        assert (await async_alkey.lookup(User)).is_shared
        assert (await async_alkey.lookup(User, session=session)).why_private == "the session holds changes"


@pytest.mark.parametrize("what", ["reads", "writes"])
async def test_a_session_that_is_used_while_the_answer_is_awaited(
    filled: Sessions, async_alkey: AsyncAlkey, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """As by `gather(alkey.lookup(...), session.get(...))`: the data may be older than the answer."""
    lookup = async_alkey.commands.lookup
    async with filled() as session:

        async def slow(*arguments: Any) -> Any:
            user = await session.get_one(User, 1)
            if what == "writes":
                user.name = "Ann"
            else:
                await async_alkey.touch(user)
            return await lookup(*arguments)

        monkeypatch.setattr(async_alkey.commands, "lookup", slow)
        found = await async_alkey.lookup(async_alkey.row("users", 1), session=session)
    assert not found.is_shared


async def test_relaxed(filled: Sessions, async_alkey: AsyncAlkey) -> None:
    relaxed = AsyncAlkey(async_alkey.client, async_alkey.namespace, strict=False)
    async with filled() as session:
        user = await old(async_alkey, session)
        key = await relaxed.key(user)
        assert key != await async_alkey.key(user)
        assert key == await relaxed.key(user, session=session)
        await relaxed.touch(user)
        assert key != await relaxed.key(user)


async def test_no_key_is_shared_while_the_server_is_away(
    own_server: Any, async_engine: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "alkey")
    server: RedisServer = own_server(lease_ms=50)
    async with AsyncAlkey(server.url) as alkey:
        server.kill()
        for _ in range(2):
            assert (await alkey.lookup(User)).why_private == "the server is unavailable"
        server.start()
        assert (await alkey.lookup(User)).is_shared
    assert caplog.text.count("nothing is cached until the alkey server answers") == 1
    assert caplog.text.count("answers again") == 1
