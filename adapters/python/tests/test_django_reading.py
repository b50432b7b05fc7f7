"""Which keys are shared, for strict readers of Django: how old what they read may be, and what nobody else may see."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.core.signals import request_finished, request_started
from django.db import connection, transaction
from django.db.models import F, Prefetch
from django.test import override_settings

import django_site  # noqa: F401 - it configures Django
from alkey import Lookup, NoCanonicalForm, NoIdentifier, is_private
from alkey.django import cached, everything, key, lookup, row, table, touch
from harness import wait_until
from library.models import Author, Book, Loan, Restaurant, Tag, Ticket
from watch import Watch

pytest_plugins = ["django_fixtures"]
pytestmark = pytest.mark.usefixtures("site")

CHANGED = "something has changed since the data was read"
HOLDS = "the session holds changes"
UNKNOWN = "the age of an instance is unknown"


@pytest.fixture(autouse=True)
def book(site: None) -> Book:
    """One that was loaded when nothing had changed for a while."""
    Book.objects.create(title="A", author=Author.objects.create(name="Ann"))
    is_shared(everything())
    found: Book = Book.objects.select_related("author").get()
    return found


@pytest.fixture
def request_is_served() -> Iterator[None]:
    request_started.send(sender=None)
    yield
    request_finished.send(sender=None)


def is_shared(*parts: object) -> None:
    """Waits until it is by a margin, since what has just changed can't be told from what was read just after."""
    wait_until("the key is settled", lambda: (lookup(*parts).settled_ms or 0) > 20)


def why(*parts: object, **options: Any) -> str | None:
    found: Lookup = lookup(*parts, **options)
    return found.why_private


def touched(*things: object) -> None:
    """By another program."""
    touch(*things)


def test_an_instance(book: Book) -> None:
    assert why(book) is None
    assert why(book.author) is None
    assert key(book) == key(Book.objects.get()) != key(book.author)
    touched(row(Book, 1))
    assert why(book) == CHANGED
    is_shared(row(Book, 1))
    assert why(Book.objects.get()) is None
    assert why(book) == CHANGED


def test_what_stands_for_what(book: Book) -> None:
    assert key(book) == key(row("library_book", 1)) == key(row(Book, "1"))
    assert key(Book) == key(Book.objects) == key(table("library_book")) == key(table(Book))
    assert key(Book(title="new")) != key(book)
    assert key([book, {"of": book.author}]) == key([row(Book, 1), {"of": row(Author, 1)}])
    before = key(Restaurant)
    touched(table("library_place"))
    assert key(Restaurant) != before
    assert key(row(Loan, 1, 2)) == key(row("library_loan", 1, 2))
    ticket = Ticket.objects.create()
    assert key(row(Ticket, str(ticket.pk))) == key(row("library_ticket", ticket.pk))


def test_inherited_instances_depend_on_each_of_their_rows() -> None:
    Restaurant.objects.create()
    is_shared(everything())
    restaurant = Restaurant.objects.get()
    for name in ("library_place", "library_restaurant"):
        before = key(row("library_place", 1), row("library_restaurant", 1))
        assert why(restaurant) is None
        touched(row(name, 1))
        assert key(row("library_place", 1), row("library_restaurant", 1)) != before
        assert why(restaurant) == CHANGED
        is_shared(everything())
        restaurant = Restaurant.objects.get()


def test_querysets() -> None:
    of_ann, of_all = Book.objects.filter(author__name="Ann"), Book.objects.all()
    assert key(of_ann) == key(Book.objects.filter(author__name="Ann"))
    assert len({key(of_ann), key(of_all), key(Book), key(Book.objects.filter(author__name="Bob"))}) == 4
    before = key(of_ann), key(of_all)
    touched(table(Author))
    assert key(of_ann) != before[0]
    assert key(of_all) == before[1]
    inner = Book.objects.filter(author__in=Author.objects.filter(pk__gt=0))
    before_inner = key(inner)
    touched(table(Author))
    assert key(inner) != before_inner
    assert not is_private(key(Book.objects.none()))
    with pytest.raises(NoCanonicalForm, match="prefetch_related"):
        key(Book.objects.prefetch_related(Prefetch("tags")))


def test_querysets_that_were_evaluated() -> None:
    is_shared(everything())
    found = Book.objects.all()
    assert len(found) == 1
    assert why(found) is None
    touched(row(Book, 1))
    assert why(found) == CHANGED
    is_shared(table(Book))
    assert why(found) == CHANGED
    assert why(Book.objects.all()) is None
    values = Book.objects.values("title")
    assert why(values) is None
    assert list(values) == [{"title": "A"}]
    assert why(values) == UNKNOWN


@pytest.mark.parametrize(
    "make",
    [
        lambda book: pickle.loads(pickle.dumps(book)),
        lambda book: Book(id=1, title="A"),
        lambda book: Book.objects.raw("SELECT * FROM library_book")[0],
        lambda book: copy.deepcopy(book),
    ],
    ids=["unpickled", "by hand", "raw", "deep copy"],
)
def test_instances_of_unknown_age(book: Book, make: Callable[[Book], Book]) -> None:
    assert why(make(book)) == UNKNOWN


def test_instances_that_hold_changes(book: Book) -> None:
    assert why(copy.copy(book)) is None
    book.title = "never saved"
    assert why(book) == HOLDS
    book.title = "A"
    assert why(book) is None
    book.sold = F("sold") + 1
    assert why(book) == HOLDS
    book.save()
    is_shared(row(Book, 1))
    assert why(book) is not None


def test_fields_that_were_deferred(book: Book) -> None:
    deferred = Book.objects.only("title").get()
    assert why(deferred) is None
    assert deferred.sold == 0
    # Whether it was loaded or assigned nobody knows.
    assert why(deferred) == HOLDS


