"""`stage` for asyncio: readers and writers who are tasks of one event loop, and judge what they get as those do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from alkey import Unavailable
from alkey.asyncio import AsyncAlkey
from harness import eventually
from models import User
from stage import ROWS, Tally

Actor = Callable[[random.Random], Coroutine[Any, Any, None]]


class AsyncStage:
    """Who acts, until `act` is left. The tables are there, and filled."""

    def __init__(
        self,
        engine: AsyncEngine,
        engine_of_writers: AsyncEngine,
        make_alkey: Callable[..., AsyncAlkey],
        seed: int,
    ) -> None:
        self.engine = engine
        self.engine_of_writers = engine_of_writers
        self.make_alkey = make_alkey
        self.seed = seed
        self.cache: dict[str, int] = {}
        self.tally = Tally()
        self.is_over = False
        self.writers: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def act(
        self,
        readers: int = 3,
        writers: int = 2,
        engine: AsyncEngine | None = None,
        alkey: AsyncAlkey | None = None,
    ) -> AsyncIterator[Tally]:
        self.sessions_of_writers = async_sessionmaker(engine or self.engine_of_writers)
        self.alkey_of_writers = alkey or self.make_alkey(unavailable="raise")
        self.alkey_of_writers.bind(self.sessions_of_writers)
        actors: list[Actor] = [*[self._read] * readers, *[self._write] * writers]
        tasks = [
            asyncio.create_task(self._run(act, random.Random(f"{self.seed} {number}")))
            for number, act in enumerate(actors)
        ]
        try:
            yield self.tally
        finally:
            self.is_over = True
            await asyncio.gather(*tasks)
            print(f"seed {self.seed}: {self.tally}")
        assert self.tally.failures == []
        assert self.tally.stale[:5] == []

    async def go_on(self, hits: int = 200, commits: int = 20) -> None:
        """Until there were so many more."""
        await eventually(*self.tally.more(hits, commits))

    async def _run(self, act: Actor, dice: random.Random) -> None:
        try:
            await act(dice)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test fails by it
            self.tally.failures.append(error)

    async def _read(self, dice: random.Random) -> None:
        alkey = self.make_alkey()
        fresh = async_sessionmaker(self.engine)
        snapshot = async_sessionmaker(self.engine.execution_options(isolation_level="REPEATABLE READ"))
        alkey.bind(fresh)
        alkey.bind(snapshot)
        truth_engine = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        async with truth_engine.connect() as truth:

            async def committed(number: int) -> int:
                found = await truth.execute(sa.select(User.visits).where(User.id == number))
                return int(found.scalar_one())

            while not self.is_over:
                number = dice.randrange(ROWS)
                async with (snapshot if dice.random() < 0.5 else fresh)() as session:
                    # An object and a snapshot that may be older than the key.
                    user = await session.get(User, number) if dice.random() < 0.5 else None
                    if user is not None:
                        await asyncio.sleep(dice.random() * 0.02)
                    floor = await committed(number)
                    loads: list[int] = []

                    async def load(
                        session: AsyncSession = session, number: int = number, loads: list[int] = loads
                    ) -> int:
                        loads.append(1)
                        return (await session.get_one(User, number)).visits + 1

                    part = alkey.row("users", number) if user is None else user
                    value = await alkey.cached(self.cache, part, load=load, session=session)
                if loads:
                    self.tally.count(reads=1)
                    continue
                self.tally.hit(number, floor, value, await committed(number))

    async def _write(self, dice: random.Random) -> None:
        """Each write is a task, so that it can be cancelled."""
        while not self.is_over:
            await asyncio.sleep(dice.random() * 0.1)
            writer = asyncio.create_task(self._write_once(dice))
            self.writers.add(writer)
            await asyncio.wait({writer})
            self.writers.discard(writer)
            if writer.cancelled():
                self.tally.count(unknown=1)
            else:
                writer.result()

    async def _write_once(self, dice: random.Random) -> None:
        async with self.sessions_of_writers() as session:
            try:
                number = dice.randrange(ROWS)
                user = await session.get_one(User, number, with_for_update=True)
                user.visits += 1

                async def visits() -> int:
                    return user.visits

                # Its own change is nobody else's.
                await self.alkey_of_writers.cached(self.cache, user, load=visits, session=session)
                await session.flush()
                if dice.random() < 0.2:
                    await session.rollback()
                    return
                await session.commit()
                self.tally.count(commits=1)
            except Unavailable:
                self.tally.count(refused=1)
            except DBAPIError:
                self.tally.count(unknown=1)
