"""The sessions of SQLAlchemy's asyncio, by the sync session that is under each: it has the events and the state."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker

_OWN = "_alkey_own"


def sync_session_of(session: Any) -> Any:
    """The session that is under an AsyncSession; what is none, as it is."""
    if isinstance(session, async_scoped_session):
        session = session()
    return session.sync_session if isinstance(session, AsyncSession) else session


def sync_target_of(target: Any) -> Any:
    """What to listen to: a class that is under these sessions and no others, or the one session."""
    if isinstance(target, async_scoped_session):
        target = target.session_factory
    if isinstance(target, async_sessionmaker):
        given = target.kw.get("sync_session_class")
        own = _own_class(given or target.class_.sync_session_class, is_own=given is not None)
        target.configure(sync_session_class=own)
        return own
    if isinstance(target, type) and issubclass(target, AsyncSession):
        own = _own_class(target.sync_session_class, is_own="sync_session_class" in vars(target))
        target.sync_session_class = own
        return own
    if isinstance(target, AsyncSession):
        return target.sync_session
    raise TypeError(
        f"{target!r} can't be bound: expected an AsyncSession class, an async_sessionmaker, an async_scoped_session or "
        "an AsyncSession. For sessions that are not async there is alkey.Alkey"
    )


def _own_class(given: Any, is_own: bool) -> Any:
    """A class of which nobody else has sessions, unless it was made here before."""
    if not isinstance(given, type):
        raise TypeError(f"{given!r} is the sync_session_class: expected a class, so that it can be bound")
    if is_own and _OWN in vars(given):
        return given
    return type(given.__name__, (given,), {_OWN: True, "__module__": given.__module__})
