"""The defects of alkey 0.7.1 that are of writers, each by the number that it has among all, and shown on the old way.

The old way is written down here in short: what 0.7.1 did at the same events of a session, with a dictionary for its
Redis. Each scenario says which keys are to change; the old way must get it wrong, and alkey right.

The others: 4 test_transactions (one session does not apply ...), 5 test_failures (renewed while the commit hangs),
6 test_failures (a writer that dies ...), 18 test_failures (deliver ..., raise ...), and test_defects_of_readers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

import pytest
import redis
import sqlalchemy as sa
from sqlalchemy.orm import RelationshipProperty, Session, sessionmaker

from alkey import Alkey
from models import Base, Document, Engineer, Order, Seat, Tag, User
from watch import Watch


class OldWay:
    """0.7.1's events, as in its handle.py and utils.py."""

    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self.tokens: dict[str, int] = {}
        self._changed: dict[Session, set[str]] = {}
        sa.event.listen(sessions, "before_flush", self._before_flush)
        sa.event.listen(sessions, "after_commit", self._after_commit)
        sa.event.listen(sessions, "after_soft_rollback", self._after_soft_rollback)

    def object_id(self, instance: Any) -> str:
        key = getattr(instance, "id", None)
        return f"alkey:{instance.__tablename__}#{key if isinstance(key, int) else '*'}"

    def _before_flush(self, session: Session, _context: Any, _instances: Any) -> None:
        changed = self._changed.setdefault(session, set())
        for instance in [*session.new, *session.dirty, *session.deleted]:
            changed.add(self.object_id(instance))
            for name, attribute in vars(type(instance)).items():
                relation = getattr(attribute, "property", None)
                if isinstance(relation, RelationshipProperty) and not relation.uselist:
                    parent = getattr(instance, f"{name}_id", None)
                    if parent:
                        changed.add(f"alkey:{relation.mapper.class_.__tablename__}#{parent}")

    def _after_commit(self, session: Session) -> None:
        for object_id in self._changed.pop(session, set()):
            for name in {object_id, object_id.partition("#")[0] + "#*", "alkey:*#*"}:
                self.tokens[name] = self.tokens.get(name, 0) + 1

    def _after_soft_rollback(self, session: Session, transaction: Any) -> None:
        if transaction.parent is not None:
            self._changed.pop(session, None)

    def token(self, name: str) -> int:
        # Anything else was a value, which never changes.
        if not re.fullmatch(r"alkey:([a-z_]+#([0-9]+|[*])|[*]#[*])", name):
            return 0
        return self.tokens.get(name, 0)

    def changed(self, names: Iterable[str], work: Callable[[], None]) -> set[str]:
        before = {name: self.token(f"alkey:{name}") for name in names}
        work()
        return {name for name, token in before.items() if self.token(f"alkey:{name}") != token}


Scenario = Callable[[sessionmaker[Session]], None]
SCENARIOS: list[Any] = []


def scenario(number: int, names: str, expected: str) -> Callable[[Scenario], Scenario]:
    """`expected`: those of `names` that are to change."""

    def register(run: Scenario) -> Scenario:
        SCENARIOS.append(
            pytest.param(run, names.split(), set(expected.split()), id=f"{number:02}_{run.__name__}")
        )
        return run

    return register


@scenario(1, "users#1 users#3", "users#3")
def a_rollback_does_not_discard(sessions: sessionmaker[Session]) -> None:
    with sessions() as session:
        session.get_one(User, 1).name = "never"
        session.flush()
        session.rollback()
        session.add(User(id=3))
        session.commit()


@scenario(2, "users#1 users#3", "users#1")
def a_rollback_to_a_savepoint_discards_too_much(sessions: sessionmaker[Session]) -> None:
    with sessions() as session:
        session.get_one(User, 1).name = "new"
        with session.begin_nested() as savepoint:
            session.add(User(id=3))
            session.flush()
            savepoint.rollback()
        session.commit()


