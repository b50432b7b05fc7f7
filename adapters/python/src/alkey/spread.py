"""Several namespaces for one application, as on a cluster, where one namespace lives on one shard: which table is in
which, keys that span them, and a database transaction that changes rows in several.

Invalidation only ever makes keys newer, so nothing has to be atomic between namespaces: a transaction is recorded in
each before the database commits, and committed in each afterwards.

Knows no ORM. `Spread` is the namespace that everybody is given: only `identifier` looks into it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import uuid4

from alkey._names.identifier import checked_namespace, namespace_of, namespaces_of
from alkey.commands import Commands, Found
from alkey.delivery import Backlog, Counts, Delivery
from alkey.transaction import Transaction

if TYPE_CHECKING:
    from typing_extensions import Self

D = TypeVar("D", bound=Backlog)

Groups = Mapping[str, list[bytes]]
"""Identifiers by namespace."""

_VERSION = b"alkey spread 1"


class Spread(str):
    """The namespace of all tables but those that are in others. No other one is equal to it."""

    others: frozenset[str]
    _of_tables: dict[str, str]

    def __new__(cls, namespace: str, others: Mapping[str, Iterable[str]]) -> Self:
        made = super().__new__(cls, namespace)
        made._of_tables = {}
        for other, tables in others.items():
            checked_namespace(other)
            if isinstance(tables, str):
                raise TypeError(
                    f"namespaces has {tables!r} for {other!r}: expected a list of names of tables"
                )
            for table in (name.removeprefix("public.") for name in tables):
                if made._of_tables.setdefault(table, other) != other:
                    raise ValueError(f"the table {table!r} is in two namespaces: expected one")
        made.others = frozenset(others) - {namespace}
        return made

    def of(self, table: str, schema: str | None) -> str:
        return self._of_tables.get(table if schema is None else f"{schema}.{table}", str(self))

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other


def by_namespace(identifiers: Iterable[bytes]) -> dict[str, list[bytes]]:
    """In the order in which the namespaces come."""
    found: dict[str, list[bytes]] = {}
    for one in identifiers:
        found.setdefault(namespace_of(one), []).append(one)
    return found


def touch(commands: Commands, identifiers: Iterable[bytes]) -> None:
    for those in by_namespace(identifiers).values():
        commands.touch(those)


def lookup(commands: Commands, groups: Groups, identifiers: Sequence[bytes], value: bytes) -> Found:
    """One LOOKUP in each namespace."""
    return combined_answers(groups, identifiers, [commands.lookup(group) for group in groups.values()], value)


def key(commands: Commands, groups: Groups, identifiers: Sequence[bytes], value: bytes) -> str:
    return combined_keys(groups, identifiers, [commands.key(group) for group in groups.values()], value)


def combined_answers(
    groups: Groups, identifiers: Sequence[bytes], answers: Sequence[Found], value: bytes
) -> Found:
    """It is settled for as long as all have been, and in flight while one is."""
    settled = [each.settled_ms for each in answers if each.settled_ms is not None]
    key = combined_keys(groups, identifiers, [each.key for each in answers], value)
    return Found(key, min(settled, default=None))


def combined_keys(groups: Groups, identifiers: Sequence[bytes], keys: Iterable[str], value: bytes) -> str:
    """The keys, all of one length, tell what each namespace has; in which order is told beside them."""
    places = {namespace: place for place, namespace in enumerate(groups)}
    order = ",".join(str(places[namespace_of(one)]) for one in identifiers)
    parts = (_VERSION, "".join(keys).encode(), order.encode(), value)
    return hashlib.sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).hexdigest()


class Several(Backlog, Generic[D]):
    """The way to each namespace, since a node that is away is to hold up nothing that goes to others. Its own way leads
    to the first one."""

    _others: Mapping[str, D]

    def of(self, namespace: str) -> Backlog:
        return self._others.get(namespace, self)

    @property
    def counts(self) -> Counts:
        each = [super().counts, *(other.counts for other in self._others.values())]
        return Counts(*map(sum, zip(*each, strict=True)))


class Deliveries(Several[Delivery], Delivery):
    def __init__(self, commands: Commands, lease_ms: int | None, namespace: Spread) -> None:
        super().__init__(commands, lease_ms)
        self._others = {name: Delivery(commands, lease_ms) for name in namespace.others}

    def flush(self, timeout_s: float) -> bool:
        end_s = time.monotonic() + timeout_s
        have_arrived = super().flush(timeout_s)
        for other in self._others.values():
            have_arrived = other.flush(max(0.0, end_s - time.monotonic())) and have_arrived
        return have_arrived


def commit_touched_later(delivery: Backlog, identifiers: Iterable[bytes]) -> None:
    """What a TOUCH did not bring: as a COMMIT, which waits until it arrives."""
    for namespace, those in by_namespace(identifiers).items():
        transaction = f"{namespace}:tx:{uuid4()}".encode()
        delivery_to(delivery, namespace).commit_later(transaction, frozenset(those))


def delivery_to(delivery: Backlog, namespace: str) -> Backlog:
    return delivery.of(namespace) if isinstance(delivery, Several) else delivery


class Transactions:
    """One database transaction with a `Transaction` in each namespace, of which most have nothing to say."""

    def __init__(self, namespace: Spread, begin: Callable[[str], Transaction]) -> None:
        self._each = {name: begin(name) for name in sorted(namespaces_of(namespace))}

    @property
    def is_deciding(self) -> bool:
        return any(each.is_deciding for each in self._each.values())

    @property
    def identifiers(self) -> frozenset[bytes]:
        return frozenset().union(*(each.identifiers for each in self._each.values()))

    def add(self, identifiers: Iterable[bytes], scope: Hashable = None) -> None:
        for namespace, those in by_namespace(identifiers).items():
            self._each[namespace].add(those, scope)

    def add_new(self, identifier: bytes, scope: Hashable = None) -> bool:
        return self._each[namespace_of(identifier)].add_new(identifier, scope)

    def remove(self, identifier: bytes, scope: Hashable = None) -> None:
        self._each[namespace_of(identifier)].remove(identifier, scope)

    def enter(self, savepoint: Hashable, scope: Hashable = None) -> None:
        self._all("enter", savepoint, scope)

    def release(self, savepoint: Hashable, scope: Hashable = None) -> None:
        self._all("release", savepoint, scope)

    def roll_back_to(self, savepoint: Hashable, scope: Hashable = None) -> None:
        self._all("roll_back_to", savepoint, scope)

    def record(self) -> None:
        self._all("record")

    def decide(self) -> None:
        # All of them may refuse before one of them is told that the database decides.
        self._all("record")
        self._all("decide")

    def renew(self) -> None:
        self._all("renew")

    def committed(self) -> None:
        self._all("committed")

    def rolled_back(self) -> None:
        self._all("rolled_back")

    def abandoned(self) -> None:
        self._all("abandoned")

    def _all(self, method: str, *arguments: Any) -> None:
        for each in self._each.values():
            getattr(each, method)(*arguments)


AnyTransaction = Transaction | Transactions
