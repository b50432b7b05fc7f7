"""Cache keys that invalidate themselves: the Python adapter of the Redis module alkey.

    alkey = Alkey("redis://localhost:6379")
    alkey.bind(Session)                                # what sessions change is recorded and committed
    alkey.key(user, "profile")                         # changes when this user does
    alkey.cached(region, user, "profile", load=...)    # the cached value, or a new one

`Alkey` is in `front.py`. The names of alkey 0.7.1 are in `events`, `cache`, `client`, `constants` and `utils`; Pyramid
finds `includeme` here. To import this imports no client, no SQLAlchemy and no Pyramid.
"""

from __future__ import annotations

from typing import Any

from alkey._gone import gone
from alkey.errors import AlkeyError, ModuleNotLoaded, NoCanonicalForm, NoIdentifier, Refused, Unavailable
from alkey.front import Alkey
from alkey.keys import Lookup, is_private
from alkey.parts import Identifier

__all__ = [
    "Alkey",
    "AlkeyError",
    "Identifier",
    "Lookup",
    "ModuleNotLoaded",
    "NoCanonicalForm",
    "NoIdentifier",
    "Refused",
    "Unavailable",
    "includeme",
    "is_private",
]


def includeme(config: Any) -> None:
    """What `config.include("alkey")` calls."""
    from alkey.pyramid import includeme

    includeme(config)


def __getattr__(name: str) -> Any:
    return gone(
        __name__,
        name,
        {
            "get_cache_key_generator": "alkey.cache.get_cache_key_generator",
            "get_cache_manager": "a region of dogpile.cache, and Alkey.cached",
            "bind_to_events": "alkey.events.bind",
        },
    )
