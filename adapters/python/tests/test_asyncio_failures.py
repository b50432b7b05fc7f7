"""What becomes of an AsyncSession's writes when the server, the way to it, or the event loop fails."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any, Literal

import pytest
import redis.asyncio
import sqlalchemy as sa
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.util import await_only

from alkey import ModuleNotLoaded, Unavailable
from alkey.asyncio import AsyncAlkey
from harness import DEADLINE_S, LEASE_MS_LONG, RedisServer, eventually, pending
from link import Link
from models import User, ids_in
from watch import Watch

Policy = Literal["deliver", "raise"]
Sessions = async_sessionmaker[AsyncSession]
policies = pytest.mark.parametrize("unavailable", ["deliver", "raise"])


@pytest.fixture
async def link_client(link: Link) -> AsyncIterator[redis.asyncio.Redis]:
    retry = Retry(NoBackoff(), 0)
    async with redis.asyncio.Redis(port=link.port, retry=retry, socket_timeout=DEADLINE_S) as client:
        yield client


def bound(alkey: AsyncAlkey, engine: AsyncEngine) -> Sessions:
    sessions = async_sessionmaker(engine)
    alkey.bind(sessions)
    return sessions


async def write(sessions: Sessions, number: int) -> None:
    async with sessions.begin() as session:
        session.add(User(id=number))


@pytest.mark.anyio
@policies
async def test_the_answer_to_record_is_lost(
    engine: sa.Engine, async_engine: AsyncEngine, link: Link, link_client: Any, namespace: str,
    client: Any, watch: Watch, unavailable: Policy,
) -> None:  # fmt: skip
    alkey = AsyncAlkey(link_client, namespace, unavailable=unavailable, lease_ms=LEASE_MS_LONG)
    sessions = bound(alkey, async_engine)
    with watch.changed("users#1 users#2") as changed:
        link.lose_the_answer_to(b"ALKEY.RECORD")
        if unavailable == "raise":
            with pytest.raises(Unavailable):
                await write(sessions, 1)
        else:
            await write(sessions, 1)
    refused = unavailable == "raise"
    assert changed == (set() if refused else {"users#1"})
    assert ids_in(engine) == ([] if refused else [1])
    assert pending(client, namespace) == {}
    assert alkey.delivery.counts == (0, 0, 0 if refused else 1, 0)


@pytest.mark.anyio
@policies
async def test_the_answer_to_commit_is_lost(
    async_engine: AsyncEngine, link: Link, link_client: Any, namespace: str, client: Any, watch: Watch,
    unavailable: Policy,
) -> None:  # fmt: skip
    alkey = AsyncAlkey(link_client, namespace, unavailable=unavailable, lease_ms=LEASE_MS_LONG)
    sessions = bound(alkey, async_engine)
    with watch.changed("users#1 users#2") as changed:
        link.lose_the_answer_to(b"ALKEY.COMMIT")
        await write(sessions, 1)
        assert await alkey.delivery.flush(DEADLINE_S)
    assert changed == {"users#1"}
    assert pending(client, namespace) == {}
    assert alkey.delivery.counts == (0, 1, 0, 0)


@pytest.mark.anyio
async def test_deliver_goes_on_without_the_server_and_tells_it_everything_later(
    engine: sa.Engine, async_engine: AsyncEngine, link: Link, link_client: Any, namespace: str, watch: Watch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    alkey = AsyncAlkey(link_client, namespace, lease_ms=LEASE_MS_LONG)
    sessions = bound(alkey, async_engine)
    with watch.changed("users#1 users#2 users#3 users#4") as changed:
        link.go_down()
        for number in (1, 2):
            await write(sessions, number)
        await alkey.touch(alkey.row("users", 3))
        assert ids_in(engine) == [1, 2]
        assert alkey.delivery.is_away
        assert alkey.delivery.counts == (3, 0, 2, 0)
        assert not await alkey.delivery.flush(0.01)
        link.come_up()
        assert await alkey.delivery.flush(DEADLINE_S)
    assert changed == {"users#1", "users#2", "users#3"}
    assert alkey.delivery.counts == (0, 3, 2, 0)
    levels = [record.levelname for record in caplog.records if record.name == "alkey"]
    assert levels.count("ERROR") == 1
    await write(sessions, 5)
    assert alkey.delivery.counts == (0, 3, 2, 0)


@pytest.mark.anyio
async def test_raise_refuses_and_touch_raises(
    engine: sa.Engine, async_engine: AsyncEngine, link: Link, link_client: Any, namespace: str
) -> None:
    alkey = AsyncAlkey(link_client, namespace, unavailable="raise", lease_ms=LEASE_MS_LONG)
    sessions = bound(alkey, async_engine)
    link.go_down()
    async with sessions() as session:
        session.add(User(id=1))
        with pytest.raises(Unavailable, match="can't serve ALKEY.RECORD"):
            await session.commit()
        await session.rollback()
        assert (await session.scalars(sa.select(User))).all() == []
    with pytest.raises(Unavailable):
        await alkey.touch(User)
    link.come_up()
    await write(sessions, 2)
    assert ids_in(engine) == [2]
    assert alkey.delivery.counts == (0, 0, 0, 0)


@pytest.mark.anyio
async def test_a_server_without_the_module(async_engine: AsyncEngine, own_server: Any) -> None:
    server: RedisServer = own_server(module=False)
    async with AsyncAlkey(server.url, unavailable="raise") as alkey:
        with pytest.raises(ModuleNotLoaded, match="loadmodule"):
            await write(bound(alkey, async_engine), 1)
        with pytest.raises(ModuleNotLoaded, match="loadmodule"):
            await alkey.key(User)


@pytest.mark.anyio
async def test_renewed_while_the_commit_hangs(
    async_engine: AsyncEngine, server: RedisServer, client: Any, namespace: str, watch: Watch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    dialect = async_engine.sync_engine.dialect
    do_commit = dialect.do_commit

    def hang(connection: Any) -> None:
        left_ms: list[int] = []

        def renewals() -> int:
            left_ms.extend(pending(client, namespace).values())
            return sum(after > before for before, after in pairwise(left_ms))

        await_only(eventually("it is recorded again, and again", lambda: renewals() >= 3))
        do_commit(connection)

    async with AsyncAlkey(server.url, namespace, lease_ms=300) as alkey:
        sessions = bound(alkey, async_engine)
        with watch.changed("users#1 users#2") as changed:
            monkeypatch.setattr(dialect, "do_commit", hang)
            await write(sessions, 1)
        assert changed == {"users#1"}
        assert not watch.is_in_flight("users#1")


@pytest.mark.anyio
async def test_the_task_ends_when_there_is_nothing_to_do(
    async_sessions: Sessions, async_alkey: AsyncAlkey
) -> None:
    await write(async_sessions, 1)
    await eventually("the task has ended", lambda: async_alkey.delivery._task.done())  # type: ignore[union-attr]
    async_alkey.delivery.commit_later(b"x:tx:1", frozenset({async_alkey.everything()}))
    async_alkey.delivery._waiting.clear()
    await write(async_sessions, 2)


@pytest.mark.anyio
async def test_without_a_greenlet_nobody_waits(async_alkey: AsyncAlkey, watch: Watch) -> None:
    with watch.changed("users#1 users#2 users#3") as changed:
        async_alkey.delivery.commit(watch.full("tx:1"), frozenset({watch.full("users#1")}))
        # Another thread has no event loop: the next call in one brings it.
        await asyncio.to_thread(
            async_alkey.delivery.commit, watch.full("tx:2"), frozenset({watch.full("users#2")})
        )
        assert async_alkey.delivery.counts.waiting == 1
        assert await async_alkey.delivery.flush(DEADLINE_S)
    assert changed == {"users#1", "users#2"}


def test_in_one_event_loop_after_another(server: RedisServer, client: Any) -> None:
    alkey = AsyncAlkey(server.url, "alkey{loops}")
    watch = Watch(client, "alkey{loops}")

    async def main(number: int) -> str:
        async with alkey:
            alkey.delivery.commit_later(watch.full("tx:1"), frozenset({watch.full(f"users#{number}")}))
            return await alkey.key("x")

    with watch.changed("users#1 users#2 users#3") as changed:
        assert asyncio.run(main(1)) == asyncio.run(main(2))
    assert changed == {"users#1", "users#2"}


def run_alone(body: str, url: str) -> str:
    """A process whose event loop ends while something has not arrived. Gives what it says."""
    program = f"""
