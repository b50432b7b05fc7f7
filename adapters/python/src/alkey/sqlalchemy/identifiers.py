"""What a reader's parts stand for: mapped instances and classes.

Where only the database knows which row an instance is, it depends on the table, apart from others of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.orm import InstanceState, Mapper
from sqlalchemy.orm.attributes import instance_state

from alkey.errors import NoIdentifier
from alkey.parts import Apart
from alkey.sqlalchemy.instances import mapping
from alkey.sqlalchemy.loads import Maps, schema_map_of_load
from alkey.sqlalchemy.naming import Naming, naming_of_readers
from alkey.sqlalchemy.tables import changes

_NOT_SAID: tuple[bytes, ...] = ()


def identifiers_of(thing: object, namespace: str) -> tuple[bytes, ...]:
    """See the package."""
    # As `state_of`, without a call.
    try:
        state = instance_state(thing)
    except AttributeError:
        state = None
    if isinstance(state, InstanceState):
        key = state.key
        if key is not None and not Maps.are_used:
            found = _rows_by_identity(state.mapper, key[1], namespace, changes.count)
            if found:
                return found
        naming = naming_of_readers(namespace, schema_map_of_load(state))
        return _rows_by_values(state.mapper, _values(state), naming)
    try:
        inspected = inspect(thing)
    except NoInspectionAvailable:
        return ()
    if isinstance(inspected, Mapper):
        return of_class(inspected, naming_of_readers(namespace))
    return ()


def of_class(mapper: Mapper[Any], naming: Naming) -> tuple[bytes, ...]:
    return under_each_name(naming, [naming.rows(table).any_row for table in mapping(mapper).class_tables])


@lru_cache(maxsize=16384)
def _rows_by_identity(
    mapper: Mapper[Any], identity: tuple[Any, ...], namespace: str, _changes: int
) -> tuple[bytes, ...]:
    """The rows of a persistent instance; none where more than its identity has to be known. Keys that are equal, as 1
    and True are, have the same name."""
    names = key_attributes(mapper)
    if any(attribute not in names for _, attributes in mapping(mapper).tables for attribute in attributes):
        return _NOT_SAID
    return _rows_by_values(mapper, dict(zip(names, identity, strict=True)), naming_of_readers(namespace))


def _rows_by_values(mapper: Mapper[Any], values: Mapping[str, object], naming: Naming) -> tuple[bytes, ...]:
    mapped = mapping(mapper)
    try:
        rows = mapped.rows(naming, values)
        if rows is not None:
            return under_each_name(naming, rows)
        of = None
    except NoIdentifier:
        of = [values.get(attribute) for _, attributes in mapped.tables for attribute in attributes]
    tables = under_each_name(naming, [naming.rows(table).any_row for table, _ in mapped.tables])
    return tables if of is None else Apart(tables, of)


def under_each_name(naming: Naming, identifiers: Sequence[bytes]) -> tuple[bytes, ...]:
    """Under each name that a table may have."""
    return tuple(identifiers) if naming.is_path_known else tuple(sorted(naming.with_aliases(identifiers)))


@lru_cache(maxsize=1024)
def key_attributes(mapper: Mapper[Any]) -> list[str]:
    return [mapper.get_property_by_column(column).key for column in mapper.primary_key]


def _values(state: InstanceState[Any]) -> Mapping[str, object]:
    """The values of the primary key's attributes, without asking the database for those that have expired."""
    mapper = state.mapper
    if state.identity is None:
        return state.dict
    values = {**dict(zip(key_attributes(mapper), state.identity, strict=True))}
    for _, attributes in mapping(mapper).tables:
        for attribute in attributes:
            values.setdefault(attribute, state.dict.get(attribute))
    return values
