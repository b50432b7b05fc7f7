"""Django's connections, followed: the class of each is replaced by one that calls its `Life` as well.

Django tells of each new connection by a signal, and of each statement by an execute wrapper, but of nothing before it
commits. So what commits is overridden: `_commit`, `_rollback`, `_close` and `_set_autocommit`, by which each backend
does these. A subclass of whatever class the connection has works with every backend, and needs no ENGINE of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any

from django.db import Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.operations import BaseDatabaseOperations

from alkey._names.identifier import everything
from alkey.django.compilers import followed
from alkey.django.life import Life

# What the drivers' cursors can do beside what Django tells of, with what is known of it: it writes.
_BY_DRIVER = ("callproc", "copy_expert", "copy_from")


class Connection(BaseDatabaseWrapper):
    """Before the class that a connection has."""

    alkey_life: Life

    def __init__(self, *args: Any, **options: Any) -> None:
        """Of a copy. What is followed later than its making is not made here."""
        super().__init__(*args, **options)
        _listen(self)

    def connect(self) -> None:
        # Of the last one nothing is left.
        self.alkey_life.disconnected()
        super().connect()

    def _commit(self) -> None:
        life = self.alkey_life
        try:
            life.decide()
        except BaseException:
            self._alkey_refuse()
            raise
        try:
            super()._commit()
        except BaseException as error:
            life.failed_to_commit(error)
            raise
        life.committed()

    def _alkey_refuse(self) -> None:
        """Django rolls back for the database's errors only, and SQLite commits by going back to autocommit."""
        try:
            self.rollback()
        except Error:
            self.close()

    def _rollback(self) -> None:
        try:
            super()._rollback()
        finally:
            self.alkey_life.ended()

    def _close(self) -> None:
        try:
            super()._close()
        finally:
            self.alkey_life.ended()

    def _set_autocommit(self, autocommit: bool) -> None:
        """SQLite and MySQL commit by it, if there is anything to commit."""
        commits = autocommit and self.alkey_life.is_open
        if commits:
            self.alkey_life.decide()
        super()._set_autocommit(autocommit)
        if commits:
            self.alkey_life.committed()

    def _prepare_cursor(self, cursor: Any) -> Any:
        wrapped = super()._prepare_cursor(cursor)
        for name in _BY_DRIVER:
            if hasattr(cursor, name):
                setattr(wrapped, name, partial(self._alkey_call, getattr(wrapped, name)))
        if hasattr(cursor, "executescript"):
            wrapped.executescript = partial(self._alkey_run, wrapped.executescript)
        if hasattr(cursor, "copy"):
            wrapped.copy = partial(self._alkey_copy, wrapped.copy)
        return wrapped

    def _alkey_call(self, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
        life = self.alkey_life
        life.reads()
        with life.writing({everything(life.namespace)}):
            return method(*args, **options)

    def _alkey_run(self, run: Callable[..., Any], script: str) -> Any:
        """SQLite's driver commits before it, if it is in a transaction."""
        life = self.alkey_life
        life.reads()
        commits = life.is_in_transaction
        with life.writing({everything(life.namespace)}):
            if commits:
                life.decide()
            result = run(script)
        if commits:
            life.committed()
        return result

    @contextmanager
    def _alkey_copy(self, copy: Callable[..., Any], *args: Any, **options: Any) -> Iterator[Any]:
        """In autocommit it is committed when the block ends."""
        life = self.alkey_life
        life.reads()
        with life.writing({everything(life.namespace)}), copy(*args, **options) as copying:
            yield copying


class Operations(BaseDatabaseOperations):
    """Before the class of a connection's operations, which says what compiles its queries."""

    def compiler(self, compiler_name: str) -> type[Any]:
        return followed(super().compiler(compiler_name))


def follow(connection: Any, **_: Any) -> None:
    """What a new connection is given to, and any that is there already."""
    if isinstance(connection, Connection):
        return
    connection.__class__ = _before(Connection, connection.__class__)
    _listen(connection)


def _listen(connection: Any) -> None:
    life = Life(connection)
    connection.alkey_life = life
    connection.ops.__class__ = _before(Operations, connection.ops.__class__)
    # The first is the outermost, which a block of `execute_wrapper` does not take away at its end.
    connection.execute_wrappers.insert(0, life.execute)


def follow_all() -> None:
    """Those that this thread has, and from now on each from its beginning: the signal comes when the first statement is
    compiled already, which then is judged by its text, and whose instances have no age."""
    for connection in connections.all(initialized_only=True):
        follow(connection)
    create = connections.create_connection
    if getattr(create, "is_followed", False):
        return

    def followed_from_the_beginning(alias: str) -> Any:
        connection = create(alias)
        follow(connection)
        return connection

    followed_from_the_beginning.is_followed = True  # type: ignore[attr-defined]
    connections.create_connection = followed_from_the_beginning


@lru_cache(maxsize=64)
def _before(mixin: type[Any], kind: type[Any]) -> type[Any]:
    return type(kind.__name__, (mixin, kind), {"__module__": kind.__module__})
