"""A table has one name, whatever schema a program says or leaves out, and whoever writes it: ORM, Core or text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column, sessionmaker

from alkey import Alkey
from alkey._names.schemas import path_set_by
from watch import Watch

Sessions = sessionmaker[Session]
_kept: list[Any] = []


def mapped(engine: sa.Engine, schema: str | None, name: str = "notes") -> Any:
    """Two classes, of which one points at the other, in this schema."""

    class Base(DeclarativeBase):
        metadata = sa.MetaData(schema=schema)

    class Note(Base):
        __tablename__ = name
        id = mapped_column(sa.Integer, primary_key=True)
        n = mapped_column(sa.Integer, default=0)

    _kept.append(Base)
    return Note


@pytest.fixture
def default_schema(engine: sa.Engine) -> str:
    return {"postgresql": "public", "sqlite": "main"}[engine.dialect.name]


@pytest.fixture
def bound(engine: sa.Engine, alkey: Alkey) -> Sessions:
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE notes (id INTEGER PRIMARY KEY, n INTEGER)"))
        connection.execute(sa.text("INSERT INTO notes VALUES (1, 0)"))
    sessions = sessionmaker(engine)
    alkey.bind(sessions)
    return sessions


@pytest.mark.parametrize("is_declared", [False, True])
def test_the_default_schema_has_no_name(
    engine: sa.Engine, bound: Sessions, alkey: Alkey, watch: Watch, default_schema: str, is_declared: bool
) -> None:
    note = mapped(engine, default_schema if is_declared else None)
    table = note.__table__
    own = f"{watch.namespace}:notes#1".encode()
    for schema in (None, default_schema):
        assert alkey.row("notes", 1, schema=schema) == own
        assert alkey.row("notes", "1", schema=schema) == own
        assert alkey.row(note, 1, schema=schema) == own
        assert alkey.row(f"{schema or default_schema}.notes", 1) == own
        assert alkey.table(f"{schema or default_schema}.notes") == own[:-1] + b"*"
        assert alkey.table("notes", schema=schema) == alkey.table(note) == own[:-1] + b"*"
    other = sa.Table("notes", sa.MetaData(schema=None if is_declared else default_schema), *_columns())
    statements: list[sa.Executable] = [
        sa.update(note).where(note.id == 1).values(n=1),
        sa.update(table).where(table.c.id == 1).values(n=2),
        sa.update(other).where(other.c.id == 1).values(n=3),
        sa.text("UPDATE notes SET n = 4"),
        sa.text(f"UPDATE {default_schema}.notes SET n = 5"),
        sa.text(f'UPDATE "{default_schema}"."notes" SET n = 6'),
    ]
    for statement in statements:
        with watch.changed("notes#1 notes#* elsewhere#*") as changed, bound.begin() as session:
            session.execute(statement)
        assert changed == {"notes#1", "notes#*"}, statement
    with watch.changed("notes#1 notes#2") as changed, bound.begin() as session:
        session.get_one(note, 1).n = 7
    assert changed == {"notes#1"}
    with bound() as session:
        assert alkey._identify(session.get_one(note, 1)) == (own,)


def _columns() -> Iterator[Any]:
    yield sa.Column("id", sa.Integer, primary_key=True)
    yield sa.Column("n", sa.Integer)


def test_a_table_of_another_schema_has_another_name(pg_engine: sa.Engine, alkey: Alkey, watch: Watch) -> None:
    with pg_engine.begin() as connection:
        for schema in ("main", "public"):
            connection.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
            connection.execute(sa.text(f"CREATE TABLE {schema}.papers (id INTEGER PRIMARY KEY, n INTEGER)"))
    sessions = sessionmaker(pg_engine)
    alkey.bind(sessions)
    note = mapped(pg_engine, "main", "papers")
    assert (
        alkey.row(note, 1)
        == alkey.row("papers", 1, schema="main")
        == f"{watch.namespace}:main.papers#1".encode()
    )
    with watch.changed("papers#1 main.papers#1") as changed, sessions.begin() as session:
        session.add(note(id=1))
    assert changed == {"main.papers#1"}
    with watch.changed("papers#1 main.papers#1") as changed, sessions.begin() as session:
        session.execute(sa.text("UPDATE main.papers SET n = 1"))
    assert changed == {"main.papers#1"}


@pytest.fixture
def tenants(pg_engine: sa.Engine) -> sa.Engine:
    """A schema for each of two, with the same table."""
    with pg_engine.begin() as connection:
        for schema in ("north", "south"):
            connection.execute(sa.text(f"CREATE SCHEMA {schema}"))
            connection.execute(sa.text(f"CREATE TABLE {schema}.notes (id INTEGER PRIMARY KEY, n INTEGER)"))
            connection.execute(sa.text(f"INSERT INTO {schema}.notes VALUES (1, 0)"))
    return pg_engine


NAMES = "notes#1 north.notes#1 south.notes#1 north.notes#2"


def test_schema_translate_map(tenants: sa.Engine, alkey: Alkey, watch: Watch) -> None:
    note = mapped(tenants, None)
    sessions = sessionmaker(tenants.execution_options(schema_translate_map={None: "north"}))
    alkey.bind(sessions)
    # The log's name; and as it is declared, since a reader may know no more.
    told = {"notes#1", "north.notes#1"}
    with watch.changed(NAMES) as changed, sessions.begin() as session:
        instance = session.get_one(note, 1)
        instance.n = 1
    assert changed == told
    with watch.changed(NAMES) as changed, sessions.begin() as session:
        session.execute(sa.update(note).where(note.id == 1).values(n=2))
    assert changed == told
    with sessions() as session:
        instance = session.get_one(note, 1)
        assert alkey._identify(instance) == (f"{watch.namespace}:north.notes#1".encode(),)
    plain = sessionmaker(tenants)
    alkey.bind(plain)
    options = {"schema_translate_map": {None: "south"}}
    with watch.changed(NAMES) as changed, plain.begin() as session:
        session.execute(sa.update(note).where(note.id == 1).values(n=2), execution_options=options)
    assert changed == {"notes#1", "south.notes#1"}
    with watch.changed(NAMES) as changed, plain.begin() as session:
        connection = session.connection(execution_options=options)
        session.add(note(id=2))
        session.flush()
        connection.execute(sa.text("UPDATE north.notes SET n = 7"))
    assert changed == set(NAMES.split())


def test_the_schema_of_a_tenant_by_hand(tenants: sa.Engine, alkey: Alkey, watch: Watch) -> None:
    note = mapped(tenants, None)
    expected = f"{watch.namespace}:north.notes#1".encode()
    assert alkey.row(note, "1", schema="north") == alkey.row("notes", "1", schema="north") == expected
    assert alkey.table(note, schema="north") == expected[:-1] + b"*"


@pytest.mark.parametrize("is_local", [False, True])
def test_a_search_path_that_a_session_sets(
    tenants: sa.Engine, alkey: Alkey, watch: Watch, is_local: bool
) -> None:
    note = mapped(tenants, None)
    sessions = sessionmaker(tenants)
    alkey.bind(sessions)
    with watch.changed(NAMES) as changed, sessions.begin() as session:
        session.execute(sa.text(f"SET {'LOCAL ' if is_local else ''}search_path TO north, public"))
        session.get_one(note, 1).n = 1
    assert changed == {"notes#1", "north.notes#1"}


def test_a_search_path_of_every_connection(tenants: sa.Engine, alkey: Alkey, watch: Watch) -> None:
    note = mapped(tenants, None)
    engine = sa.create_engine(tenants.url, connect_args={"options": "-csearch_path=south"})
    try:
        sessions = sessionmaker(engine)
        alkey.bind(sessions)
        with watch.changed(NAMES) as changed, sessions.begin() as session:
            session.execute(sa.update(note).where(note.id == 1).values(n=2))
        assert changed == {"notes#1", "south.notes#1"}
        with sessions() as session:
            found = alkey._identify(session.get_one(note, 1))
        assert {each.decode().partition(":")[2] for each in found} == {"notes#1", "south.notes#1"}
        assert set(alkey.row(note, 1).identifiers) == set(found)
    finally:
        engine.dispose()


@pytest.mark.parametrize(
    ("statement", "path"),
    [
        ("SET search_path TO north", ("north",)),
        ("set SEARCH_PATH = North, public;", ("north", "public")),
        ('SET LOCAL search_path TO "North", \'a b\', "$user", DEFAULT', ("North", "a b")),
        ("SET SESSION search_path = 'x'", ("x",)),
        ("SET SCHEMA 'y'", ("y",)),
        ("SELECT set_config('search_path', 'a, b', false)", ("a", "b")),
        ("SET search_path TO DEFAULT", ()),
        ("SET timezone TO 'UTC'", None),
        ("SELECT 1", None),
    ],
)
def test_what_a_statement_sets_the_search_path_to(statement: str, path: tuple[str, ...] | None) -> None:
    assert path_set_by(statement) == path


def test_namespaces_of_tables_take_both_forms(alkey: Alkey) -> None:
    several = Alkey(alkey.client, "alkey{a}", namespaces={"alkey{b}": ["public.notes"]})
    for schema in (None, "public"):
        assert several.row("notes", 1, schema=schema) == b"alkey{b}:notes#1"
