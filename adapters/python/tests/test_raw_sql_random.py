"""Texts by chance, executed on real databases: every table whose content they change is named."""

from __future__ import annotations

import os
from collections import Counter
from random import Random

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from alkey import Alkey
from alkey.sqlalchemy.events import lives_of
from models import Child, Document, Engineer, Grandchild, Order, Parent, Seat, Tag, User
from sql_generator import TABLES, Generator

STATEMENTS = int(os.environ.get("ALKEY_STATEMENTS", "400"))
ALL_TABLES = [*TABLES, "engineers", "tags_of_users"]


@pytest.fixture(autouse=True)
def _filled(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        session.add_all(
            [User(id=1, name="a", orders=[Order(id=1)], tags=[Tag(name="x")]), User(id=2), User(id=3)]
        )
        session.add_all([Engineer(id=1), Document(title="a"), Seat(row=1, letter="a")])
        for number in (1, 2):
            session.add(Parent(id=number))
            session.flush()
            session.add(Child(id=number, parent_id=number))
            session.flush()
            session.add(Grandchild(id=number, child_id=number))


def contents(session: Session) -> dict[str, object]:
    """What each table holds. A table that is gone holds nothing, and one with other columns something else."""
    found: dict[str, object] = {}
    for table in ALL_TABLES:
        point = session.begin_nested()
        try:
            found[table] = sorted(map(repr, session.execute(sa.text(f'SELECT * FROM "{table}"')).mappings()))
            point.commit()
        except DBAPIError:
            point.rollback()
            found[table] = "gone"
    return found


def test_every_table_that_changes_is_named(
    sessions: sessionmaker[Session], engine: sa.Engine, alkey: Alkey
) -> None:
    seed = int(os.environ.get("ALKEY_SEED", Random().randrange(10**6)))
    print(f"ALKEY_SEED={seed}")
    generator = Generator(Random(seed), engine.dialect.name)
    tally: Counter[str] = Counter()
    with sessions() as session:
        before = contents(session)
    for _ in range(STATEMENTS):
        statement = generator.statement()
        with sessions() as session:
            try:
                session.connection().exec_driver_sql(statement)
                after = contents(session)
            except DBAPIError:
                tally["failed"] += 1
                continue
            (life,) = lives_of(session)
            named = life.transaction.identifiers
            changed = {table for table in ALL_TABLES if before[table] != after[table]}
            session.rollback()
        if alkey.everything() in named:
            tally["everything"] += 1
            continue
        unnamed = {table for table in changed if alkey.table(table) not in named}
        assert not unnamed, f"{statement!r} changed {unnamed}, and only {named} is named"
        tally["changed" if changed else "changed nothing"] += 1
        tally["named"] += len(named)
        tally["named and changed"] += len(changed)
    print(dict(tally))
    # Else it would show little.
    assert tally["changed"] > STATEMENTS * 0.35
