"""What compiles and sends the ORM's statements, followed: each says what it is about to change, and when what it reads
was read.

The classes are a backend's own, with one of these before it. Nothing of what is sent is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, partial
from typing import Any

from django.db import connections, transaction
from django.db.models.sql.compiler import SQLCompiler, SQLDeleteCompiler, SQLInsertCompiler, SQLUpdateCompiler

from alkey.django import statements
from alkey.django.instances import loading
from alkey.django.life import Life, Statement

_tables: ContextVar[set[str] | None] = ContextVar("alkey tables", default=None)


@contextmanager
def tables_read() -> Iterator[set[str]]:
    """The tables of all queries that are compiled here, those within others too."""
    found: set[str] = set()
    token = _tables.set(found)
    try:
        yield found
    finally:
        _tables.reset(token)


class Reading(SQLCompiler):
    """Of queries, and of subqueries in whatever statement."""

    _alkey_since_ns: int | None = None

    def get_from_clause(self) -> Any:
        # Joins that are not used are known only while the SQL is made.
        found = _tables.get()
        if found is not None:
            query = self.query
            found.update(
                query.alias_map[alias].table_name for alias in query.alias_map if query.alias_refcount[alias]
            )
        return super().get_from_clause()

    def execute_sql(self, *args: Any, **options: Any) -> Any:
        # Django sends it only now, also where its rows are fetched bit by bit.
        self.connection.ensure_connection()
        self._alkey_since_ns = self.connection.alkey_life.reads()
        return super().execute_sql(*args, **options)

    def results_iter(self, *args: Any, **options: Any) -> Iterator[Any]:
        return loading.rows(super().results_iter(*args, **options), self._alkey_since_ns)


class _Writing(SQLCompiler):
    def _alkey_life(self) -> Life:
        self.connection.ensure_connection()
        life: Life = self.connection.alkey_life
        return life

    def _alkey_table(self) -> str:
        name: str = self.connection.ops.quote_name(self.query.get_meta().db_table)
        return name


class Inserting(_Writing):
    def execute_sql(self, returning_fields: Any = None) -> Any:
        life = self._alkey_life()
        query = self.query
        is_key_given = statements.is_key_given(query)
        alias = self.connection.alias
        if not is_key_given and not life.is_in_transaction and connections[alias] is self.connection:
            # The row can be named only after it is inserted, and must be before the database commits.
            with transaction.atomic(using=alias):
                return self.execute_sql(returning_fields)
        is_named_after = life.is_in_transaction and not is_key_given and query.on_conflict is None

        judge = partial(statements.inserted, query, life.naming, are_rows_named=not is_named_after)
        with life.sending(Statement(self._alkey_table(), judge)):
            rows = super().execute_sql(returning_fields)
        if is_named_after:
            life.add(statements.inserted_rows(query, life.naming, rows, returning_fields or ()))
        return rows


class Updating(_Writing):
    def execute_sql(self, *args: Any, **options: Any) -> Any:
        with self._alkey_life().sending(
            Statement(self._alkey_table(), partial(_judge, self, statements.updated))
        ):
            return super().execute_sql(*args, **options)


class Deleting(_Writing):
    def execute_sql(self, *args: Any, **options: Any) -> Any:
        with self._alkey_life().sending(
            Statement(self._alkey_table(), partial(_judge, self, statements.deleted))
        ):
            return super().execute_sql(*args, **options)


def _judge(compiler: Any, judge: Any) -> set[bytes]:
    life: Life = compiler.connection.alkey_life
    found: set[bytes] = judge(compiler.query, life.naming, life.known)
    return found


@lru_cache(maxsize=64)
def followed(kind: type[Any]) -> type[Any]:
    """A backend's compiler with what follows it."""
    for base, mixin in (
        (SQLInsertCompiler, Inserting),
        (SQLUpdateCompiler, Updating),
        (SQLDeleteCompiler, Deleting),
    ):
        if issubclass(kind, base):
            return type(kind.__name__, (mixin, kind), {"__module__": kind.__module__})
    return type(kind.__name__, (Reading, kind), {"__module__": kind.__module__})
