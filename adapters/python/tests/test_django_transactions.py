"""When Django's changes are told: RECORD before the database commits, COMMIT after it, nothing that was rolled back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, connections, transaction
from django.db.utils import DatabaseError
from django.test import override_settings

import django_site  # noqa: F401 - it configures Django
from alkey import Unavailable
from alkey.django import everything, key
from harness import DEADLINE_S, LEASE_MS_LONG, RedisServer, pending
from library.models import Author, Book, Shelf
from link import Link
from spy import Spy, spy
from watch import Watch

pytest_plugins = ["django_fixtures"]
pytestmark = pytest.mark.usefixtures("site")

AUTHORS = "library_author#1 library_author#2 library_author#3"


@pytest.fixture
def order(server: RedisServer, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is told to the server and to the database, in their order."""
    client: Spy = spy(server.port)
    told: list[str] = []
    execute = client.execute_command

    def execute_command(*arguments: Any, **options: Any) -> Any:
        told.append(str(arguments[0]).removeprefix("ALKEY."))
        return execute(*arguments, **options)

    monkeypatch.setattr(client, "execute_command", execute_command)

    def statement(run: Callable[..., Any], sql: Any, *rest: Any) -> Any:
        told.append(str(sql).split()[0].lower())
        return run(sql, *rest)

    with override_settings(ALKEY={"CLIENT": client, "NAMESPACE": namespace, "LEASE_MS": LEASE_MS_LONG}):
        key(everything())
        connection.ensure_connection()
        commit = connection.connection.commit
        if connection.vendor == "postgresql":

            def commit_and_tell() -> None:
                told.append("commit")
                commit()

            monkeypatch.setattr(connection.connection, "commit", commit_and_tell)
        told.clear()
        with connection.execute_wrapper(statement):
            yield told


def test_a_transaction(order: list[str]) -> None:
    with transaction.atomic():
        Author.objects.create()
        Author.objects.filter(pk=1).update(name="Ann")
        assert "RECORD" not in order
        transaction.on_commit(lambda: order.append("on_commit"))
    wanted = ["insert", "update", "RECORD", "commit", "COMMIT", "on_commit"]
    # SQLite is told to begin, and to commit not by a method that can be spied on.
    assert [each for each in wanted if each in order or connection.vendor == "postgresql"] == [
        each for each in order if each != "begin"
    ]


def test_autocommit(order: list[str]) -> None:
    Author.objects.filter(pk=1).update(name="Ann")
    assert order == ["RECORD", "update", "COMMIT"]
    order.clear()
    list(Author.objects.all())
    assert order == ["select"]
    order.clear()
    # The row can be named only when it is there.
    Author.objects.create()
    assert [each for each in order if each not in ("begin", "commit")] == ["insert", "RECORD", "COMMIT"]


def test_reading_tells_nothing(order: list[str]) -> None:
    with transaction.atomic():
        list(Author.objects.select_for_update())
    assert not {"RECORD", "COMMIT"} & set(order)


def test_a_rollback(watch: Watch, client: Any, namespace: str) -> None:
    with watch.changed(AUTHORS) as changed:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Author.objects.create()
            raise ZeroDivisionError
        with transaction.atomic():
            Author.objects.create()
            transaction.set_rollback(True)
    assert changed == set()
    assert pending(client, namespace) == {}


def test_savepoints(watch: Watch) -> None:
    with watch.changed(AUTHORS) as changed, transaction.atomic():
        Author(id=1).save(force_insert=True)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Author(id=2).save(force_insert=True)
            with transaction.atomic():
                Author(id=3).save(force_insert=True)
            raise ZeroDivisionError
        with transaction.atomic():
            Author(id=3).save(force_insert=True)
    assert changed == {"library_author#1", "library_author#3"}


def test_savepoints_by_hand(watch: Watch) -> None:
    with watch.changed(AUTHORS) as changed, transaction.atomic():
        first = transaction.savepoint()
        Author(id=1).save(force_insert=True)
        second = transaction.savepoint()
        Author(id=2).save(force_insert=True)
        transaction.savepoint_rollback(second)
        transaction.savepoint_commit(first)
        with connection.cursor() as cursor:
            cursor.execute("SAVEPOINT by_hand")
            Author(id=3).save(force_insert=True)
            cursor.execute("ROLLBACK TO SAVEPOINT by_hand")
    assert changed == {"library_author#1"}


def test_a_failed_statement_within_a_transaction(watch: Watch) -> None:
    Shelf.objects.create(code="a")
    with watch.changed("library_shelf#a library_shelf#b") as changed, transaction.atomic():
        with pytest.raises(IntegrityError), transaction.atomic():
            Shelf(code="a").save(force_insert=True)
        Shelf.objects.create(code="b")
    assert changed == {"library_shelf#b"}


