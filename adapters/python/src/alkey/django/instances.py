"""Instances of models: since when what they hold may be, and where their rows pointed.

An instance that the ORM loads remembers what it was loaded with and when that was read. One without such a memory was
unpickled, made by hand or by `raw()`, or read what only its transaction could see: its age is unknown. One that holds
something else by now holds changes, saved or not: if they were committed, its key has changed since it was loaded.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from django.db.models import Model

from alkey.django.life import life_of
from alkey.django.naming import Naming
from alkey.django.tables import Table, parents_of, tables_of
from alkey.errors import NoIdentifier

_MISSING = object()


class Memory:
    """Of one instance. It is kept with Django's own state of it."""

    __slots__ = ("pointed", "since_ns", "values")

    def __init__(self, since_ns: int | None, values: dict[str, Any]) -> None:
        self.since_ns = since_ns
        self.values = values
        # Each foreign key's values that were saved since. Most instances are only read.
        self.pointed: dict[str, set[Any]] | None = None

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Whoever unpickles the instance has another clock, and may not have alkey."""
        return type(None), ()


class Loading(threading.local):
    """When the row was read of which an instance is made now."""

    since_ns: int | None = None

    def rows(self, rows: Iterator[Any], since_ns: int | None) -> Iterator[Any]:
        """`rows`, each of which is made an instance of before the next is asked for."""
        try:
            for row in rows:
                self.since_ns = since_ns
                yield row
        finally:
            self.since_ns = None


loading = Loading()


def memory_of(instance: Model) -> Memory | None:
    found: Memory | None = getattr(instance._state, "alkey", None)
    return found


# What Django's signals call


def remember_loaded(*, instance: Model, **_: Any) -> None:
    since_ns = loading.since_ns
    if since_ns is not None:
        values = vars(instance).copy()
        # It holds the memory.
        values.pop("_state").alkey = Memory(since_ns, values)


def before_save(*, instance: Any, using: str, **_: Any) -> None:
    remember_where_it_points(instance, using)


def after_save(*, instance: Any, **_: Any) -> None:
    memory = memory_of(instance)
    if memory is None:
        memory = instance._state.alkey = Memory(None, {})
    model: Any = instance.__class__
    for table in tables_of(model):
        for parent in parents_of(table.model):
            if parent.attribute in vars(instance):
                if memory.pointed is None:
                    memory.pointed = {}
                value = vars(instance)[parent.attribute]
                memory.pointed.setdefault(parent.attribute, set()).add(value)


def remember_where_it_points(instance: Any, using: str) -> None:
    """Its row is about to be changed or deleted, by a statement that does not know it."""
    memory = memory_of(instance)
    if memory is None:
        return
    life = life_of(using)
    model: Any = instance.__class__
    for table in tables_of(model):
        known: dict[str, set[Any]] = {}
        for parent in parents_of(table.model):
            values = set((memory.pointed or {}).get(parent.attribute, ()))
            if parent.attribute in memory.values:
                values.add(memory.values[parent.attribute])
            if values:
                known[parent.attribute] = values
        if known:
            with suppress(NoIdentifier):
                row = _row(table, instance, life.naming)
                if row is not None:
                    life.remember(row, known)


def _row(table: Table, instance: Model, naming: Naming) -> bytes | None:
    """Its row in one of its tables; None without a key. A deferred key is not loaded for this."""
    key = [vars(instance).get(field.attname) for field in table.key]
    return None if None in key else naming.rows(table).row(key)


def holds_changes(instance: Model, memory: Memory) -> bool:
    """Whether it holds what it was not loaded with."""
    held = vars(instance)
    for field in instance._meta.concrete_fields:
        value = held.get(field.attname, _MISSING)
        loaded = memory.values.get(field.attname, _MISSING)
        if value is not loaded and (value is _MISSING or loaded is _MISSING or value != loaded):
            return True
    return False
