"""`AsyncAlkey`: `alkey.Alkey` for asyncio. What is asked of the server, of a cache and of who loads is awaited.

Writers are hooked by the sync session under each AsyncSession. SQLAlchemy runs it in a greenlet, where it waits for the
server while other tasks go on. So this shares with `Alkey` all but the waiting.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, ParamSpec, TypeVar, cast, overload

from alkey.asyncio import spread
from alkey.asyncio.cached import AsyncCache, decorated, fetch
from alkey.asyncio.commands import AsyncClient, AsyncCommands, CommandsInGreenlet
from alkey.asyncio.delivery import AsyncDelivery
from alkey.asyncio.spread import AsyncDeliveries
from alkey.cluster import AsyncRouted, is_cluster
from alkey.connect import async_client_of
from alkey.delivery import AT_EXIT_S
from alkey.errors import Unavailable
from alkey.keys import Keys, Lookup, LookupFields, WhyPrivate, private
from alkey.parts import Encoded, encode
from alkey.spread import Spread, commit_touched_later

if TYPE_CHECKING:
    from typing_extensions import Self

log = logging.getLogger("alkey")

P = ParamSpec("P")
T = TypeVar("T")


class _Writers(NamedTuple):
    """What the events of sessions ask of an Alkey: see `alkey.sqlalchemy.Front`."""

    commands: CommandsInGreenlet
    delivery: AsyncDelivery
    namespace: str
    unavailable: Literal["deliver", "raise"]


class AsyncAlkey(Keys):
    """Cache keys of one namespace on one server. The options are those of `Alkey`.

    client    a client of redis.asyncio or valkey.asyncio, or a URL: redis://, rediss://, unix://, valkey://, valkeys://

    As a context manager it is closed at the end, as in the lifespan of an application. It can be used again, also in
    another event loop, but not in two at a time.
    """

    def __init__(
        self,
        client: AsyncClient | str,
        namespace: str = "alkey",
        *,
        strict: bool = True,
        unavailable: Literal["deliver", "raise"] = "deliver",
        replica_lag_ms: int = 0,
        lease_ms: int | None = None,
        namespaces: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        super().__init__(namespace, namespaces, strict, unavailable, replica_lag_ms)
        self._has_own_client = isinstance(client, str)
        self.client: AsyncClient = async_client_of(client) if isinstance(client, str) else client
        if is_cluster(self.client):
            self._spans = True
            self.commands = AsyncCommands(AsyncRouted(self.client))
        else:
            self.commands = AsyncCommands(self.client)
        self.delivery = (
            AsyncDeliveries(self.commands, lease_ms, self.namespace)
            if isinstance(self.namespace, Spread)
            else AsyncDelivery(self.commands, lease_ms)
        )
        self._writers = _Writers(
            CommandsInGreenlet(self.commands), self.delivery, self.namespace, self.unavailable
        )

    async def aclose(self, timeout_s: float = AT_EXIT_S) -> None:
        """Waits for the COMMITs that have not arrived, for so long at most, and closes the connections of a client that
        was made from a URL."""
        await self.delivery.flush(timeout_s)
        await self.delivery.stop()
        if self._has_own_client:
            await cast(Any, self.client).aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    # Writers

    def bind(self, target: Any) -> None:
        """From now on, what sessions change is recorded and committed. `target`: an AsyncSession class, an
        async_sessionmaker or an async_scoped_session, before it has made sessions; or an AsyncSession."""
        from alkey.asyncio.sessions import sync_target_of
        from alkey.sqlalchemy import bind, see_engines_of

        see_engines_of(target, self.namespace)
        bind(self._writers, sync_target_of(target))

    async def touch(self, *things: object) -> None:
        """Changes the keys of what others than bound sessions have changed. To be called after their commit."""
        identifiers = self._identifiers_to_touch(things)
        try:
            await spread.touch(self.commands, identifiers)
        except Unavailable as error:
            if self.unavailable == "raise":
                raise
            log.warning("a TOUCH did not arrive and is sent in the background, as a COMMIT: %s", error)
            commit_touched_later(self.delivery, identifiers)

    # Readers

    async def key(self, *parts: object, session: Any = None) -> str:
        """The key to store under what is made of `parts`: a private one if it may not be shared."""
        return (await self._ask(encode(parts, self._identify), session))[0]

    async def lookup(self, *parts: object, session: Any = None) -> Lookup:
        """The key, and why it is private if it is. `session` is the one that has read, or will read, the database."""
        return Lookup(*await self._ask(encode(parts, self._identify), session))

    @overload
    def cached(
        self,
        cache: AsyncCache,
        *parts: object,
        load: Callable[[], Awaitable[T]],
        ttl: float | None = None,
        session: Any = None,
    ) -> Coroutine[Any, Any, T]: ...

    @overload
    def cached(
        self, cache: AsyncCache, *parts: object, ttl: float | None = None
    ) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Coroutine[Any, Any, T]]]: ...

    def cached(
        self,
        cache: AsyncCache,
        *parts: object,
        load: Callable[[], Awaitable[Any]] | None = None,
        ttl: float | None = None,
        session: Any = None,
    ) -> Any:
        """To be awaited: what `cache` has for `parts`, or else what `load()` gives, which is stored if it may be.

        Without `load` it is a decorator of coroutine functions: the function's name and its arguments are parts, too.
        """
        if load is None:
            return decorated(self, cache, parts, ttl)
        return self._fetched(cache, parts, load, ttl, session)

    async def _fetched(
        self,
        cache: AsyncCache,
        parts: tuple[object, ...],
        load: Callable[[], Awaitable[T]],
        ttl: float | None,
        session: Any,
    ) -> T:
        encoded = encode(parts, self._identify)
        found = Lookup(*await self._ask(encoded, session))
        _, _, things = encoded
        return await fetch(cache, found, load, ttl, lambda: self._may_store(session, things))

    async def _ask(self, encoded: Encoded, session: Any) -> LookupFields:
        identifiers, value, things = encoded
        arguments = [*identifiers, b"--", value]
        groups = self._groups(identifiers)
        try:
            if not self.strict:
                if len(groups) > 1:
                    return self._relaxed(await spread.key(self.commands, groups, identifiers, value))
                return self._relaxed(await self.commands.key(arguments))
            before_ns, why_private = self._reading(session, things)
            if why_private is not None:
                return private(why_private)
            if len(groups) > 1:
                found = await spread.lookup(self.commands, groups, identifiers, value)
            else:
                found = await self.commands.lookup(arguments)
            # While this task waited for the answer, another one may have begun to read.
            since_ns, why_private = self._reading(session, things)
            if why_private is not None:
                return private(why_private)
            return self._judged(
                found, min((ns for ns in (before_ns, since_ns) if ns is not None), default=None)
            )
        except Unavailable as error:
            return self._unanswered(error)

    def _reading(self, session: Any, things: list[object]) -> tuple[int | None, WhyPrivate | None]:
        if session is not None:
            from alkey.asyncio.sessions import sync_session_of

            session = sync_session_of(session)
        return super()._reading(session, things)
