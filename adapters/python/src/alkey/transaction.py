"""One database transaction: what it changed, with its savepoints, and what the server is told of it.

    add, enter, release, roll_back_to    while it runs
    record()                             before the database's PREPARE, if it has two phases
    decide()                             when nothing but the database's COMMIT is left to do
    committed() or rolled_back()         when the database has decided
    abandoned()                          when it may decide yet, and nobody will learn what

Knows no ORM: whoever listens to one drives this. Invariants: once `record` has succeeded, `committed` or `rolled_back`
ends the flight, however they are called and whatever the server does, and after `abandoned` its lease does; and none of
them ever raises what the server did.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Hashable, Iterable
from typing import Literal
from uuid import uuid4

from alkey._names.identifier import everything, table_of
from alkey.commands import Commands
from alkey.delivery import Backlog
from alkey.errors import AlkeyError, Unavailable

log = logging.getLogger("alkey")

Policy = Literal["deliver", "raise"]
Outcome = Literal["committed", "rolled back", "unknown"]

# Of more rows than this the tables are told. The server does the same by default, and takes 100000 in one call.
IDENTIFIERS_MAX = 10_000


class _Layer:
    """What was changed since a savepoint; the lowest one since the transaction began."""

    __slots__ = ("identifiers", "savepoint")

    def __init__(self, savepoint: Hashable) -> None:
        self.savepoint = savepoint
        self.identifiers: set[bytes] = set()


class Transaction:
    """One database transaction, or several that are committed together, each of which is a scope with savepoints of
    its own."""

    def __init__(self, commands: Commands, delivery: Backlog, namespace: str, unavailable: Policy) -> None:
        self._commands = commands
        self._delivery = delivery
        self._namespace = namespace
        self._unavailable = unavailable
        self._stacks: dict[Hashable, list[_Layer]] = {}
        # What the layers hold together, until one of them changes: it is asked for at each step of a commit.
        self._together: frozenset[bytes] | None = None
        self._name: bytes | None = None
        self._sent: frozenset[bytes] = frozenset()
        self._recorded_ns: int | None = None
        self._outcome: Outcome | None = None
        self._is_deciding = False
        # As one that went on unrecorded.
        self._is_counted = False

    @property
    def is_deciding(self) -> bool:
        """Whether the database was told to commit, so that only it knows what came of it."""
        return self._is_deciding

    # While it runs

    def add(self, identifiers: Iterable[bytes], scope: Hashable = None) -> None:
        """What was changed, since the savepoint that this scope entered last."""
        self._together = None
        top = self._stack(scope)[-1]
        top.identifiers.update(identifiers)
        if len(top.identifiers) > IDENTIFIERS_MAX:
            top.identifiers = _coarser(top.identifiers, self._namespace)

    def add_new(self, identifier: bytes, scope: Hashable = None) -> bool:
        """As `add`; whether it was not there yet, so that it may be removed again."""
        self._together = None
        top = self._stack(scope)[-1].identifiers
        is_new = identifier not in top
        top.add(identifier)
        return is_new

    def remove(self, identifier: bytes, scope: Hashable = None) -> None:
        self._together = None
        self._stack(scope)[-1].identifiers.discard(identifier)

    def enter(self, savepoint: Hashable, scope: Hashable = None) -> None:
        self._stack(scope).append(_Layer(savepoint))

    def release(self, savepoint: Hashable, scope: Hashable = None) -> None:
        """What was changed since the savepoint is from now on a change of what is around it."""
        for layer in self._pop(savepoint, scope):
            self.add(layer.identifiers, scope)

    def roll_back_to(self, savepoint: Hashable, scope: Hashable = None) -> None:
        """What was changed since the savepoint never happened."""
        self._pop(savepoint, scope)

    def _stack(self, scope: Hashable) -> list[_Layer]:
        stack = self._stacks.get(scope)
        if stack is None:
            stack = self._stacks[scope] = [_Layer(None)]
        return stack

    def _pop(self, savepoint: Hashable, scope: Hashable) -> list[_Layer]:
        self._together = None
        stack = self._stack(scope)
        # One that was entered before anybody told: then nothing is dropped, since a change too many costs but a miss.
        start = next(
            (at for at in range(len(stack) - 1, 0, -1) if stack[at].savepoint == savepoint), len(stack)
        )
        popped = stack[start:]
        del stack[start:]
        return popped

    # When the database decides

    def record(self) -> None:
        """Puts the changes in flight, unless that was done a short time ago. Raises, if the policy is to refuse what
        can't be recorded, and the database was not told to commit."""
        identifiers = self.identifiers
        if not identifiers or self._outcome is not None:
            return
        if not identifiers <= self._sent or self._is_due():
            self._sent = identifiers
            if self._unavailable == "deliver" and self._delivery.is_away:
                self._go_on_unrecorded()
            else:
                self._record_in_time()
        self._delivery.watch(self)

    def decide(self) -> None:
        """As `record`; and from now on the database may have committed."""
        self.record()
        self._is_deciding = True

    def _record_in_time(self) -> None:
        try:
            self._send_record()
            if self._is_due():
                self._send_record()
            if self._is_due():
                raise Unavailable(
                    f"{self._delivery.server} took so long to answer ALKEY.RECORD that the lease may be over before "
                    "the commit"
                )
        except AlkeyError as error:
            if self._unavailable == "raise" and not self._is_deciding:
                raise
            self._go_on_unrecorded(error)

    def _go_on_unrecorded(self, error: AlkeyError | None = None) -> None:
        if not self._is_counted:
            self._is_counted = True
            self._delivery.count_unrecorded(error)

    def _send_record(self) -> None:
        # The lease begins when the server gets the command, which is after this moment.
        sent_ns = time.monotonic_ns()
        self._commands.record(self._transaction_name(), self._sent)
        self._recorded_ns = sent_ns

    def _is_due(self) -> bool:
        """Whether a third of the lease has passed since the last RECORD that was answered."""
        return (
            self._recorded_ns is None
            or time.monotonic_ns() - self._recorded_ns > self._delivery.lease_ns // 3
        )

    def renew(self) -> None:
        """Called by the delivery while the database decides."""
        if self._recorded_ns is None or not self._is_due() or self._outcome is not None:
            return
        self._send_record()
        # The outcome may have been told while this was on its way, and this has put it in flight again.
        if self._outcome == "committed":
            self._delivery.commit_later(self._transaction_name(), self._sent)
        elif self._outcome == "rolled back":
            self._commands.discard(self._transaction_name())

    def committed(self) -> None:
        """The database has committed, or has answered so that nobody knows. Never raises an Exception."""
        identifiers = self.identifiers
        if identifiers is not self._sent:
            identifiers |= self._sent
        if self._end("committed") and identifiers:
            self._delivery.commit(self._transaction_name(), identifiers)

    def rolled_back(self) -> None:
        """The database has certainly not committed. Never raises an Exception."""
        # Nobody waits for a server that is away to say this: the lease ends the flight as well.
        if self._end("rolled back") and self._name is not None and not self._delivery.is_away:
            try:
                self._commands.discard(self._name)
            except AlkeyError as error:
                log.info("a DISCARD did not arrive, so some keys change when the lease is over: %s", error)

    def abandoned(self) -> None:
        """The connection broke while the database was committing, and it may commit yet. So the changes stay in flight
        until the lease is over; then the server takes them for committed. Never raises an Exception."""
        if self._recorded_ns is None or self._is_counted:
            self.committed()
        else:
            self._end("unknown")

    def _end(self, outcome: Outcome) -> bool:
        """Whether this is the first outcome that is told."""
        if self._outcome is not None:
            return False
        self._outcome = outcome
        self._delivery.unwatch(self)
        return True

    def _transaction_name(self) -> bytes:
        if self._name is None:
            self._name = f"{self._namespace}:tx:{uuid4()}".encode()
        return self._name

    @property
    def identifiers(self) -> frozenset[bytes]:
        """All that was changed, and not rolled back with its savepoint."""
        if self._together is None:
            layers = [layer.identifiers for stack in self._stacks.values() for layer in stack]
            together = frozenset().union(*layers)
            if len(together) > IDENTIFIERS_MAX:
                together = frozenset(_coarser(together, self._namespace))
            self._together = together
        return self._together


def _coarser(identifiers: Iterable[bytes], namespace: str) -> set[bytes]:
    """The tables of these rows; if they are too many, too, everything."""
    tables = {table_of(identifier) for identifier in identifiers}
    return tables if len(tables) <= IDENTIFIERS_MAX else {everything(namespace)}
