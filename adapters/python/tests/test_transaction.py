"""One transaction, as those who drive it see it, where no session of SQLAlchemy shows it."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from alkey import Alkey, Unavailable
from alkey.transaction import Policy, Transaction
from harness import DEADLINE_S, LEASE_MS_LONG, pending
from link import Link
from watch import Watch


@pytest.fixture
def over_link(link: Link, namespace: str) -> Alkey:
    """Alkey with a server that can be put out of reach."""
    return Alkey(link.client(), namespace, lease_ms=LEASE_MS_LONG)


def begin(alkey: Alkey, watch: Watch, row: str, unavailable: Policy = "raise") -> Transaction:
    transaction = Transaction(alkey.commands, alkey.delivery, alkey.namespace, unavailable)
    transaction.add([watch.full(row)])
    return transaction


def test_raise_refuses_also_what_is_known_to_be_away(over_link: Alkey, link: Link, watch: Watch) -> None:
    first, second = begin(over_link, watch, "users#1"), begin(over_link, watch, "users#2")
    first.decide()
    link.go_down()
    first.committed()
    assert over_link.delivery.is_away
    with pytest.raises(Unavailable):
        second.decide()
    assert over_link.delivery.counts.unrecorded == 0
    link.come_up()
    # Which may be before a COMMIT has arrived, and has shown that the server is back.
    second.decide()
    assert watch.is_in_flight("users#2")
    second.rolled_back()
    assert over_link.delivery.flush(DEADLINE_S)


def test_nothing_is_refused_once_the_database_may_have_committed(
    over_link: Alkey, link: Link, watch: Watch
) -> None:
    """As of the second of two databases that are committed one after the other."""
    transaction = begin(over_link, watch, "users#1")
    transaction.decide()
    link.go_down()
    transaction.add([watch.full("users#2")])
    transaction.decide()
    assert over_link.delivery.counts.unrecorded == 1
    with watch.changed("users#1 users#2") as changed:
        transaction.committed()
        link.come_up()
        assert over_link.delivery.flush(DEADLINE_S)
    assert changed == {"users#1", "users#2"}


def test_the_flight_ends_also_if_nothing_is_left_of_what_was_recorded(
    alkey: Alkey, watch: Watch, client: redis.Redis, namespace: str
) -> None:
    transaction = Transaction(alkey.commands, alkey.delivery, alkey.namespace, "raise")
    transaction.enter("savepoint")
    transaction.add([watch.full("users#1")])
    transaction.record()
    transaction.roll_back_to("savepoint")
    assert watch.is_in_flight("users#1")
    transaction.committed()
    assert pending(client, namespace) == {}


def test_nobody_waits_to_discard_while_the_server_is_away(
    over_link: Alkey, link: Link, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = begin(over_link, watch, "users#1"), begin(over_link, watch, "users#2")
    first.decide()
    second.decide()
    link.go_down()
    first.committed()
    discarded: list[Any] = []
    monkeypatch.setattr(over_link.commands, "discard", discarded.append)
    second.rolled_back()
    assert discarded == []
    link.come_up()
    assert over_link.delivery.flush(DEADLINE_S)


@pytest.mark.parametrize("ends", ["committed", "rolled_back"])
def test_nothing_is_renewed_after_the_end(alkey: Alkey, watch: Watch, ends: str) -> None:
    transaction = begin(alkey, watch, "users#1")
    transaction.decide()
    assert alkey.delivery._watched == {transaction}
    getattr(transaction, ends)()
    assert alkey.delivery._watched == set()
    # Only the first outcome counts.
    with watch.changed("users#1") as changed:
        transaction.committed()
        transaction.rolled_back()
        transaction.record()
    assert changed == set()
    assert not watch.is_in_flight("users#1")


def test_what_is_held_of_it_is_bounded(alkey: Alkey, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alkey.transaction.IDENTIFIERS_MAX", 10)
    transaction = Transaction(alkey.commands, alkey.delivery, alkey.namespace, "raise")
    for number in range(25):
        transaction.add([watch.full(f"users#{number}")])
        assert len(transaction._stack(None)[-1].identifiers) <= 10
    assert watch.full("users#*") in transaction.identifiers
    for number in range(25):
        transaction.add([watch.full(f"table{number}#1")])
        assert len(transaction._stack(None)[-1].identifiers) <= 10
    assert watch.full("*#*") in transaction.identifiers
    # Few since each savepoint, but many together.
    transaction = Transaction(alkey.commands, alkey.delivery, alkey.namespace, "raise")
    for number in range(25):
        transaction.enter(number)
        transaction.add([watch.full(f"users#{number}")])
    assert transaction.identifiers == {watch.full("users#*")}
