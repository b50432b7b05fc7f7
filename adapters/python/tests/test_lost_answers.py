"""What becomes of writes when the way to the server fails, with each policy."""

from __future__ import annotations

import logging
from typing import Any, Literal

import pytest
import redis
import sqlalchemy as sa

from alkey import Alkey, Unavailable
from harness import DEADLINE_S, LEASE_MS_LONG, pending
from link import Link
from models import User, bound_to, ids_in
from watch import Watch

Policy = Literal["deliver", "raise"]


def alkey_over(link: Link, namespace: str, unavailable: Policy) -> Alkey:
    return Alkey(link.client(), namespace, unavailable=unavailable, lease_ms=LEASE_MS_LONG)


def test_deliver_goes_on_when_the_answer_to_record_is_lost(
    engine: sa.Engine, link: Link, namespace: str, watch: Watch, client: redis.Redis
) -> None:
    alkey = alkey_over(link, namespace, "deliver")
    sessions = bound_to(alkey, engine)
    with watch.changed("users#1 users#2") as changed:
        link.lose_the_answer_to(b"ALKEY.RECORD")
        with sessions.begin() as session:
            session.add(User(id=1))
    assert changed == {"users#1"}
    assert ids_in(engine) == [1]
    assert pending(client, namespace) == {}
    assert alkey.delivery.counts == (0, 0, 1, 0)


def test_raise_refuses_when_the_answer_to_record_is_lost(
    engine: sa.Engine, link: Link, namespace: str, watch: Watch, client: redis.Redis
) -> None:
    alkey = alkey_over(link, namespace, "raise")
    sessions = bound_to(alkey, engine)
    with watch.changed("users#1") as changed:
        link.lose_the_answer_to(b"ALKEY.RECORD")
        with sessions() as session:
            session.add(User(id=1))
            with pytest.raises(Unavailable):
                session.commit()
    # It was recorded all the same, and is discarded with the session.
    assert changed == set()
    assert ids_in(engine) == []
    assert pending(client, namespace) == {}
    assert alkey.delivery.counts == (0, 0, 0, 0)


@pytest.mark.parametrize("unavailable", ["deliver", "raise"])
def test_a_commit_whose_answer_is_lost_is_sent_again(
    engine: sa.Engine, link: Link, namespace: str, watch: Watch, client: redis.Redis, unavailable: Policy
) -> None:
    alkey = alkey_over(link, namespace, unavailable)
    sessions = bound_to(alkey, engine)
    with watch.changed("users#1 users#2") as changed:
        link.lose_the_answer_to(b"ALKEY.COMMIT")
        with sessions.begin() as session:
            session.add(User(id=1))
        assert alkey.delivery.flush(DEADLINE_S)
    assert changed == {"users#1"}
    assert ids_in(engine) == [1]
    assert pending(client, namespace) == {}
    assert alkey.delivery.counts == (0, 1, 0, 0)
    assert not alkey.delivery.is_away


@pytest.mark.parametrize("unavailable", ["deliver", "raise"])
def test_a_commit_that_can_not_be_sent_keeps_strict_readers_away_until_it_is(
    engine: sa.Engine,
    link: Link,
    namespace: str,
    watch: Watch,
    monkeypatch: pytest.MonkeyPatch,
    unavailable: Policy,
) -> None:
    alkey = alkey_over(link, namespace, unavailable)
    sessions = bound_to(alkey, engine)
    record = alkey.commands.record

    def record_and_go_down(*arguments: Any) -> int:
        answer = record(*arguments)
        link.go_down()
        return answer

    monkeypatch.setattr(alkey.commands, "record", record_and_go_down)
    with watch.changed("users#1 users#2") as changed:
        with sessions.begin() as session:
            session.add(User(id=1))
        assert ids_in(engine) == [1]
        assert watch.is_in_flight("users#1")
        assert alkey.delivery.counts.waiting == 1
        link.come_up()
        assert alkey.delivery.flush(DEADLINE_S)
        assert not watch.is_in_flight("users#1")
    assert changed == {"users#1"}


def test_deliver_goes_on_without_the_server_and_tells_it_everything_later(
    engine: sa.Engine, link: Link, namespace: str, watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    alkey = alkey_over(link, namespace, "deliver")
    sessions = bound_to(alkey, engine)
    with sessions.begin() as session:
        session.add(User(id=1))
    assert alkey.delivery.counts == (0, 0, 0, 0)
    with watch.changed("users#1 users#2 users#3 users#4") as changed:
        link.go_down()
        for number in (2, 3, 4):
            with sessions.begin() as session:
                session.add(User(id=number))
        assert ids_in(engine) == [1, 2, 3, 4]
        assert alkey.delivery.is_away
        assert alkey.delivery.counts == (3, 0, 3, 0)
        link.come_up()
        assert alkey.delivery.flush(DEADLINE_S)
    assert changed == {"users#2", "users#3", "users#4"}
    with sessions.begin() as session:
        session.add(User(id=5))
    assert alkey.delivery.counts == (0, 3, 3, 0)
    assert not alkey.delivery.is_away
    # One of each, however many wait.
    levels = [record.levelno for record in caplog.records if record.name == "alkey"]
    assert levels.count(logging.ERROR) == 1
    assert levels.count(logging.WARNING) == 1
