"""What Django changes is what changes keys: each kind of write, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F
from django.test import override_settings

import django_site  # noqa: F401 - it configures Django
from alkey import texts
from library.models import Author, Book, Loan, Place, Publisher, Restaurant, Review, Shelf, Tag, Ticket
from watch import Watch

pytest_plugins = ["django_fixtures"]
pytestmark = pytest.mark.usefixtures("site", "nothing_stays_in_flight")

TICKET = UUID(int=7)
# Rows that are there at the start, and some that are not.
WATCHED = {
    "author": "1 2 3 4",
    "publisher": "1 2",
    "tag": "1 2",
    "book": "1 2 3 4",
    "book_tags": "1 2 3",
    "review": "1",
    "place": "1 2",
    "restaurant": "1 2",
    "ticket": str(TICKET),
    "shelf": "a b",
    "loan": "1,1 1,2",
}
NAMES = " ".join(f"library_{table}#{row}" for table, rows in WATCHED.items() for row in rows.split())


def fill() -> None:
    Author.objects.bulk_create([Author(name="Ann"), Author(name="Bob"), Author(name="Cid")])
    Publisher.objects.create()
    tags = [Tag.objects.create(), Tag.objects.create()]
    first = Book.objects.create(title="A", author_id=1, publisher_id=1)
    Book.objects.create(title="B", author_id=2)
    first.tags.set(tags)
    Review.objects.create(book_id=1)
    Restaurant.objects.create(stars=1)
    Ticket.objects.create(id=TICKET)
    Shelf.objects.create(code="a")
    Loan.objects.create(branch=1, number=1)


def save(**values: object) -> None:
    book = Book.objects.get(pk=1)
    for name, value in values.items():
        setattr(book, name, value)
    book.save()


def move_twice() -> None:
    book = Book.objects.get(pk=1)
    for author in (2, 3):
        book.author_id = author
        book.save()


def raw(sql: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


def change_many(**values: object) -> None:
    books = list(Book.objects.all())
    for book in books:
        for name, value in values.items():
            setattr(book, name, value)
    Book.objects.bulk_update(books, list(values))


def upsert() -> None:
    Shelf.objects.bulk_create(
        [Shelf(code="a", room=2)], update_conflicts=True, update_fields=["room"], unique_fields=["code"]
    )


def no_change() -> None:
    list(Book.objects.select_related("author").prefetch_related("tags"))
    Book.objects.filter(pk=77).explain()
    raw("SELECT title FROM library_book WHERE title = 'x; DELETE' -- UPDATE")


def make_and_drop_an_index() -> None:
    raw("CREATE INDEX made ON library_shelf (room)")
    raw("DROP INDEX made")


BOOK_1 = "book#1 author#1 publisher#1"
EVERYTHING = NAMES.replace("library_", "")
# What it does, and what of NAMES it changes.
WRITES: dict[str, tuple[Callable[[], object], str]] = {
    "nothing": (no_change, ""),
    "create": (lambda: Author.objects.create(), "author#4"),
    "create with a parent": (
        lambda: Book.objects.create(author_id=2, publisher_id=1),
        "book#3 author#2 publisher#1",
    ),
    "save": (lambda: save(title="C"), BOOK_1),
    "save one field": (lambda: Book.objects.get(pk=1).save(update_fields=["title"]), BOOK_1),
    "save an expression": (lambda: save(sold=F("sold") + 1), BOOK_1),
    "move": (lambda: save(author_id=2), BOOK_1 + " author#2"),
    "move twice": (move_twice, BOOK_1 + " author#2 author#3"),
    "move to none": (lambda: save(author=None), BOOK_1),
    "made by hand": (
        lambda: Author(id=2, name="Eve").save(),
        "author#2",
    ),
    "made by hand, with parents": (
        # Where it pointed before nobody knows.
        lambda: Book(id=1, title="C").save(),
        "book#1 author#1 author#2 author#3 author#4 publisher#1 publisher#2",
    ),
    "update one": (lambda: Book.objects.filter(pk=1).update(title="C"), "book#1"),
    "update some": (lambda: Book.objects.filter(pk__in=[1, 2]).update(title="C"), "book#1 book#2"),
    "update by others": (
        lambda: Book.objects.filter(title="A").update(title="C"),
        "book#1 book#2 book#3 book#4",
    ),
    "update by a join": (
        lambda: Book.objects.filter(author__name="Ann").update(title="C"),
        "book#1 book#2 book#3 book#4",
    ),
    "update of one in or": (
        lambda: (Book.objects.filter(pk=1) | Book.objects.filter(title="B")).update(title="C"),
        "book#1 book#2 book#3 book#4",
    ),
    "update of all but one": (
        lambda: Book.objects.exclude(pk=1).update(title="C"),
        "book#1 book#2 book#3 book#4",
    ),
    "update of a foreign key": (
        lambda: Book.objects.filter(pk=1).update(publisher=None),
        "book#1 publisher#1 publisher#2",
    ),
    "update by a foreign key": (
        lambda: Book.objects.filter(author_id=1).update(author=2),
        "book#1 book#2 book#3 book#4 author#1 author#2",
    ),
    "delete one": (lambda: Author.objects.get(pk=3).delete(), "author#3"),
    "delete a book": (
        lambda: Book.objects.get(pk=2).delete(),
        "book#2 author#2 book_tags#1 book_tags#2 book_tags#3 tag#1 tag#2 review#1",
    ),
    "delete some": (
        lambda: Tag.objects.filter(pk=2).delete(),
        "tag#2 book_tags#1 book_tags#2 book_tags#3 book#1 book#2 book#3 book#4",
    ),
    "delete fast": (lambda: Ticket.objects.all().delete(), f"ticket#{TICKET}"),
    "delete a review": (lambda: Review.objects.get(pk=1).delete(), "review#1 book#1"),
    "bulk_create": (
        lambda: Book.objects.bulk_create([Book(author_id=1), Book(author_id=3)]),
        "book#3 book#4 author#1 author#3",
    ),
    "bulk_create, or not": (
        lambda: Book.objects.bulk_create([Book(id=1, author_id=2)], ignore_conflicts=True),
        "book#1 author#2",
    ),
    "upsert": (upsert, "shelf#a shelf#b"),
    "bulk_update": (lambda: change_many(title="C"), "book#1 book#2"),
    "bulk_update of a foreign key": (
        lambda: change_many(author_id=3),
        "book#1 book#2 author#1 author#2 author#3 author#4",
    ),
    "update_or_create, old": (
        lambda: Book.objects.update_or_create(pk=1, defaults={"title": "C"}),
        BOOK_1,
    ),
    "update_or_create, new": (lambda: Shelf.objects.update_or_create(code="b"), "shelf#b"),
    "get_or_create": (lambda: Shelf.objects.get_or_create(code="a"), ""),
    "m2m add": (
        lambda: Book.objects.get(pk=2).tags.add(1),
        "book_tags#1 book_tags#2 book_tags#3 book#2 tag#1",
    ),
    "m2m remove": (
        lambda: Book.objects.get(pk=1).tags.remove(1),
        "book_tags#1 book_tags#2 book_tags#3 book#1 tag#1",
    ),
    "m2m clear": (
        lambda: Book.objects.get(pk=1).tags.clear(),
        "book_tags#1 book_tags#2 book_tags#3 book#1 tag#1 tag#2",
    ),
    "inherited, created": (lambda: Restaurant.objects.create(), "place#2 restaurant#2"),
    "inherited, saved": (lambda: Restaurant.objects.get().save(), "place#1 restaurant#1"),
    "inherited, own column": (
        lambda: Restaurant.objects.filter(pk=1).update(stars=2),
        "restaurant#1 place#1",
    ),
    "inherited, parent's column": (lambda: Restaurant.objects.filter(pk=1).update(name="P"), "place#1"),
    "inherited, deleted": (lambda: Place.objects.get(pk=1).delete(), "place#1 restaurant#1"),
    "a UUID": (lambda: Ticket.objects.filter(pk=str(TICKET)).update(seat=1), f"ticket#{TICKET}"),
    "a text": (lambda: Shelf.objects.get(pk="a").save(), "shelf#a"),
    "a key that changes": (lambda: Shelf.objects.filter(pk="a").update(code="b"), "shelf#a shelf#b"),
    "composite, created": (lambda: Loan.objects.create(branch=1, number=2), "loan#1,2"),
    "composite, saved": (lambda: Loan.objects.get(pk=(1, 1)).save(), "loan#1,1"),
    "composite, updated": (lambda: Loan.objects.filter(pk=(1, 1)).update(days=2), "loan#1,1"),
    "composite, deleted": (lambda: Loan.objects.get(pk=(1, 1)).delete(), "loan#1,1"),
    "raw": (lambda: raw("UPDATE library_ticket SET seat = %s", 3), f"ticket#{TICKET}"),
    "raw, quoted": (
        lambda: raw('UPDATE "library_shelf" SET "room" = 1 WHERE code = %s', "a"),
        "shelf#a shelf#b",
    ),
    "raw, with the database's cascades": (
        lambda: raw("DELETE FROM library_restaurant WHERE stars > %s", 9),
        "restaurant#1 restaurant#2",
    ),
    "raw, what others point at": (
        lambda: raw("UPDATE LIBRARY_PLACE SET name = %s WHERE name LIKE 'a%%'", "a;b"),
        "place#1 place#2 restaurant#1 restaurant#2",
    ),
    "raw, inserted": (lambda: raw("INSERT INTO library_place (name) VALUES ('P')"), "place#1 place#2"),
    "raw, behind a comment": (
        lambda: raw("/* SELECT */ -- SELECT\n DELETE FROM library_ticket"),
        f"ticket#{TICKET}",
    ),
    "raw, a CTE": (
        lambda: raw("WITH x AS (SELECT 1) UPDATE library_shelf SET room = 1"),
        "shelf#a shelf#b",
    ),
    "raw, of no model": (lambda: raw("DELETE FROM no_model"), EVERYTHING),
    "raw, a table that is made": (lambda: raw("CREATE TEMP TABLE made AS SELECT 1 AS one"), ""),
    "raw, an index": (make_and_drop_an_index, ""),
    "raw, unclear": (lambda: raw("DROP VIEW IF EXISTS no_view"), EVERYTHING),
    "flush": (lambda: call_command("flush", interactive=False, verbosity=0), EVERYTHING),
}


@pytest.mark.parametrize("is_atomic", [True, False], ids=["atomic", "autocommit"])
@pytest.mark.parametrize("name", WRITES)
def test_a_write(name: str, is_atomic: bool, watch: Watch, library: str) -> None:
    if library == "sqlite" and is_atomic:
        pytest.skip("what differs is shown by PostgreSQL")
    write, expected = WRITES[name]
    with transaction.atomic():
        fill()
    with watch.changed(NAMES) as changed:
        if is_atomic:
            with transaction.atomic():
                write()
        else:
            write()
    assert {each.removeprefix("library_") for each in changed} == set(expected.split())


def test_a_cache_in_the_database(watch: Watch) -> None:
    """Who stores a value changes no key."""
    in_database = {
        "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cached"}
    }
    with override_settings(CACHES=in_database):
        call_command("createcachetable", verbosity=0)
        with watch.changed(NAMES) as changed:
            for value in (1, 2):
                cache.set("key", value)
            cache.delete("key")
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE cached")
    assert changed == set()


def test_without_a_parser_text_changes_everything(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "is_available", lambda: False)
    fill()
    with watch.changed(NAMES) as changed:
        raw("UPDATE library_ticket SET seat = 1")
    assert changed == set(NAMES.split())
    with watch.changed(NAMES) as changed:
        raw("SELECT * FROM library_ticket")
    assert changed == set()
