"""What it costs to name a row: its time by that of the f-string that a program without alkey would write.

    python benchmarks/names.py [ROUNDS]

Both take turns within one run, so that what else the machine does falls on both. What is compared is each pair's ratio;
its median is printed, with the quartiles. It exits with 1 if a median is above its bound.

It needs no server. PYTHONPATH may name other sources, to compare with them.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from typing import Any
from uuid import UUID

import redis
import sqlalchemy as sa
from ratio import is_above
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from alkey import Alkey

CALLS = 500
ROUNDS_DEFAULT = 401
# What each took before names.md, when a row was named by what the program held, on the same machine.
BOUNDS = {
    "an integer": 1.48, "a UUID": 1.50, "text": 3.25, "two columns": 3.45, "a moment": 1.80, "an instance": 0.87,
}  # fmt: skip


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)


class Document(Base):
    __tablename__ = "documents"
    id: Mapped[UUID] = mapped_column(primary_key=True)


class Tag(Base):
    __tablename__ = "tags"
    name: Mapped[str] = mapped_column(primary_key=True)


class Seat(Base):
    __tablename__ = "seats"
    row: Mapped[int] = mapped_column(primary_key=True)
    letter: Mapped[str] = mapped_column(primary_key=True)


class Reading(Base):
    __tablename__ = "readings"
    taken: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), primary_key=True)


def seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    for _ in range(CALLS):
        call()
    return time.perf_counter() - begin


def formatted(table: str, *key: object) -> bytes:
    return f"alkey:{table}#{','.join(map(str, key))}".encode()


def main(rounds: int) -> int:
    # Nobody asks it anything.
    alkey = Alkey(redis.Redis())
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    Base.metadata.create_all(engine)
    now = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
    keys: dict[str, tuple[str, tuple[Any, ...], float]] = {
        "an integer": ("users", (1234567,), BOUNDS["an integer"]),
        "a UUID": ("documents", (UUID(int=7),), BOUNDS["a UUID"]),
        "text": ("tags", ("red",), BOUNDS["text"]),
        "two columns": ("seats", (7, "a"), BOUNDS["two columns"]),
        "a moment": ("readings", (now,), BOUNDS["a moment"]),
    }
    calls: dict[str, tuple[Callable[[], object], Callable[[], object], float]] = {
        name: (partial(formatted, table, *key), partial(alkey.row, table, *key), bound)
        for name, (table, key, bound) in keys.items()
    }
    with Session(engine) as session:
        session.add(User(id=1234567))
        session.flush()
        session.expire_all()
        user = session.get_one(User, 1234567)
        name = "an instance"
        calls[name] = (partial(formatted, "users", 1234567), partial(alkey._identify, user), BOUNDS[name])
        gc.collect()
        gc.disable()
        print(
            f"median of {rounds} pairs of {CALLS} calls: named / formatted [quartiles] bound; µs a call of each"
        )
        failed = 0
        for name, (bare, named, bound) in calls.items():
            pairs = []
            for number in range(rounds + 1):
                order = (bare, named) if number % 2 else (named, bare)
                took = {id(each): seconds(each) for each in order}
                pairs.append((took[id(bare)], took[id(named)]))
            # The first pair warms up.
            del pairs[0]
            failed += is_above(f"{name:14}", pairs, bound, 1e6 / CALLS)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS_DEFAULT))
