"""What alkey 0.7.1 did at the same events and calls, on a real Redis: its handle.py, cache.py and utils.py in short.

For the tests of its defects, which show that it gets wrong what alkey gets right. Its package needs Python 2.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import Any

import redis
import sqlalchemy as sa
from sqlalchemy.orm import RelationshipProperty, Session, sessionmaker

CHANGED_SET_EXPIRES_S = 3600
TOKEN_EXPIRES_S = 86400
RETRY_DELAY_S = 0.3

_identifier = re.compile(r"alkey:([a-z_]+#([0-9]+|[*])|[*]#[*])")


class OldWay:
    """One process of an application."""

    def __init__(self, client: redis.Redis, clock: Callable[[], datetime] | None = None) -> None:
        self.client = client
        self._clock = clock or (lambda: datetime.now(timezone.utc))
        # SQLAlchemy numbers the sessions of a process.
        self._numbers = itertools.count(1)

    # handle.py

    def bind(self, sessions: sessionmaker[Session]) -> None:
        sa.event.listen(sessions, "before_flush", self._before_flush)
        sa.event.listen(sessions, "after_commit", self._after_commit)
        sa.event.listen(sessions, "after_soft_rollback", self._after_soft_rollback)

    def changed_set(self, session: Session) -> str:
        number = session.info.get(self)
        if number is None:
            number = session.info[self] = next(self._numbers)
        return f"alkey.handle.CHANGED:{number}"

    def _before_flush(self, session: Session, _context: Any, _instances: Any) -> None:
        changed = set()
        for instance in [*session.new, *session.dirty, *session.deleted]:
            changed.add(self.object_id(instance))
            for name, attribute in vars(type(instance)).items():
                relation = getattr(attribute, "property", None)
                if isinstance(relation, RelationshipProperty) and not relation.uselist:
                    parent = getattr(instance, f"{name}_id", None)
                    if parent:
                        changed.add(f"alkey:{relation.mapper.class_.__tablename__}#{parent}")
        self._resiliently(lambda: self._record(self.changed_set(session), changed))

    def _record(self, changed_set: str, identifiers: set[str]) -> None:
        pipeline = self.client.pipeline()
        pipeline.sadd(changed_set, *identifiers)
        pipeline.expire(changed_set, CHANGED_SET_EXPIRES_S)
        pipeline.execute()

    def _after_commit(self, session: Session) -> None:
        self._resiliently(lambda: self._invalidate(self.changed_set(session)))

    def _invalidate(self, changed_set: str) -> None:
        members: set[bytes] = self.client.smembers(changed_set)  # type: ignore[assignment]
        if not members:
            return
        value, tables = self._stamp(), set()
        pipeline = self.client.pipeline(transaction=False)
        for member in sorted(map(bytes.decode, members)):
            self._set_token(pipeline, member, value)
            tables.add(member.partition("#")[0] + "#*")
            pipeline.srem(changed_set, member)
        for identifier in (*tables, "alkey:*#*"):
            self._set_token(pipeline, identifier, value)
        pipeline.execute()

    def _after_soft_rollback(self, session: Session, transaction: Any) -> None:
        if transaction.parent is not None:
            self._resiliently(lambda: self.client.delete(self.changed_set(session)))

    # cache.py

    def token(self, identifier: str) -> str:
        try:
            found: Any = self.client.get(f"alkey.cache.TOKENS:{identifier}")
        except redis.ConnectionError:
            return self._stamp()
        return str(found.decode()) if found is not None else self.make_token(identifier)

    def make_token(self, identifier: str) -> str:
        """The second half of a read that found none."""
        token = self._stamp()
        self._resiliently(lambda: self._set_token(self.client, identifier, token))
        return token

    def _set_token(self, client: Any, identifier: str, token: str) -> None:
        client.set(f"alkey.cache.TOKENS:{identifier}", token, ex=TOKEN_EXPIRES_S)

    def key(self, *arguments: object) -> str:
        segments = []
        for argument in arguments:
            text = str(self.object_id(argument))
            if _identifier.fullmatch(text):
                segments.append(self.token(text))
            segments.append(text)
        return "/".join(segments)

    # utils.py

    def object_id(self, instance: Any) -> Any:
        if not hasattr(instance, "__tablename__"):
            return instance
        key = getattr(instance, "id", None)
        return f"alkey:{instance.__tablename__}#{key if isinstance(key, int) else '*'}"

    def _stamp(self) -> str:
        return str(self._clock())

    def _resiliently(self, call: Callable[[], Any]) -> None:
        try:
            call()
        except redis.ConnectionError:
            time.sleep(RETRY_DELAY_S)
            with contextlib.suppress(redis.ConnectionError):
                call()

    # For the tests

    def changed(self, names: Iterable[str], work: Callable[[], None]) -> set[str]:
        """Of these names those whose keys `work` changes."""
        before = {name: self.key(f"alkey:{name}") for name in names}
        work()
        return {name for name, key in before.items() if self.key(f"alkey:{name}") != key}