def test_what_was_written_and_rolled_back(book: Book) -> None:
    with transaction.atomic():
        Book.objects.update(title="B")
        seen = Book.objects.get()
        book.title = "C"
        book.save()
        transaction.set_rollback(True)
    assert lookup(row(Book, 1)).is_shared
    # They hold what was never committed.
    assert why(seen) == UNKNOWN
    assert why(book) == HOLDS


def test_in_a_transaction_the_age_runs_from_its_first_statement(book: Book) -> None:
    with transaction.atomic():
        touched(row(Book, 1))
        is_shared(row(Book, 1))
        list(Author.objects.all())
        assert why(row(Book, 1)) is None
        touched(row(Book, 1))
        assert why(row(Book, 1)) == CHANGED
        with transaction.atomic():
            assert why(row(Book, 1)) == CHANGED
    is_shared(row(Book, 1))


def test_instances_are_as_old_as_their_transaction() -> None:
    with transaction.atomic():
        list(Author.objects.all())
        touched(row(Book, 1))
        found = Book.objects.get()
    is_shared(row(Book, 1))
    assert why(found) == CHANGED


def test_instances_of_a_cursor_are_as_old_as_it(book: Book) -> None:
    Book.objects.create(title="B")
    is_shared(everything())
    rows = Book.objects.order_by("pk").iterator(chunk_size=1)
    next(rows)
    touched(row(Book, 2))
    list(Author.objects.all())
    assert why(next(rows)) == CHANGED
    assert list(rows) == []


def test_while_there_are_changes_all_is_private(book: Book) -> None:
    with transaction.atomic():
        with transaction.atomic():
            Tag.objects.create()
            assert why(book) == HOLDS
            transaction.set_rollback(True)
        assert why(row(Book, 1)) == HOLDS
        assert why(row(Book, 1), using="archive") is None
    assert why(book) is None
    transaction.set_autocommit(False)
    Tag.objects.create()
    assert why(row(Book, 1)) == HOLDS
    transaction.rollback()
    assert why(row(Book, 1)) is None
    transaction.set_autocommit(True)


def test_another_database_counts(book: Book) -> None:
    with transaction.atomic(using="archive"):
        Tag.objects.using("archive").create()
        assert why(row(Book, 1)) == HOLDS
        assert why(row(Book, 1), using="default") is None


def test_while_a_request_is_served_the_age_runs_from_its_first_statement(request_is_served: None) -> None:
    assert why(table(Book)) is None
    titles = list(Book.objects.values_list("title", flat=True))
    touched(row(Book, 1))
    assert why(table(Book), titles) == CHANGED
    request_finished.send(sender=None)
    request_started.send(sender=None)
    is_shared(table(Book))


def test_what_a_request_has_seen_and_rolled_back(request_is_served: None, book: Book) -> None:
    with transaction.atomic():
        Book.objects.update(title="B")
        transaction.set_rollback(True)
    assert why(row(Book, 1)) == HOLDS
    request_finished.send(sender=None)
    assert why(row(Book, 1)) is None


def test_cached(book: Book) -> None:
    loads: list[int] = []

    def title() -> str:
        loads.append(1)
        return str(Book.objects.get().title)

    assert cached(row(Book, 1), "title", load=title) == "A"
    assert cached(row(Book, 1), "title", load=title, ttl=60) == "A"
    assert len(loads) == 1
    assert cached(row(Book, 1), "title", load=title, cache="other") == "A"
    assert len(loads) == 2
    Book.objects.filter(pk=1).update(title="B")
    is_shared(row(Book, 1))
    assert cached(row(Book, 1), "title", load=title) == "B"
    with transaction.atomic():
        Book.objects.filter(pk=1).update(title="C")
        assert cached(row(Book, 1), "title", load=title) == "C"
        transaction.set_rollback(True)
    assert cached(row(Book, 1), "title", load=title) == "B"


def test_cached_functions() -> None:
    calls: list[str] = []

    @cached(lambda name: Book.objects.filter(author__name=name), ttl=60)  # type: ignore[untyped-decorator]
    def titles(name: str) -> list[str]:
        calls.append(name)
        return list(Book.objects.filter(author__name=name).values_list("title", flat=True))

    assert titles("Ann") == titles("Ann") == ["A"]
    assert titles("Bob") == []
    assert calls == ["Ann", "Bob"]


def test_relaxed_keys(client: Any, namespace: str, book: Book) -> None:
    with (
        override_settings(ALKEY={"CLIENT": client, "NAMESPACE": namespace, "STRICT": False}),
        transaction.atomic(),
    ):
        Tag.objects.create()
        found = lookup(book)
        assert found == Lookup(found.key, None, 0, None)


def test_what_can_not_be_a_part(book: Book) -> None:
    with pytest.raises(NoCanonicalForm):
        key(object())
    with pytest.raises(TypeError, match="touch"):
        touch("library_book")
    with pytest.raises(NoIdentifier):
        touch(row(Book, "x"))


def test_in_an_event_loop(book: Book) -> None:
    async def in_the_loop() -> None:
        key(book)

    async def in_a_thread() -> tuple[str | None, str]:
        found = await Book.objects.aget()
        return await sync_to_async(why)(found), await sync_to_async(key)(found)

    with pytest.raises(SynchronousOnlyOperation):
        async_to_sync(in_the_loop)()
    assert connection.connection is not None
    assert async_to_sync(in_a_thread)() == (None, key(book))


def test_touch(watch: Watch, book: Book) -> None:
    with watch.changed("library_book#1 library_book#2 library_author#1 library_author#2") as changed:
        touch(book, Author)
    assert changed == {"library_book#1", "library_author#1", "library_author#2"}
