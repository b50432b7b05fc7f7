"""The constants of alkey 0.7.1."""

from __future__ import annotations

from typing import Any

from alkey._gone import gone

GLOBAL_WRITE_TOKEN = "alkey:*#*"  # noqa: S105 - it names everything, and is no secret
"""Names everything: a key with it changes when anything does."""


def __getattr__(name: str) -> Any:
    server = "nothing: the server keeps the tokens, and forgets none"
    return gone(
        __name__,
        name,
        {
            "CACHE_INI_NAMESPACES": "a region of dogpile.cache",
            "CHANGED_KEY": "ALKEY.PENDING, which tells what is in flight",
            "CHANGED_SET_EXPIRES": "the server's alkey.lease-ms",
            "MAX_CACHE_DURATION": server,
            "TOKEN_NAMESPACE": server,
        },
    )
