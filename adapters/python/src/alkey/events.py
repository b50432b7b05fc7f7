"""Binding as in alkey 0.7.1: `from alkey import events; events.bind(Session)`."""

from __future__ import annotations

from typing import Any

from alkey.cache import alkey_of
from alkey.client import get_redis_client
from alkey.commands import Client


def bind(session_cls: Any, client: Client | None = None) -> None:
    """From now on, what sessions change is recorded and committed, on the server that the environment names, or on that
    of `client`. `session_cls`: a Session class, a sessionmaker, a scoped_session, or a Session."""
    alkey_of(get_redis_client() if client is None else client).bind(session_cls)
