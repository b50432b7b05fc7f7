"""How the rows of tables are named in a namespace: by the kinds of database that are there, and by where a connection
finds tables that name no schema, or another one than they say.

A writer knows its connection. A reader may have none yet, and goes by the databases that the sessions of its namespace
have used, or are bound to. What can't be told without knowing is named by its table.

Knows no session and no server.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, Connection, Dialect, Float, Numeric, Table
from sqlalchemy.dialects import postgresql, registry
from sqlalchemy.types import NullType, TypeEngine

from alkey._names import numbers, schemas
from alkey._names.identifier import prefix_of, row_prefix
from alkey._names.kinds import Kind, OnlyTheDatabaseKnows
from alkey._names.rows import Rows
from alkey.sqlalchemy.column_types import depends_on_dialect, kind_of
from alkey.sqlalchemy.tables import Named, Parent, changes

SchemaMap = tuple[tuple[str | None, str | None], ...]
"""The option `schema_translate_map`, sorted."""

# Where it is not known which it is. What is like in all of them is taken from the first.
_DATABASES = ("postgresql", "sqlite", "mysql", "oracle", "mssql")
_REFERENCE: Dialect = postgresql.dialect()


class Naming:
    """`dialects`: of the database; none where it is not known. `also`: schemas in which tables may be found that name
    none."""

    def __init__(
        self,
        namespace: str,
        dialects: tuple[Dialect, ...] = (),
        schema_map: SchemaMap = (),
        also: tuple[str, ...] = (),
    ) -> None:
        self.namespace = namespace
        self._dialects = dialects
        self._defaults = frozenset(map(_default_schema, dialects or (_REFERENCE,)))
        self._schema_map = dict(schema_map)
        self._also = also
        self._rows: dict[Named | Parent, Rows] = {}
        # The other names of a table, by what its rows begin with.
        self._aliases: dict[bytes, tuple[bytes, ...]] = {}

    def rows(self, table: Named) -> Rows:
        """Of a table itself."""
        found = self._rows.get(table)
        if found is None:
            found = Rows(
                self._prefix_of(table),
                [f"{table.name}.{column.name}" for column in table.key_columns],
                [self._kind_of_key(column) for column in table.key_columns],
            )
            # A column that points at a table has its type only when that is declared, too.
            if not any(isinstance(column.type, NullType) for column in table.key_columns):
                self._rows[table] = found
        return found

    def parents(self, parent: Parent) -> Rows:
        """Of those that foreign keys point at, by the values that these hold."""
        found = self._rows.get(parent)
        if found is None:
            of = parent.named
            # What points at it is compared by the rules of what it points at.
            are_exact = parent.is_by_key and None not in [self._kind_of_key(each) for each in of.key_columns]
            found = self._rows[parent] = Rows(
                self._prefix_of(of),
                [f"{each.table.name}.{each.name}" for each in parent.columns],
                [self.kind(column.type) if are_exact else None for column in parent.columns],
            )
        return found

    def prefix(self, name: str, schema: str | None) -> bytes:
        """What the names of a table's rows begin with that nobody has declared."""
        return row_prefix(self.namespace, name, schemas.without_default(schema, self._defaults))

    def is_same_schema(self, one: str | None, other: str | None) -> bool:
        return schemas.without_default(one, self._defaults) == schemas.without_default(other, self._defaults)

    def with_schemas(self, translated: Mapping[str | None, str | None]) -> Naming:
        """The same for tables that are in other schemas than they say."""
        schema_map = tuple(sorted(translated.items(), key=lambda pair: pair[0] or ""))
        return _naming(self.namespace, self._dialects, schema_map, self._also)

    def with_aliases(self, identifiers: Iterable[bytes]) -> Iterable[bytes]:
        """And what else the tables of these may be called."""
        if not self._aliases:
            return identifiers
        found = set(identifiers)
        for one in tuple(found):
            prefix = prefix_of(one)
            found.update(alias + one[len(prefix) :] for alias in self._aliases.get(prefix, ()))
        return found

    @property
    def is_path_known(self) -> bool:
        """Whether a table has one name for who reads it."""
        return not self._also

    def _prefix_of(self, table: Named) -> bytes:
        schema = table.schema
        translated = self._schema_map.get(schema, schema)
        names = {schemas.without_default(translated, self._defaults): None}
        # A reader who does not know what a writer knows names the table as it is declared.
        names[schemas.without_default(schema, self._defaults)] = None
        if translated is None or translated in self._also:
            names.update(dict.fromkeys((None, *self._also)))
        if translated in self._defaults and translated not in schemas.DEFAULT.values():
            names[translated] = None
        first, *others = (row_prefix(self.namespace, table.name, name) for name in names)
        if others:
            self._aliases[first] = tuple(others)
        return first

    def _kind_of_key(self, column: Column[Any]) -> Kind | None:
        # SQLAlchemy 2.0 makes a SERIAL of a decimal or a float that may be counted up.
        is_counted = isinstance(column.table, Table) and column.table._autoincrement_column is column
        if is_counted and isinstance(column.type, Numeric | Float):
            return numbers.whole
        return self.kind(column.type)

    def kind(self, type_: TypeEngine[Any]) -> Kind | None:
        """How values of a type are named; None: they are not."""
        dialects: Sequence[Dialect] = self._dialects
        if not dialects:
            dialects = _any() if depends_on_dialect(type_) else (_REFERENCE,)
        # On those where values have no names a writer names the table, whatever a reader does.
        kinds = [kind for each in dialects if (kind := kind_of(type_, each)) is not None]
        return None if not kinds else kinds[0] if len(kinds) == 1 else _agreed(kinds)


