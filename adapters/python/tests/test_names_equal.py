"""Keys that are equal to the database, or to whoever gives them: whatever spelling a writer uses, the key that a reader
has for the row is another one afterwards."""

from __future__ import annotations

import datetime
import enum
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column, sessionmaker

from alkey import Alkey, NoIdentifier

UUID = uuid.UUID("0a1ce000-0000-4000-8000-00000000000a")
UTC = datetime.timezone.utc
NOON = datetime.datetime(2026, 11, 30, 12, tzinfo=UTC)


class Color(enum.Enum):
    RED = "r"


class Folded(sa.TypeDecorator[str]):
    """Of e-mail addresses, as applications have it."""

    impl, cache_ok = sa.String, True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value.strip().lower()


class Prefixed(sa.TypeDecorator[str]):
    """ "5" in Python, "cus_5" in the database."""

    impl, cache_ok = sa.String, True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return f"cus_{value}"

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return value.removeprefix("cus_")


class Portable(sa.TypeDecorator[uuid.UUID]):
    """The recipe of SQLAlchemy's documentation: another column on each database."""

    impl, cache_ok = sa.CHAR, True

    def load_dialect_impl(self, dialect: Any) -> Any:
        own = postgresql.UUID() if dialect.name == "postgresql" else sa.CHAR(32)
        return dialect.type_descriptor(own)

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value if dialect.name == "postgresql" else value.hex

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return value if isinstance(value, uuid.UUID) else uuid.UUID(value)


class LowerInSql(sa.TypeDecorator[str]):
    impl, cache_ok = sa.String, True

    def bind_expression(self, bindvalue: Any) -> Any:
        return sa.func.lower(bindvalue, type_=sa.String())


