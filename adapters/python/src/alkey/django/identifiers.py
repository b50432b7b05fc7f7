"""What a reader's parts stand for: models' instances and classes, managers, querysets, and rows that are named by hand.

A row that is named by hand is named as its model's fields would name it: they convert the key, and refuse what they
can't hold. Where only the database knows which row it is, it depends on the table.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.apps import apps
from django.db import connections, router
from django.db.models import Manager, Model, QuerySet
from django.db.models.base import ModelBase

from alkey._names.identifier import row_name
from alkey._names.kinds import OnlyTheDatabaseKnows
from alkey._names.rows import Rows
from alkey._names.schemas import DEFAULT, without_default
from alkey._names.values import value_name
from alkey.django.alkeys import alkey_of
from alkey.django.naming import Naming, changes, naming_in
from alkey.django.tables import Table, split, table_of, tables_of
from alkey.errors import NoIdentifier
from alkey.parts import Apart, Identifier, Row


class Query:
    """A queryset as a part: the tables that it reads, beside which its SQL is a value."""

    def __init__(self, queryset: QuerySet[Any], tables: frozenset[str]) -> None:
        self.queryset = queryset
        self.tables = tables


def identifiers_of(thing: object) -> tuple[bytes, ...]:
    """The identifiers of a model's instance or class, a manager or a query; none of anything else. Where only the
    database knows which row a key is, they are `Apart`. Raises NoIdentifier."""
    if isinstance(thing, Model):
        # Not `type`, since Django has lazy objects that only say what they are.
        model: Any = thing.__class__
        return _of_instance(thing, model, naming_in(_alias(thing)))
    if isinstance(thing, Manager):
        return _of_class(thing.model, thing.db)
    if isinstance(thing, ModelBase):
        if thing._meta.abstract:
            raise NoIdentifier(
                f"{thing.__qualname__} is abstract and has no table: expected a model that has"
            )
        return _of_class(thing, router.db_for_read(thing))
    if isinstance(thing, Query):
        naming = naming_in(thing.queryset.db)
        return _all(naming, [naming.any_row_of(name) for name in sorted(thing.tables)])
    return ()


def _of_instance(instance: Model, model: Any, naming: Naming) -> tuple[bytes, ...]:
    held = vars(instance)
    tables = _tables_in(model, naming)
    # A deferred key is not loaded for this.
    keys = [[held.get(name) for name in names] for names, _ in tables]
    try:
        if not any(None in key for key in keys):
            return _all(naming, [rows.row(key) for (_, rows), key in zip(tables, keys, strict=True)])
        of = None
    except NoIdentifier:
        # As by hand, where all of them have the same.
        of = keys[0] if keys.count(keys[0]) == len(keys) else keys
    any_rows = _all(naming, [rows.any_row for _, rows in tables])
    return any_rows if of is None else Apart(any_rows, of)


@lru_cache(maxsize=4096)
def _tables_in(model: Any, naming: Naming) -> tuple[tuple[tuple[str, ...], Rows], ...]:
    """The names of the keys' attributes, and what names the rows."""
    return tuple(
        (tuple(field.attname for field in table.key), naming.rows(table)) for table in tables_of(model)
    )


def _of_class(model: Any, alias: str) -> tuple[bytes, ...]:
    naming = naming_in(alias)
    return _all(naming, [naming.any_row(table) for table in tables_of(model)])


def _all(naming: Naming, identifiers: list[bytes]) -> tuple[bytes, ...]:
    """Under each name that a table may have."""
    return tuple(identifiers) if naming.is_path_known else tuple(sorted(naming.with_aliases(identifiers)))


def _alias(instance: Model) -> str:
    alias: str = instance._state.db or router.db_for_read(instance.__class__, instance=instance)
    return alias


# What is named by hand


_Key = tuple[Any, ...]

# What names rows of one table, of which one identifier says all; as long as nothing has changed since.
_rows: dict[tuple[Any, str | None, str], tuple[int, Callable[[_Key], bytes]]] = {}
_ROWS_MAX = 4096


def row_of(thing: Any, key: _Key, schema: str | None, alias: str) -> Identifier:
    """The row of a model, or of the table of this name."""
    known = _rows.get((thing, schema, alias))
    if known is not None and known[0] == changes.count:
        try:
            return Identifier(known[1](key))
        except NoIdentifier:
            # Not said so plainly.
            pass
    count = changes.count
    naming = naming_in(alias)
    model: Any = thing
    if isinstance(thing, str):
        model = _model_of(thing, schema, connections[alias].vendor)
        if model is None:
            return Identifier(naming.prefix(thing, schema) + row_name([value_name(value) for value in key]))
    elif not isinstance(thing, ModelBase) or thing._meta.abstract:
        raise NoIdentifier(f"{thing!r} has no rows: expected the name of a table, or a model that has one")
    tables = (table_of(model),) if isinstance(thing, str) else _tables_by_key(model)
    size = len(table_of(model).key)
    if len(key) == 1 and size > 1 and isinstance(key[0], tuple | list):
        key = tuple(key[0])
    if len(key) != size:
        raise NoIdentifier(f"a key of {len(key)} values is none: expected {size}, as of the primary key")
    if tables is not None and len(tables) == 1 and naming.is_path_known:
        if len(_rows) >= _ROWS_MAX:
            _rows.clear()
        _rows[thing, schema, alias] = count, naming.rows(tables[0]).row
    identifiers = _of_key(naming, model, tables, key)
    is_plain = len(identifiers) == 1 and not isinstance(identifiers, Apart)
    return Identifier(identifiers[0]) if is_plain else Row(identifiers)


def _of_key(naming: Naming, model: Any, tables: tuple[Table, ...] | None, key: _Key) -> tuple[bytes, ...]:
    if tables is not None:
        try:
            return _all(naming, [naming.rows(table).row(key) for table in tables])
        except OnlyTheDatabaseKnows:
            pass
    return Apart(_all(naming, [naming.any_row(table) for table in tables or tables_of(model)]), list(key))


def table_of_name(thing: Any, schema: str | None, alias: str) -> Identifier:
    """Any row, as `row_of`."""
    naming = naming_in(alias)
    if isinstance(thing, str):
        return Identifier(naming.prefix(thing, schema) + b"*")
    identifiers = _of_class(thing, alias)
    return Identifier(identifiers[0]) if len(identifiers) == 1 else Row(identifiers)


def alias_of(namespace: str) -> str:
    """A database whose rows are in the namespace."""
    return next((alias for alias in connections if alkey_of(alias).namespace == namespace), "default")


def _model_of(name: str, schema: str | None, vendor: str) -> type[Model] | None:
    given, called = split(name)
    default = (DEFAULT.get(vendor),)
    wanted = without_default(schema or given, default)
    return next(
        (
            model
            for model in apps.get_models(include_auto_created=True)
            for found, of_model in (split(model._meta.db_table),)
            if of_model == called and without_default(found, default) == wanted
        ),
        None,
    )


@lru_cache(maxsize=4096)
def _tables_by_key(model: Any) -> tuple[Table, ...] | None:
    """The tables in which an instance has rows, if all of them have the same key: each is the link to the next."""
    tables = [table_of(model)]
    key = model._meta.concrete_model._meta.pk
    while getattr(key.remote_field, "parent_link", False):
        tables.append(table_of(key.related_model))
        key = key.related_model._meta.pk
    return tuple(tables) if set(tables) == set(tables_of(model)) else None
