"""What a statement changes that is text, by the models.

Knows no connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from django.apps import apps
from django.conf import settings
from django.core.cache.backends.db import BaseDatabaseCache
from django.db.models.deletion import get_candidate_relations_to_delete
from django.utils.module_loading import import_string

from alkey import texts
from alkey.django.naming import Naming
from alkey.django.tables import Table, table_of
from alkey.sql import Written

# Django's texts have these placeholders for all backends.
_PARAMSTYLE = "pyformat"


def changed_by_text(statement: str, vendor: str, naming: Naming) -> set[bytes] | None:
    """What a text that is about to be executed changes; None: nothing."""

    def changed_in(written: Written) -> set[bytes]:
        changed = _changed_with(written)
        found = {naming.any_row(each) for each in changed}
        # A table that a model names may be in many schemas.
        for table in changed:
            if table.name.lower() == written.name.lower():
                found |= {
                    naming.prefix(table.name, schema) + b"*" for schema in texts.spellings(written.schema)
                }
        if not found and written.name in _tables_of_caches():
            return {naming.prefix(written.name, None) + b"*"}
        return found

    return texts.changed_by_text(statement, vendor, _PARAMSTYLE, naming.namespace, changed_in)


@lru_cache(maxsize=1024)
def _changed_with(written: Written) -> tuple[Table, ...]:
    """The tables that it may be, and those whose rows the database may change with theirs: whatever points at them may
    have been given a cascade in a migration."""
    known = dict.fromkeys(table_of(model) for model in apps.get_models(include_auto_created=True))
    found = {each: None for each in known if texts.may_be(written, each.name, each.schema)}
    if written.action not in ("create", "insert"):
        for table in (todo := list(found)):
            for child in _children(table):
                if child not in found:
                    found[child] = None
                    todo.append(child)
    return tuple(found)


def _children(table: Table) -> Iterator[Table]:
    for relation in get_candidate_relations_to_delete(table.model._meta):
        yield table_of(relation.related_model)


def _tables_of_caches() -> set[str]:
    """No model has them, and each `set` writes to them."""
    return {
        cache["LOCATION"]
        for cache in settings.CACHES.values()
        if issubclass(import_string(cache["BACKEND"]), BaseDatabaseCache)
    }
