"""Look in the cache, and on a miss load and store: by one of all who miss at the same time.

It knows neither the server nor sessions: it is told a key, and whether what was loaded may be stored. The invariant: a
value is stored only under the key that was looked up before it was loaded, and never under a private one.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import threading
import types
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from alkey.front import Alkey
    from alkey.keys import Lookup

T = TypeVar("T")


class Region(Protocol):
    """A region of dogpile.cache. Its lock lets one load while others wait, also in other processes if its backend has
    such a lock."""

    def get_or_create(
        self,
        key: str,
        creator: Callable[[], Any],
        *,
        expiration_time: Any,
        should_cache_fn: Callable[[Any], bool],
    ) -> Any: ...


class GetSet(Protocol):
    """Clients of Redis, Valkey and memcached, Django's and Flask's caches, diskcache: `get` gives None for a miss, and
    the third argument of `set` is the time to live in seconds. It is not given where there is none."""

    def get(self, key: str, /) -> Any: ...

    def set(self, key: str, value: Any, /) -> Any: ...


Cache = Region | GetSet | MutableMapping[Any, Any]


def fetch(
    cache: Cache, found: Lookup, load: Callable[[], T], ttl: float | None, may_store: Callable[[], bool]
) -> T:
    """What is stored under the key, or else what `load` returns."""
    if not found.is_shared:
        return load()
    if hasattr(cache, "get_or_create"):
        region = cast(Region, cache)
        value = region.get_or_create(
            found.key, load, expiration_time=ttl, should_cache_fn=lambda _value: may_store()
        )
        return cast(T, value)
    get, set_ = _methods(cache)
    value = get(found.key)
    if value is not None:
        return cast(T, value)
    with _one_at_a_time(cache, found.key):
        # Who held the lock before has stored it, most likely.
        value = get(found.key)
        if value is not None:
            return cast(T, value)
        loaded = load()
        # None is what a miss looks like.
        if loaded is not None and may_store():
            if ttl is None:
                set_(found.key, loaded)
            else:
                set_(found.key, loaded, ttl)
        return loaded


def _methods(cache: Any) -> tuple[Callable[[str], Any], Callable[..., Any]]:
    if hasattr(cache, "set"):
        return cache.get, cache.set
    if isinstance(cache, MutableMapping):
        return cache.get, functools.partial(set_item, cache)
    raise TypeError(
        f"{type(cache).__qualname__} is no cache: expected a region of dogpile.cache, an object with get and set, "
        "or a mutable mapping"
    )


def set_item(mapping: MutableMapping[Any, Any], key: str, value: object, ttl: float | None = None) -> None:
    if ttl is not None:
        raise TypeError(
            f"a {type(mapping).__qualname__} keeps no time to live: expected ttl=None, or another cache"
        )
    mapping[key] = value


class _Flight:
    """Those of one process who want the same key of the same cache."""

    __slots__ = ("lock", "passengers", "pilot")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.passengers = 0
        self.pilot: int | None = None


_flights: dict[tuple[int, str], _Flight] = {}
_flights_lock = threading.Lock()


def _land() -> None:
    """In a child after a fork: who flew did so in its parent."""
    global _flights_lock
    _flights.clear()
    _flights_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_land)


@contextmanager
def _one_at_a_time(cache: object, key: str) -> Iterator[None]:
    # The cache is held by who waits for it, so its id is nobody else's.
    name = (id(cache), key)
    me = threading.get_ident()
    with _flights_lock:
        flight = _flights.setdefault(name, _Flight())
        if flight.pilot == me:
            raise RuntimeError(
                "what is loaded asks the cache for itself: expected a value that needs only others"
            )
        flight.passengers += 1
    try:
        with flight.lock:
            flight.pilot = me
            try:
                yield
            finally:
                flight.pilot = None
    finally:
        with _flights_lock:
            flight.passengers -= 1
            if flight.passengers == 0:
                del _flights[name]


def decorated(alkey: Alkey, cache: Cache, parts: Sequence[object], ttl: float | None) -> Callable[[Any], Any]:
    """The decorator. A part that is a function is called with the arguments, and gives a part. An argument that is a
    session is the one that reads, and no part of the key."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            raise TypeError(
                f"{function.__qualname__} can't be cached: expected a function that returns its value"
            )
        parts_and_session = arguments_of(function, parts)

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            own_parts, session = parts_and_session(args, kwargs)
            load = functools.partial(function, *args, **kwargs)
            return alkey.cached(cache, *own_parts, load=load, ttl=ttl, session=session)

        return wrapper

    return decorate


Arguments = Callable[[tuple[Any, ...], dict[str, Any]], tuple[list[object], Any]]


def arguments_of(function: Callable[..., Any], parts: Sequence[object]) -> Arguments:
    """Makes the parts of a call, and its session, of the call's arguments."""
    signature = inspect.signature(function)
    name = f"{function.__module__}.{function.__qualname__}"

    def parts_and_session(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[object], Any]:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = dict(bound.arguments)
        sessions = [argument for argument, value in arguments.items() if _is_session(value)]
        session = arguments.pop(sessions[0]) if sessions else None
        if len(sessions) > 1:
            raise TypeError(f"{name} was given {len(sessions)} sessions: expected one at most")
        made = [part(*args, **kwargs) if isinstance(part, types.FunctionType) else part for part in parts]
        return [name, *made, arguments], session

    return parts_and_session


def _is_session(value: object) -> bool:
    orm = sys.modules.get("sqlalchemy.orm")
    if orm is not None and isinstance(value, (orm.Session, orm.scoped_session)):
        return True
    ext = sys.modules.get("sqlalchemy.ext.asyncio")
    return ext is not None and isinstance(value, (ext.AsyncSession, ext.async_scoped_session))
