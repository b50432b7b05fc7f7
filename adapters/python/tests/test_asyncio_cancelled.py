"""A task that is cancelled while it commits: before the database decides, while it does, and after it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.util import await_only

from alkey.asyncio import AsyncAlkey
from harness import RedisServer, eventually
from models import Base, User, ids_in
from watch import Watch

Sessions = async_sessionmaker[AsyncSession]
NAMES = "users#1 users#2"

pytestmark = pytest.mark.anyio


class Gate:
    """Where a task waits, to be cancelled."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def wait(self) -> None:
        self.reached.set()
        await self.opened.wait()


async def write(sessions: Sessions, number: int) -> None:
    async with sessions() as session:
        session.add(User(id=number))
        await session.commit()


async def cancelled(sessions: Sessions, gate: Gate, how: str) -> None:
    """Writes user 1, and is cancelled at the gate: once, as a task; or, in a scope of anyio, at whatever it waits for
    from then on."""
    if how == "task":
        task = asyncio.create_task(write(sessions, 1))
        await gate.reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return
    async with anyio.create_task_group() as group:
        group.start_soon(write, sessions, 1)
        await gate.reached.wait()
        group.cancel_scope.cancel()


both_ways = pytest.mark.parametrize("how", ["task", "scope"])


@both_ways
async def test_before_the_database_decides(
    engine: sa.Engine, async_sessions: Sessions, async_alkey: AsyncAlkey, watch: Watch,
    monkeypatch: pytest.MonkeyPatch, how: str,
) -> None:  # fmt: skip
    gate = Gate()
    client: Any = async_alkey.client
    execute = client.execute_command

    async def record(*arguments: Any) -> Any:
        answer = await execute(*arguments)
        if arguments[0] == "ALKEY.RECORD":
            await gate.wait()
        return answer

    with watch.changed(NAMES) as changed:
        with monkeypatch.context() as patched:
            patched.setattr(client, "execute_command", record)
            await cancelled(async_sessions, gate, how)
        assert ids_in(engine) == []
        # The connection went back with nothing in it.
        await write(async_sessions, 2)
        assert ids_in(engine) == [2]
        if how == "task":
            assert not watch.is_in_flight("users#1")
            assert changed == set()
    assert "users#2" in changed


@both_ways
@pytest.mark.parametrize("commits", [True, False])
async def test_while_the_database_decides(
    pg_engine: sa.Engine, own_server: Callable[..., RedisServer], monkeypatch: pytest.MonkeyPatch,
    how: str, commits: bool,
) -> None:  # fmt: skip
    Base.metadata.create_all(pg_engine)
    engine = create_async_engine(pg_engine.url)
    sessions = async_sessionmaker(engine)
    server = own_server(lease_ms=500)
    gate = Gate()
    do_commit = engine.sync_engine.dialect.do_commit

    def hang(connection: Any) -> None:
        if commits:
            do_commit(connection)
        await_only(gate.wait())

    with server.client() as client:
        watch = Watch(client, "alkey")
        async with AsyncAlkey(f"{server.url}?socket_timeout=60") as alkey:
            alkey.bind(sessions)
            monkeypatch.setattr(engine.sync_engine.dialect, "do_commit", hang)
            with watch.changed(NAMES) as changed:
                await cancelled(sessions, gate, how)
                assert ids_in(pg_engine) == ([1] if commits else [])
                # Nobody knows, so it counts as committed.
                await eventually("the flight has ended", lambda: not watch.is_in_flight("users#1"))
            assert changed == {"users#1"}
    await engine.dispose()


@both_ways
async def test_after_the_database_has_committed(
    engine: sa.Engine, async_sessions: Sessions, async_alkey: AsyncAlkey, watch: Watch,
    monkeypatch: pytest.MonkeyPatch, how: str,
) -> None:  # fmt: skip
    """Before ALKEY.COMMIT has left. It is sent all the same, and is not one that came late."""
    gate = Gate()
    commit = async_alkey.commands.commit

    async def late(*arguments: Any) -> int:
        await gate.wait()
        return await commit(*arguments)

    with watch.changed(NAMES) as changed:
        with monkeypatch.context() as patched:
            patched.setattr(async_alkey.commands, "commit", late)
            await cancelled(async_sessions, gate, how)
            assert ids_in(engine) == [1]
            assert watch.is_in_flight("users#1")
            gate.opened.set()
            assert await async_alkey.delivery.flush(60)
        assert not watch.is_in_flight("users#1")
    assert changed == {"users#1"}
    assert async_alkey.delivery.counts == (0, 0, 0, 0)
    await write(async_sessions, 2)


async def test_a_scope_that_is_over_when_the_database_has_committed(
    engine: sa.Engine, async_engine: AsyncEngine, async_sessions: Sessions, async_alkey: AsyncAlkey,
    watch: Watch, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Then each await is cancelled: also the first one for ALKEY.COMMIT."""
    dialect = async_engine.sync_engine.dialect
    do_commit = dialect.do_commit
    with watch.changed(NAMES) as changed:
        with anyio.CancelScope() as scope:

            def commit(connection: Any) -> None:
                do_commit(connection)
                scope.cancel()

            monkeypatch.setattr(dialect, "do_commit", commit)
            await write(async_sessions, 1)
        assert scope.cancelled_caught
        assert ids_in(engine) == [1]
        assert await async_alkey.delivery.flush(60)
        assert not watch.is_in_flight("users#1")
    assert changed == {"users#1"}


async def test_what_others_read_while_writers_are_cancelled_at_any_moment(
    pg_engine: sa.Engine, async_alkey: AsyncAlkey
) -> None:
    Base.metadata.create_all(pg_engine)
    engine = create_async_engine(pg_engine.url)
    sessions = async_sessionmaker(engine)
    async_alkey.bind(sessions)
    row = async_alkey.row("users", 1)
    cache: dict[str, int] = {}
    await write(sessions, 1)

    async def visit() -> None:
        async with sessions() as session:
            (await session.get_one(User, 1)).visits += 1
            await session.commit()

    begun_s = time.monotonic()
    for _ in range(5):
        await visit()
    usual_s = (time.monotonic() - begun_s) / 5
    ended = 0
    for step in range(40):
        task = asyncio.create_task(visit())
        await asyncio.sleep(usual_s * step / 30)
        task.cancel()
        await asyncio.wait({task})
        ended += not task.cancelled()
        async with sessions() as session:

            async def load(session: AsyncSession = session) -> int:
                return (await session.get_one(User, 1)).visits + 1

            shown = await async_alkey.cached(cache, row, load=load, session=session)
            await session.rollback()
            assert shown == await load()
    print(f"of 40 writers {40 - ended} were cancelled, and {shown - 6} committed")
    await engine.dispose()
