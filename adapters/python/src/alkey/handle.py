"""What handled SQLAlchemy's events in alkey 0.7.1, and is no more."""

from __future__ import annotations

raise ImportError(
    "alkey.handle was in alkey 0.7.1 and is no more: use Alkey.bind for sessions, Alkey.touch for what others change"
)
