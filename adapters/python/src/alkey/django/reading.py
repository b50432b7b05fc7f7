"""How old what was read may be, and whether it is what nobody else may see. Reads no database and asks no server.

In a transaction the age runs from its first statement; while a request is served, from the request's first, since a
view reads what a template shows; else only instances have an age. What counts are the connections of this thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.db import connections
from django.db.models import Model

from alkey.django.identifiers import Query, identifiers_of
from alkey.django.instances import holds_changes, memory_of

__all__ = ["identifiers_of", "reading_of"]

Reading = tuple[int | None, bool, bool]
"""See `alkey.sqlalchemy`: since when, whether it is private, whether that is known."""


def reading_of(alias: str | None, things: Iterable[object]) -> Reading:
    """`alias`: of the only database that is read."""
    since: int | None = None
    is_private = False
    is_known = True
    used = connections.all(initialized_only=True) if alias is None else [connections[alias]]
    for connection in used:
        life = getattr(connection, "alkey_life", None)
        if life is None:
            is_known = is_known and connection.connection is None
            continue
        is_private = is_private or life.is_private
        is_known = is_known and life.is_age_known
        since = _earlier(since, life.since_ns)
    for thing in things:
        for instance in _instances(thing):
            memory = memory_of(instance) if isinstance(instance, Model) else None
            if memory is None or memory.since_ns is None or instance._state.adding:
                is_known = False
                continue
            is_private = is_private or holds_changes(instance, memory)
            since = _earlier(since, memory.since_ns)
    return since, is_private, is_known


def _instances(thing: object) -> Iterator[Any]:
    if isinstance(thing, Model):
        yield thing
    elif isinstance(thing, Query):
        # Of one that was evaluated; `values()` has no instances, and when they were read nobody knows.
        yield from thing.queryset._result_cache or ()


def _earlier(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
