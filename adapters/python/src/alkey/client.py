"""The client of alkey 0.7.1: of the settings of a Pyramid application, or of the environment.

    redis.url               REDIS_URL               redis://localhost:6379, with the credentials
    redis.db                REDIS_DB                that of the URL, or 0
    redis.max_connections   REDIS_MAX_CONNECTIONS   no limit

The same configuration is the same client, and another one is another.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from alkey._gone import gone
from alkey.commands import Client
from alkey.connect import client_of

_URL_DEFAULT = "redis://localhost:6379"


def get_redis_client(request: Any = None) -> Client:
    """The client of the request's application; without a request, that of the environment."""
    return client_of_settings({} if request is None else request.registry.settings)


def client_of_settings(settings: Mapping[str, Any]) -> Client:
    def of(setting: str, variable: str) -> str | None:
        value = settings.get(setting)
        return os.environ.get(variable) if value in (None, "") else str(value)

    db = _number("redis.db or REDIS_DB", of("redis.db", "REDIS_DB"))
    limit = _number(
        "redis.max_connections or REDIS_MAX_CONNECTIONS", of("redis.max_connections", "REDIS_MAX_CONNECTIONS")
    )
    return _client(of("redis.url", "REDIS_URL") or _URL_DEFAULT, db, limit)


def _number(name: str, text: str | None) -> int | None:
    if text is None or text == "":
        return None
    if not text.isdecimal():
        raise ValueError(f"{name} is {text!r}: expected a whole number")
    return int(text)


@lru_cache(maxsize=32)
def _client(url: str, db: int | None, max_connections: int | None) -> Client:
    if db is not None and not url.startswith("unix:"):
        # A client takes the URL's number before one that it is given.
        url = urlunsplit(urlsplit(url)._replace(path=f"/{db}"))
    options: dict[str, Any] = {"db": db or 0}
    if max_connections is not None:
        options["max_connections"] = max_connections
    return client_of(url, **options)


def __getattr__(name: str) -> Any:
    return gone(__name__, name, {"GetRedisClient": "alkey.client.get_redis_client, or a client of your own"})
