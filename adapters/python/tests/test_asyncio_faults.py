"""Faults while tasks read and write: with `unavailable="raise"` no strict reader gets a stale value.

As `test_faults`, whose threads show the same of most of the code.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio
import sqlalchemy as sa
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from sqlalchemy.ext.asyncio import create_async_engine

from alkey.asyncio import AsyncAlkey
from async_stage import AsyncStage
from harness import DEADLINE_S, RedisServer, eventually
from link import Link
from stage import Stage
from test_faults import UNFROZEN, LosesAnswers, patient, redis_server, seed

__all__ = ["redis_server", "seed"]

pytestmark = pytest.mark.anyio


def client_of(port: int) -> redis.asyncio.Redis:
    """One that a busy machine does not cut off."""
    return redis.asyncio.Redis(port=port, retry=Retry(NoBackoff(), 0), socket_timeout=10)


@pytest.fixture
async def stage(pg_engine: sa.Engine, redis_server: RedisServer, seed: int) -> AsyncIterator[AsyncStage]:
    # It makes the tables.
    Stage(pg_engine, pg_engine, lambda: patient(redis_server), seed)
    engine = create_async_engine(pg_engine.url)
    unfrozen = create_async_engine(pg_engine.url, connect_args=UNFROZEN)
    async with client_of(redis_server.port) as client:
        yield AsyncStage(engine, unfrozen, lambda **options: AsyncAlkey(client, **options), seed)
    await engine.dispose()
    await unfrozen.dispose()


async def test_nothing_but_readers_and_writers(stage: AsyncStage) -> None:
    async with stage.act(engine=stage.engine) as tally:
        await stage.go_on(hits=1000, commits=50)
    assert tally.refused == tally.unknown == 0


async def test_writers_are_cancelled(stage: AsyncStage, seed: int) -> None:
    """At any moment, most of them when they have begun to commit, since that takes longest."""
    dice = random.Random(seed)
    async with stage.act(writers=4) as tally:
        while tally.unknown < 40 and not tally.failures:
            await asyncio.sleep(dice.random() * 0.03)
            for writer in list(stage.writers):
                writer.cancel()
        # What was cancelled while the database committed is in flight for a lease.
        await stage.go_on()


async def test_writers_die_between_the_two_commits(
    stage: AsyncStage, redis_server: RedisServer, seed: int
) -> None:
    url = stage.engine.url.update_query_dict(UNFROZEN).render_as_string(hide_password=False)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "dying_async_writer.py",
        url,
        f"{redis_server.url}?socket_timeout=10",
        str(seed),
        cwd=Path(__file__).parent,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with stage.act(writers=1):
            died = 0
            while died < 10:
                line = await process.stdout.readline()
                assert line, "the writer ended"
                died += line == b"died\n"
            await stage.go_on()
    finally:
        process.kill()
        # To the end of what it said: only then Python 3.10 closes the pipe.
        await asyncio.wait_for(process.communicate(), DEADLINE_S)


async def test_redis_restarts_from_an_old_dump(stage: AsyncStage, redis_server: RedisServer) -> None:
    directory = redis_server.directory
    async with stage.act() as tally:
        await stage.go_on(hits=100, commits=10)
        with redis_server.client() as client:
            client.save()
        shutil.copy(directory / "dump.rdb", directory / "old.rdb")
        for _ in range(2):
            await stage.go_on(hits=100, commits=10)
            refused = tally.refused
            redis_server.kill()
            await eventually("a write is refused", lambda: tally.failures or tally.refused > refused)  # noqa: B023
            shutil.copy(directory / "old.rdb", directory / "dump.rdb")
            await asyncio.to_thread(redis_server.start)
        await stage.go_on(hits=100, commits=10)


async def test_the_answer_to_the_database_s_commit_is_lost(stage: AsyncStage, seed: int) -> None:
    url = stage.engine.url
    way = LosesAnswers(int(str(url.query["port"])), random.Random(seed))
    engine = create_async_engine(url.set(host="127.0.0.1", port=way.port, query={}))
    try:
        async with stage.act(engine=engine) as tally:
            await eventually("four answers are lost", lambda: way.lost >= 4 or tally.failures)
            await stage.go_on()
        assert tally.unknown >= 4
    finally:
        way.close()
        await engine.dispose()


@pytest.mark.parametrize("command", ["ALKEY.RECORD", "ALKEY.COMMIT"])
async def test_the_way_to_redis_loses_answers(
    stage: AsyncStage, redis_server: RedisServer, command: str
) -> None:
    way = Link(redis_server.port)
    async with client_of(way.port) as client, AsyncAlkey(client, unavailable="raise") as alkey:
        async with stage.act(alkey=alkey) as tally:
            for _ in range(5):
                way.lose_the_answer_to(command.encode())
                await stage.go_on(hits=50, commits=5)
            way.go_down()
            refused = tally.refused
            await eventually("writes are refused", lambda: tally.failures or tally.refused > refused + 3)
            way.come_up()
            await stage.go_on()
        assert await alkey.delivery.flush(60)
    late = alkey.delivery.counts.delivered_late
    print(f"{late} COMMITs were late")
    assert tally.refused >= 4
    assert late >= (5 if command == "ALKEY.COMMIT" else 0)
    way.close()
