"""Pyramid: `config.include("alkey")` binds the application's sessions and extends its requests.

    request.cache_key(...)   a key, as alkey.cache.CacheKeyGenerator makes it
    request.alkey            the Alkey
    request.redis            its client

    redis.url, redis.db, redis.max_connections   see alkey.client; they come before the environment
    alkey.session_cls       dotted path of what to bind                          pyramid_basemodel.Session
    alkey.strict            whether request.cache_key and request.alkey are strict    false
    alkey.namespace, alkey.unavailable, alkey.lease_ms, alkey.replica_lag_ms          see alkey.Alkey

It knows no more of sessions than to hand them to `Alkey.bind`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from pyramid.path import DottedNameResolver
from pyramid.settings import asbool

from alkey.cache import CacheKeyGenerator, alkey_of
from alkey.client import client_of_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alkey.front import Alkey

_SESSION_DEFAULT = "pyramid_basemodel.Session"


def includeme(config: Any) -> None:
    settings = config.registry.settings
    alkey = _alkey(settings)
    sessions = _sessions(settings)
    alkey.bind(sessions)
    # A registry of sessions gives this thread's; from a class or a maker nobody knows which session will read.
    reader = sessions if hasattr(sessions, "registry") else None
    config.add_request_method(lambda _request: alkey, "alkey", reify=True)
    config.add_request_method(lambda _request: alkey.client, "redis", reify=True)
    config.add_request_method(lambda _request: CacheKeyGenerator(alkey, reader), "cache_key", reify=True)


def _alkey(settings: Mapping[str, Any]) -> Alkey:
    lease_ms = settings.get("alkey.lease_ms")
    return alkey_of(
        client_of_settings(settings),
        settings.get("alkey.namespace", "alkey"),
        strict=asbool(settings.get("alkey.strict", False)),
        unavailable=cast(Literal["deliver", "raise"], settings.get("alkey.unavailable", "deliver")),
        lease_ms=None if lease_ms is None else int(lease_ms),
        replica_lag_ms=int(settings.get("alkey.replica_lag_ms", 0)),
    )


def _sessions(settings: Mapping[str, Any]) -> Any:
    path = settings.get("alkey.session_cls", _SESSION_DEFAULT)
    try:
        return DottedNameResolver().maybe_resolve(path)
    except (ImportError, AttributeError) as error:
        raise ImportError(
            f"alkey can't bind to {path!r}: expected the setting alkey.session_cls to be the dotted path of a "
            "scoped_session, a sessionmaker or a Session class"
        ) from error
