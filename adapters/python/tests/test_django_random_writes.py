"""Random transactions of Django: each row that is another one in the database after the commit has another key, and so
has each that others begin or end to point at. What was rolled back has none.

What the ORM is told is random; what has changed is seen by reading all tables before and after.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, connection, transaction
from django.db.models import F

import django_site  # noqa: F401 - it configures Django
from alkey.django import row as alkey_row
from library.models import Author, Book, Loan, Place, Publisher, Restaurant, Review, Shelf, Tag
from watch import Watch

pytest_plugins = ["django_fixtures"]
pytestmark = pytest.mark.usefixtures("site", "nothing_stays_in_flight")

MODELS = (Author, Publisher, Tag, Book, Book.tags.through, Review, Place, Restaurant, Shelf, Loan)
ROUNDS = 60
IDS = 4
UPSERT: dict[str, Any] = {"update_conflicts": True, "update_fields": ["room"], "unique_fields": ["code"]}


class GaveUp(Exception):
    """A block is left by an exception, and so rolled back."""


Rows = dict[str, tuple[Any, ...]]


def rows() -> Rows:
    """All that there are, by their identifiers."""
    found = {}
    for model in MODELS:
        table = model._meta.db_table
        columns = [field.column for field in model._meta.local_concrete_fields]
        key = [columns.index(field.column) for field in model._meta.pk_fields]
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(columns)} FROM {table}")
            for row in cursor.fetchall():
                name = alkey_row(model, *(row[at] for at in key)).decode().partition("}:")[2]
                found[name] = row
    return found


def pointed_at(found: Rows) -> dict[str, set[str]]:
    """By identifier, the rows that point at it."""
    children: dict[str, set[str]] = {}
    for model in MODELS:
        fields = model._meta.local_concrete_fields
        for at, field in enumerate(fields):
            if field.remote_field is None:
                continue
            for name, row in found.items():
                if name.startswith(f"{model._meta.db_table}#") and row[at] is not None:
                    parent = f"{field.related_model._meta.db_table}#{row[at]}"
                    children.setdefault(parent, set()).add(name)
    return children


def newest(found: Rows, model: Any) -> int:
    """The highest key that is a number."""
    keys = [name.partition("#")[2] for name in found if name.startswith(f"{model._meta.db_table}#")]
    return max([int(key) for key in keys if key.isdigit()], default=0)


def refill() -> None:
    """So that what is done finds something to be done to."""
    with transaction.atomic():
        for model in (Author, Publisher, Tag, Book, Restaurant):
            there = set(model.objects.filter(pk__lte=IDS).values_list("pk", flat=True))
            for number in set(range(1, IDS + 1)) - there:
                model(id=number).save(force_insert=True)
            with connection.cursor() as cursor:
                if connection.vendor == "postgresql" and model is not Restaurant:
                    table = model._meta.db_table
                    cursor.execute(f"SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}))")


def act(dice: random.Random) -> None:
    one, two = dice.randint(1, IDS), dice.randint(1, IDS)
    number = dice.randrange(10**6)
    books = Book.objects.filter(pk__in={one, two})

    def move(**values: Any) -> None:
        book = Book.objects.get(pk=one)
        for name, value in values.items():
            setattr(book, name, value)
        book.save(update_fields=list(values) if dice.random() < 0.5 else None)

    def bulk_update() -> None:
        found = list(books)
        for book in found:
            book.author_id, book.sold = two, number
        Book.objects.bulk_update(found, ["author", "sold"])

    choices: list[Callable[[], object]] = [
        lambda: Author.objects.create(name=str(number)),
        lambda: Publisher.objects.create(),
        lambda: Tag.objects.create(),
        lambda: Book.objects.create(author_id=one, publisher_id=two),
        lambda: Book.objects.bulk_create([Book(author_id=one), Book(publisher_id=two)]),
        lambda: Book(id=one, title=str(number), author_id=two).save(),
        lambda: move(title=str(number)),
        lambda: move(author_id=two),
        lambda: move(author_id=two, publisher_id=None),
        lambda: books.update(sold=F("sold") + 1),
        lambda: books.update(author_id=two),
        lambda: Book.objects.filter(author_id=one).update(publisher_id=two),
        lambda: Book.objects.filter(author__name__contains="1").update(title=str(number)),
        bulk_update,
        lambda: Book.objects.update_or_create(id=one, defaults={"author_id": two}),
        lambda: Book.objects.get(pk=one).delete(),
        lambda: books.delete(),
        lambda: Author.objects.get(pk=one).delete(),
        lambda: Publisher.objects.filter(pk=one).delete(),
        lambda: Tag.objects.get(pk=one).delete(),
        lambda: Book.objects.get(pk=one).tags.add(two),
        lambda: Book.objects.get(pk=one).tags.set([one, two]),
        lambda: Book.objects.get(pk=one).tags.remove(two),
        lambda: Tag.objects.get(pk=one).book_set.clear(),
        lambda: Review.objects.create(book_id=one),
        lambda: Review.objects.filter(book_id=two).delete(),
        lambda: Restaurant.objects.create(stars=number),
        lambda: Restaurant.objects.filter(pk=one).update(name=str(number), stars=two),
        lambda: Place.objects.filter(pk=one).delete(),
        lambda: Shelf(code=str(one), room=number).save(),
        lambda: Shelf.objects.bulk_create(
            [Shelf(code=str(one), room=number), Shelf(code=str(two))],
            **(UPSERT if dice.random() < 0.5 else {"ignore_conflicts": True}),
        ) if one != two else None,
        lambda: Loan.objects.update_or_create(branch=one, number=two, defaults={"days": number}),
        lambda: Loan.objects.filter(pk=(one, two)).delete(),
    ]  # fmt: skip
    dice.choice(choices)()


def block(dice: random.Random, depth: int) -> None:
    for _ in range(dice.randint(1, 4)):
        # What a database refuses is rolled back to the savepoint around it.
        with suppress(GaveUp, DatabaseError, ObjectDoesNotExist), transaction.atomic():
            if depth < 2 and dice.random() < 0.3:
                block(dice, depth + 1)
            else:
                act(dice)
            if dice.random() < 0.2:
                raise GaveUp


def test_what_changes_has_another_key(watch: Watch) -> None:
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    changes = 0
    for number in range(ROUNDS):
        refill()
        before = rows()
        names = set(before) | {
            f"{model._meta.db_table}#{newest(before, model) + at}" for model in MODELS for at in range(1, 5)
        }
        with watch.changed(" ".join(names)) as changed, suppress(GaveUp, DatabaseError):
            if dice.random() < 0.3:
                with suppress(ObjectDoesNotExist):
                    act(dice)
            else:
                with transaction.atomic():
                    block(dice, 0)
                    if dice.random() < 0.1:
                        raise GaveUp
        after = rows()
        others = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        was, is_now = pointed_at(before), pointed_at(after)
        others |= {name for name in was.keys() | is_now.keys() if was.get(name) != is_now.get(name)}
        assert others <= changed | (others - names), (
            f"seed {seed}, round {number}: {sorted(others - changed)}"
        )
        changes += len(others)
    assert changes > ROUNDS