def test_a_commit_that_the_database_refuses(watch: Watch, client: Any, namespace: str) -> None:
    """A foreign key that is checked at the commit."""
    with pytest.raises(IntegrityError), transaction.atomic():
        Book.objects.create(author_id=77)
    assert pending(client, namespace) == {}
    assert not Book.objects.exists()


def test_without_autocommit(watch: Watch) -> None:
    with watch.changed(AUTHORS) as changed:
        transaction.set_autocommit(False)
        try:
            Author(id=1).save(force_insert=True)
            transaction.rollback()
            Author(id=2).save(force_insert=True)
            with transaction.atomic():
                Author(id=3).save(force_insert=True)
            before = watch.tokens(AUTHORS.split())
            transaction.commit()
            assert watch.tokens(AUTHORS.split()) != before
        finally:
            transaction.set_autocommit(True)
    assert changed == {"library_author#2", "library_author#3"}


def test_words_of_transactions_by_hand(watch: Watch) -> None:
    with watch.changed(AUTHORS) as changed, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        Author(id=1).save(force_insert=True)
        cursor.execute("ROLLBACK")
        cursor.execute("BEGIN")
        Author(id=2).save(force_insert=True)
        before = watch.tokens(AUTHORS.split())
        cursor.execute("COMMIT")
        assert watch.tokens(AUTHORS.split()) != before
        Author(id=3).save(force_insert=True)
    assert changed == {"library_author#2", "library_author#3"}
    assert sorted(Author.objects.values_list("pk", flat=True)) == [2, 3]


def test_a_commit_by_hand_that_the_database_refuses(watch: Watch, client: Any, namespace: str) -> None:
    with watch.changed(AUTHORS) as changed, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        Book.objects.create(author_id=77)
        with pytest.raises(IntegrityError):
            cursor.execute("COMMIT")
        if connection.vendor == "sqlite":
            # There it can be tried again.
            Author(id=77).save(force_insert=True)
            cursor.execute("COMMIT")
        Author(id=1).save(force_insert=True)
        assert not watch.is_in_flight("library_author#1")
    assert changed == {"library_author#1"}
    assert pending(client, namespace) == {}


def test_a_transaction_by_hand_that_the_database_ends(watch: Watch, library: str) -> None:
    if library != "sqlite":
        pytest.skip("PostgreSQL ends none")
    with watch.changed(AUTHORS) as changed, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        Author(id=1).save(force_insert=True)
        with pytest.raises(IntegrityError):
            cursor.execute("INSERT OR ROLLBACK INTO library_author VALUES (1, 'Ann')")
        before = watch.tokens(AUTHORS.split())
        Author(id=2).save(force_insert=True)
        assert watch.tokens(["library_author#2"])["library_author#2"] != before["library_author#2"]
    assert "library_author#2" in changed


def test_a_savepoint_without_a_transaction(watch: Watch, library: str) -> None:
    if library != "sqlite":
        pytest.skip("only SQLite has such")
    with connection.cursor() as cursor:
        cursor.execute("SAVEPOINT outer_one")
        Author(id=1).save(force_insert=True)
        cursor.execute("SAVEPOINT inner_one")
        with watch.changed(AUTHORS) as before:
            cursor.execute("RELEASE inner_one")
        with watch.changed(AUTHORS) as changed:
            cursor.execute("RELEASE outer_one")
    assert (before, changed) == (set(), {"library_author#1"})


def test_going_back_to_autocommit_commits(watch: Watch, library: str) -> None:
    with watch.changed(AUTHORS) as changed:
        transaction.set_autocommit(False)
        Author(id=1).save(force_insert=True)
        if library == "sqlite":
            transaction.set_autocommit(True)
        else:
            with pytest.raises(DatabaseError):
                transaction.set_autocommit(True)
            transaction.rollback()
            transaction.set_autocommit(True)
        assert Author.objects.exists() == (library == "sqlite")
    assert changed == ({"library_author#1"} if library == "sqlite" else set())


def test_a_copy_of_a_connection(watch: Watch) -> None:
    copy = connection.copy()
    with watch.changed(AUTHORS) as changed, closing(copy), copy.cursor() as cursor:
        cursor.execute("INSERT INTO library_author VALUES (1, 'Ann')")
    assert changed == set(AUTHORS.split())
    # It has what was followed, and is not the thread's.
    assert copy.alkey_life is not connection.alkey_life


def test_a_connection_that_is_closed(watch: Watch) -> None:
    with watch.changed(AUTHORS) as changed:
        with pytest.raises(DatabaseError), transaction.atomic():
            Author(id=1).save(force_insert=True)
            connection.close()
            Author(id=2).save(force_insert=True)
        Author(id=3).save(force_insert=True)
    assert changed == {"library_author#3"}


