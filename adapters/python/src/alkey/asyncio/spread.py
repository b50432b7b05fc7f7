"""Several namespaces for one application that is asyncio's: see `alkey.spread`. All are asked at the same time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterable, Sequence
from typing import TypeVar

from alkey.asyncio.commands import AsyncCommands
from alkey.asyncio.delivery import AsyncDelivery
from alkey.commands import Found
from alkey.spread import Groups, Several, Spread, by_namespace, combined_answers, combined_keys

T = TypeVar("T")


async def touch(commands: AsyncCommands, identifiers: Iterable[bytes]) -> None:
    await _all(commands.touch(those) for those in by_namespace(identifiers).values())


async def lookup(
    commands: AsyncCommands, groups: Groups, identifiers: Sequence[bytes], value: bytes
) -> Found:
    answers = await _all(commands.lookup(group) for group in groups.values())
    return combined_answers(groups, identifiers, answers, value)


async def key(commands: AsyncCommands, groups: Groups, identifiers: Sequence[bytes], value: bytes) -> str:
    keys = await _all(commands.key(group) for group in groups.values())
    return combined_keys(groups, identifiers, keys, value)


async def _all(calls: Iterable[Awaitable[T]]) -> list[T]:
    """Raises the first error, when all have been answered: none goes on that nobody waits for."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers  # type: ignore[return-value]


class AsyncDeliveries(Several[AsyncDelivery], AsyncDelivery):
    def __init__(self, commands: AsyncCommands, lease_ms: int | None, namespace: Spread) -> None:
        super().__init__(commands, lease_ms)
        self._others = {name: AsyncDelivery(commands, lease_ms) for name in namespace.others}

    async def flush(self, timeout_s: float) -> bool:
        end_s = time.monotonic() + timeout_s
        have_arrived = await super().flush(timeout_s)
        for other in self._others.values():
            have_arrived = await other.flush(max(0.0, end_s - time.monotonic())) and have_arrived
        return have_arrived

    async def stop(self) -> None:
        await super().stop()
        for other in self._others.values():
            await other.stop()
