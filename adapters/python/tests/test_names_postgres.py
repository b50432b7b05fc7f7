"""What PostgreSQL holds has the names of the vectors, however it is read: as text, by psycopg, by asyncpg, by the
columns of SQLAlchemy; and so has what a session writes."""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import math
import random
import struct
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import asyncpg
import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import registry, sessionmaker
from sqlalchemy.pool import NullPool

from alkey import Alkey, NoIdentifier
from alkey._names.identifier import row_name
from alkey._names.kinds import OnlyTheDatabaseKnows
from alkey._names.types import kind_of
from alkey.parts import Row
from harness import Postgres, RedisServer
from spy import spy
from vectors import VECTORS, bytes_of, label_of, literal_of, value_of

VALUES = [vector for vector in VECTORS["values"] if "only_in" not in vector]
# Which neither driver has a value for, or one that stands for another, too.
BEYOND_PYTHON = {"infinity", "-infinity", "0044-03-15 BC", "10000-01-01", "24:00:00"}


# A decimal that is whole is one.
INTEGERS = ("smallint", "integer", "bigint")


def is_beyond_python(vector: Any) -> bool:
    return str(vector["text"]) in BEYOND_PYTHON


_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}

_numbers = itertools.count(1)


class Database:
    """One with a table for each type, and everything that reads it."""

    def __init__(self, postgres: Postgres, server: RedisServer, encoding: str = "UTF8") -> None:
        name = f"names{next(_numbers)}"
        self.admin = psycopg.connect(
            host=str(postgres.directory),
            port=postgres.port,
            user="postgres",
            dbname="postgres",
            autocommit=True,
        )
        self.admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}'")
        self.psycopg = psycopg.connect(
            host=str(postgres.directory), port=postgres.port, user="postgres", dbname=name, autocommit=True
        )
        self.psycopg.execute("SET TimeZone = 'UTC'")
        self.url = sa.make_url(postgres.url).set(database=name)
        self.engine = sa.create_engine(self.url)
        self.client = spy(server.port)
        self.alkey = Alkey(self.client, f"alkey{{{name}}}")
        self.sessions = sessionmaker(self.engine)
        self.alkey.bind(self.sessions)
        self.loop = asyncio.new_event_loop()
        self.async_engine = create_async_engine(
            self.url.set(drivername="postgresql+asyncpg"), poolclass=NullPool
        )
        self.asyncpg = self.loop.run_until_complete(
            asyncpg.connect(host=str(postgres.directory), port=postgres.port, user="postgres", database=name)
        )
        self._models: dict[str, Any] = {}

    def close(self) -> None:
        self.loop.run_until_complete(self.asyncpg.close())
        self.loop.run_until_complete(self.async_engine.dispose())
        self.loop.close()
        self.engine.dispose()
        self.psycopg.close()
        self.client.close()
        self.admin.close()

    def make_enum(self) -> None:
        labels = [vector["text"].replace("'", "''") for vector in VALUES if vector["type"] == "enum"]
        self.psycopg.execute(f"CREATE TYPE enum AS ENUM ({', '.join(repr(label) for label in labels)})")

    def model(self, type_name: str) -> Any:
        """Mapped to a table whose key is of this type, with the column as SQLAlchemy reflects it."""
        if type_name not in self._models:
            table = f"t{len(self._models)}"
            self.psycopg.execute(f"CREATE TABLE {table} (id {type_name} PRIMARY KEY, n integer NOT NULL)")
            mapped = registry()
            model = type("Thing", (), {})
            mapped.map_imperatively(model, sa.Table(table, mapped.metadata, autoload_with=self.engine))
            self._models[type_name] = model
        return self._models[type_name]

    def hold(self, type_name: str, text: bytes) -> Any:
        """A table that holds one row, with this key."""
        model = self.model(type_name)
        self.psycopg.execute(f"TRUNCATE {model.__table__}")
        # As PostgreSQL reads it, and not as a driver makes a parameter of it.
        with self.psycopg.cursor() as cursor, cursor.copy(f"COPY {model.__table__} FROM STDIN") as copy:
            copy.write(text.replace(b"\\", b"\\\\").replace(b"\t", b"\\t").replace(b"\n", b"\\n") + b"\t0\n")
        return model

    def printed(self, model: Any) -> bytes:
        """As COPY prints it, which is as the log has it."""
        with self.psycopg.cursor() as cursor, cursor.copy(f"COPY {model.__table__} (id) TO STDOUT") as copy:
            line = b"".join(bytes(data) for data in copy).removesuffix(b"\n")
        text = line.decode("utf-8", "surrogateescape")
        return "".join(_unescaped(text)).encode("utf-8", "surrogateescape")

    def identifier(self, model: Any, name: bytes) -> bytes:
        return f"{self.alkey.namespace}:{model.__table__}#".encode() + name

    def recorded(self) -> set[bytes]:
        """What has been recorded since the last call."""
        asked = [arguments for arguments in self.client.asked if arguments[0] == "ALKEY.RECORD"]
        self.client.asked.clear()
        return {one for _, _, *identifiers in asked for one in identifiers}

    async def read_by_orm(self, model: Any) -> Any:
        async with AsyncSession(self.async_engine) as session:
            return (await session.scalars(sa.select(model))).one()


