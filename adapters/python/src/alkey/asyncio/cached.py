"""Look in the cache, and on a miss load and store: by one task of all that miss at the same time.

As `alkey.cached`, with the same invariant. Who loads does so in its own task, with its own session, so it may be
cancelled as any task may: then one of those who wait loads.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from alkey.cached import arguments_of, set_item

if TYPE_CHECKING:
    from alkey.asyncio.front import AsyncAlkey
    from alkey.keys import Lookup

T = TypeVar("T")


class Region(Protocol):
    """A region of dogpile.cache. Its lock, which would hold up the event loop, is not used."""

    def get(self, key: str, expiration_time: Any = None) -> Any: ...

    def get_or_create(self, key: str, creator: Callable[[], Any]) -> Any: ...

    def set(self, key: str, value: Any) -> Any: ...


class GetSet(Protocol):
    """Clients of redis.asyncio and valkey.asyncio, aiocache; also what is not awaited, if it is quick. `get` gives None
    for a miss, and the third argument of `set` is the time to live in seconds. It is not given where there is none."""

    def get(self, key: str, /) -> Any: ...

    def set(self, key: str, value: Any, /) -> Any: ...


AsyncCache = Region | GetSet | MutableMapping[Any, Any]


async def fetch(
    cache: AsyncCache,
    found: Lookup,
    load: Callable[[], Awaitable[T]],
    ttl: float | None,
    may_store: Callable[[], bool],
) -> T:
    """What is stored under the key, or else what `load` gives."""
    if not found.is_shared:
        return await load()
    get, set_, miss = _methods(cache, ttl)
    value = await _result(get(found.key))
    if value is not miss:
        return value  # type: ignore[no-any-return]
    async with _one_at_a_time(cache, found.key):
        # Who held the lock before has stored it, most likely.
        value = await _result(get(found.key))
        if value is not miss:
            return value  # type: ignore[no-any-return]
        loaded = await load()
        if loaded is not miss and may_store():
            await _result(set_(found.key, loaded))
        return loaded


async def _result(given: Any) -> Any:
    return await given if inspect.isawaitable(given) else given


def _methods(cache: Any, ttl: float | None) -> tuple[Callable[[str], Any], Callable[[str, Any], Any], object]:
    """How to get and to set, and what a miss looks like."""
    if hasattr(cache, "get_or_create"):
        from dogpile.cache.api import NO_VALUE

        return functools.partial(cache.get, expiration_time=ttl), cache.set, NO_VALUE
    if hasattr(cache, "set"):
        return cache.get, cache.set if ttl is None else lambda key, value: cache.set(key, value, ttl), None
    if isinstance(cache, MutableMapping):
        return cache.get, functools.partial(set_item, cache, ttl=ttl), None
    raise TypeError(
        f"{type(cache).__qualname__} is no cache: expected an object with get and set, awaited or not, a region of "
        "dogpile.cache, or a mutable mapping"
    )


class _Flight:
    """The tasks that want the same key of the same cache."""

    __slots__ = ("lock", "passengers", "pilot")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.passengers = 0
        self.pilot: asyncio.Task[Any] | None = None


_flights: dict[tuple[int, int, str], _Flight] = {}


@asynccontextmanager
async def _one_at_a_time(cache: object, key: str) -> AsyncIterator[None]:
    # Who waits holds the cache and the event loop, so their ids are nobody else's.
    name = (id(asyncio.get_running_loop()), id(cache), key)
    me = asyncio.current_task()
    flight = _flights.setdefault(name, _Flight())
    if flight.pilot is me:
        raise RuntimeError(
            "what is loaded asks the cache for itself: expected a value that needs only others"
        )
    flight.passengers += 1
    try:
        async with flight.lock:
            flight.pilot = me
            try:
                yield
            finally:
                flight.pilot = None
    finally:
        flight.passengers -= 1
        if flight.passengers == 0:
            del _flights[name]


def decorated(
    alkey: AsyncAlkey, cache: AsyncCache, parts: Sequence[object], ttl: float | None
) -> Callable[[Any], Any]:
    """As `alkey.cached.decorated`, for coroutine functions."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        if not inspect.iscoroutinefunction(function):
            raise TypeError(
                f"{function.__qualname__} can't be cached: expected a coroutine function, `async def`"
            )
        parts_and_session = arguments_of(function, parts)

        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            own_parts, session = parts_and_session(args, kwargs)
            load = functools.partial(function, *args, **kwargs)
            return await alkey.cached(cache, *own_parts, load=load, ttl=ttl, session=session)

        return wrapper

    return decorate