class OwnType(sa.types.UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "VARCHAR(20)"

    def bind_processor(self, dialect: Any) -> Any:
        return str.lower


Way = Callable[[Session, Any, Any], Any]


def orm(session: Session, model: Any, key: Any) -> None:
    session.get_one(model, key).n += 1


def enabled_update(session: Session, model: Any, key: Any) -> None:
    session.execute(sa.update(model).where(model.id == key).values(n=model.n + 1))


def core_update(session: Session, model: Any, key: Any) -> None:
    table = model.__table__
    session.connection().execute(sa.update(table).where(table.c.id == key).values(n=7))


def bulk_update(session: Session, model: Any, key: Any) -> None:
    session.execute(sa.update(model), [{"id": key, "n": 9}])


def bulk_mappings(session: Session, model: Any, key: Any) -> None:
    session.bulk_update_mappings(sa.inspect(model), [{"id": key, "n": 9}])


def core_delete(session: Session, model: Any, key: Any) -> None:
    session.execute(sa.delete(model).where(model.id == key))


def orm_delete(session: Session, model: Any, key: Any) -> None:
    session.delete(session.get_one(model, key))


WAYS: tuple[Way, ...] = (
    orm,
    enabled_update,
    core_update,
    bulk_update,
    bulk_mappings,
    core_delete,
    orm_delete,
)
# Where the types differ and not the ways.
FEW: tuple[Way, ...] = (orm, bulk_update, core_delete)


def things(sessions: sessionmaker[Session], kind: Any) -> Any:
    """A class that is mapped to a table whose key is of this type."""

    class Base(DeclarativeBase):
        pass

    class Thing(Base):
        __tablename__ = f"things_{len(_kept)}"
        # SQLAlchemy 2.0 would make a SERIAL of a number of any kind on PostgreSQL.
        id = mapped_column(kind, primary_key=True, autoincrement=False)
        n = mapped_column(sa.Integer, default=0)

    _kept.append(Base)
    Base.metadata.create_all(sessions.kw["bind"])
    return Thing


_kept: list[Any] = []


def unchanged_by(
    alkey: Alkey,
    sessions: sessionmaker[Session],
    model: Any,
    held: Any,
    given: Any,
    ways: tuple[Way, ...] = FEW,
) -> list[str]:
    """The ways to write that leave a reader's key as it was. `held`: the key as the row is made; `given`: as it is
    written by."""
    found = []
    for way in ways:
        with sessions.begin() as session:
            session.execute(sa.delete(model))
            session.add(model(id=held, n=0))
        with sessions() as session:
            instance = session.scalars(sa.select(model)).one()
            table = model.__table__
            parts = {
                "instance": instance,
                "row by class": alkey.row(model, instance.id),
                "row by table": alkey.row(table, instance.id),
                "row by name": alkey.row(table.name, instance.id),
                "row as it is given": alkey.row(model, given),
            }
            session.expunge_all()
        relaxed = Alkey(alkey.client, alkey.namespace, strict=False)
        before = {name: relaxed.key(part) for name, part in parts.items()}
        with sessions.begin() as session:
            way(session, model, given)
            rows = session.scalars(sa.select(model.n)).all()
        if rows != [0]:
            found += [
                f"{way.__name__}: {name}" for name, part in parts.items() if relaxed.key(part) == before[name]
            ]
    return found


SPELLINGS: list[tuple[Any, Any, Any]] = [
    (sa.Integer, 1, 1),
    (sa.String, "a", "a"),
    (Folded, "ann", " Ann "),
    (Folded, "Ann", "ann"),
    (Prefixed, "5", "5"),
    (Portable, UUID, UUID),
    (sa.Uuid, UUID, UUID),
    (sa.Uuid(native_uuid=False), UUID, UUID),
    (LowerInSql, "Ann", "aNN"),
    (OwnType, "Ann", "aNN"),
    (sa.String().with_variant(sa.String(collation="NOCASE"), "sqlite"), "de", "de"),
    (sa.CHAR(4), "de", "de"),
    (sa.CHAR(2), "de", "de"),
    (sa.Numeric(10, 2), Decimal("1.50"), Decimal("1.5")),
    (sa.Numeric(10, 2, asdecimal=False), 1.5, Decimal("1.50")),
    (sa.Float, 1.5, 1.5),
    (sa.Date, NOON.date(), NOON.date()),
    (sa.DateTime, NOON.replace(tzinfo=None), NOON.replace(tzinfo=None)),
    (sa.Time, NOON.time(), NOON.time()),
    (sa.LargeBinary, b"\x00*", b"\x00*"),
    (sa.Enum(Color), Color.RED, Color.RED),
    (
        sa.Enum(Color, native_enum=False, values_callable=lambda kind: [each.value for each in kind]),
        Color.RED,
        Color.RED,
    ),
]
OF_SQLITE: list[tuple[Any, Any, Any]] = [
    (sa.String(collation="NOCASE"), "de", "DE"),
    (sa.String(collation="RTRIM"), "de", "de  "),
    (sa.Text().with_variant(sa.String(collation="NOCASE"), "sqlite"), "de", "DE"),
    (sa.String, "5", 5),
    (sa.Integer, 5, "5"),
    (sa.Integer, 5, " 5 "),
    (sa.Numeric(10, 2), Decimal("1.5"), "1.50"),
]
OF_POSTGRESQL: list[tuple[Any, Any, Any]] = [
    (sa.CHAR(4), "de", "de  "),
    (sa.Uuid, UUID, str(UUID).upper()),
    (sa.Uuid(as_uuid=False), str(UUID), UUID.hex.upper()),
    (sa.Numeric, Decimal("1.50"), Decimal("1.500")),
    (sa.Integer, 1, Decimal("1.0")),
    (sa.DateTime(timezone=True), NOON, NOON.astimezone(datetime.timezone(datetime.timedelta(hours=1)))),
    (postgresql.INET, "10.0.0.1", "10.0.0.1/32"),
    (postgresql.INTERVAL, datetime.timedelta(days=1), datetime.timedelta(hours=24)),
]


@pytest.mark.parametrize(("kind", "held", "given"), SPELLINGS)
def test_on_each_database(
    alkey: Alkey, sessions: sessionmaker[Session], kind: Any, held: Any, given: Any
) -> None:
    assert unchanged_by(alkey, sessions, things(sessions, kind), held, given) == []


@pytest.fixture
def pg_sessions(pg_engine: sa.Engine, alkey: Alkey) -> sessionmaker[Session]:
    bound = sessionmaker(pg_engine)
    alkey.bind(bound)
    return bound


@pytest.fixture
def sqlite_sessions(sqlite_engine: sa.Engine, alkey: Alkey) -> sessionmaker[Session]:
    bound = sessionmaker(sqlite_engine)
    alkey.bind(bound)
    return bound


@pytest.mark.parametrize(("kind", "held", "given"), OF_SQLITE)
def test_on_sqlite(
    alkey: Alkey, sqlite_sessions: sessionmaker[Session], kind: Any, held: Any, given: Any
) -> None:
    assert unchanged_by(alkey, sqlite_sessions, things(sqlite_sessions, kind), held, given, WAYS) == []


@pytest.mark.parametrize(("kind", "held", "given"), OF_POSTGRESQL)
def test_on_postgresql(
    alkey: Alkey, pg_sessions: sessionmaker[Session], kind: Any, held: Any, given: Any
) -> None:
    assert unchanged_by(alkey, pg_sessions, things(pg_sessions, kind), held, given) == []


def test_rounded_on_the_way_in(alkey: Alkey, pg_sessions: sessionmaker[Session]) -> None:
    model = things(pg_sessions, sa.Numeric(10, 2))
    before = alkey.key(alkey.row(model, Decimal("1.01")))
    with pg_sessions.begin() as session:
        session.add(model(id=Decimal("1.009")))
    assert alkey.key(alkey.row(model, Decimal("1.01"))) != before
    with pytest.raises(NoIdentifier, match="expected a decimal number, not 'one'"):
        alkey.row(model, "one")


def test_two_rows_of_which_only_the_database_knows_have_two_keys(
    alkey: Alkey, sqlite_sessions: sessionmaker[Session]
) -> None:
    model = things(sqlite_sessions, sa.String(collation="NOCASE"))
    with sqlite_sessions.begin() as session:
        session.add_all([model(id="de"), model(id="at")])
    relaxed = Alkey(alkey.client, alkey.namespace, strict=False)
    with sqlite_sessions() as session:
        keys = [relaxed.key(each) for each in session.scalars(sa.select(model))]
    keys += [relaxed.key(alkey.row(model, each)) for each in ("de", "at")]
    keys += [relaxed.key(alkey.table(model)), relaxed.key(model)]
    assert keys[0] == keys[2]
    assert keys[1] == keys[3]
    assert keys[4] == keys[5]
    assert len(set(keys)) == 3
    before = keys[2]
    alkey.touch(alkey.row(model, "DE"))
    assert relaxed.key(alkey.row(model, "de")) != before


def test_who_knows_no_database_names_no_row_wrongly(
    alkey: Alkey, sqlite_sessions: sessionmaker[Session]
) -> None:
    """A process that has only the classes, and no session."""
    reader = Alkey(alkey.client, "alkey{nobody}")
    for kind, key, name in (
        (Folded(), "Ann", "ann"),
        (Prefixed(), "5", "cus_5"),
        (sa.Uuid(), str(UUID).upper(), str(UUID)),
        (Portable(), UUID, "*"),
        (LowerInSql(), "Ann", "*"),
        (sa.DateTime(timezone=True), NOON, "2026-11-30 12:00:00+00"),
    ):
        model = things(sqlite_sessions, kind)
        assert reader.row(model, key).decode().rpartition("#")[2] == name
        assert reader.row(model.__table__.name, key).decode().rpartition("#")[2] == name


def test_a_decimal_that_is_counted_up(alkey: Alkey, pg_sessions: sessionmaker[Session]) -> None:
    """SQLAlchemy 2.0 makes a SERIAL of it on PostgreSQL, which rounds."""

    class Base(DeclarativeBase):
        pass

    class Counted(Base):
        __tablename__ = "counted"
        id = mapped_column(sa.Numeric(10, 2), primary_key=True)

    Base.metadata.create_all(pg_sessions.kw["bind"])
    before = alkey.key(alkey.row(Counted, 2))
    with pg_sessions.begin() as session:
        session.execute(sa.insert(Counted).values(id=Decimal("1.6")))
        held = session.scalars(sa.select(Counted.id)).one()
    assert alkey.key(alkey.row(Counted, held)) != before or held != 2
    assert (alkey.key(alkey.row(Counted, 2)) != before) == (sa.__version__ < "2.1")


def test_a_value_whose_type_is_not_the_column_s(alkey: Alkey, sessions: sessionmaker[Session]) -> None:
    """The column's type is not asked what is stored for it."""
    model = things(sessions, Prefixed)
    with sessions.begin() as session:
        session.add(model(id="5"))
    for stored in (sa.literal("cus_5", sa.String), sa.bindparam("given", "CUS_5", Folded)):
        before = alkey.key(alkey.row(model, "5"))
        with sessions.begin() as session:
            session.execute(sa.update(model).where(model.id == stored).values(n=model.n + 1))
        assert alkey.key(alkey.row(model, "5")) != before