@lru_cache(maxsize=1)
def _any() -> tuple[Dialect, ...]:
    return tuple(registry.load(name)() for name in _DATABASES)


def _default_schema(dialect: Dialect) -> str | None:
    """The one whose tables need no schema. Where the kind of database has none of its own, the connection's."""
    return schemas.DEFAULT.get(dialect.name, dialect.default_schema_name)


def _also(dialect: Dialect) -> tuple[str, ...]:
    """Where the engine's first connection found tables without a schema, if that has a name."""
    name = dialect.default_schema_name
    return () if name is None or name == _default_schema(dialect) else (name,)


def _agreed(kinds: Sequence[Kind]) -> Kind:
    def encode(value: Any) -> bytes:
        name, *others = {kind(value) for kind in kinds}
        if others:
            raise OnlyTheDatabaseKnows(
                "what is stored depends on the database, and it is not known which it is"
            )
        return name

    return encode


# Of whom it is asked

_naming = lru_cache(maxsize=1024)(Naming)

# By namespace: what sessions have used, by the kind of database and its default schema.
_seen: dict[str, dict[tuple[str, str | None], Dialect]] = {}
_lock = threading.Lock()


def sees(namespace: str, dialect: Dialect) -> None:
    """A session of the namespace is on such a database."""
    kind = (dialect.name, dialect.default_schema_name)
    if kind not in _seen.get(namespace, {}):
        with _lock:
            # Before its first connection nobody knows the default schema.
            others = {
                key: each for key, each in _seen.get(namespace, {}).items() if key != (dialect.name, None)
            }
            _seen[namespace] = {**others, kind: dialect}
            changes.happen()


def naming_on(namespace: str, connection: Connection, options: Mapping[str, Any]) -> Naming:
    """That of a statement with these options, on this connection."""
    dialect = connection.dialect
    path = connection.info.get(_PATH, ()) if _Paths.are_set else ()
    if not path and "schema_translate_map" not in options:
        return _naming_of(namespace, dialect)
    return _naming(namespace, (dialect,), schema_map_of(options), (*_also(dialect), *path))


@lru_cache(maxsize=1024)
def _naming_of(namespace: str, dialect: Dialect) -> Naming:
    return _naming(namespace, (dialect,), (), _also(dialect))


def naming_of_readers(namespace: str, schema_map: SchemaMap = ()) -> Naming:
    """By what is known now."""
    return _naming_of_readers(namespace, schema_map, changes.count)


@lru_cache(maxsize=1024)
def _naming_of_readers(namespace: str, schema_map: SchemaMap, _changes: int) -> Naming:
    seen = _seen.get(namespace, {})
    also = dict.fromkeys(name for dialect in seen.values() for name in _also(dialect))
    # One of each kind.
    dialects = {name: dialect for (name, _), dialect in seen.items()}
    return _naming(namespace, tuple(dialects.values()), schema_map, tuple(also))


def schema_map_of(options: Mapping[str, Any]) -> SchemaMap:
    translated = options.get("schema_translate_map")
    if not translated:
        return ()
    return tuple(sorted(translated.items(), key=lambda pair: pair[0] or ""))


# Search paths that sessions have set

_PATH = "alkey.search_path"


class _Paths:
    are_set = False


def set_path(connection: Connection, statement: str) -> None:
    """The statement may set a search path, which the driver's connection keeps for all who use it later. When it is set
    back nobody can tell, so every one counts that it was ever set to."""
    path = schemas.path_set_by(statement)
    if path is not None and schemas.DEFAULT.get(connection.dialect.name) == "public":
        _Paths.are_set = True
        known: tuple[str, ...] = connection.info.get(_PATH, ())
        connection.info[_PATH] = tuple(dict.fromkeys((*known, *path)))