def _unescaped(text: str) -> Iterator[str]:
    characters = iter(text)
    for each in characters:
        yield _ESCAPES[next(characters)] if each == "\\" else each


@pytest.fixture(scope="module")
def database(postgres: Postgres, server: RedisServer) -> Iterator[Database]:
    made = Database(postgres, server)
    made.make_enum()
    yield made
    made.close()


def name_of(type_name: str, value: Any) -> bytes:
    kind = kind_of(type_name)
    assert kind is not None
    return row_name([kind(value)])


@pytest.mark.parametrize("vector", VALUES, ids=label_of)
def test_however_it_is_read(database: Database, vector: Any) -> None:
    type_name, text, name = vector["type"], bytes_of(vector["text"]), bytes_of(vector["name"])
    model = database.hold(type_name, text)
    assert database.printed(model) == text
    # It is what the server says, too, that the type is.
    shown = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = %s::regclass AND attname = 'id'"
    assert database.psycopg.execute(shown, [str(model.__table__)]).fetchone() == (type_name,)
    select = f"SELECT id, id::text FROM {model.__table__}"
    own = database.identifier(model, name)

    def by_psycopg() -> Any:
        row = database.psycopg.execute(select).fetchone()
        assert row is not None
        assert name_of(type_name, row[1]) == name
        return name_of(type_name, row[0])

    def by_asyncpg() -> Any:
        row = database.loop.run_until_complete(database.asyncpg.fetchrow(select))
        return name_of(type_name, row["id"])

    def by_orm() -> Any:
        with database.sessions() as session:
            (found,) = database.alkey._identify(session.scalars(sa.select(model)).one())
            return found.removeprefix(database.identifier(model, b""))

    def by_orm_on_asyncpg() -> Any:
        instance = database.loop.run_until_complete(database.read_by_orm(model))
        (found,) = database.alkey._identify(instance)
        return found.removeprefix(database.identifier(model, b""))

    for read in (by_psycopg, by_asyncpg, by_orm, by_orm_on_asyncpg):
        if is_beyond_python(vector):
            assert _or_nothing(read) in (name, b"*", None), read
        else:
            assert read() == name, read
    assert database.alkey.row(model, text.decode()) == own


