"""What alkey adds to a flush on PostgreSQL: 1000 updates, or 1000 inserts, and their commit with RECORD and COMMIT.

    python benchmarks/flush.py [ROUNDS]

Without alkey, and with it over redis-py and over valkey-py, take turns within one run, so that what else the machine
does falls on all. What is compared is each turn's ratio; its median is printed, with the quartiles. It exits with 1 if
a median is above its bound.

It starts a redis-server and PostgreSQL as the tests do, and needs the same environment (see tests/harness.py).
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from alkey import Alkey

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from ratio import is_above

from harness import Postgres, RedisServer

ROWS = 1000
ROUNDS_DEFAULT = 41
BOUNDS = {"updates": 1.10, "inserts": 1.15, "updates of children": 1.10, "inserts of children": 1.15}
CLIENTS = ("Redis", "Valkey")


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    visits: Mapped[int] = mapped_column(default=0)


class Order(Base):
    """With a foreign key, since the row that it points at is told, too."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"), index=True)
    item: Mapped[str]
    amount: Mapped[int] = mapped_column(default=0)


def update(kind: type[User | Order], attribute: str) -> Callable[[Session], None]:
    def prepare(session: Session) -> None:
        for number, row in enumerate(session.scalars(sa.select(kind).order_by(kind.id).limit(ROWS)).all()):
            setattr(row, attribute, f"{number} {time.monotonic_ns()}")

    return prepare


def insert_users(session: Session) -> None:
    session.add_all([User(name=str(number)) for number in range(ROWS)])


def insert_orders(session: Session) -> None:
    session.add_all([Order(user_id=1 + number % 100, item=str(number)) for number in range(ROWS)])


WORK: dict[str, Callable[[Session], None]] = {
    "updates": update(User, "name"),
    "inserts": insert_users,
    "updates of children": update(Order, "item"),
    "inserts of children": insert_orders,
}


def seconds(sessions: sessionmaker[Session], prepare: Callable[[Session], None]) -> float:
    """Of the flush and the commit alone: what was loaded or made before is none of alkey's."""
    with sessions() as session:
        prepare(session)
        gc.collect()
        gc.disable()
        start = time.perf_counter()
        session.commit()
        took = time.perf_counter() - start
        gc.enable()
        return took


def main(rounds: int) -> int:
    server, postgres = RedisServer(), Postgres()
    engine = sa.create_engine(postgres.url)
    plain = sessionmaker(engine)
    bound = {client: sessionmaker(engine) for client in CLIENTS}
    for client, sessions in bound.items():
        Alkey(f"{client.lower()}://127.0.0.1:{server.port}").bind(sessions)
    sides = [plain, *bound.values()]
    try:
        Base.metadata.create_all(engine)
        with plain.begin() as session:
            insert_users(session)
            session.flush()
            insert_orders(session)
        failed = 0
        print(
            f"{ROWS} rows, median of {rounds} turns: with alkey / without [quartiles] bound; ms without, with"
        )
        for name, prepare in WORK.items():
            for sessions in sides:
                seconds(sessions, prepare)
            turns = []
            for number in range(rounds):
                first = number % len(sides)
                turns.append({each: seconds(each, prepare) for each in sides[first:] + sides[:first]})
            for client, sessions in bound.items():
                pairs = [(took[plain], took[sessions]) for took in turns]
                failed += is_above(f"{client:6}  {name:19} ", pairs, BOUNDS[name], 1e3)
        return 1 if failed else 0
    finally:
        engine.dispose()
        postgres.close()
        server.close()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS_DEFAULT))
