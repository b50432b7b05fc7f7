"""Statements in SQL: which tables are named, and when everything is."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, registry, sessionmaker

from alkey import Alkey, sql, texts
from alkey.sql import TEXT_CHARS_MAX, tables_written
from models import Child, Grandchild, Order, Parent, Tag, User
from watch import Watch

Sessions = sessionmaker[Session]
NAMES = "users#* orders#* tags#* parents#* children#* grandchildren#* people#* Documents-2#*"
ALL = set(NAMES.split())
FAMILY = {"parents#*", "children#*", "grandchildren#*"}


def shown(dialect: str, text: str) -> set[str]:
    """`schema.name:action` of each table, or why it is unclear."""
    found = tables_written(dialect, text)
    if isinstance(found, str):
        return {f"? {found}"}
    return {f"{each.schema}.{each.name}:{each.action}".removeprefix("None.") for each in found}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("INSERT INTO t (a) VALUES (%s)", "t:insert"),
        ('insert into s."A.b" as x default values', "s.A.b:insert"),
        ("INSERT INTO t SELECT * FROM u ON CONFLICT (a) DO UPDATE SET a = 1", "t:update"),
        ("UPDATE ONLY t AS x SET a = 1 FROM u WHERE u.a = x.a RETURNING *", "t:update"),
        ("DELETE FROM t USING u, v WHERE t.a = u.a", "t:delete"),
        ("MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE", "t:any"),
        ("TRUNCATE t, ONLY s.u RESTART IDENTITY CASCADE", "t:truncate s.u:truncate"),
        ("COPY t (a, b) FROM STDIN WITH (FORMAT csv)", "t:insert"),
        ("COPY t TO STDOUT", ""),
        ("SELECT 1 INTO TEMP t", "t:create"),
        ("CREATE TABLE t AS SELECT 1", "t:create"),
        ("WITH x AS (DELETE FROM t RETURNING *), y AS (UPDATE u SET a = 1) INSERT INTO v SELECT * FROM x",
         "t:delete u:update v:insert"),
        ("WITH x AS (WITH y AS (SELECT 1) SELECT * FROM y) SELECT * FROM x", ""),
        ("SELECT 1; UPDATE t SET a = ';'; DELETE FROM u; -- DELETE FROM v", "t:update u:delete"),
        ("EXPLAIN ANALYZE DELETE FROM t", "t:delete"),
        ("EXPLAIN (COSTS, ANALYZE TRUE, FORMAT json) WITH x AS (DELETE FROM t RETURNING *) SELECT 1", "t:delete"),
        ("EXPLAIN DELETE FROM t", ""),
        ("EXPLAIN SELECT 1; DELETE FROM t", "t:delete"),
        ("DROP TABLE IF EXISTS t, s.u CASCADE", "t:any s.u:any"),
        ("ALTER TABLE t RENAME TO u", "t:any u:any"),
        ("ALTER TABLE t ADD COLUMN a int DEFAULT 1", "t:any"),
        ("ALTER TABLE t ADD COLUMN a int DEFAULT 1, DROP COLUMN b CASCADE", "t:any"),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a text_pattern_ops); DROP INDEX j", ""),
        ("SET LOCAL x = 1; UPDATE t SET a = $$; DELETE FROM u$$", "t:update"),
        (r"UPDATE t SET a = '\'; DELETE FROM u; --'", "t:update u:delete"),
        ("UPDATE t SET a = E'\\'; DELETE FROM u; --'", "t:update"),
    ],
)  # fmt: skip
def test_postgresql(text: str, written: str) -> None:
    assert shown("postgresql", texts._without_parameters(text, "pyformat")) == set(written.split())


@pytest.mark.parametrize(
    ("dialect", "text", "written"),
    [
        ("sqlite", "REPLACE INTO t VALUES (1)", "t:any"),
        ("sqlite", "INSERT OR REPLACE INTO main.t VALUES (?)", "main.t:any"),
        ("sqlite", "WITH t AS (SELECT 1) DELETE FROM t", "t:delete"),
        ("sqlite", "UPDATE [t] SET a = 1", "t:update"),
        ("sqlite", "EXPLAIN QUERY PLAN DELETE FROM t", ""),
        ("mysql", "INSERT IGNORE INTO t SET a = 1 ON DUPLICATE KEY UPDATE a = 2", "t:update"),
        ("mysql", "UPDATE t JOIN u ON t.a = u.a SET t.b = 1, u.b = 2", "t:update u:update"),
        ("mysql", "DELETE x FROM t AS x JOIN u USING (a)", "t:delete u:delete"),
        ("mariadb", "REPLACE `t` SET a = 1", "t:any"),
        ("oracle", "INSERT ALL INTO t VALUES (1) INTO u VALUES (2) SELECT 1 FROM dual", "t:insert u:insert"),
        ("oracle", "UPDATE t SET a = :a WHERE b = :b", "t:update"),
        ("mssql", "UPDATE x SET a = 1 FROM t AS x JOIN u ON t.a = u.a", "t:update u:update"),
        ("mssql", "WITH x AS (SELECT * FROM t) DELETE FROM x", "t:delete"),
        ("cockroachdb", "DELETE FROM t", "t:delete"),
        ("duckdb", "INSERT OR REPLACE INTO t SELECT * FROM u", "t:any"),
        ("snowflake", "DELETE FROM s.t USING u WHERE t.a = u.a", "s.t:delete"),
        ("redshift", "UPDATE t SET a = 1 FROM u WHERE t.b = u.b", "t:update"),
    ],
)  # fmt: skip
def test_other_dialects(dialect: str, text: str, written: str) -> None:
    assert shown(dialect, text) == set(written.split())


@pytest.mark.parametrize(
    ("dialect", "text", "why"),
    [
        ("postgresql", "CALL p()", "CALL"),
        ("postgresql", "DO $$ BEGIN DELETE FROM t; END $$", "DO"),
        ("postgresql", "PREPARE p AS DELETE FROM t", "PREPARE"),
        ("postgresql", "REFRESH MATERIALIZED VIEW v", "REFRESH"),
        ("postgresql", "ALTER TABLE t ATTACH PARTITION u DEFAULT", "ALTER"),
        ("postgresql", "CREATE VIEW v AS SELECT 1", "create of a view"),
        ("postgresql", "DROP SCHEMA s CASCADE", "drop of a schema"),
        ("postgresql", "GRANT SELECT ON t TO x", "kind that is not known: grant"),
        ("postgresql", "UPDATE t SET a = (1", "can't be parsed"),
        ("postgresql", "COPY (DELETE FROM t RETURNING *) TO STDOUT", "can't be parsed"),
        ("postgresql", "/* /* */ UPDATE t SET a = 1 */ DELETE FROM u", "comments"),
        ("postgresql", f"DELETE FROM t -- {'x' * TEXT_CHARS_MAX}", "longer than 20000"),
        ("mysql", "/*! DELETE FROM t; */ DELETE FROM u", "comments"),
        ("mysql", "UPDATE t SET a = 5--1; DELETE FROM u", "comments"),
        ("mysql", r"UPDATE t SET a = '\''", "backslashes"),
        ("mysql", "LOAD DATA INFILE 'x' INTO TABLE t", "can't be parsed"),
        ("mssql", "SELECT 1 DELETE FROM t", "several statements"),
        ("mssql", "EXEC p", "kind that is not known: execute"),
        ("firebird", "DELETE FROM t", "dialect"),
    ],
)  # fmt: skip
def test_what_is_unclear(dialect: str, text: str, why: str) -> None:
    (found,) = shown(dialect, text)
    assert found.startswith("? ")
    assert why in found


def test_a_length_that_is_just_read() -> None:
    text = "DELETE FROM t -- "
    text += "x" * (TEXT_CHARS_MAX - len(text))
    assert shown("postgresql", text) == {"t:delete"}


@pytest.fixture
def filled(sessions: Sessions) -> Sessions:
    with sessions.begin() as session:
        session.add_all([User(id=1, name="a", orders=[Order(id=1)], tags=[Tag(name="x")]), Parent(id=1)])
        session.flush()
        session.add(Child(id=1, parent_id=1))
        session.flush()
        session.add(Grandchild(id=1, child_id=1))
    return sessions


def changed_by(watch: Watch, sessions: Sessions, *statements: Any) -> set[str]:
    with watch.changed(NAMES) as changed, sessions.begin() as session:
        for statement in statements:
            session.execute(sa.text(statement) if isinstance(statement, str) else statement)
    return changed


def test_the_tables_of_texts(filled: Sessions, watch: Watch, engine: sa.Engine) -> None:
    assert changed_by(watch, filled, "UPDATE users SET visits = 5 % 2 WHERE name LIKE 'a%'") == {"users#*"}
    assert changed_by(watch, filled, sa.text("UPDATE USERS SET name = :n").bindparams(n="INTO")) == {
        "users#*"
    }
    assert changed_by(watch, filled, 'UPDATE "Documents-2" SET title = NULL') == {"Documents-2#*"}
    assert changed_by(watch, filled, "INSERT INTO parents (id) VALUES (7)") == {"parents#*"}
    assert changed_by(watch, filled, "DELETE FROM parents WHERE id = 1") == FAMILY
    assert changed_by(watch, filled, sa.DDL("DROP TABLE grandchildren")) == {"grandchildren#*"}
    assert changed_by(watch, filled, "SELECT * FROM users WHERE name = 'INSERT INTO users'") == set()
    assert changed_by(watch, filled, "CREATE TABLE unheard_of (id int)") == set()
    assert changed_by(watch, filled, "INSERT INTO unheard_of VALUES (1)") == ALL


def test_texts_in_postgresql(filled: Sessions, watch: Watch, engine: sa.Engine) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("what only PostgreSQL has")
    assert changed_by(watch, filled, "SELECT * INTO users_2 FROM users") == set()
    assert changed_by(watch, filled, "TRUNCATE parents CASCADE") == FAMILY
    assert changed_by(
        watch, filled, "DELETE FROM public.tags_of_users; UPDATE public.tags SET note = 'x'"
    ) == {"tags#*"}
    of_text = sa.text("DELETE FROM orders RETURNING id").columns(sa.column("id")).cte("gone")
    assert changed_by(watch, filled, sa.select(of_text)) == {"orders#*"}
    assert changed_by(watch, filled, "DO $$ BEGIN DELETE FROM orders; END $$") == ALL


def test_schemas(pg_engine: sa.Engine, alkey: Alkey, watch: Watch) -> None:
    """A name without one may be of any; of another one it is another table."""
    metadata = registry().metadata
    mapped = registry(metadata=metadata)
    for schema in ("north", "south"):
        table = sa.Table("places", metadata, sa.Column("id", sa.Integer, primary_key=True), schema=schema)
        mapped.map_imperatively(type(schema, (), {}), table)
    with pg_engine.begin() as connection:
        for schema in ("north", "south"):
            connection.execute(sa.schema.CreateSchema(schema))
        metadata.create_all(connection)
    sessions = sessionmaker(pg_engine)
    alkey.bind(sessions)
    names = "north.places#* south.places#*"

    def changed(text: str, **options: Any) -> set[str]:
        with watch.changed(names) as found, sessions.begin() as session:
            session.connection(execution_options=options).execute(sa.text(text))
        return found

    assert changed('DELETE FROM north."places"') == {"north.places#*"}
    assert changed("DELETE FROM South.places") == {"south.places#*"}
    assert changed("SET LOCAL search_path TO south; DELETE FROM places") == set(names.split())
    assert changed("DELETE FROM south.places", schema_translate_map={"north": "south"}) == set(names.split())


def test_in_autocommit(filled: Sessions, engine: sa.Engine, watch: Watch) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("this engine begins by itself")
    with (
        watch.changed(NAMES) as changed,
        filled(bind=engine.execution_options(isolation_level="AUTOCOMMIT")) as session,
    ):
        session.execute(sa.text("UPDATE users SET visits = 3"))
        session.rollback()
    assert changed == {"users#*"}


def test_it_is_said_once_that_a_text_is_unclear(filled: Sessions, caplog: pytest.LogCaptureFixture) -> None:
    texts._say_once.cache_clear()
    with caplog.at_level(logging.WARNING, "alkey"):
        for _ in range(2):
            with filled() as session, pytest.raises(sa.exc.DBAPIError):
                session.execute(sa.text("UPDATE users SET visits = 1 WHERE no such"))
    said = [record.getMessage() for record in caplog.records if record.name == "alkey"]
    assert len(said) == 1
    assert said[0].startswith("alkey changes every key with this statement, since it can't be parsed: ")
    assert said[0].endswith("UPDATE users SET visits = 1 WHERE no such")


@pytest.fixture
def calls_of_the_parser(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    calls: list[str] = []
    read = sql._parsed

    def spy(dialect: str, text: str) -> list[Any]:
        calls.append(text)
        return read(dialect, text)

    monkeypatch.setattr(sql, "_parsed", spy)
    tables_written.cache_clear()
    return calls


def test_reads_are_not_parsed_and_writes_once(filled: Sessions, calls_of_the_parser: list[str]) -> None:
    write = "UPDATE users SET visits = 4"
    with filled() as session:
        for text in ("SELECT 1", "WITH x AS (SELECT 1) SELECT * FROM x", write, write):
            session.execute(sa.text(text))
    assert calls_of_the_parser == [write]
    maximum = tables_written.cache_info().maxsize
    assert maximum == 512
