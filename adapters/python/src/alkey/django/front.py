"""What `alkey.django` has for applications: keys, lookups, and what is cached by them.

Without asynchronous variants: who calls them in an event loop is told so, as by Django's own ORM.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.core.cache import caches
from django.db.models import Model
from django.utils.asyncio import async_unsafe
from django.utils.connection import ConnectionProxy

from alkey import Lookup
from alkey.django import alkeys
from alkey.django.identifiers import identifiers_of, row_of, table_of_name
from alkey.parts import Identifier


@async_unsafe
def key(*parts: object, using: str | None = None) -> str:
    """The key to store under what is made of `parts`: a private one if it may not be shared. `using`: the alias of the
    only database that is read, where several are used."""
    return alkeys.default().key(*parts, session=using)


@async_unsafe
def lookup(*parts: object, using: str | None = None) -> Lookup:
    """The key, and why it is private if it is."""
    return alkeys.default().lookup(*parts, session=using)


@async_unsafe
def cached(
    *parts: object,
    load: Callable[[], Any] | None = None,
    ttl: float | None = None,
    cache: Any = "default",
    using: str | None = None,
) -> Any:
    """What the cache has for `parts`, or else what `load` returns, which is stored if it may be. Without `load` it is a
    decorator. `cache`: an alias of CACHES, or a cache as `Alkey.cached` takes it."""
    store = _cache(cache) if isinstance(cache, str) else cache
    alkey = alkeys.default()
    if load is None:
        return alkey.cached(store, *parts, ttl=ttl)
    return alkey.cached(store, *parts, load=load, ttl=ttl, session=using)


@async_unsafe
def touch(*things: object) -> None:
    """Changes the keys of what Django has not changed itself. To be called after its commit."""
    by_namespace: dict[str, list[Identifier]] = {}
    for thing in things:
        found = thing.identifiers if isinstance(thing, Identifier) else identifiers_of(thing)
        if not found:
            raise TypeError(
                f"{thing!r} can't be touched: expected a model's instance or class, or what row(), table() or "
                "everything() gave"
            )
        for one in found:
            by_namespace.setdefault(_namespace(one), []).append(Identifier(one))
    for namespace, identifiers in by_namespace.items():
        alkeys.of_namespace(namespace).touch(*identifiers)


def row(table: str | type[Model], *values: object, using: str = "default") -> Identifier:
    """The row of a model, or of the table of this name, by the values of its primary key."""
    return row_of(table, values, None, using)


def table(name: str | type[Model], using: str = "default") -> Identifier:
    """Any row of a table."""
    return table_of_name(name, None, using)


def everything(using: str = "default") -> Identifier:
    """Any row of any table."""
    return alkeys.alkey_of(using).everything()


@lru_cache(maxsize=64)
def _cache(alias: str) -> Any:
    # One for all threads, so that of those who miss at the same time one loads.
    return ConnectionProxy(caches, alias)


def _namespace(identifier: bytes) -> str:
    text = identifier.decode("utf-8", "replace")
    return text[: text.index("}") + 1] if text.startswith("alkey{") else "alkey"
