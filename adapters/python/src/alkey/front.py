"""`Alkey`: keys that change when what they depend on changes, for strict and for relaxed readers.

It ties the parts of the package together and knows none of their insides: `parts` makes bytes of what it is given,
`commands` asks the server, `keys` says whether the answer may be used. Its twin for asyncio is in `alkey.asyncio`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, ParamSpec, TypeVar, overload

from alkey import spread
from alkey.cached import Cache, decorated, fetch
from alkey.cluster import Routed, is_cluster
from alkey.commands import Client, Commands
from alkey.connect import client_of
from alkey.delivery import Delivery
from alkey.errors import Unavailable
from alkey.keys import Keys, Lookup, LookupFields, private
from alkey.parts import Encoded, encode
from alkey.spread import Deliveries, Spread, commit_touched_later, touch

log = logging.getLogger("alkey")

P = ParamSpec("P")
T = TypeVar("T")


class Alkey(Keys):
    """Cache keys of one namespace on one server.

    client          a client of redis-py or valkey-py, or a URL: redis://, rediss://, unix://, valkey://, valkeys://
    namespace       "alkey", or "alkey{TAG}" for one of several databases, tenants or applications on one server
    namespaces      tables that are in other namespaces, as {"alkey{TAG}": ["table", "schema.table"]}
    strict          whether keys are for strict readers
    unavailable     what becomes of a write that can't be recorded: "deliver" lets it go on, and delivers its COMMIT as
                    soon as can be; "raise" refuses it
    replica_lag_ms  how far behind the database is that is read, if it is a replica
    lease_ms        the server's alkey.lease-ms, where CONFIG GET is forbidden
    """

    def __init__(
        self,
        client: Client | str,
        namespace: str = "alkey",
        *,
        strict: bool = True,
        unavailable: Literal["deliver", "raise"] = "deliver",
        replica_lag_ms: int = 0,
        lease_ms: int | None = None,
        namespaces: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        super().__init__(namespace, namespaces, strict, unavailable, replica_lag_ms)
        self.client: Client = client_of(client) if isinstance(client, str) else client
        if is_cluster(self.client):
            self._spans = True
            self.commands = Commands(Routed(self.client))
        else:
            self.commands = Commands(self.client)
        self.delivery = (
            Deliveries(self.commands, lease_ms, self.namespace)
            if isinstance(self.namespace, Spread)
            else Delivery(self.commands, lease_ms)
        )

    # Writers

    def bind(self, target: Any) -> None:
        """From now on, what sessions change is recorded and committed. `target`: a Session class, a sessionmaker, a
        scoped_session, or a Session."""
        from alkey.sqlalchemy import bind

        bind(self, target)

    def touch(self, *things: object) -> None:
        """Changes the keys of what others than bound sessions have changed. To be called after their commit."""
        identifiers = self._identifiers_to_touch(things)
        try:
            touch(self.commands, identifiers)
        except Unavailable as error:
            if self.unavailable == "raise":
                raise
            log.warning("a TOUCH did not arrive and is sent in the background, as a COMMIT: %s", error)
            commit_touched_later(self.delivery, identifiers)

    # Readers

    def key(self, *parts: object, session: Any = None) -> str:
        """The key to store under what is made of `parts`: a private one if it may not be shared."""
        return self._ask(encode(parts, self._identify), session)[0]

    def lookup(self, *parts: object, session: Any = None) -> Lookup:
        """The key, and why it is private if it is. `session` is the one that has read, or will read, the database."""
        return Lookup(*self._ask(encode(parts, self._identify), session))

    @overload
    def cached(
        self,
        cache: Cache,
        *parts: object,
        load: Callable[[], T],
        ttl: float | None = None,
        session: Any = None,
    ) -> T: ...

    @overload
    def cached(
        self, cache: Cache, *parts: object, ttl: float | None = None
    ) -> Callable[[Callable[P, T]], Callable[P, T]]: ...

    def cached(
        self,
        cache: Cache,
        *parts: object,
        load: Callable[[], Any] | None = None,
        ttl: float | None = None,
        session: Any = None,
    ) -> Any:
        """What `cache` has for `parts`, or else what `load` returns, which is stored if it may be.

        Without `load` it is a decorator: the function's name and its arguments are parts, too.
        """
        if load is None:
            return decorated(self, cache, parts, ttl)
        encoded = encode(parts, self._identify)
        found = Lookup(*self._ask(encoded, session))
        _, _, things = encoded
        return fetch(cache, found, load, ttl, lambda: self._may_store(session, things))

    def _ask(self, encoded: Encoded, session: Any) -> LookupFields:
        identifiers, value, things = encoded
        arguments = [*identifiers, b"--", value]
        groups = self._groups(identifiers)
        try:
            if not self.strict:
                if len(groups) > 1:
                    return self._relaxed(spread.key(self.commands, groups, identifiers, value))
                return self._relaxed(self.commands.key(arguments))
            since_ns, why_private = self._reading(session, things)
            if why_private is not None:
                return private(why_private)
            if len(groups) > 1:
                return self._judged(spread.lookup(self.commands, groups, identifiers, value), since_ns)
            return self._judged(self.commands.lookup(arguments), since_ns)
        except Unavailable as error:
            return self._unanswered(error)
