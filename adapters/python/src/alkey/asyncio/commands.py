"""The module's commands through a client of redis.asyncio or valkey.asyncio: to be awaited, or, where SQLAlchemy runs
code that can't await, in its greenlet.

Replies and errors are those of `alkey.commands`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Any, Protocol, cast

from alkey.commands import Argument, Client, Commands, Found, found_in, lease_ms_in, text_of, translated
from alkey.errors import Refused


class AsyncClient(Protocol):
    """What is asked of a client."""

    def execute_command(self, *args: Any, **options: Any) -> Awaitable[Any]: ...

    def __hash__(self) -> int: ...


class AsyncCommands:
    """The commands that applications use. Each is one round trip."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        self._execute = client.execute_command

    async def record(self, transaction: bytes, identifiers: Iterable[bytes]) -> int:
        return int(await self._call("ALKEY.RECORD", transaction, *identifiers))

    async def commit(self, transaction: bytes, identifiers: Iterable[bytes] = ()) -> int:
        return int(await self._call("ALKEY.COMMIT", transaction, *identifiers))

    async def discard(self, transaction: bytes) -> int:
        return int(await self._call("ALKEY.DISCARD", transaction))

    async def touch(self, identifiers: Iterable[Argument]) -> int:
        return int(await self._call("ALKEY.TOUCH", *identifiers))

    async def key(self, parts: Iterable[Argument]) -> str:
        return text_of(await self._call("ALKEY.KEY", *parts))

    async def key_ro(self, parts: Iterable[Argument]) -> str | None:
        key = await self._call("ALKEY.KEY_RO", *parts)
        return None if key is None else text_of(key)

    async def lookup(self, parts: Iterable[Argument]) -> Found:
        return found_in(await self._call("ALKEY.LOOKUP", *parts))

    async def token(self, identifier: Argument) -> str | None:
        token = await self._call("ALKEY.TOKEN", identifier)
        return None if token is None else text_of(token)

    async def lease_ms(self) -> int | None:
        """The server's lease, or None if it does not tell: CONFIG is often forbidden to applications."""
        try:
            return lease_ms_in(await self._call("CONFIG GET", "alkey.lease-ms"))
        except Refused:
            return None

    async def _call(self, *arguments: Argument) -> Any:
        try:
            return await self._execute(*arguments)
        except Exception as error:
            raise translated(error, arguments[0], self.client) from error


class CommandsInGreenlet(Commands):
    """For code that SQLAlchemy runs in its greenlet, as its events are: it waits while other tasks go on."""

    def __init__(self, commands: AsyncCommands) -> None:
        super().__init__(cast(Client, commands.client))
        self._execute = self._wait

    def _wait(self, *arguments: Argument) -> Any:
        from sqlalchemy.util import await_only

        return await_only(self.client.execute_command(*arguments))
