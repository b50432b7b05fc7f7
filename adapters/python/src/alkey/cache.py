"""Keys and tokens as in alkey 0.7.1: relaxed, unless asked otherwise.

Other than in `alkey.Alkey`, text that is an identifier names what it says, since 0.7.1 had no other way. Text of users
is to be in a list. Bytes are text in UTF-8.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any, Literal
from uuid import uuid4

from alkey._gone import gone
from alkey.client import get_redis_client
from alkey.commands import Client
from alkey.errors import Unavailable
from alkey.front import Alkey
from alkey.parts import Identifier
from alkey.utils import get_object_id, is_identifier

log = logging.getLogger("alkey")


@lru_cache(maxsize=32)
def alkey_of(
    client: Client,
    namespace: str = "alkey",
    strict: bool = False,
    unavailable: Literal["deliver", "raise"] = "deliver",
    lease_ms: int | None = None,
    replica_lag_ms: int = 0,
) -> Alkey:
    """One for each client and its options, since it knows whether the server is away, and delivers what is late."""
    return Alkey(
        client,
        namespace,
        strict=strict,
        unavailable=unavailable,
        lease_ms=lease_ms,
        replica_lag_ms=replica_lag_ms,
    )


class CacheKeyGenerator:
    """Called with any mix of instances, classes, identifiers and values, gives a key."""

    def __init__(self, redis_client: Client | Alkey, session: Any = None) -> None:
        """`redis_client`: a client, for relaxed keys; or an Alkey, for keys as it makes them. `session`: the one that
        has read, or will read, the database; strict keys are made for its age."""
        self.alkey = redis_client if isinstance(redis_client, Alkey) else alkey_of(redis_client)
        self._session = session

    @property
    def redis(self) -> Client:
        return self.alkey.client

    def __call__(self, *args: Any) -> str:
        parts = [_part(arg, self.alkey.namespace) for arg in args]
        return self.alkey.key(*parts, session=self._session)


def get_cache_key_generator(request: Any = None) -> CacheKeyGenerator:
    """The generator for the server of the request's application; without a request, of the environment."""
    return CacheKeyGenerator(get_redis_client(request))


def get_token(redis_client: Client, instance: Any) -> str:
    """The token of an instance, a class or an identifier. It changes when the identifier's keys do."""
    alkey = alkey_of(redis_client)
    part = _part(get_object_id(instance), alkey.namespace)
    if not isinstance(part, Identifier):
        raise TypeError(f"{instance!r} has no token: expected a mapped instance or class, or an identifier")
    try:
        token = alkey.commands.token(part)
        if token is None:
            # To read a token makes no namespace, to ask for a key does.
            alkey.commands.key([part])
            token = alkey.commands.token(part)
    except Unavailable as error:
        log.info("a token that nobody else has is given, since the alkey server does not answer: %s", error)
        token = None
    return token or str(uuid4())


def _part(arg: Any, namespace: str) -> Any:
    if isinstance(arg, bytes) and not isinstance(arg, Identifier):
        arg = arg.decode("utf-8", "replace")
    if isinstance(arg, str):
        return _identifier(arg, namespace) if is_identifier(arg) else arg
    # What is mapped names all its tables itself.
    if hasattr(arg, "__tablename__") and not hasattr(arg, "__mapper__"):
        return _identifier(get_object_id(arg), namespace)
    return arg


def _identifier(text: str, namespace: str) -> Identifier:
    """In the generator's namespace, if the text names none of its own."""
    if text.startswith("alkey:"):
        text = namespace + text.removeprefix("alkey")
    return Identifier(text.encode("utf-8", "surrogateescape"))


def __getattr__(name: str) -> Any:
    return gone(
        __name__,
        name,
        {
            "get_cache_manager": "a region of dogpile.cache, and Alkey.cached",
            "get_token_key": "nothing: tokens are no keys of Redis any more, ALKEY.TOKEN gives them",
            "set_token": "Alkey.touch, which gives a new token; nobody can choose one",
        },
    )
