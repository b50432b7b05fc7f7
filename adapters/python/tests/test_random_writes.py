"""Random sessions against an oracle: what the database holds before and after each commit.

Every row that differs has a new key, and so has its table. A row that no step of the committed transaction named, and
that no changed row points at, has its old one. After a rollback every key is the old one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
import sqlalchemy as sa
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from alkey import Alkey
from alkey._names import identifier
from models import Base, Child, Engineer, Grandchild, Order, Parent, Seat, Tag, User
from random_steps import (
    KEYS,
    OTHERS,
    ROWS,
    WRITES,
    Row,
    Run,
    Step,
    enter_savepoint,
    release_savepoint,
    roll_back_to_savepoint,
)

ENDS = ("commit", "commit", "commit", "rollback", "close")

Call = tuple[Step, int, int]

keys = st.sampled_from(KEYS)
calls = st.lists(st.tuples(st.sampled_from(WRITES + OTHERS), keys, keys), min_size=1, max_size=3)


def in_savepoint(inner: st.SearchStrategy[list[Call]]) -> st.SearchStrategy[list[Call]]:
    ends = st.sampled_from((release_savepoint, roll_back_to_savepoint))
    return st.builds(lambda work, end: [(enter_savepoint, 1, 1), *work, (end, 1, 1)], inner, ends)


blocks = st.recursive(calls, lambda inner: inner | in_savepoint(inner), max_leaves=3)
works = st.lists(blocks, min_size=1, max_size=4).map(lambda each: [call for block in each for call in block])
transactions = st.lists(st.tuples(works, st.sampled_from(ENDS)), min_size=1, max_size=4)


class Oracle:
    """What is in the database, and what the keys are. The namespace is the last word of each."""

    def __init__(self, engine: sa.Engine, client: redis.Redis, namespace: str) -> None:
        self._engine = engine
        self._client = client
        self._namespace = namespace
        self._names = {
            (table, key): identifier.row(namespace, table, key)
            for table, keys in ROWS.items()
            for key in keys
        }
        self._tables = {table: identifier.table(namespace, table) for table in ROWS}

    def contents(self) -> dict[Row, tuple[Any, ...]]:
        with self._engine.connect() as connection:
            return dict(self._read(connection))

    def _read(self, connection: sa.Connection) -> Iterator[tuple[Row, tuple[Any, ...]]]:
        for name in ROWS:
            table = Base.metadata.tables[name]
            for row in connection.execute(sa.select(table)):
                yield (name, tuple(row._mapping[column] for column in table.primary_key)), tuple(row)

    def tokens(self) -> tuple[dict[Row, Any], dict[str, Any]]:
        pipeline = self._client.pipeline(transaction=False)
        pipeline.execute_command("ALKEY.KEY", f"{self._namespace}:*#*")
        for one in (*self._names.values(), *self._tables.values()):
            pipeline.execute_command("ALKEY.TOKEN", one)
        found = iter(pipeline.execute()[1:])
        return {row: next(found) for row in self._names}, {table: next(found) for table in self._tables}


# Some steps fail, as a row that is there is added again, and SQLAlchemy warns of it before the database does.
@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_what_differs_has_a_new_key_and_nothing_else(
    database: str, request: pytest.FixtureRequest, client: redis.Redis, namespace: str
) -> None:
    engine: sa.Engine = request.getfixturevalue(
        {"sqlite": "sqlite_engine", "postgresql": "pg_engine"}[database]
    )
    Base.metadata.create_all(engine)
    plain, bound = sessionmaker(engine), sessionmaker(engine)
    Alkey(client, namespace).bind(bound)
    oracle = Oracle(engine, client, namespace)

    @settings(
        max_examples={"sqlite": 150, "postgresql": 50}[database],
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(transactions)
    def check(work: list[tuple[list[Call], str]]) -> None:
        with plain.begin() as session:
            for table in reversed(Base.metadata.sorted_tables):
                session.execute(sa.delete(table))
            session.add_all([User(id=1, name="n", orders=[Order(id=1)]), User(id=2, name="m")])
            session.add_all([Tag(name="x"), Seat(row=1, letter="a"), Engineer(id=1)])
            for row in (Parent(id=1), Child(id=1, parent_id=1), Grandchild(id=1, child_id=1)):
                session.add(row)
                session.flush()
        with bound() as session:
            for chosen, end in work:
                check_transaction(oracle, session, chosen, end)

    check()


def check_transaction(oracle: Oracle, session: Session, chosen: list[Call], end: str) -> None:
    run = Run(session)
    contents, (rows, tables) = oracle.contents(), oracle.tokens()
    try:
        for step, key, other in chosen:
            step(run, key, other)
        # Of all savepoints that are still open.
        getattr(session, end)()
    except SQLAlchemyError as error:
        note(f"rolled back: {type(error).__name__}: {error}")
        session.rollback()
        end = "rollback"
    contents_after, (rows_after, tables_after) = oracle.contents(), oracle.tokens()
    differ = {
        row for row in contents.keys() | contents_after.keys() if contents.get(row) != contents_after.get(row)
    }
    told = {row for row in rows if rows[row] != rows_after[row]}
    told_tables = {table for table in tables if tables[table] != tables_after[table]}
    note(f"{end}: differ {differ}, told {told}")
    if end == "commit":
        assert differ <= told, f"stale: {differ - told}"
        assert {table for table, _ in differ} <= told_tables
        may_change = set().union(*run.may_change)
        assert told <= may_change, f"changed for nothing: {told - may_change}"
    else:
        assert differ == set()
        assert told == set()
        assert told_tables == set()