import asyncio, logging
from alkey.asyncio import AsyncAlkey
logging.basicConfig()

async def main():
    global alkey
    alkey = AsyncAlkey("{url}?socket_timeout=60", lease_ms=50)
    name, identifiers = b"alkey:tx:1", frozenset({{b"alkey:users#1"}})
    {body}
    await asyncio.sleep(0.1)

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::ResourceWarning", "-c", program],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "never awaited" not in done.stderr
    assert "was destroyed" not in done.stderr
    return done.stderr


def test_what_waits_when_the_event_loop_ends_is_tried_once_more(own_server: Any) -> None:
    server: RedisServer = own_server(lease_ms=50)
    # As after many tries that failed.
    late = "alkey.delivery._is_away, alkey.delivery._next_try_s = True, float('inf')"
    with server.client() as client, Watch(client, "alkey").changed("users#1 users#2") as changed:
        said = run_alone(f"{late}; alkey.delivery.commit_later(name, identifiers)", server.url)
    assert changed == {"users#1"}
    assert said == ""


@pytest.mark.parametrize("how", ["commit_later", "commit"])
def test_what_has_not_arrived_when_the_event_loop_ends_is_in_the_log(own_server: Any, how: str) -> None:
    """It waited, or was on its way."""
    server: RedisServer = own_server(lease_ms=50)
    server.pause()
    said = run_alone(f"alkey.delivery.{how}(name, identifiers)", server.url)
    assert "the event loop ends, and 1 COMMITs have not arrived" in said
    assert "the process ends, and 1 COMMITs have not arrived" in said
