"""What has to reach the server although nobody waits for it, by a task of the event loop. See `alkey.delivery`.

The invariant: once the database has committed, no cancellation keeps a COMMIT from being sent. It is sent by a task of
its own, and is still waiting if that one fails. Where the event loop ends before it has arrived, the log says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from alkey.asyncio.commands import AsyncCommands, CommandsInGreenlet
from alkey.commands import LEASE_MS_DEFAULT
from alkey.delivery import AT_EXIT_S, Backlog, Watched, lease_told
from alkey.errors import AlkeyError, Unavailable

log = logging.getLogger("alkey")

Rest = asyncio.Future[None]


class AsyncDelivery(Backlog):
    """The way to the server for what must arrive. The tasks of one event loop share it; of one at a time."""

    def __init__(self, commands: AsyncCommands, lease_ms: int | None = None) -> None:
        self._awaited = commands
        super().__init__(CommandsInGreenlet(commands), lease_ms)

    def _begin_anew(self) -> None:
        super()._begin_anew()
        self._task: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._resting: set[Rest] = set()
        self._flushing: set[Rest] = set()

    def commit(self, transaction: bytes, identifiers: frozenset[bytes]) -> None:
        """Sends COMMIT, in the background if it does not arrive at once, or if who waits for it is cancelled. To be
        called in SQLAlchemy's greenlet. Never raises an Exception."""
        from sqlalchemy.exc import MissingGreenlet
        from sqlalchemy.util import await_only

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.commit_later(transaction, identifiers)
            return
        if self._is_away:
            self.commit_later(transaction, identifiers)
            return
        sending = loop.create_task(self._send(transaction, identifiers), name="alkey-commit")
        self._sending.add(sending)
        sending.add_done_callback(self._was_sent)
        # A session that is used without its greenlet does not wait.
        with contextlib.suppress(MissingGreenlet):
            await_only(asyncio.shield(sending))

    async def _send(self, transaction: bytes, identifiers: frozenset[bytes]) -> None:
        try:
            await self._awaited.commit(transaction, identifiers)
        except AlkeyError as error:
            self._is_away = True
            self.commit_later(transaction, identifiers)
            log.warning("a COMMIT did not arrive, and is sent in the background until it does: %s", error)
        except asyncio.CancelledError:
            # Nobody knows this task but who ends the event loop.
            self._keep(transaction, identifiers)
            await self._try_for_the_last_time()
            raise

    def _was_sent(self, sending: asyncio.Task[None]) -> None:
        self._sending.discard(sending)
        _end(self._flushing)

    async def flush(self, timeout_s: float) -> bool:
        """Waits until every COMMIT has arrived. Whether that is so."""
        loop = asyncio.get_running_loop()
        end_s = time.monotonic() + timeout_s
        while self._waiting or any(sending.get_loop() is loop for sending in self._sending):
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                return False
            self._wake()
            await _rest(self._flushing, left_s)
        return True

    async def stop(self) -> None:
        """Ends the task. What waits is tried once more; what then waits still, waits for another event loop."""
        task, self._task = self._task, None
        if task is not None and not task.done() and task.get_loop() is asyncio.get_running_loop():
            task.cancel()
            await asyncio.wait({task})

    def _flush_at_exit(self, _timeout_s: float) -> bool:
        # There is no event loop any more.
        return not self._waiting

    def _wake(self, hastens: bool = False) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            # The next call within an event loop does it.
            return
        if self._task is None or self._task.done() or self._task.get_loop() is not loop:
            self._resting = set()
            self._task = loop.create_task(self._run(), name="alkey-delivery")
        elif hastens and not self._is_away:
            _end(self._resting)

    async def _run(self) -> None:
        """Until there is nothing to do."""
        try:
            while self._watched or self._waiting:
                await _rest(self._resting, self._pause_s(await self._lease_ms_asked()))
                await self._renew(list(self._watched))
                await self._deliver(self._due())
        except asyncio.CancelledError:
            await self._try_for_the_last_time()
            raise

    async def _lease_ms_asked(self) -> int:
        if self._lease_ms is None:
            with contextlib.suppress(AlkeyError):
                self._lease_ms = lease_told(await self._awaited.lease_ms(), self.server)
        return LEASE_MS_DEFAULT if self._lease_ms is None else self._lease_ms

    async def _renew(self, watched: list[Watched]) -> None:
        for transaction in watched:
            from sqlalchemy.util import greenlet_spawn

            try:
                await greenlet_spawn(transaction.renew)
            except Exception as error:  # noqa: BLE001 - the task must go on
                log.warning("a RECORD could not be renewed while the database commits: %s", error)

    async def _deliver(self, waiting: list[tuple[bytes, frozenset[bytes]]]) -> None:
        failed = arrived = 0
        for name, identifiers in waiting:
            try:
                await self._awaited.commit(name, identifiers)
            except AlkeyError as error:
                log.debug("a COMMIT still does not arrive: %s", error)
                failed += 1
                # Without the server the others would not arrive either. What it refuses holds none of them up.
                if isinstance(error, Unavailable):
                    break
                continue
            arrived += 1
            self._has_arrived(name, identifiers)
            _end(self._flushing)
        self._tried(failed, arrived)

    async def _try_for_the_last_time(self) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._deliver(list(self._waiting.items())), AT_EXIT_S)
        if self._waiting:
            log.error(
                "the event loop ends, and %d COMMITs have not arrived at %s", len(self._waiting), self.server
            )


async def _rest(resting: set[Rest], seconds: float) -> None:
    """For so long, or until somebody ends it."""
    loop = asyncio.get_running_loop()
    rest: Rest = loop.create_future()
    timer = loop.call_later(seconds, _end, {rest})
    resting.add(rest)
    try:
        await rest
    finally:
        timer.cancel()
        resting.discard(rest)


def _end(resting: set[Rest]) -> None:
    for rest in resting:
        if not rest.done():
            rest.set_result(None)
