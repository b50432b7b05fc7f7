"""What models hold of PostgreSQL has the names of the vectors, and so has what they write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connections, models
from django.test import override_settings

import django_site  # noqa: F401 - it configures Django
from alkey import NoIdentifier
from alkey.django import row
from alkey.django.alkeys import default
from alkey.django.identifiers import identifiers_of
from alkey.parts import Row
from harness import RedisServer
from spy import Spy, spy
from vectors import VECTORS, bytes_of, label_of, value_of

pytest_plugins = ["django_fixtures"]
pytestmark = pytest.mark.usefixtures("own_models")

BEYOND_PYTHON = {"infinity", "-infinity", "0044-03-15 BC", "10000-01-01", "24:00:00"}


class OfType(models.Field):
    """A field of somebody's own: Django knows nothing but the type of its column."""

    def __init__(self, type_name: str, **options: Any) -> None:
        self.type_name = type_name
        super().__init__(**options)

    def db_type(self, connection: Any) -> str:
        return self.type_name


FIELDS: dict[str, tuple[type[models.Field], dict[str, Any]]] = {
    "smallint": (models.SmallIntegerField, {}),
    "integer": (models.IntegerField, {}),
    "bigint": (models.BigIntegerField, {}),
    "text": (models.TextField, {}),
    "character varying(5)": (models.CharField, {"max_length": 5}),
    "uuid": (models.UUIDField, {}),
    "numeric(10,2)": (models.DecimalField, {"max_digits": 10, "decimal_places": 2}),
    "double precision": (models.FloatField, {}),
    "boolean": (models.BooleanField, {}),
    "date": (models.DateField, {}),
    "time without time zone": (models.TimeField, {}),
    "timestamp with time zone": (models.DateTimeField, {}),
    "bytea": (models.BinaryField, {}),
    "inet": (models.GenericIPAddressField, {}),
}
# Django's field holds no network, and of a real 0.1 the database says that it is not equal to the double that is sent.
NOT_OF_DJANGO = {
    ("inet", "10.0.0.1/8", False),
    ("real", "0.1", True),
    ("real", "1e-45", True),
    ("real", "2.2959e-41", True),
}


def model_of(type_name: str, is_own: bool) -> Any:
    kind, options = (OfType, {"type_name": type_name}) if is_own else FIELDS[type_name]
    return type(
        "Named",
        (models.Model,),
        {
            "__module__": "library.models",
            "id": kind(primary_key=True, **options),
            "n": models.IntegerField(default=0),
            "Meta": type("Meta", (), {"app_label": "library", "managed": False, "db_table": "named"}),
        },
    )


VALUES = [
    pytest.param(vector, is_own, id=f"{label_of(vector)} {'own' if is_own else ''}")
    for vector in VECTORS["values"]
    for is_own in (False, True)
    if "only_in" not in vector
    and vector["type"] != "enum"
    and (is_own or vector["type"] in FIELDS)
    and str(vector["text"]) not in BEYOND_PYTHON
    and (vector["type"], str(vector["text"]), is_own) not in NOT_OF_DJANGO
]


@pytest.fixture
def asked(server: RedisServer, namespace: str, pg_library: None) -> Iterator[Spy]:
    client = spy(server.port)
    with override_settings(ALKEY={"CLIENT": client, "NAMESPACE": namespace}):
        yield client
    client.close()


def recorded(client: Spy) -> set[bytes]:
    found = {one for asked in client.asked if asked[0] == "ALKEY.RECORD" for one in asked[2:]}
    client.asked.clear()
    return found


def is_refused(field: Any, value: object) -> bool:
    """Django's own fields take less than their columns do."""
    try:
        field.get_prep_value(value)
    except (TypeError, ValidationError):
        return True
    return False


@pytest.mark.parametrize(("vector", "is_own"), VALUES)
def test_values(asked: Spy, vector: Any, is_own: bool) -> None:
    model = model_of(vector["type"], is_own)
    table = model._meta.db_table
    name = f"{default().namespace}:{table}#".encode() + bytes_of(vector["name"])
    # By the driver's own connection, since it is nobody's write.
    driver = connections["default"]
    driver.ensure_connection()
    driver.connection.execute(f"DROP TABLE IF EXISTS {table}")
    driver.connection.execute(f"CREATE TABLE {table} (id {vector['type']} PRIMARY KEY, n integer NOT NULL)")
    driver.connection.execute(
        f"INSERT INTO {table} VALUES (%s::text::{vector['type']}, 0)", [bytes_of(vector["text"]).decode()]
    )
    try:
        instance = model.objects.get()
        assert identifiers_of(instance) == (name,)
        instance.n = 1
        instance.save()
        assert recorded(asked) == {name}
        assert model.objects.filter(pk=instance.pk).update(n=2) in (0, 1)
        assert recorded(asked) == {name}
        assert model.objects.filter(pk__in=[instance.pk]).delete()
        assert recorded(asked) <= {name}
        for value in map(value_of, vector["values"]):
            if is_refused(model._meta.pk, value):
                with pytest.raises(NoIdentifier, match=rf"^{table}.id: .* is refused by its field"):
                    row(model, value)
            else:
                assert row(model, value) == row(table, value) == name, repr(value)
    finally:
        driver.connection.execute(f"DROP TABLE {table}")


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=label_of)
def test_what_a_field_can_t_hold(asked: Spy, vector: Any) -> None:
    with pytest.raises(NoIdentifier):
        row(model_of(vector["type"], is_own=True), value_of(vector["value"]))


@pytest.mark.parametrize("vector", VECTORS["values_named_by_table"], ids=label_of)
def test_of_which_row_only_the_database_knows(asked: Spy, vector: Any) -> None:
    model = model_of(vector["type"], is_own=True)
    found = row(model, value_of(vector["value"]))
    assert isinstance(found, Row)
    assert found.identifiers == (f"{default().namespace}:{model._meta.db_table}#*".encode(),)