def _or_nothing(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (psycopg.DataError, sa.exc.DataError, OnlyTheDatabaseKnows, ValueError, OverflowError):
        return None


@pytest.mark.parametrize("vector", VALUES, ids=label_of)
def test_however_it_is_given(database: Database, vector: Any) -> None:
    type_name, name = vector["type"], bytes_of(vector["name"])
    model = database.hold(type_name, bytes_of(vector["text"]))
    for value in map(value_of, vector["values"]):
        # The database takes it for the same.
        literal = literal_of(value)
        given = "numeric" if type_name in INTEGERS else type_name
        equal = f"SELECT id = %s::{given} FROM {model.__table__}"
        assert database.psycopg.execute(equal, [literal]).fetchone() == (True,), value
        assert database.alkey.row(model, value) == database.identifier(model, name), value
        assert database.alkey.row(str(model.__table__), value) == database.identifier(model, name), value


@pytest.mark.parametrize("vector", VALUES, ids=label_of)
def test_what_a_session_writes(database: Database, vector: Any) -> None:
    # Of a real 0.1 the database says that it is not equal to the double that a driver sends.
    if is_beyond_python(vector) or vector["type"] == "real":
        return
    model = database.hold(vector["type"], bytes_of(vector["text"]))
    own = database.identifier(model, bytes_of(vector["name"]))
    database.recorded()
    with database.sessions.begin() as session:
        thing = session.scalars(sa.select(model)).one()
        key = thing.id
        thing.n = 1
    given = sa.bindparam("given", key, type_=model.__table__.c.id.type)
    assert database.recorded() == {own}
    with database.sessions.begin() as session:
        session.execute(sa.update(model).where(model.id == given).values(n=2))
    assert database.recorded() == {own}
    with database.sessions.begin() as session:
        session.delete(session.scalars(sa.select(model)).one())
    assert database.recorded() == {own}
    with database.sessions.begin() as session:
        thing = model()
        thing.id, thing.n = key, 3
        session.add(thing)
    assert database.recorded() == {own}
    with database.sessions.begin() as session:
        session.execute(sa.delete(model).where(model.id == given))
    assert database.recorded() == {own}
    with database.sessions.begin() as session:
        session.execute(sa.insert(model).values(id=key, n=4))
    assert database.recorded() == {own}


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=label_of)
def test_what_a_column_can_t_hold(database: Database, vector: Any) -> None:
    model = database.model(vector["type"])
    with pytest.raises(NoIdentifier, match=rf"^{model.__table__}\.id: expected .*, not ") as caught:
        database.alkey.row(model, value_of(vector["value"]))
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("vector", VECTORS["values_named_by_table"], ids=label_of)
def test_of_which_row_only_the_database_knows(database: Database, vector: Any) -> None:
    model = database.model(vector["type"])
    row = database.alkey.row(model, value_of(vector["value"]))
    assert isinstance(row, Row)
    assert row.identifiers == (database.identifier(model, b"*"),)
    # Two rows have two keys all the same.
    assert database.alkey.row(model, value_of(vector["value"])) == row
    assert database.alkey.key(row) != database.alkey.key(database.alkey.table(model))


@pytest.mark.parametrize("vector", VECTORS["types_named_by_table"], ids=label_of)
def test_types_whose_values_have_no_names(database: Database, vector: Any) -> None:
    available = "SELECT 1 FROM pg_available_extensions WHERE name = %s"
    if vector["type"] == "citext":
        if database.psycopg.execute(available, ["citext"]).fetchone() is None:
            return
        database.psycopg.execute("CREATE EXTENSION IF NOT EXISTS citext")
    if "equal" in vector:
        select = f"SELECT a = b, a::text = b::text FROM (SELECT %s::{vector['type']} AS a, %s::{vector['type']} AS b) x"
        assert database.psycopg.execute(select, vector["equal"]).fetchone() == (True, False)


def test_text_in_a_database_without_an_encoding(postgres: Postgres) -> None:
    (vector,) = [each for each in VECTORS["values"] if "SQL_ASCII" in each.get("only_in", "")]
    own: dict[str, Any] = {"host": str(postgres.directory), "port": postgres.port, "user": "postgres"}
    with psycopg.connect(**own, autocommit=True) as admin:
        admin.execute("CREATE DATABASE no_encoding TEMPLATE template0 ENCODING 'SQL_ASCII'")
    with psycopg.connect(**own, dbname="no_encoding") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (id text PRIMARY KEY)")
        with cursor.copy("COPY t FROM STDIN") as copy:
            copy.write(bytes_of(vector["text"]) + b"\n")
        (held,) = cursor.execute("SELECT id FROM t").fetchall()[0]
        with cursor.copy("COPY t TO STDOUT") as copy:
            printed = b"".join(bytes(data) for data in copy).removesuffix(b"\n")
    assert held == printed == bytes_of(vector["text"])
    assert name_of("text", held) == bytes_of(vector["name"])
    assert name_of("text", held.decode("utf-8", "surrogateescape")) == bytes_of(vector["name"])


