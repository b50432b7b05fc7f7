"""What `Alkey.key` adds to the call that it makes: its time by that of the bare `execute_command` of the same client,
with the same arguments, on the same connection.

    python benchmarks/key.py [ROUNDS]

Both take turns within one run, so that what else the machine does falls on both. What is compared is each pair's ratio;
its median is printed, with the quartiles. It exits with 1 if the median of a key is above its bound. A key over fifty
rows has none: making fifty identifiers takes its time, but no more round trips.

It starts a redis-server as the tests do, and needs the same environment (see tests/harness.py).
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import redis
import sqlalchemy as sa
import valkey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

from alkey import Alkey

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from ratio import is_above

from harness import RedisServer, wait_until

# Few, so that both of a pair meet the same machine.
CALLS = 20
ROUNDS_DEFAULT = 401
BOUND = 1.3


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


def seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    for _ in range(CALLS):
        call()
    return time.perf_counter() - begin


def arguments_of(alkey: Alkey, call: Callable[[], object]) -> tuple[Any, ...]:
    """What the call sends."""
    sent: list[tuple[Any, ...]] = []
    commands = alkey.commands
    execute = commands._execute

    def remember(*arguments: Any) -> Any:
        sent.append(arguments)
        return execute(*arguments)

    commands._execute = remember
    call()
    commands._execute = execute
    return sent[0]


def main(rounds: int) -> int:
    server = RedisServer()
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    Base.metadata.create_all(engine)
    sessions = sessionmaker(engine)
    alkey = Alkey(server.url)
    alkey.bind(sessions)
    with sessions.begin() as session:
        session.add_all([User(id=number, name="ann") for number in range(50)])
    # The margin of an age grows with it. All of this takes less than 1000 seconds.
    wait_until("the rows are settled", lambda: (alkey.lookup(User).settled_ms or 0) > 1000)
    failed = 0
    gc.collect()
    gc.disable()
    print(
        f"median of {rounds} pairs of {CALLS} calls: key / execute_command [quartiles] bound; µs a call of each"
    )
    try:
        with sessions() as session:
            users = list(session.scalars(sa.select(User)))
            for kind in (redis.Redis, valkey.Valkey):
                client = kind(host="127.0.0.1", port=server.port)
                strict, relaxed = Alkey(client), Alkey(client, strict=False)
                row, user = strict.row("users", 1), users[1]
                calls: dict[str, tuple[Alkey, Callable[[], object], float | None]] = {
                    "an identifier": (strict, partial(strict.key, row, session=session), BOUND),
                    "an instance": (strict, partial(strict.key, user), BOUND),
                    "an instance and values": (strict, partial(strict.key, user, "profile", 1, "de"), BOUND),
                    "the same, relaxed": (relaxed, partial(relaxed.key, user, "profile", 1, "de"), BOUND),
                    "fifty instances": (strict, partial(strict.key, users), None),
                }
                assert strict.lookup(users).is_shared
                for name, (asked, call, bound) in calls.items():
                    arguments = arguments_of(asked, call)
                    bare = partial(client.execute_command, *arguments)
                    pairs = []
                    for number in range(rounds + 1):
                        order = (bare, call) if number % 2 else (call, bare)
                        took = {id(each): seconds(each) for each in order}
                        pairs.append((took[id(bare)], took[id(call)]))
                    # The first pair warms up.
                    del pairs[0]
                    failed += is_above(f"{kind.__name__:7} {name:23}", pairs, bound, 1e6 / CALLS)
        return 1 if failed else 0
    finally:
        engine.dispose()
        server.close()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS_DEFAULT))
