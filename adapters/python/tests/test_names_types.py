"""Of which types of SQLAlchemy values have names, and on which databases."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, registry, sqlite

from alkey._names.kinds import OnlyTheDatabaseKnows
from alkey.sqlalchemy.column_types import kind_of

DATABASES = ("postgresql", "sqlite", "mysql", "mssql", "oracle")
EVERYWHERE = set(DATABASES)
EXACT = {"postgresql", "sqlite", "oracle"}
NOWHERE: set[str] = set()


class Subclass(sa.String):
    """What it is compiled to, only its author knows."""


class OfSubclass(sa.TypeDecorator[str]):
    impl, cache_ok = Subclass, True


class Plain(sa.TypeDecorator[str]):
    """As those are that only give a type a name."""

    impl, cache_ok = sa.String, True


class OwnProcessor(Plain):
    cache_ok = True

    def bind_processor(self, dialect: Any) -> Any:
        return str.lower


class Fussy(Plain):
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        raise KeyError(dialect.name)


class ReadByFunction(Plain):
    cache_ok = True

    def column_expression(self, column: Any) -> Any:
        return sa.func.upper(column, type_=self)


@pytest.mark.parametrize(
    ("type_", "databases"),
    [
        (sa.Integer(), EVERYWHERE),
        (sa.BigInteger(), EVERYWHERE),
        (sa.Boolean(), EVERYWHERE),
        (sa.Uuid(), EVERYWHERE),
        (sa.LargeBinary(), EVERYWHERE),
        (sa.Enum("a", "b"), EVERYWHERE),
        (sa.Double(), EVERYWHERE),
        (sa.Date(), EVERYWHERE - {"oracle"}),
        (sa.String(), EXACT),
        (sa.Text(), EXACT),
        (sa.Unicode(9), EXACT),
        (sa.CHAR(3), EXACT),
        (Plain(), EXACT),
        (Plain(9), EXACT),
        (sa.Float(), {"postgresql", "sqlite"}),
        (sa.Float(24), {"postgresql"}),
        (sa.REAL(), {"postgresql"}),
        (sa.DateTime(timezone=True), {"postgresql"}),
        (sa.Time(timezone=True), NOWHERE),
        (sa.BINARY(4), NOWHERE),
        (sa.Interval(), NOWHERE),
        (sa.JSON(), NOWHERE),
        (sa.PickleType(), NOWHERE),
        (sa.ARRAY(sa.Integer), NOWHERE),
        (sa.types.NullType(), NOWHERE),
        (Subclass(), NOWHERE),
        (OfSubclass(), NOWHERE),
        (OwnProcessor(), NOWHERE),
        (Fussy(), NOWHERE),
        (ReadByFunction(), NOWHERE),
        (postgresql.CITEXT(), NOWHERE),
        (postgresql.BIT(3), NOWHERE),
        (postgresql.INET(), {"postgresql"}),
        (postgresql.DOMAIN("d", sa.Integer), {"postgresql"}),
        (postgresql.DOMAIN("d", postgresql.CITEXT), NOWHERE),
        (postgresql.DOMAIN("d", sa.Text, collation="ci"), NOWHERE),
        (mysql.SET("a", "b"), NOWHERE),
        (mysql.TIMESTAMP(), EVERYWHERE - {"mysql"}),
        (sqlite.DATETIME(truncate_microseconds=True), NOWHERE),
        # Collations. What a column says counts, and not what the database does by itself.
        (sa.String(collation="NOCASE"), NOWHERE),
        (sa.String(collation="RTRIM"), NOWHERE),
        (sa.String(collation="ci"), NOWHERE),
        (sa.String(collation="utf8mb4_bin"), NOWHERE),
        (sa.String(collation="utf8mb4_0900_ai_ci"), NOWHERE),
        (sa.String(collation="utf8mb4_0900_bin"), EVERYWHERE),
        (sa.String(collation="BINARY"), EVERYWHERE),
        (sa.String(collation="C"), EVERYWHERE),
        (sa.String(collation="de-DE-x-icu"), EVERYWHERE),
        (sa.String().with_variant(sa.String(collation="NOCASE"), "sqlite"), EXACT - {"sqlite"}),
        (sa.String().with_variant(postgresql.CITEXT(), "postgresql"), EXACT - {"postgresql"}),
    ],
    ids=repr,
)
def test_types(type_: Any, databases: set[str]) -> None:
    assert {name for name in DATABASES if kind_of(type_, registry.load(name)()) is not None} == databases


@pytest.mark.parametrize(
    ("type_", "value", "database"),
    [
        (sa.Numeric(), "1.5", "mysql"),
        (sa.Numeric(), "0.1234567890123456", "sqlite"),
        (sa.Numeric(20, 10), "1234567890.123456789", "sqlite"),
        (sa.Numeric(10), "1.5", "postgresql"),
        (sa.DateTime(), "2026-01-31 03:04:05.5", "mysql"),
        (mysql.DATETIME(fsp=3), "2026-01-31 03:04:05.1234", "mysql"),
        (postgresql.TIMESTAMP(precision=0), "2026-01-31 03:04:05.5", "postgresql"),
        (sa.Time(), "03:04:05.5", "mssql"),
        (sa.String(collation="utf8mb4_0900_bin"), 5, "mysql"),
        (sa.String(2), "abc", "sqlite"),
        (sa.CHAR(3), "ab", "sqlite"),
    ],
)
def test_what_a_database_makes_another_value_of(type_: Any, value: Any, database: str) -> None:
    kind = kind_of(type_, registry.load(database)())
    assert kind is not None
    with pytest.raises(OnlyTheDatabaseKnows):
        kind(value)
