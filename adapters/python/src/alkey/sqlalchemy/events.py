"""Every event that alkey listens to, and the way from it to the `Life` that it is about.

Session events are listened to on what is bound; those of connections, mappers and begins on all, where they cost a
look into a dictionary for what is not bound. Which life a session has is kept in `Session.info`, which lives as long.
"""

from __future__ import annotations

import weakref
from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import Engine, ExceptionContext
from sqlalchemy.orm import (
    InstanceState,
    Mapper,
    Session,
    SessionTransaction,
    UOWTransaction,
    scoped_session,
    sessionmaker,
)

from alkey.age import now_ns
from alkey.sqlalchemy.here import begins
from alkey.sqlalchemy.loads import Load
from alkey.sqlalchemy.naming import sees
from alkey.sqlalchemy.outer import Outer
from alkey.sqlalchemy.session import Front, Life

_LIVES = "alkey.lives"
_NO_LIVES: dict[Binding, Life] = {}

_began_ns: weakref.WeakKeyDictionary[Connection, int] = weakref.WeakKeyDictionary()
_by_connection: weakref.WeakKeyDictionary[Connection, list[Life]] = weakref.WeakKeyDictionary()
_outer: weakref.WeakKeyDictionary[Connection, list[Outer]] = weakref.WeakKeyDictionary()


class Binding:
    """One Alkey's ear."""

    def __init__(self, alkey: Front) -> None:
        self._alkey = alkey
        # Not `event.contains`, which knows targets by where they are in memory, and so takes a new session for one that
        # was there before it.
        self._heard: weakref.WeakSet[Any] = weakref.WeakSet()

    def listen(self, target: Any) -> None:
        """`target`: a Session class or a Session."""
        if target in self._heard:
            return
        self._heard.add(target)
        for name in (
            "after_transaction_create", "after_transaction_end", "after_begin", "before_flush", "after_flush",
            "after_soft_rollback", "persistent_to_deleted", "loaded_as_persistent", "after_commit",
        ):  # fmt: skip
            event.listen(target, name, getattr(self, f"_{name}"))

    def _life(self, session: Session) -> Life:
        lives = session.info.setdefault(_LIVES, {})
        life: Life | None = lives.get(self)
        if life is None:
            life = lives[self] = Life(self._alkey)
        return life

    def _after_transaction_create(self, session: Session, transaction: SessionTransaction) -> None:
        if transaction.parent is None:
            self._life(session)
            begins(session)

    def _after_begin(
        self, session: Session, _transaction: SessionTransaction, connection: Connection
    ) -> None:
        life = self._life(session)
        if connection in life.connections:
            return
        life.begin(connection, _began_ns.get(connection))
        _by_connection.setdefault(connection, []).append(life)

    def _before_flush(self, session: Session, _context: Any, _instances: Any) -> None:
        self._life(session).before_flush()

    def _after_flush(self, session: Session, context: UOWTransaction) -> None:
        self._life(session).after_flush(session, context)

    def _after_soft_rollback(self, session: Session, _previous: SessionTransaction) -> None:
        life = session.info.get(_LIVES, {}).get(self)
        if life is not None:
            life.after_failed_flush()

    def _persistent_to_deleted(self, session: Session, instance: object) -> None:
        self._life(session).after_delete(session, instance)

    def _loaded_as_persistent(self, session: Session, instance: object) -> None:
        load = self._life(session).load
        if load is not None:
            load.marks(instance)

    def _after_commit(self, session: Session) -> None:
        # It is also fired when a savepoint is released.
        if session.in_nested_transaction():
            return
        life = session.info.get(_LIVES, {}).get(self)
        if life is not None:
            for connection, outer in life.committed().items():
                _outer.setdefault(connection, []).append(outer)

    def _after_transaction_end(self, session: Session, transaction: SessionTransaction) -> None:
        if transaction.parent is not None:
            return
        life = session.info.get(_LIVES, {}).pop(self, None)
        if life is None:
            return
        for connection in life.connections:
            lives = _by_connection.get(connection, [])
            if life in lives:
                lives.remove(life)
        life.ended()


# SQLAlchemy keeps its listeners for good, and they their Alkey.
_bindings: dict[Front, Binding] = {}


