"""How old what a session has read may be, and whether it holds changes. Reads no database and asks no server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session, scoped_session

from alkey.sqlalchemy.events import is_in_outer, lives_of
from alkey.sqlalchemy.here import sessions_here
from alkey.sqlalchemy.instances import state_of
from alkey.sqlalchemy.loads import loaded_ns

# A plain tuple, since a key is asked for in each request.
Reading = tuple[int | None, bool, bool]
"""See the package."""


def reading_of(session: Session | scoped_session[Any] | None, things: Iterable[object]) -> Reading:
    """See the package."""
    sessions: list[Session] = []
    if session is not None:
        sessions.append(session() if isinstance(session, scoped_session) else session)
    since: int | None = None
    is_private = False
    is_known = True
    for thing in things:
        state = state_of(thing)
        if state is None:
            continue
        owner = state.session
        if owner is not None and owner not in sessions:
            sessions.append(owner)
        # One that is nowhere in the database yet is among the changes of its session.
        if owner is None or state.key is not None:
            is_of_known_age, loaded = loaded_ns(state)
            is_known = is_known and is_of_known_age
            if loaded is not None and (since is None or loaded < since):
                since = loaded
    for each in sessions or sessions_here():
        lives = lives_of(each)
        # This is whether it has new, deleted or modified instances, without making sets of them.
        if not each._is_clean() or is_in_outer(each):
            is_private = True
        for life in lives:
            is_private = is_private or life.has_written
            is_known = is_known and life.is_age_known
            began = life.since_ns
            if began is not None and (since is None or began < since):
                since = began
        if not lives and each.in_transaction():
            is_known = False
    return since, is_private, is_known
