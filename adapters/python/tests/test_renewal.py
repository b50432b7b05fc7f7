"""A RECORD is never older than the lease when the database decides, however long that takes.

Where Alkey is told another lease than the server has, the server's is long: then what is seen is what Alkey did.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import redis
import sqlalchemy as sa

from alkey import Alkey, Unavailable
from alkey.transaction import Transaction
from harness import DEADLINE_S, LEASE_MS_LONG, pending, wait_until
from models import User, bound_to, ids_in
from watch import Watch


def lease_left_ms(client: redis.Redis, namespace: str) -> int:
    """Of the one transaction in flight."""
    [left_ms] = pending(client, namespace).values()
    return left_ms


class Records:
    """Counts the RECORDs of one Alkey that arrive, and can change what it takes the lease to be after some."""

    def __init__(self, alkey: Alkey, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.lease_ms_after: dict[int, int] = {}
        record = alkey.commands.record

        def counted(*arguments: Any) -> int:
            answer = record(*arguments)
            self.count += 1
            alkey.delivery._lease_ms = self.lease_ms_after.get(self.count, alkey.delivery._lease_ms)
            return answer

        monkeypatch.setattr(alkey.commands, "record", counted)


@pytest.fixture
def records(alkey: Alkey, monkeypatch: pytest.MonkeyPatch) -> Records:
    return Records(alkey, monkeypatch)


def test_recorded_again_if_the_answer_took_a_third_of_the_lease(
    engine: sa.Engine, alkey: Alkey, records: Records
) -> None:
    sessions = bound_to(alkey, engine)
    # Of a lease of nothing every answer takes too much.
    alkey.delivery._lease_ms = 0
    records.lease_ms_after[2] = LEASE_MS_LONG
    with sessions.begin() as session:
        session.add(User(id=1))
    assert records.count == 2
    assert alkey.delivery.counts.unrecorded == 0
    assert ids_in(engine) == [1]


@pytest.mark.parametrize("unavailable", ["deliver", "raise"])
def test_raise_refuses_what_is_answered_too_late_again(
    engine: sa.Engine, client: redis.Redis, namespace: str, unavailable: Any
) -> None:
    alkey = Alkey(client, namespace, unavailable=unavailable, lease_ms=LEASE_MS_LONG)
    sessions = bound_to(alkey, engine)
    alkey.delivery._lease_ms = 0
    with sessions() as session:
        session.add(User(id=1))
        if unavailable == "raise":
            with pytest.raises(
                Unavailable, match="took so long to answer ALKEY.RECORD that the lease may be over"
            ):
                session.commit()
        else:
            session.commit()
    alkey.delivery._lease_ms = LEASE_MS_LONG
    assert ids_in(engine) == ([] if unavailable == "raise" else [1])
    assert alkey.delivery.counts.unrecorded == (0 if unavailable == "raise" else 1)


def test_recorded_again_if_something_was_added_since(alkey: Alkey, records: Records, watch: Watch) -> None:
    transaction = Transaction(alkey.commands, alkey.delivery, alkey.namespace, "raise")
    alkey.delivery._lease_ms = LEASE_MS_LONG
    for number in (1, 2):
        transaction.add([watch.full(f"users#{number}")])
        transaction.record()
        transaction.decide()
        assert records.count == number
        assert watch.is_in_flight(f"users#{number}")
    transaction.rolled_back()


@pytest.mark.parametrize("is_late", [False, True])
def test_recorded_again_between_two_phases_if_a_third_of_the_lease_has_passed(
    pg_engine: sa.Engine, alkey: Alkey, records: Records, is_late: bool
) -> None:
    sessions = bound_to(alkey, pg_engine, twophase=True)
    alkey.delivery._lease_ms = LEASE_MS_LONG
    records.lease_ms_after[2] = LEASE_MS_LONG
    with sessions() as session:
        session.add(User(id=1))
        session.prepare()
        assert records.count == 1
        # The thread would do it as well.
        for watched in list(alkey.delivery._watched):
            alkey.delivery.unwatch(watched)
        if is_late:
            alkey.delivery._lease_ms = 0
        session.commit()
    assert records.count == (2 if is_late else 1)
    assert ids_in(pg_engine) == [1]


def test_renewed_while_the_commit_hangs(
    engine: sa.Engine, client: redis.Redis, namespace: str, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    alkey = Alkey(client, namespace, lease_ms=300)
    sessions = bound_to(alkey, engine)
    do_commit = engine.dialect.do_commit

    def hang(connection: Any) -> None:
        left_ms = [lease_left_ms(client, namespace)]

        def renewals() -> int:
            left_ms.append(lease_left_ms(client, namespace))
            return sum(after > before for before, after in pairwise(left_ms))

        wait_until("it is recorded again, and again", lambda: renewals() >= 3)
        do_commit(connection)

    with watch.changed("users#1 users#2") as changed, sessions() as session:
        session.add(User(id=1))
        session.flush()
        monkeypatch.setattr(engine.dialect, "do_commit", hang)
        session.commit()
    assert changed == {"users#1"}
    assert not watch.is_in_flight("users#1")


@pytest.mark.parametrize(("ends", "expected"), [("committed", {"users#1"}), ("rolled_back", set())])
def test_a_renewal_that_the_outcome_overtakes_leaves_nothing_in_flight(
    alkey: Alkey, watch: Watch, monkeypatch: pytest.MonkeyPatch, ends: str, expected: set[str]
) -> None:
    """As when the thread has sent RECORD, and it arrives after COMMIT or DISCARD."""
    transaction = Transaction(alkey.commands, alkey.delivery, alkey.namespace, "raise")
    alkey.delivery._lease_ms = LEASE_MS_LONG
    with watch.changed("users#1 users#2") as changed:
        transaction.add([watch.full("users#1")])
        transaction.decide()
        record = alkey.commands.record

        def overtaken(*arguments: Any) -> int:
            getattr(transaction, ends)()
            assert not watch.is_in_flight("users#1")
            return record(*arguments)

        monkeypatch.setattr(alkey.commands, "record", overtaken)
        alkey.delivery.unwatch(transaction)
        alkey.delivery._lease_ms = 0
        transaction.renew()
        assert alkey.delivery.flush(DEADLINE_S)
        assert not watch.is_in_flight("users#1")
    assert changed == expected
