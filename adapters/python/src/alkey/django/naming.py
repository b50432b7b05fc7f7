"""How the rows of models are named in a namespace, in one of Django's databases.

Knows no transaction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import connections

from alkey._names import schemas
from alkey._names.changes import Changes
from alkey._names.identifier import prefix_of, row_prefix
from alkey._names.rows import Rows
from alkey.django.alkeys import alkey_of
from alkey.django.fields import kind_of, prepared
from alkey.django.tables import Parent, Table, is_plain, split
from alkey.errors import NoIdentifier

_PATH_IN_OPTIONS = re.compile(r"search_path\s*=\s*(\S+)")


class Naming:
    """`path`: schemas in which tables may be found that name none."""

    def __init__(
        self, namespace: str, alias: str, vendor: str, path: tuple[str, ...], _is_aware: bool
    ) -> None:
        self.namespace = namespace
        self._alias = alias
        self._defaults = (schemas.DEFAULT.get(vendor),)
        self._path = path
        self._rows: dict[tuple[Table, bool], Rows] = {}
        # The other names of a table, by what its rows begin with.
        self._aliases: dict[bytes, tuple[bytes, ...]] = {}

    def rows(self, table: Table, *, are_prepared: bool = False) -> Rows:
        """`are_prepared`: whether its keys are as lookups hold them, and not as instances do."""
        found = self._rows.get((table, are_prepared))
        if found is None:
            found = self._rows[table, are_prepared] = self._made(table, are_prepared)
        return found

    def _made(self, table: Table, are_prepared: bool) -> Rows:
        kinds = [(field, kind_of(field, self._alias)) for field in table.key]
        return Rows(
            self.prefix(table.name, table.schema),
            [f"{table.name}.{field.name}" for field in table.key],
            [kind if are_prepared or kind is None else prepared(field, kind) for field, kind in kinds],
        )

    def any_row(self, table: Table) -> bytes:
        return self.rows(table).any_row

    def those(
        self, table: Table, keys: Iterable[Sequence[object]], *, are_prepared: bool = False
    ) -> set[bytes]:
        """The rows with these keys; the table if one of them is not known: None, or what the database computes."""
        rows = self.rows(table, are_prepared=are_prepared)
        found = set()
        for key in keys:
            if not all(map(is_plain, key)):
                return {rows.any_row}
            try:
                found.add(rows.row(key))
            except NoIdentifier:
                return {rows.any_row}
        return found

    def those_pointed_at(
        self, parent: Parent, values: Iterable[object], *, are_prepared: bool = False
    ) -> set[bytes]:
        """The rows that a foreign key with these values points at. None points at none."""
        keys = [(value,) for value in values if value is not None]
        if not keys:
            return set()
        if not parent.is_by_key:
            return {self.any_row(parent.table)}
        return self.those(parent.table, keys, are_prepared=are_prepared)

    def prefix(self, name: str, schema: str | None) -> bytes:
        """What the names of a table's rows begin with."""
        names = {schemas.without_default(schema, self._defaults): None}
        if schema is None or schema in self._path:
            names.update(
                dict.fromkeys(schemas.without_default(each, self._defaults) for each in (None, *self._path))
            )
        first, *others = (row_prefix(self.namespace, name, each) for each in names)
        if others:
            self._aliases[first] = tuple(others)
        return first

    def any_row_of(self, name: str) -> bytes:
        """Of a table as a model names it."""
        schema, table = split(name)
        return self.prefix(table, schema) + b"*"

    @property
    def is_path_known(self) -> bool:
        """Whether a table has one name for who reads it."""
        return not self._path

    def with_aliases(self, identifiers: Iterable[bytes]) -> set[bytes]:
        """And what else the tables of these may be called."""
        found = set(identifiers)
        for one in tuple(found) if self._aliases else ():
            prefix = prefix_of(one)
            found.update(alias + one[len(prefix) :] for alias in self._aliases.get(prefix, ()))
        return found


_naming = lru_cache(maxsize=1024)(Naming)


# To ask Django for a setting or a connection takes longer than to name a row.
_without_path: dict[str, Naming] = {}


def naming_in(alias: str, path: tuple[str, ...] = ()) -> Naming:
    """`path`: what this connection has set its search path to."""
    if not path:
        found = _without_path.get(alias)
        if found is not None:
            return found
    connection: Any = connections[alias]
    found = _naming(
        alkey_of(alias).namespace, alias, connection.vendor, (*_path_of(connection), *path), settings.USE_TZ
    )
    if not path:
        _without_path[alias] = found
    return found


changes = Changes()


def forget(*, setting: str = "ALKEY", **_: Any) -> None:
    """A test has changed a setting, or there is another model."""
    if setting in ("ALKEY", "DATABASES", "USE_TZ"):
        _without_path.clear()
        changes.happen()


def _path_of(connection: Any) -> tuple[str, ...]:
    options = connection.settings_dict.get("OPTIONS", {}).get("options")
    if not isinstance(options, str) or connection.vendor != "postgresql":
        return ()
    found = _PATH_IN_OPTIONS.search(options)
    return () if found is None else schemas.path_set_by(f"SET search_path = {found[1]}") or ()
