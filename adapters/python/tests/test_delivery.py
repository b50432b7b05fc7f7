"""The thread that delivers: bounded, and whole after a fork."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
import redis

from alkey.commands import Commands
from alkey.delivery import Delivery
from alkey.errors import Unavailable
from alkey.transaction import Transaction
from harness import RedisServer, wait_until
from watch import Watch

Start = Callable[..., RedisServer]


def test_too_many_rows_wait_as_their_tables_and_too_many_tables_as_everything(
    own_server: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alkey.delivery.IDENTIFIERS_MAX", 10)
    server = own_server(lease_ms=50)
    with server.client() as client:
        watch = Watch(client, "alkey{a}")
        for tables, expected in ((1, "users0#1 users0#99"), (6, "users0#1 users0#99 users5#1 orders#1")):
            delivery = Delivery(Commands(client), lease_ms=50)
            with watch.changed("users0#1 users0#99 users5#1 orders#1") as changed:
                server.pause()
                delivery._is_away = True
                for number in range(12):
                    row = watch.full(f"users{number % tables}#{number}")
                    delivery.commit(b"alkey{a}:tx:%d" % number, frozenset({row}))
                assert delivery.counts.coarsened >= 1
                assert delivery.counts.waiting <= 10
                server.resume()
                assert delivery.flush(60)
            assert changed == set(expected.split())


def test_a_child_begins_anew_after_a_fork(own_server: Start) -> None:
    server = own_server(lease_ms=50)
    with server.client() as client:
        delivery = Delivery(Commands(client), lease_ms=50)
        server.kill()
        delivery.commit(b"alkey:tx:1", frozenset({b"alkey:users#1"}))
        wait_until("the thread runs", lambda: delivery._thread is not None)
        # The worst moment: the parent's thread holds the lock, and in the child it will never let go.
        with delivery._changed:
            child = os.fork()
        if child == 0:
            is_new = delivery.counts.waiting == 0 and not delivery.is_away
            delivery.commit_later(b"alkey:tx:2", frozenset({b"alkey:users#2"}))
            os._exit(0 if is_new and delivery.flush(60) else 1)
        server.start()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert delivery.flush(60)
        assert delivery.counts.delivered_late == 1


def test_the_thread_ends_when_there_is_nothing_to_do(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alkey.delivery.IDLE_S_MAX", 0.05)
    with server.client() as client:
        delivery = Delivery(Commands(client), lease_ms=50)
        for number in range(2):
            delivery.commit_later(b"alkey:tx:%d" % number, frozenset({b"alkey:users#1"}))
            assert delivery.flush(60)
            wait_until("the thread has ended", lambda: delivery._thread is None)
        assert delivery.counts.delivered_late == 2


def test_it_asks_the_server_for_its_lease_once(own_server: Start, caplog: pytest.LogCaptureFixture) -> None:
    server = own_server(lease_ms=70)
    with server.client() as client:
        assert Delivery(Commands(client)).lease_ns == 70_000_000
        assert Delivery(Commands(client), lease_ms=5).lease_ns == 5_000_000
        client.acl_setuser(
            "app", enabled=True, nopass=True, keys=["*"], categories=["+@all"], commands=["-config"]
        )
    with server.client(username="app", password="x") as client:
        delivery = Delivery(Commands(client))
        assert delivery.lease_ns == delivery.lease_ns == 5_000_000_000
        assert caplog.text.count("does not tell its alkey.lease-ms") == 1
    server.kill()
    with server.client() as client:
        # Asked again when it is back.
        delivery = Delivery(Commands(client))
        assert delivery.lease_ns == 5_000_000_000
        server.start()
        assert delivery.lease_ns == 70_000_000


def test_what_the_server_refuses_holds_nothing_up(own_server: Start) -> None:
    server = own_server(lease_ms=50)
    with server.client() as client:
        delivery = Delivery(Commands(client), lease_ms=50)
        too_long = b"alkey:users#" + b"x" * 4096
        for number in range(9):
            delivery.commit(b"alkey:tx:%d" % number, frozenset({too_long}))
        delivery.commit(b"alkey:tx:9", frozenset({b"alkey:users#1"}))
        wait_until("the other one has arrived", lambda: delivery.counts.delivered_late == 1)
        assert delivery.counts.waiting == 9
        # Nobody is to wait for them when the tests end.
        delivery._waiting.clear()


def test_one_transaction_is_counted_once_however_often_it_is_recorded(own_server: Start) -> None:
    server = own_server(lease_ms=50)
    with server.client() as client:
        delivery = Delivery(Commands(client), lease_ms=50)
        server.kill()
        for number in (1, 2):
            transaction = Transaction(Commands(client), delivery, "alkey", "deliver")
            transaction.add([b"alkey:users#1"])
            # As with two phases.
            transaction.record()
            transaction.decide()
            assert delivery.counts.unrecorded == number
            transaction.committed()
            assert delivery.is_away
        server.start()
        assert delivery.flush(60)


def test_who_ends_the_process_during_a_commit_ends_it_and_the_commit_arrives(
    client: redis.Redis, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = Commands(client)
    delivery = Delivery(commands, lease_ms=50)
    commit = commands.commit

    def interrupted(*_: object) -> int:
        monkeypatch.setattr(commands, "commit", commit)
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "commit", interrupted)
    with watch.changed("users#1 users#2") as changed:
        with pytest.raises(KeyboardInterrupt):
            delivery.commit(watch.full("tx:1"), frozenset({watch.full("users#1")}))
        assert delivery.flush(60)
    assert changed == {"users#1"}


def test_what_waits_twice_under_one_name_waits_together(own_server: Start) -> None:
    server = own_server(lease_ms=50)
    with server.client() as client:
        watch = Watch(client, "alkey")
        delivery = Delivery(Commands(client), lease_ms=50)
        with watch.changed("users#1 users#2 users#3") as changed:
            server.pause()
            for number in (1, 2):
                delivery.commit_later(b"alkey:tx:1", frozenset({b"alkey:users#%d" % number}))
            assert delivery.counts.waiting == 1
            server.resume()
            assert delivery.flush(60)
        assert changed == {"users#1", "users#2"}


def test_a_renewal_that_fails_holds_nothing_up(client: redis.Redis, watch: Watch) -> None:
    class Failing:
        count = 0

        def renew(self) -> None:
            self.count += 1
            raise Unavailable("away")

    failing = Failing()
    delivery = Delivery(Commands(client), lease_ms=50)
    delivery.watch(failing)
    wait_until("it has failed, and is tried again", lambda: failing.count >= 2)
    with watch.changed("users#1 users#2") as changed:
        delivery.commit_later(watch.full("tx:1"), frozenset({watch.full("users#1")}))
        assert delivery.flush(60)
    assert changed == {"users#1"}
    delivery.unwatch(failing)
