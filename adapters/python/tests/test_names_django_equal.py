"""Keys of models that are equal to the database, or to whoever gives them: whatever spelling a writer uses, the key
of who reads the row is another one afterwards."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.db import connections, models

import django_site  # noqa: F401 - it configures Django
from alkey import NoIdentifier
from alkey.django import key, row, table
from alkey.django.alkeys import default
from alkey.parts import Row, encode
from library.models import Book, Place, Restaurant, Ticket
from watch import Watch

pytest_plugins = ["django_fixtures"]
pytestmark = pytest.mark.usefixtures("site", "own_models")

ID = UUID("0a1ce000-0000-4000-8000-00000000000a")
_numbers = itertools.count(1)


class Folded(models.CharField):
    def get_prep_value(self, value: Any) -> Any:
        return super().get_prep_value(value).strip().lower()


class Prefixed(models.CharField):
    """ "5" in Python, "cus_5" in the database. What is prepared twice is another key."""

    def get_prep_value(self, value: Any) -> Any:
        return "cus_" + value

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return value.removeprefix("cus_")


class Hexadecimal(models.IntegerField):
    """ "ff" in Python, 255 in the database. What is prepared twice is an error."""

    def get_prep_value(self, value: Any) -> Any:
        return int(value.lower(), 16)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return f"{value:x}"


class UpperInTheEnd(models.CharField):
    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return super().get_db_prep_value(value, connection, prepared).upper()


class LowerInSql(models.CharField):
    def get_placeholder(self, value: Any, compiler: Any, connection: Any) -> str:
        return "lower(%s)"


class Padded(models.CharField):
    def db_type(self, connection: Any) -> str:
        return "character(4)"


@pytest.fixture
def made(request: pytest.FixtureRequest, library: str) -> Iterator[Any]:
    """Makes a model with this field for its key, and a child that points at it, unless Django can't: it prepares twice
    what relations are looked up by."""
    editors: list[tuple[Any, Any]] = []

    def make(field: Any) -> tuple[Any, Any]:
        number = next(_numbers)
        meta = type("Meta", (), {"app_label": "library"})
        own = {"__module__": "library.models", "Meta": meta}
        thing: Any = type(
            f"Thing{number}", (models.Model,), {**own, "id": field, "n": models.IntegerField(default=0)}
        )
        relation = models.ForeignKey(thing, models.CASCADE, db_constraint=False, null=True)
        if isinstance(field, Prefixed | Hexadecimal):
            relation = models.IntegerField(db_column="thing_id")
        child: Any = type(f"Child{number}", (models.Model,), {**own, "thing": relation})
        with connections["default"].schema_editor() as editor:
            editor.create_model(thing)
            editor.create_model(child)
        editors.append((thing, child))
        return thing, child

    yield make
    for each in editors:
        with connections["default"].schema_editor() as editor:
            for model in reversed(each):
                editor.delete_model(model)


def fields(library: str) -> list[tuple[Any, Any, Any]]:
    """Each with a key, and another spelling of it."""
    everywhere = [
        (Folded(primary_key=True, max_length=9), "Ann", " ann"),
        (Prefixed(primary_key=True, max_length=9), "5", "5"),
        (Hexadecimal(primary_key=True), "ff", "FF"),
        (UpperInTheEnd(primary_key=True, max_length=9), "ann", "Ann"),
        (models.UUIDField(primary_key=True), ID, ID.hex.upper()),
        (models.DecimalField(primary_key=True, max_digits=9, decimal_places=2), "1.5", "1.50"),
        (models.BooleanField(primary_key=True), True, 1),
        (models.DateField(primary_key=True), "2026-11-30", "2026-11-30"),
        (models.BigIntegerField(primary_key=True), 5, "5"),
        (models.CharField(primary_key=True, max_length=9), "5", 5),
    ]
    if library == "sqlite":
        return [
            *everywhere,
            (models.CharField(primary_key=True, max_length=9, db_collation="NOCASE"), "de", "DE"),
            (models.TextField(primary_key=True, db_collation="RTRIM"), "de", "de "),
        ]
    return [
        *everywhere,
        (Padded(primary_key=True, max_length=4), "de", "de  "),
        (LowerInSql(primary_key=True, max_length=9), "ann", "ann"),
    ]


def test_whatever_spelling_a_writer_uses(library: str, made: Any) -> None:
    for field, held, given in fields(library):
        thing, child = made(field)
        for way in ("update", "save", "filter", "point", "delete"):
            thing.objects.all().delete()
            thing.objects.create(pk=held)
            instance = thing.objects.get()
            name = thing._meta.db_table
            parts = [
                row(thing, held),
                row(thing, given),
                row(name, held),
                row(name, given),
                row(thing, instance.pk),
            ]
            relaxed = default()
            before = [relaxed.commands.key(part.identifiers) for part in parts]
            if way == "update":
                assert thing.objects.filter(pk=given).update(n=1) == 1, field
            elif way == "filter":
                thing.objects.filter(pk__in=[given]).update(n=1)
            elif way == "save":
                saved = thing.objects.get(pk=given)
                saved.n = 2
                saved.save()
            elif way == "point":
                if isinstance(field, Prefixed | Hexadecimal):
                    continue
                child.objects.create(thing_id=given)
            else:
                assert thing.objects.filter(pk=given).delete()[0] == 1
            after = [relaxed.commands.key(part.identifiers) for part in parts]
            assert not set(before) & set(after), (field, way, parts)


def test_two_rows_have_two_keys(library: str, made: Any) -> None:
    if library != "sqlite":
        return
    thing, _ = made(models.CharField(primary_key=True, max_length=9, db_collation="NOCASE"))
    de, at = row(thing, "de"), row(thing, "at")
    assert isinstance(de, Row)
    assert de.identifiers == at.identifiers == (table(thing),)
    thing.objects.create(pk="de")
    thing.objects.create(pk="at")
    encoded = {
        encode((part,), default()._identify)[1] for part in (de, at, *thing.objects.all(), table(thing))
    }
    assert len(encoded) == 3


def test_what_a_field_can_t_hold() -> None:
    for model, wrong in ((Book, "one"), (Book, object()), (Ticket, "one"), (Ticket, 1.5)):
        with pytest.raises(NoIdentifier, match=r"\.id: .* is refused by its field"):
            row(model, wrong)
        with pytest.raises(NoIdentifier, match=r"\.id: .* is refused by its field"):
            row(model._meta.db_table, wrong)
    with pytest.raises(NoIdentifier, match="a key of 2 values is none: expected 1"):
        row(Book, 1, 2)


def test_a_model_that_inherits_is_in_each_of_its_tables(watch: Watch) -> None:
    restaurant = Restaurant.objects.create(name="A")
    part = row(Restaurant, restaurant.pk)
    assert part.identifiers == tuple(
        f"{watch.namespace}:library_{name}#{restaurant.pk}".encode() for name in ("restaurant", "place")
    )
    assert row(Place, restaurant.pk) == part.identifiers[1]
    before = key(part)
    Place.objects.filter(pk=restaurant.pk).update(name="B")
    assert key(part) != before


@pytest.mark.parametrize("library", ["postgresql"], indirect=True)
def test_the_default_schema_has_no_name(library: str, watch: Watch) -> None:
    class Stock(models.Model):
        class Meta:
            app_label = "library"
            managed = False
            db_table = 'public"."library_book'

    assert row(Stock, 1) == row(Book, 1) == row('public"."library_book', 1) == watch.full("library_book#1")
    with watch.changed("library_book#*") as changed, connections["default"].cursor() as cursor:
        cursor.execute("UPDATE public.library_book SET sold = 1")
    assert changed == {"library_book#*"}


@pytest.mark.parametrize("library", ["postgresql"], indirect=True)
def test_a_search_path(library: str, watch: Watch) -> None:
    names = "library_book#1 north.library_book#1"
    with connections["default"].cursor() as cursor:
        cursor.execute("SET search_path TO north, public")
    with watch.changed(names) as changed:
        Book.objects.filter(pk=1).update(sold=1)
    assert changed == set(names.split())
    connections["default"].close()
    with watch.changed(names) as changed:
        Book.objects.filter(pk=1).update(sold=1)
    assert changed == {"library_book#1"}
