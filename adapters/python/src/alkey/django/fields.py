"""Which kind of values a field of a model holds, on one kind of database: how its keys are named.

None where nobody but the database knows which values are equal, or what it makes of one. Where a field only says in
Python what is stored, it is asked, and as often as Django asks it: once.

Knows no connection but what it is told of by its alias.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connections

from alkey._names import kinds, moments, networks, numbers
from alkey._names.collations import NUMBERS_FOR_TEXT, is_exact
from alkey._names.kinds import Kind, OnlyTheDatabaseKnows, shown
from alkey._names.types import kind_of as kind_of_type
from alkey.errors import NoIdentifier

_INTEGERS = frozenset(
    f"{size}{kind}" for size in ("", "Small", "Big") for kind in ("AutoField", "IntegerField")
) | {"PositiveIntegerField", "PositiveSmallIntegerField", "PositiveBigIntegerField"}
_TEXTS = frozenset({"CharField", "TextField", "SlugField", "FileField", "FilePathField"})
_OF_EIGHT_BYTES = frozenset({"postgresql", "sqlite", "mysql"})


def kind_of(field: Any, alias: str) -> Kind | None:
    """Of what `get_prep_value` gives."""
    while field.remote_field is not None:
        field = field.target_field
    kind = _kind(field, connections[alias])
    if kind is None or _is_of_django(field, "get_db_prep_value"):
        return kind
    return _asked(lambda value: field.get_db_prep_value(value, connections[alias], prepared=True), kind)


def prepared(field: Any, kind: Kind) -> Kind:
    """The same of what instances hold."""
    of_others = _asked(field.get_prep_value, kind)
    while field.remote_field is not None:
        field = field.target_field
    if kind is not numbers.integer or not _is_of_django(field, "get_prep_value"):
        return of_others
    # Most keys are integers, which stay as they are.
    return lambda value: numbers.integer(value) if type(value) is int else of_others(value)


def _asked(prepare: Callable[[Any], Any], kind: Kind) -> Kind:
    def encode(value: Any) -> bytes:
        try:
            found = prepare(value)
        except Exception as error:
            raise NoIdentifier(f"{shown(value)} is refused by its field: {error!r}") from error
        if found is None:
            raise OnlyTheDatabaseKnows(f"{shown(value)} is stored as NULL")
        return kind(found)

    return encode


def _is_of_django(field: Any, method: str) -> bool:
    found: str = getattr(type(field), method).__module__
    return found.startswith("django.")


def _kind(field: Any, connection: Any) -> Kind | None:
    vendor: str = connection.vendor
    # What the database computes of a value on its way in.
    if hasattr(field, "get_placeholder") and not _is_of_django(field, "get_placeholder"):
        return None
    if not (_is_of_django(field, "db_type") and _is_of_django(field, "get_internal_type")):
        # A type of its own, as far as PostgreSQL prints its name.
        return kind_of_type(str(field.db_type(connection)).lower()) if vendor == "postgresql" else None
    name = field.get_internal_type()
    if name in _INTEGERS:
        return numbers.integer
    if name in _TEXTS:
        return _text(field, vendor)
    if name == "GenericIPAddressField":
        return networks.inet if vendor == "postgresql" else _text(field, vendor)
    if name == "DecimalField":
        kind = numbers.numeric_of(field.max_digits, field.decimal_places)
        return numbers.through_a_double(kind) if vendor == "sqlite" else kind
    if name == "FloatField":
        return numbers.double if vendor in _OF_EIGHT_BYTES else None
    if name == "DateTimeField":
        if settings.USE_TZ:
            return moments.timestamp_with_zone
        # What is in no time zone PostgreSQL takes for the connection's.
        return None if vendor == "postgresql" else moments.timestamp
    return _OTHERS.get(name)


def _text(field: Any, vendor: str) -> Kind | None:
    if not is_exact(vendor, getattr(field, "db_collation", None)):
        return None
    kind = kinds.only_text if vendor in NUMBERS_FOR_TEXT else kinds.text
    return kinds.text_up_to(field.max_length, kind) if field.max_length else kind


_OTHERS: dict[str, Kind] = {
    "UUIDField": kinds.uuid,
    "BooleanField": kinds.boolean,
    "BinaryField": kinds.octets,
    "DateField": moments.day,
    "TimeField": moments.time_of_day,
}