@scenario(2, "users#1 users#2", "users#1")
def a_flush_that_fails_discards_too_much(sessions: sessionmaker[Session]) -> None:
    with sessions() as session:
        session.get_one(User, 1).name = "new"
        session.flush()
        with pytest.raises(sa.exc.IntegrityError), session.begin_nested():
            session.add(Document(id=UUID(int=1)))
            session.flush()
        session.commit()


@scenario(3, "users#1", "")
def a_released_savepoint_changes_keys(sessions: sessionmaker[Session]) -> None:
    with sessions() as session:
        with session.begin_nested():
            session.get_one(User, 1).name = "new"
        session.rollback()


@scenario(9, "Documents-2#*", "Documents-2#*")
def tables_of_other_names(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        session.add(Document())


@scenario(10, "tags#x tags#y seats#1,a seats#2,a", "tags#x seats#1,a")
def rows_of_other_keys(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        session.get_one(Tag, "x").note = "new"
        session.get_one(Seat, (1, "a")).taken = True


@scenario(12, "users#1 users#2", "users#1 users#2")
def a_bulk_update(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        session.execute(sa.update(User).values(visits=9))


@scenario(12, "users#1 users#2", "users#1")
def bulk_mappings(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        session.bulk_update_mappings(sa.inspect(User), [{"id": 1, "visits": 9}])


@scenario(12, "users#1 orders#1", "users#1 orders#1")
def text(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        session.execute(sa.text("UPDATE users SET visits = 9"))


@scenario(13, "people#1 engineers#1", "people#1 engineers#1")
def joined_inheritance(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        session.get_one(Engineer, 1).name = "new"


@scenario(14, "users#1 users#2 orders#1", "users#1 users#2 orders#1")
def another_parent(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        session.get_one(Order, 1).customer = 2


@scenario(14, "users#2 users#3", "users#2 users#3")
def another_primary_key(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        session.get_one(User, 2).id = 3


@scenario(15, "orders#1 orders#2", "orders#1")
def an_orphan(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        user = session.get_one(User, 1)
        user.orders[:] = [order for order in user.orders if order.id == 2]


@scenario(21, "users#1", "")
def nothing_changed(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        user = session.get_one(User, 1)
        user.name = str(user.name)


@scenario(23, "users#1 users#3", "users#3")
def a_session_that_was_left(sessions: sessionmaker[Session]) -> None:
    with sessions() as session:
        session.get_one(User, 1).name = "never"
        session.flush()
    # 0.7.1 kept its set under the session's number, and this is the same session.
    with session:
        session.add(User(id=3))
        session.commit()


@pytest.mark.parametrize(("run", "names", "expected"), SCENARIOS)
def test_defect(
    pg_engine: sa.Engine,
    client: redis.Redis,
    namespace: str,
    run: Scenario,
    names: list[str],
    expected: set[str],
) -> None:
    Base.metadata.create_all(pg_engine)
    with Session(pg_engine) as session, session.begin():
        session.add_all(
            [
                User(id=1, name="a", orders=[Order(id=1), Order(id=2)]),
                User(id=2),
                Tag(name="x"),
                Tag(name="y"),
            ]
        )
        session.add_all(
            [Seat(row=1, letter="a"), Seat(row=2, letter="a"), Engineer(id=1), Document(id=UUID(int=1))]
        )
    # Both at once, on the same session.
    sessions = sessionmaker(pg_engine)
    old_way = OldWay(sessions)
    Alkey(client, namespace).bind(sessions)
    with Watch(client, namespace).changed(" ".join(names)) as changed:
        changed_by_the_old_way = old_way.changed(names, lambda: run(sessions))
    assert changed == expected
    assert changed_by_the_old_way != expected


def test_the_old_way_is_right_where_it_was(pg_engine: sa.Engine) -> None:
    Base.metadata.create_all(pg_engine)
    sessions = sessionmaker(pg_engine)
    old_way = OldWay(sessions)

    def insert() -> None:
        with sessions.begin() as session:
            session.add(User(id=1))

    assert old_way.changed(["users#1", "users#2", "users#*", "*#*"], insert) == {"users#1", "users#*", "*#*"}
