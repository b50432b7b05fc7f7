"""Strict readers of lists by their scopes, while writers move rows between them and die between the two commits: nobody
gets a list that is older than what the database held before the key was asked for."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from alkey import Alkey, Unavailable
from harness import RedisServer
from scoped_models import Base, Sale

SECONDS = float(os.environ.get("ALKEY_SECONDS", "5"))
ROWS = range(1, 13)
CUSTOMERS = (1, 2, 3)
# For longer than it a busy machine keeps nobody from running, or hardly ever.
LEASE_MS = 1000

# Of each row the customer, and how often it was written.
State = dict[int, tuple[int | None, int]]


def write(sessions: sessionmaker[Session], dice: random.Random) -> None:
    with sessions() as session:
        held = session.get_one(Sale, dice.choice(ROWS))
        # Others may move it meanwhile.
        time.sleep(dice.random() * 0.01)
        session.execute(sa.select(Sale.id).where(Sale.id == held.id).with_for_update())
        held.total = Sale.total + 1
        if dice.random() < 0.4:
            held.customer_id = dice.choice(CUSTOMERS)
        session.commit()


def state(engine: sa.Engine) -> State:
    with engine.connect() as connection:
        found = connection.execute(sa.select(Sale.id, Sale.customer_id, Sale.total)).all()
    return {id_: (customer, total) for id_, customer, total in found}


def is_stale(listed: dict[int, int], customer: int, before: State, after: State) -> bool:
    """Whether it shows an old row, or not one that was there all the time."""
    if any(total < before[id_][1] for id_, total in listed.items()):
        return True
    return any(
        was == (customer, was[1]) and after[id_] == was and listed.get(id_) != was[1]
        for id_, was in before.items()
    )


def test_no_list_is_stale(
    pg_engine: sa.Engine, own_server: Callable[..., RedisServer], namespace: str
) -> None:
    seed = int(os.environ.get("ALKEY_SEED", random.Random().randrange(10**6)))
    print(f"ALKEY_SEED={seed}")
    server = own_server(lease_ms=LEASE_MS)
    Base.metadata.create_all(pg_engine)
    with Session(pg_engine) as session:
        session.execute(sa.text("INSERT INTO customers VALUES (1), (2), (3)"))
        session.add_all([Sale(id=row, customer_id=1) for row in ROWS])
        session.commit()
    tally: Counter[str] = Counter()
    failures: list[BaseException] = []
    cache: dict[str, dict[int, int]] = {}
    end_s = time.monotonic() + SECONDS

    def in_thread(number: int, work: Callable[[Alkey, random.Random], None]) -> None:
        try:
            with server.client() as client:
                alkey = Alkey(client, namespace, unavailable="raise", lease_ms=LEASE_MS)
                dice = random.Random(seed + number)
                while time.monotonic() < end_s and not failures:
                    work(alkey, dice)
        except BaseException as error:  # noqa: BLE001 - the test raises it
            failures.append(error)

    def writes(alkey: Alkey, dice: random.Random) -> None:
        commit = type(alkey.delivery).commit

        def dies(transaction: bytes, identifiers: Any) -> None:
            if dice.random() < 0.1:
                tally["died"] += 1
            else:
                commit(alkey.delivery, transaction, identifiers)

        vars(alkey.delivery)["commit"] = dies
        sessions = sessionmaker(pg_engine)
        alkey.bind(sessions)
        for _ in range(20):
            try:
                time.sleep(dice.random() * 0.1)
                write(sessions, dice)
                tally["wrote"] += 1
            except (DBAPIError, Unavailable):
                tally["refused"] += 1

    def reads(alkey: Alkey, dice: random.Random) -> None:
        customer = dice.choice(CUSTOMERS)
        before = state(pg_engine)
        loads: list[int] = []

        def load() -> dict[int, int]:
            loads.append(customer)
            return {id_: total for id_, (of, total) in state(pg_engine).items() if of == customer}

        found = alkey.lookup(alkey.scope(Sale, customer_id=customer))
        listed = cache.get(found.key) if found.is_shared else None
        if listed is None:
            listed = load()
            if found.is_shared:
                cache[found.key] = listed
        tally["private" if not found.is_shared else "miss" if loads else "hit"] += 1
        assert not is_stale(listed, customer, before, state(pg_engine)), f"{found}: {listed}, and {before}"

    threads = [
        threading.Thread(target=in_thread, args=(number, work))
        for number, work in enumerate([writes, writes, reads, reads])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(dict(tally))
    if failures:
        raise failures[0]
    assert min(tally[each] for each in ("wrote", "died", "hit", "miss", "private")) > 0