def test_null_in_a_unique_key(database: Database) -> None:
    """A mapped key need not be a primary one."""
    database.psycopg.execute(
        "CREATE TABLE slots (room integer NOT NULL, seat text, n integer, UNIQUE (room, seat))"
    )
    mapped = registry()
    slot: Any = type("Slot", (), {})
    table = sa.Table(
        "slots",
        mapped.metadata,
        sa.Column("room", sa.Integer, primary_key=True),
        sa.Column("seat", sa.Text, primary_key=True, nullable=True),
        sa.Column("n", sa.Integer),
    )
    mapped.map_imperatively(slot, table)
    with database.sessions.begin() as session:
        session.execute(sa.insert(slot).values(room=1, seat=None, n=1))
    row = database.alkey.row(slot, 1, None)
    assert row.endswith(b":slots#1,%0")
    before = database.alkey.key(row)
    with database.sessions() as session:
        held: Any = session.scalars(sa.select(slot)).one()
        assert database.alkey._identify(held) == (row,)
    with database.sessions.begin() as session:
        session.execute(sa.update(slot).where(slot.seat.is_(None)).values(n=2))
    assert database.alkey.key(row) != before


def test_partitions(database: Database) -> None:
    (vector,) = [each for each in VECTORS["tables"] if "partition" in each]
    database.psycopg.execute(
        "CREATE TABLE events (id integer PRIMARY KEY, n integer) PARTITION BY RANGE (id);"
        "CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM (0) TO (100)"
    )
    mapped = registry()
    event: Any = type("Event", (), {})
    mapped.map_imperatively(event, sa.Table("events", mapped.metadata, autoload_with=database.engine))
    database.recorded()
    with database.sessions.begin() as session:
        session.execute(sa.insert(event).values(id=1, n=0))
    table = vector["identifier"].encode().replace(b"alkey", database.alkey.namespace.encode())
    assert database.recorded() == {table.replace(b"*", b"1")}
    assert database.alkey.table(event) == table


def test_numbers_and_addresses_as_the_server_prints_them(database: Database) -> None:
    """Many of them: of floats those beside powers of two and ten, where the fewest digits are found least easily."""
    seed = random.randrange(2**32)
    print("seed", seed)
    dice = random.Random(seed)
    near = [2.0**e for e in range(-140, 120)] + [10.0**e for e in range(-40, 38)]
    floats = [*near, *(math.nextafter(each, 0) for each in near)]
    floats += [dice.uniform(-1, 1) * 10.0 ** dice.randint(-37, 37) for _ in range(2000)]
    wide = [2.0**e for e in range(-1074, 1024, 3)] + [10.0**e for e in range(-300, 309)]
    doubles = [*floats, *wide, *(math.nextafter(each, math.inf) for each in wide)]
    doubles += [struct.unpack("d", dice.randbytes(8))[0] for _ in range(2000)]
    addresses = [ipaddress.IPv6Address(dice.getrandbits(128) & dice.getrandbits(128)) for _ in range(500)]
    addresses += [ipaddress.IPv6Address(dice.getrandbits(16 * dice.randint(1, 8))) for _ in range(500)]
    # With runs of zeros.
    for _ in range(500):
        groups = [dice.choice(("0", "0", f"{dice.getrandbits(16):x}")) for _ in range(8)]
        addresses.append(ipaddress.IPv6Address(":".join(groups)))
    decimals = [Decimal(dice.getrandbits(90)).scaleb(-dice.randint(0, 20)) for _ in range(500)]
    for type_name, values in (
        ("double precision", [each for each in doubles if each == each and each != 0]),
        ("real", [each for each in floats if abs(struct.unpack("f", struct.pack("f", each))[0]) > 0]),
        ("inet", addresses),
        ("numeric", decimals),
    ):
        rows = database.psycopg.execute(
            f"SELECT trim_scale(x::numeric)::text FROM unnest(%s::text[]::{type_name}[]) x"
            if type_name == "numeric"
            else f"SELECT x::text FROM unnest(%s::text[]::{type_name}[]) x",
            [[str(each) for each in values]],
        ).fetchall()
        # `::text` of an address always shows its mask.
        printed = [text.removesuffix("/128") for (text,) in rows]
        assert [name_of(type_name, each).decode() for each in values] == printed
