"""Which kind of values a type of SQLAlchemy holds, on one kind of database: how its keys are named.

None where nobody but the database knows which values are equal, or what it makes of one: collations, types that a
database pads or rounds, types and decorators that are somebody's own. Where a decorator only says in Python what is
stored, it is asked.

Reads what SQLAlchemy has no public names for. Knows no session and no server.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Dialect, TypeDecorator
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from alkey._names import kinds, moments, networks, numbers
from alkey._names.collations import NUMBERS_FOR_TEXT, is_exact
from alkey._names.kinds import Kind, OnlyTheDatabaseKnows, refused, shown
from alkey.errors import NoIdentifier

_OF_POSTGRESQL = frozenset({"postgresql", "cockroachdb", "redshift"})
_MICROSECONDS = _OF_POSTGRESQL | {"sqlite", "duckdb"}
# Where a column without a precision has eight bytes, or as many digits as are wanted.
_DOUBLES = _OF_POSTGRESQL | {"sqlite"}
_TEXTS = frozenset({
    "string", "text", "unicode", "unicode_text",
    "VARCHAR", "NVARCHAR", "VARCHAR2", "NVARCHAR2", "TEXT", "NTEXT", "CLOB",
})  # fmt: skip
_PADDED = frozenset({"CHAR", "NCHAR"})
_BYTES = frozenset({"large_binary", "BLOB", "BYTEA", "VARBINARY", "RAW"})
_DATETIMES = frozenset({"datetime", "DATETIME", "TIMESTAMP", "DATETIME2"})


def kind_of(type_: TypeEngine[Any], dialect: Dialect) -> Kind | None:
    type_ = type_._variant_mapping.get(dialect.name, type_)
    # What the database computes of a value on its way in, or out.
    if type_._has_bind_expression or type_._has_column_expression:
        return None
    is_own = type(type_).__module__.startswith("sqlalchemy.")
    if isinstance(type_, TypeDecorator):
        return None if is_own else _of_decorator(type_, dialect)
    if not is_own:
        return None
    for base, kind_of_base in _KINDS:
        if isinstance(type_, base):
            kind: Kind | None = kind_of_base(type_, dialect.name)
            return kind
    return None


def depends_on_dialect(type_: TypeEngine[Any]) -> bool:
    """Whether it may say for each database anew what is stored."""
    return isinstance(type_, TypeDecorator) or bool(type_._variant_mapping)


def _of_decorator(type_: TypeDecorator[Any], dialect: Dialect) -> Kind | None:
    if type(type_).bind_processor is not TypeDecorator.bind_processor:
        return None
    try:
        impl = type_.load_dialect_impl(dialect)
    except Exception:  # noqa: BLE001 - it is the application's, and may not know the database
        return None
    kind = kind_of(impl, dialect)
    if kind is None or type(type_).process_bind_param is TypeDecorator.process_bind_param:
        return kind
    stored = kind

    def encode(value: Any) -> bytes:
        try:
            bound = type_.process_bind_param(value, dialect)
        except Exception as error:
            raise NoIdentifier(f"{shown(value)} is refused by its type: {error!r}") from error
        if bound is None:
            raise OnlyTheDatabaseKnows(f"{shown(value)} is stored as NULL")
        return stored(bound)

    return encode


def _enum(type_: sa.Enum, _: str) -> Kind:
    labels = frozenset(type_.enums)

    def encode(value: Any) -> bytes:
        try:
            label = type_._db_value_for_elem(value)
        except (LookupError, TypeError):
            label = None
        if label not in labels:
            raise refused(value, f"one of {', '.join(map(str, type_.enums))}")
        return kinds.text(label)

    return encode


def _text(type_: Any, dialect: str) -> Kind | None:
    if type_.__visit_name__ not in _TEXTS | _PADDED or not _is_exact(type_, dialect):
        return None
    if type_.__visit_name__ in _PADDED:
        return kinds.padded_text(type_.length or 1)
    kind = kinds.only_text if dialect in NUMBERS_FOR_TEXT else kinds.text
    return kinds.text_up_to(type_.length, kind) if type_.length else kind


def _is_exact(type_: Any, dialect: str) -> bool:
    # One in a schema is somebody's own.
    return getattr(type_, "collation_schema", None) is None and is_exact(dialect, type_.collation)


def _domain(type_: Any, dialect: str) -> Kind | None:
    of = type_.data_type
    is_own = not type(of).__module__.startswith("sqlalchemy.")
    if is_own or dialect not in _OF_POSTGRESQL or not _is_exact(type_, dialect):
        return None
    return kind_of(of, postgresql.dialect())


def _float(type_: Any, dialect: str) -> Kind | None:
    if isinstance(type_, sa.Double) or type_.__visit_name__ in ("DOUBLE", "DOUBLE_PRECISION"):
        return numbers.double
    if dialect not in _DOUBLES:
        return None
    if type_.__visit_name__ != "REAL" and (type_.precision or 53) > 24:
        return numbers.double
    # Elsewhere it has eight bytes, and who does not know where it is would name it otherwise.
    return numbers.single if dialect in _OF_POSTGRESQL else None


def _numeric(type_: Any, dialect: str) -> Kind:
    if type_.precision is not None:
        kind = numbers.numeric_of(type_.precision, type_.scale or 0)
    else:
        kind = numbers.numeric if dialect in _DOUBLES else numbers.whole
    return numbers.through_a_double(kind) if dialect == "sqlite" else kind


def _datetime(type_: Any, dialect: str) -> Kind | None:
    if type_.__visit_name__ not in _DATETIMES or "_storage_format" in vars(type_):
        return None
    if type_.timezone:
        return (
            _with_decimals(type_, dialect, moments.timestamp_with_zone) if dialect in _OF_POSTGRESQL else None
        )
    # In MySQL it is printed in the time zone of the session.
    if type_.__visit_name__ == "TIMESTAMP" and dialect in NUMBERS_FOR_TEXT:
        return None
    return _with_decimals(type_, dialect, moments.timestamp)


def _time(type_: Any, dialect: str) -> Kind | None:
    # With a time zone, what programs take for the same time may be two rows.
    if "_storage_format" in vars(type_) or type_.timezone:
        return None
    return _with_decimals(type_, dialect, moments.time_of_day)


def _with_decimals(type_: Any, dialect: str, kind: Kind) -> Kind:
    decimals = getattr(type_, "precision", None)
    if decimals is None:
        decimals = getattr(type_, "fsp", None)
    if decimals is None and dialect in _MICROSECONDS:
        return kind
    return moments.with_decimals(decimals or 0, kind)


def _date(type_: Any, dialect: str) -> Kind | None:
    # In Oracle it holds a time.
    return None if dialect == "oracle" or "_storage_format" in vars(type_) else moments.day


def _in_postgresql(kind: Kind) -> Callable[[Any, str], Kind | None]:
    return lambda _, dialect: kind if dialect in _OF_POSTGRESQL else None


# In this order: an Enum is a String, and in some releases a Float is a Numeric.
_KINDS: tuple[tuple[type[Any], Callable[[Any, str], Kind | None]], ...] = (
    (sa.Integer, lambda *_: numbers.integer),
    (sa.Enum, _enum),
    (sa.String, _text),
    (sa.Uuid, lambda type_, _: kinds.uuid if type_.native_uuid else kinds.uuid_digits),
    (sa.Boolean, lambda *_: kinds.boolean),
    (sa.Float, _float),
    (sa.Numeric, _numeric),
    (sa.DateTime, _datetime),
    (sa.Date, _date),
    (sa.Time, _time),
    (sa.types._Binary, lambda type_, _: kinds.octets if type_.__visit_name__ in _BYTES else None),
    (postgresql.DOMAIN, _domain),
    (postgresql.INET, _in_postgresql(networks.inet)),
    (postgresql.CIDR, _in_postgresql(networks.cidr)),
    (postgresql.MACADDR, _in_postgresql(networks.macaddr_of(6))),
    (postgresql.MACADDR8, _in_postgresql(networks.macaddr_of(8))),
)
