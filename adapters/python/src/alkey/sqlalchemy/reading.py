"""How old what a session has read may be, and whether it holds changes. Reads no database and asks no server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy.orm import Session, scoped_session

from alkey.sqlalchemy.events import is_in_outer, lives_of
from alkey.sqlalchemy.here import sessions_here
from alkey.sqlalchemy.instances import state_of
from alkey.sqlalchemy.loads import loaded_ns


class Reading(NamedTuple):
    """See the package."""

    since_ns: int | None
    is_private: bool
    is_known: bool


def reading_of(session: Session | scoped_session[Any] | None, things: Iterable[object]) -> Reading:
    """See the package."""
    sessions: dict[Session, None] = {}
    if session is not None:
        sessions[session() if isinstance(session, scoped_session) else session] = None
    since: list[int] = []
    is_known = True
    for thing in things:
        state = state_of(thing)
        if state is None:
            continue
        owner = state.session
        if owner is not None:
            sessions[owner] = None
        # One that is nowhere in the database yet is among the changes of its session.
        if state.key is not None or owner is None:
            is_of_known_age, loaded = loaded_ns(state)
            is_known = is_known and is_of_known_age
            if loaded is not None:
                since.append(loaded)
    if not sessions:
        sessions = dict.fromkeys(here for here in sessions_here() if lives_of(here))
    is_private = False
    for each in sessions:
        lives = lives_of(each)
        # This is whether it has new, deleted or modified instances, without making sets of them.
        is_private = is_private or not each._is_clean() or is_in_outer(each)
        for life in lives:
            is_private = is_private or life.has_written
            is_known = is_known and life.is_age_known
            if life.since_ns is not None:
                since.append(life.since_ns)
        if not lives and each.in_transaction():
            is_known = False
    return Reading(min(since, default=None), is_private, is_known)
