"""What has to reach the server although nobody waits for it: COMMITs that did not arrive, and RECORDs of transactions
that the database takes long to commit.

`Backlog` keeps what waits. It is bounded: of too many rows their tables wait, of too many tables everything does. So
nothing is lost but with the process. After a fork the child begins anew: what waited is the parent's. `Delivery` brings
it by a daemon thread, which is started when there is something to do and ends when there has been nothing for a while;
`alkey.asyncio` by a task.

Knows no ORM, and asks no more of a transaction than `renew`.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from abc import ABC, abstractmethod
from typing import NamedTuple, Protocol
from uuid import uuid4

from alkey._names.identifier import everything, table_of
from alkey.commands import LEASE_MS_DEFAULT, Commands
from alkey.errors import AlkeyError, Unavailable
from alkey.place import server_of

log = logging.getLogger("alkey")

# Of all COMMITs that wait, together.
IDENTIFIERS_MAX = 100_000
BACKOFF_S_MIN = 0.02
BACKOFF_S_MAX = 1.0
IDLE_S_MAX = 10.0
# For so long a process that ends waits for what has not arrived.
AT_EXIT_S = 1.0


class Watched(Protocol):
    """A transaction, as far as it must be known here."""

    def renew(self) -> None: ...


class Counts(NamedTuple):
    """What happened since this process began, for a health check."""

    waiting: int
    """COMMITs that have not arrived yet."""
    delivered_late: int
    """COMMITs that arrived only in the background."""
    unrecorded: int
    """Transactions that went on although RECORD had not succeeded."""
    coarsened: int
    """How often so many rows waited that their tables, or everything, waits instead."""


class Backlog(ABC):
    """What must arrive, until it has. Threads share it."""

    def __init__(self, commands: Commands, lease_ms: int | None = None) -> None:
        self._commands = commands
        self._lease_ms = lease_ms
        self._delivered_late = self._unrecorded = self._coarsened = 0
        self._begin_anew()
        _living.add(self)

    def _begin_anew(self) -> None:
        self._changed = threading.Condition()
        self._watched: set[Watched] = set()
        self._waiting: dict[bytes, frozenset[bytes]] = {}
        self._waiting_identifiers = 0
        self._is_away = False
        self._backoff_s = BACKOFF_S_MIN
        self._next_try_s = 0.0

    @property
    def is_away(self) -> bool:
        """Whether a COMMIT failed, and none has arrived since. Then no request waits for the server's answer."""
        return self._is_away

    @property
    def server(self) -> str:
        """For the log."""
        return server_of(self._commands.client)

    @property
    def counts(self) -> Counts:
        with self._changed:
            return Counts(len(self._waiting), self._delivered_late, self._unrecorded, self._coarsened)

    @property
    def lease_ns(self) -> int:
        """The server's lease: the one that was given, else the one that it tells, which is asked once."""
        if self._lease_ms is None:
            try:
                self._lease_ms = lease_told(self._commands.lease_ms(), self.server)
            except AlkeyError:
                return LEASE_MS_DEFAULT * 1_000_000
        return self._lease_ms * 1_000_000

    def count_unrecorded(self, error: AlkeyError | None = None) -> None:
        """A transaction goes on without RECORD. No error: because the server was known to be away."""
        with self._changed:
            self._unrecorded += 1
        if error is not None:
            log.error("a write goes on unrecorded, so readers may get the old value for a while: %s", error)

    def commit(self, transaction: bytes, identifiers: frozenset[bytes]) -> None:
        """Sends COMMIT, in the background if it does not arrive at once. Never raises an Exception."""
        if self._is_away:
            self.commit_later(transaction, identifiers)
            return
        try:
            self._commands.commit(transaction, identifiers)
        except BaseException as error:
            self._is_away = True
            self.commit_later(transaction, identifiers)
            # The database has committed, so nothing may look like a write that failed, but who wants to end the
            # process ends it.
            if not isinstance(error, Exception):
                raise
            log.warning("a COMMIT did not arrive, and is sent in the background until it does: %s", error)

    def commit_later(self, transaction: bytes, identifiers: frozenset[bytes]) -> None:
        with self._changed:
            self._keep(transaction, identifiers)
            self._wake(hastens=True)

    def _keep(self, transaction: bytes, identifiers: frozenset[bytes]) -> None:
        with self._changed:
            known = self._waiting.get(transaction, frozenset())
            self._waiting[transaction] = known | identifiers
            self._waiting_identifiers += len(self._waiting[transaction]) - len(known)
            if self._waiting_identifiers > IDENTIFIERS_MAX:
                self._coarsen()

    def _coarsen(self) -> None:
        """One COMMIT of tables for all that wait. The server itself ends their flights, when their leases are over."""
        tables: dict[bytes, frozenset[bytes]] = {}
        for name, identifiers in self._waiting.items():
            namespace = name.rpartition(b":tx:")[0]
            tables[namespace] = tables.get(namespace, frozenset()) | {table_of(one) for one in identifiers}
        if sum(map(len, tables.values())) > IDENTIFIERS_MAX // 2:
            tables = {namespace: frozenset({everything(namespace.decode())}) for namespace in tables}
        self._waiting = {b"%b:tx:%b" % (name, str(uuid4()).encode()): ids for name, ids in tables.items()}
        self._waiting_identifiers = sum(map(len, tables.values()))
        self._coarsened += 1
        log.warning("too many rows wait for %s, so their tables wait instead", self.server)

    def watch(self, transaction: Watched) -> None:
        """Renews the transaction's RECORD until `unwatch`."""
        with self._changed:
            self._watched.add(transaction)
            # A thread that runs looks around by itself, several times in a lease.
            self._wake()

    def unwatch(self, transaction: Watched) -> None:
        with self._changed:
            self._watched.discard(transaction)

    @abstractmethod
    def _wake(self, hastens: bool = False) -> None:
        """Has somebody look after what waits and what is watched; at once, if it hastens. Called with the lock held."""

    @abstractmethod
    def _flush_at_exit(self, _timeout_s: float) -> bool:
        """Whether nothing waits any more."""

    def _due(self) -> list[tuple[bytes, frozenset[bytes]]]:
        return list(self._waiting.items()) if time.monotonic() >= self._next_try_s else []

    def _pause_s(self, lease_ms: int) -> float:
        """How long to rest. Those that are watched are looked at several times in a lease."""
        pause_s = min(0.5, lease_ms / 12e3)
        return min(pause_s, max(0.0, self._next_try_s - time.monotonic())) if self._waiting else pause_s

    def _has_arrived(self, name: bytes, identifiers: frozenset[bytes]) -> None:
        with self._changed:
            # It may have grown, or been coarsened, meanwhile.
            if self._waiting.get(name) == identifiers:
                del self._waiting[name]
                self._waiting_identifiers -= len(identifiers)
            self._delivered_late += 1
            self._is_away = False
            self._changed.notify_all()

    def _tried(self, failed: int, arrived: int) -> None:
        if failed:
            self._backoff_s = min(self._backoff_s * 2, BACKOFF_S_MAX)
            self._next_try_s = time.monotonic() + self._backoff_s
        else:
            self._backoff_s = BACKOFF_S_MIN
        if arrived:
            log.info("%d COMMITs arrived late at %s", arrived, self.server)


