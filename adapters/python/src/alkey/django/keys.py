"""The `Alkey` of Django: its parts are also models' instances, classes, managers and querysets, and in place of
sessions it takes aliases of databases.

A queryset stands for the tables that it reads and for its SQL: two that select other rows are two parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import QuerySet
from django.utils.functional import LazyObject, Promise, empty
from django.utils.safestring import SafeString

from alkey import Alkey, Lookup
from alkey.django import reading
from alkey.django.compilers import tables_read
from alkey.django.identifiers import Query, alias_of, identifiers_of, row_of, table_of_name
from alkey.errors import NoCanonicalForm
from alkey.parts import Identifier


class DjangoAlkey(Alkey):
    def key(self, *parts: object, session: Any = None) -> str:
        return super().key(*map(_part, parts), session=session)

    def lookup(self, *parts: object, session: Any = None) -> Lookup:
        return super().lookup(*map(_part, parts), session=session)

    def cached(self, cache: Any, *parts: object, load: Any = None, **options: Any) -> Any:
        # Without `load` it is a decorator, which comes back here with the parts of each call.
        if load is None:
            return super().cached(cache, *parts, **options)
        return super().cached(cache, *map(_part, parts), load=load, **options)

    def row(self, table: Any, *key: object, schema: str | None = None) -> Identifier:
        return row_of(table, key, schema, alias_of(self.namespace))

    def table(self, table: Any, schema: str | None = None) -> Identifier:
        return table_of_name(table, schema, alias_of(self.namespace))

    def _imported_orm(self) -> ModuleType:
        self._orm = reading
        return reading

    def _identify(self, thing: object) -> Sequence[bytes]:
        return identifiers_of(thing)


def _part(part: Any) -> Any:
    kind = type(part)
    if isinstance(part, LazyObject):
        return _part(_wrapped(part))
    if isinstance(part, QuerySet):
        return _query(part)
    if kind is list or kind is tuple:
        return kind(map(_part, part))
    if kind is dict:
        return {name: _part(value) for name, value in part.items()}
    # Text that is translated when it is looked at.
    if isinstance(part, Promise):
        return str(part)
    # What templates take for HTML is text like any other.
    return part + "" if kind is SafeString else part


def _wrapped(part: Any) -> Any:
    """What a lazy object stands for, as `request.user` is one."""
    if part._wrapped is empty:
        part._setup()
    return part._wrapped


def _query(queryset: QuerySet[Any]) -> list[object]:
    with tables_read() as tables:
        try:
            sql = queryset.query.get_compiler(using=queryset.db).as_sql()
        except EmptyResultSet:
            # Nothing can be in it, whatever changes.
            return ["nothing"]
    if queryset._prefetch_related_lookups:
        raise NoCanonicalForm(
            "a queryset with prefetch_related can't be part of a key, since its SQL does not name all tables that it "
            "reads: expected one without, and the other models as parts"
        )
    return [Query(queryset, frozenset(tables)), sql[0], repr(sql[1])]
