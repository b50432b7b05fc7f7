"""The sessions that this thread, or this task of asyncio, has used and not ended: who asks for a key and names no
session will most likely read by one of them, or has read by one already.

Knows of sessions only that they can be held weakly. A session that another thread began is not seen here.
"""

from __future__ import annotations

import weakref
from contextvars import ContextVar

from sqlalchemy.orm import Session

# A task begins with what the one that made it had. So this is never changed in place, but replaced.
_begun: ContextVar[tuple[weakref.ref[Session], ...]] = ContextVar("alkey sessions", default=())


def begins(session: Session) -> None:
    """The session has begun a transaction here."""
    alive = [(reference, reference()) for reference in _begun.get()]
    if all(other is not session for _, other in alive):
        _begun.set((*(reference for reference, other in alive if other is not None), weakref.ref(session)))


def sessions_here() -> list[Session]:
    """Those that began here, ended or not."""
    return [session for reference in _begun.get() if (session := reference()) is not None]