def lease_told(lease_ms: int | None, server: str) -> int:
    if lease_ms is None:
        log.warning(
            "%s does not tell its alkey.lease-ms, so it is taken to be %d: let this user call "
            "CONFIG GET, or say lease_ms=... to Alkey",
            server,
            LEASE_MS_DEFAULT,
        )
    return LEASE_MS_DEFAULT if lease_ms is None else lease_ms


class Delivery(Backlog):
    """The way to the server for what must arrive, by a thread."""

    def _begin_anew(self) -> None:
        super()._begin_anew()
        self._thread: threading.Thread | None = None
        self._is_resting = False

    def flush(self, timeout_s: float) -> bool:
        """Waits until every COMMIT has arrived. Whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, timeout_s)

    def _flush_at_exit(self, _timeout_s: float) -> bool:
        return self.flush(_timeout_s)

    def _wake(self, hastens: bool = False) -> None:
        if hastens and self._is_resting:
            self._changed.notify_all()
        if self._thread is not None:
            return
        thread = threading.Thread(target=self._run, name="alkey-delivery", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            # The interpreter is shutting down, or the system has no more threads: the next call tries again.
            log.warning("the background delivery of alkey can't start: %s", error)
        else:
            self._thread = thread

    def _run(self) -> None:
        idle_since_s = time.monotonic()
        while True:
            lease_ms = self.lease_ns // 1_000_000
            with self._changed:
                if self._watched or self._waiting:
                    idle_since_s = time.monotonic()
                elif time.monotonic() - idle_since_s > IDLE_S_MAX:
                    self._thread = None
                    return
                # While the server is away, nobody hastens the next try.
                self._is_resting = not self._is_away
                self._changed.wait(self._pause_s(lease_ms))
                self._is_resting = False
                watched = list(self._watched)
                waiting = self._due()
            self._renew(watched)
            self._deliver(waiting)

    def _renew(self, watched: list[Watched]) -> None:
        for transaction in watched:
            try:
                transaction.renew()
            except Exception as error:  # noqa: BLE001 - the thread must go on
                log.warning("a RECORD could not be renewed while the database commits: %s", error)

    def _deliver(self, waiting: list[tuple[bytes, frozenset[bytes]]]) -> None:
        failed = arrived = 0
        for name, identifiers in waiting:
            try:
                self._commands.commit(name, identifiers)
            except Exception as error:  # noqa: BLE001 - the thread must go on
                log.debug("a COMMIT still does not arrive: %s", error)
                failed += 1
                # Without the server the others would not arrive either. What it refuses holds none of them up.
                if isinstance(error, Unavailable):
                    break
                continue
            arrived += 1
            self._has_arrived(name, identifiers)
        self._tried(failed, arrived)


_living: weakref.WeakSet[Backlog] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for delivery in list(_living):
        delivery._begin_anew()


def _at_exit() -> None:
    end_s = time.monotonic() + AT_EXIT_S
    for delivery in list(_living):
        if not delivery._flush_at_exit(max(0.0, end_s - time.monotonic())):
            log.error(
                "the process ends, and %d COMMITs have not arrived at %s",
                delivery.counts.waiting,
                delivery.server,
            )


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_at_exit)
