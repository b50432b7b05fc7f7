"""Readers and writers who act at once on PostgreSQL, share a cache that never forgets, and judge what they get.

Each row has a number that each commit raises by one. A reader asks the database for the number, then reads through the
cache: a hit with a lower number is stale, and one with a number that the database never had was never committed. So the
verdict depends on no clock. A value that came from the database itself is not judged.
"""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from alkey import Alkey, Unavailable
from harness import RedisServer, wait_until
from models import Base, User

ROWS = 8


class Tally:
    """What happened so far."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.reads = self.hits = self.commits = self.refused = self.unknown = 0
        self.stale: list[str] = []
        self.failures: list[BaseException] = []

    def count(self, **numbers: int) -> None:
        with self.lock:
            for name, number in numbers.items():
                setattr(self, name, getattr(self, name) + number)

    def hit(self, number: int, least: int, value: int, most: int) -> None:
        """The cache gave this for a row whose number was `least` before the look-up, and is `most` now. One was added,
        since a dict's None is a miss and 0 would be no less a number."""
        self.count(reads=1, hits=1)
        if not least <= value - 1 <= most:
            self.stale.append(f"row {number} is {least}, and the cache gave {value - 1}")

    def more(self, hits: int, commits: int) -> tuple[str, Callable[[], bool]]:
        """To be waited for: so many more than there are now."""
        hits, commits = hits + self.hits, commits + self.commits

        def are_there() -> bool:
            assert not self.failures, self.failures
            return self.hits >= hits and self.commits >= commits

        return f"there are {hits} hits and {commits} commits: {self}", are_there

    def __str__(self) -> str:
        share = 100 * self.hits // max(self.reads, 1)
        return (
            f"{self.reads} strict reads, hits {share} %; "
            f"{self.commits} commits, {self.refused} refused, {self.unknown} of unknown outcome; "
            f"{len(self.stale)} stale"
        )


Actor = Callable[[random.Random], None]


class Threads:
    """Who acts, each in a thread, until `acting` is left."""

    # So many hits show that the cache is used again.
    HITS = 200

    def __init__(self, seed: int) -> None:
        self.cache: dict[str, int] = {}
        self.tally = Tally()
        self.end = threading.Event()
        self.seed = seed

    @contextmanager
    def acting(self, actors: Sequence[Actor]) -> Iterator[Tally]:
        threads = [
            threading.Thread(target=self._run, args=(act, random.Random(f"{self.seed} {number}")))
            for number, act in enumerate(actors)
        ]
        for thread in threads:
            thread.start()
        try:
            yield self.tally
        finally:
            self.end.set()
            for thread in threads:
                thread.join()
            print(f"seed {self.seed}: {self.tally}")
        assert self.tally.failures == []
        assert self.tally.stale[:5] == []

    def _run(self, act: Actor, dice: random.Random) -> None:
        try:
            act(dice)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test fails by it
            self.tally.failures.append(error)

    def go_on(self, hits: int | None = None, commits: int = 20) -> None:
        """Until there were so many more."""
        wait_until(*self.tally.more(self.HITS if hits is None else hits, commits))

    def go_on_until_refused(self, more: int = 1) -> None:
        wanted = self.tally.refused + more
        wait_until(
            f"{more} more writes are refused",
            lambda: self.tally.refused >= wanted or bool(self.tally.failures),
        )

    def set_back(self, redis_server: RedisServer, times: int) -> None:
        """Restarts Redis from a dump that is older than what has been committed."""
        directory = redis_server.directory
        self.go_on()
        with redis_server.client() as client:
            client.save()
        shutil.copy(directory / "dump.rdb", directory / "old.rdb")
        for _ in range(times):
            self.go_on()
            redis_server.kill()
            self.go_on_until_refused()
            shutil.copy(directory / "old.rdb", directory / "dump.rdb")
            redis_server.start()
        self.go_on()


class Stage(Threads):
    """Readers and writers of SQLAlchemy, each with an engine of their own."""

    def __init__(
        self, engine: sa.Engine, engine_of_writers: sa.Engine, make_alkey: Callable[..., Alkey], seed: int
    ) -> None:
        super().__init__(seed)
        self.engine = engine
        self.engine_of_writers = engine_of_writers
        self.make_alkey = make_alkey
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all([User(id=number) for number in range(ROWS)])
            session.commit()

    def act(self, readers: int = 3, writers: int = 2, **writer_options: Any) -> AbstractContextManager[Tally]:
        return self.acting([self._read] * readers + [partial(self._write, **writer_options)] * writers)

    def _read(self, dice: random.Random) -> None:
        alkey = self.make_alkey()
        fresh = sessionmaker(self.engine)
        snapshot = sessionmaker(self.engine.execution_options(isolation_level="REPEATABLE READ"))
        alkey.bind(fresh)
        alkey.bind(snapshot)
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as truth:

            def committed(number: int) -> int:
                return int(truth.execute(sa.select(User.visits).where(User.id == number)).scalar_one())

            while not self.end.is_set():
                number = dice.randrange(ROWS)
                with (snapshot if dice.random() < 0.5 else fresh)() as session:
                    # An object and a snapshot that may be older than the key.
                    user = session.get(User, number) if dice.random() < 0.5 else None
                    if user is not None:
                        self.end.wait(dice.random() * 0.02)
                    floor = committed(number)
                    loads: list[int] = []

                    def load(
                        session: Session = session, number: int = number, loads: list[int] = loads
                    ) -> int:
                        loads.append(1)
                        return session.get_one(User, number).visits + 1

                    part = alkey.row("users", number) if user is None else user
                    value = alkey.cached(self.cache, part, load=load, session=session)
                if loads:
                    self.tally.count(reads=1)
                    continue
                self.tally.hit(number, floor, value, committed(number))

    def _write(
        self, dice: random.Random, engine: sa.Engine | None = None, alkey: Alkey | None = None
    ) -> None:
        writer = alkey or self.make_alkey(unavailable="raise")
        sessions = sessionmaker(engine or self.engine_of_writers)
        writer.bind(sessions)
        while not self.end.is_set():
            self.end.wait(dice.random() * 0.1)
            with sessions() as session:
                try:
                    number = dice.randrange(ROWS)
                    user = session.get_one(User, number, with_for_update=True)
                    user.visits += 1
                    # Its own change is nobody else's.
                    writer.cached(self.cache, user, load=partial(getattr, user, "visits"), session=session)
                    session.flush()
                    if dice.random() < 0.2:
                        session.rollback()
                        continue
                    session.commit()
                    self.tally.count(commits=1)
                except Unavailable:
                    self.tally.count(refused=1)
                except DBAPIError:
                    self.tally.count(unknown=1)