def bind(alkey: Front, target: Any) -> None:
    """See the package."""
    see_engines_of(target, alkey.namespace)
    if isinstance(target, scoped_session):
        target = target.session_factory
    if isinstance(target, sessionmaker):
        # Each maker has a class of its own.
        target = target.class_
    is_class = isinstance(target, type) and issubclass(target, Session)
    if not is_class and not isinstance(target, Session):
        raise TypeError(
            f"{target!r} can't be bound: expected a Session class, a sessionmaker, a scoped_session or a Session. For "
            "sessions of asyncio there is alkey.asyncio.AsyncAlkey"
        )
    if isinstance(target, Session) and target.in_transaction():
        raise ValueError(
            "the session is in a transaction, of which alkey has missed the beginning: expected a session that is "
            "bound before it is used, or one after its commit() or rollback()"
        )
    _listen_to_all()
    binding = _bindings.get(alkey)
    if binding is None:
        binding = _bindings[alkey] = Binding(alkey)
    binding.listen(target)


def see_engines_of(target: Any, namespace: str) -> None:
    """A reader may ask for a key before any session has begun."""
    target = getattr(target, "session_factory", target)
    options = getattr(target, "kw", {"bind": getattr(target, "bind", None)})
    for each in (options.get("bind"), *(options.get("binds") or {}).values()):
        if hasattr(each, "dialect"):
            sees(namespace, each.dialect)


def lives_of(session: Session) -> Collection[Life]:
    lives: dict[Binding, Life] = session.info.get(_LIVES, _NO_LIVES)
    return lives.values()


def is_in_outer(session: Session) -> bool:
    """Whether the session's connection holds what a session has committed and the database has not."""
    if not _outer:
        return False
    connections = [session.bind] if isinstance(session.bind, Connection) else []
    return any(not outer.is_over for connection in connections for outer in _outer.get(connection, ()))


def _listen_to_all() -> None:
    if event.contains(Engine, "begin", _begin):
        return
    event.listen(Engine, "begin", _begin)
    event.listen(Engine, "before_cursor_execute", _before_cursor_execute)
    event.listen(Engine, "after_cursor_execute", _after_cursor_execute)
    event.listen(Engine, "after_execute", _after_execute)
    event.listen(Engine, "handle_error", _handle_error)
    event.listen(Engine, "rollback_savepoint", _rollback_savepoint)
    event.listen(Engine, "release_savepoint", _release_savepoint)
    event.listen(Engine, "prepare_twophase", _prepare_twophase)
    event.listen(Engine, "commit", _commit)
    event.listen(Engine, "commit_twophase", _commit_twophase)
    event.listen(Mapper, "refresh", _refresh, raw=True)


def _begin(connection: Connection) -> None:
    _began_ns[connection] = now_ns()
    for outer in _outer.pop(connection, ()):
        outer.renew()


def _before_cursor_execute(
    connection: Connection, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool
) -> None:
    for life in _by_connection.get(connection, ()):
        life.before_statement(connection, statement, context)


def _after_cursor_execute(
    connection: Connection, _cursor: Any, _statement: str, _parameters: Any, _context: Any, _many: bool
) -> None:
    for life in _by_connection.get(connection, ()):
        life.after_statement()


def _after_execute(
    connection: Connection, _statement: Any, _multiparams: Any, _params: Any, _options: Any, result: Any
) -> None:
    for life in _by_connection.get(connection, ()):
        life.after_result(connection, result)


def _handle_error(context: ExceptionContext) -> None:
    # Else the statement has no answer, and may be executed yet.
    if context.connection is not None and not context.is_disconnect:
        for life in _by_connection.get(context.connection, ()):
            life.after_statement()


def _rollback_savepoint(connection: Connection, name: str, _context: None) -> None:
    for life in _by_connection.get(connection, ()):
        life.roll_back_to(connection, name)


def _release_savepoint(connection: Connection, name: str, _context: None) -> None:
    for life in _by_connection.get(connection, ()):
        life.release(connection, name)


def _prepare_twophase(connection: Connection, _xid: Any) -> None:
    for life in _by_connection.get(connection, ()):
        life.before_prepare()


def _commit(connection: Connection) -> None:
    for life in _by_connection.get(connection, ()):
        life.before_commit(connection)
    for outer in _outer.get(connection, ()):
        outer.decide()


def _commit_twophase(connection: Connection, _xid: Any, _is_prepared: bool) -> None:
    _commit(connection)


def _refresh(state: InstanceState[Any], _context: Any, attributes: Any) -> None:
    # There is no context where an UPDATE of the ORM has told the instance its new values.
    load = None if state.session is None else next((life.load for life in lives_of(state.session)), None)
    if isinstance(load, Load):
        load.marks_refreshed(state, attributes)