def test_copy(watch: Watch, library: str) -> None:
    if library != "postgresql":
        pytest.skip("only PostgreSQL's cursors copy")
    with watch.changed(AUTHORS) as changed, connection.cursor() as cursor:
        with cursor.copy("COPY library_author (id, name) FROM STDIN") as copy:
            copy.write_row((1, "Ann"))
            assert watch.is_in_flight("library_author#1")
        assert not watch.is_in_flight("library_author#1")
    assert changed == set(AUTHORS.split())


def test_a_script_of_sqlite(watch: Watch, library: str) -> None:
    if library != "sqlite":
        pytest.skip("only SQLite's cursors run scripts")
    with watch.changed(AUTHORS) as changed, connection.cursor() as cursor:
        cursor.executescript("INSERT INTO library_author VALUES (1, 'Ann')")
        with transaction.atomic():
            Author(id=2).save(force_insert=True)
            with watch.changed(AUTHORS) as by_script:
                cursor.executescript("INSERT INTO library_author VALUES (3, 'Ann')")
            assert by_script == set(AUTHORS.split())
            # It has committed, and from then on each statement is.
            with watch.changed(AUTHORS) as after:
                Author(id=4).save(force_insert=True)
                Author.objects.filter(pk=1).update(name="Bob")
            assert after == {"library_author#1"}
    assert changed == set(AUTHORS.split())


def test_databases_with_namespaces_of_their_own(client: Any, namespace: str, watch: Watch) -> None:
    archive = Watch(client, namespace.replace("test", "archive"))
    settings = {"CLIENT": client, "NAMESPACE": namespace, "NAMESPACES": {"archive": archive.namespace}}
    with override_settings(ALKEY=settings):
        author = Author.objects.using("archive").create()
        assert key(author) != key(Author(id=1))
        both = transaction.atomic(), transaction.atomic(using="archive")
        with watch.changed(AUTHORS) as here, archive.changed(AUTHORS) as there, both[0], both[1]:
            author.save()
            Author.objects.create(id=2)
        assert here == {"library_author#2"}
        assert there == {"library_author#1"}


def test_databases_in_one_namespace(watch: Watch) -> None:
    with watch.changed(AUTHORS) as changed, pytest.raises(ZeroDivisionError), transaction.atomic():
        with transaction.atomic(using="archive"):
            Author.objects.using("archive").create(id=1)
        Author.objects.create(id=2)
        raise ZeroDivisionError
    assert changed == {"library_author#1"}
    assert connections["archive"].alkey_life is not connection.alkey_life


@pytest.mark.parametrize("is_atomic", [True, False], ids=["atomic", "autocommit"])
def test_raise_refuses_what_can_not_be_recorded(
    link: Link, namespace: str, watch: Watch, client: Any, is_atomic: bool
) -> None:
    settings = {
        "CLIENT": link.client(),
        "NAMESPACE": namespace,
        "UNAVAILABLE": "raise",
        "LEASE_MS": LEASE_MS_LONG,
    }
    ran: list[int] = []
    with override_settings(ALKEY=settings), watch.changed(AUTHORS) as changed:
        for loses_answer in (True, False):
            if loses_answer:
                link.lose_the_answer_to(b"ALKEY.RECORD")
            else:
                link.go_down()
            with pytest.raises(Unavailable):
                if is_atomic:
                    with transaction.atomic():
                        transaction.on_commit(lambda: ran.append(1))
                        Author.objects.create(id=1)
                else:
                    Author.objects.create(id=1)
        link.come_up()
        assert not Author.objects.exists()
        assert connection.get_autocommit()
        with transaction.atomic():
            Author.objects.create(id=2)
    assert changed == {"library_author#2"}
    assert ran == []
    assert pending(client, namespace) == {}


def test_deliver_goes_on_and_delivers_later(link: Link, namespace: str, watch: Watch) -> None:
    from alkey.django.alkeys import default

    settings = {"CLIENT": link.client(), "NAMESPACE": namespace, "LEASE_MS": LEASE_MS_LONG}
    with override_settings(ALKEY=settings), watch.changed(AUTHORS) as changed:
        link.go_down()
        Author.objects.create(id=1)
        with transaction.atomic():
            Author.objects.create(id=2)
        assert default().delivery.counts.waiting == 2
        link.come_up()
        assert default().delivery.flush(DEADLINE_S)
    assert changed == {"library_author#1", "library_author#2"}


def test_tables_that_are_made(watch: Watch) -> None:
    call_command("migrate", run_syncdb=True, verbosity=0)
    assert Author.objects.count() == 0
