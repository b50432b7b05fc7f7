"""What a reader's parts stand for: mapped instances and classes, and rows that are named by hand.

A row that is named by hand is named as its mapped columns would name it: they convert the key, and refuse what they
can't hold. Where only the database knows which row it is, it depends on the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Table, inspect
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.orm import InstanceState, Mapper
from sqlalchemy.orm.attributes import instance_state

from alkey._names.identifier import row_name
from alkey._names.kinds import OnlyTheDatabaseKnows
from alkey._names.rows import Rows
from alkey._names.values import value_name
from alkey.errors import NoIdentifier
from alkey.parts import Apart, Identifier, Row
from alkey.sqlalchemy import known
from alkey.sqlalchemy.instances import mapping
from alkey.sqlalchemy.loads import Maps, schema_map_of_load
from alkey.sqlalchemy.naming import Naming, naming_of_readers
from alkey.sqlalchemy.tables import Named, changes, named

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
        return _of_class(inspected, naming_of_readers(namespace))
    return ()


def _of_class(mapper: Mapper[Any], naming: Naming) -> tuple[bytes, ...]:
    return _all(naming, [naming.rows(table).any_row for table in mapping(mapper).class_tables])


@lru_cache(maxsize=16384)
def _rows_by_identity(
    mapper: Mapper[Any], identity: tuple[Any, ...], namespace: str, _changes: int
) -> tuple[bytes, ...]:
    """The rows of a persistent instance; none where more than its identity has to be known. Keys that are equal, as 1
    and True are, have the same name."""
    names = _key_attributes(mapper)
    if any(attribute not in names for _, attributes in mapping(mapper).tables for attribute in attributes):
        return _NOT_SAID
    return _rows_by_values(mapper, dict(zip(names, identity, strict=True)), naming_of_readers(namespace))


def _rows_by_values(mapper: Mapper[Any], values: Mapping[str, object], naming: Naming) -> tuple[bytes, ...]:
    mapped = mapping(mapper)
    try:
        rows = mapped.rows(naming, values)
        if rows is not None:
            return _all(naming, rows)
        of = None
    except NoIdentifier:
        of = [values.get(attribute) for _, attributes in mapped.tables for attribute in attributes]
    tables = _all(naming, [naming.rows(table).any_row for table, _ in mapped.tables])
    return tables if of is None else Apart(tables, of)


def _all(naming: Naming, identifiers: Sequence[bytes]) -> tuple[bytes, ...]:
    """Under each name that a table may have."""
    return tuple(identifiers) if naming.is_path_known else tuple(sorted(naming.with_aliases(identifiers)))


@lru_cache(maxsize=1024)
def _key_attributes(mapper: Mapper[Any]) -> list[str]:
    return [mapper.get_property_by_column(column).key for column in mapper.primary_key]


def _values(state: InstanceState[Any]) -> Mapping[str, object]:
    """The values of the primary key's attributes, without asking the database for those that have expired."""
    mapper = state.mapper
    if state.identity is None:
        return state.dict
    values = {**dict(zip(_key_attributes(mapper), state.identity, strict=True))}
    for _, attributes in mapping(mapper).tables:
        for attribute in attributes:
            values.setdefault(attribute, state.dict.get(attribute))
    return values


# What is named by hand


class _Plan(NamedTuple):
    """How a key names a row."""

    naming: Naming
    tables: tuple[tuple[Rows, tuple[int, ...] | None], ...]
    """The tables of a class that inherits, or one: with the places in the key where the values of the table's key are;
    None: all of it."""
    size: int
    """How many values the key has."""
    is_known: bool
    """Whether it is all that the tables' keys say."""


_Key = tuple[Any, ...]

# What names rows of one table, of which one identifier says all; as long as nothing has changed since.
_rows: dict[tuple[Any, str | None, str], tuple[int, Callable[[_Key], bytes]]] = {}
_ROWS_MAX = 4096


def row_of(thing: Any, key: _Key, schema: str | None, namespace: str) -> Identifier:
    """The row of a mapped class or of a table, or of that which has this name."""
    found = _rows.get((thing, schema, namespace))
    if found is not None and found[0] == changes.count:
        try:
            return Identifier(found[1](key))
        except NoIdentifier:
            # Not said so plainly.
            pass
    count = changes.count
    naming = naming_of_readers(namespace)
    plans = (
        _plans_by_name(thing, schema, naming) if isinstance(thing, str) else [_plan(thing, schema, naming)]
    )
    if not plans:
        return Identifier(naming.prefix(thing, schema) + row_name([value_name(value) for value in key]))
    if len(plans) > 1:
        return _row_of_one(plans, key)
    (plan,) = plans
    if len(plan.tables) == 1 and plan.is_known and plan.naming.is_path_known:
        if len(_rows) >= _ROWS_MAX:
            _rows.clear()
        _rows[thing, schema, namespace] = count, plan.tables[0][0].row
    return _row(plan, key)


def table_of(thing: Any, schema: str | None, namespace: str) -> Identifier:
    """Any row, as `row_of`."""
    naming = naming_of_readers(namespace)
    if isinstance(thing, str):
        return Identifier(naming.prefix(thing, schema) + b"*")
    mapper = _inspected(thing)
    if isinstance(mapper, Mapper) and schema is None:
        return _identifier(_of_class(mapper, naming))
    plan = _plan(thing, schema, naming)
    return _identifier(_all(plan.naming, [rows.any_row for rows, _ in plan.tables]))


def _row(plan: _Plan, key: _Key) -> Identifier:
    naming, tables, size, is_known = plan
    if len(key) == 1 and size > 1 and isinstance(key[0], tuple | list):
        key = tuple(key[0])
    if len(key) != size:
        raise NoIdentifier(f"a key of {len(key)} values is none: expected {size}, as of the primary key")
    if is_known:
        try:
            found = [
                rows.row(key if places is None else [key[at] for at in places]) for rows, places in tables
            ]
            return _identifier(_all(naming, found))
        except OnlyTheDatabaseKnows:
            pass
    return _identifier(Apart(_all(naming, [rows.any_row for rows, _ in tables]), list(key)))


def _row_of_one(plans: Sequence[_Plan], key: _Key) -> Identifier:
    """Several tables may have the same name, each in a MetaData of its own."""
    found: dict[Identifier, None] = {}
    error = None
    for plan in plans:
        try:
            found[_row(plan, key)] = None
        except NoIdentifier as refusal:
            error = refusal
    if error is not None and not found:
        raise error
    if len(found) != 1:
        raise NoIdentifier(
            f"the key {key!r} names another row in each of several tables of this name: expected the mapped class"
        )
    return next(iter(found))


def _identifier(identifiers: tuple[bytes, ...]) -> Identifier:
    is_plain = len(identifiers) == 1 and not isinstance(identifiers, Apart)
    return Identifier(identifiers[0]) if is_plain else Row(identifiers)


def _plans_by_name(name: str, schema: str | None, naming: Naming) -> list[_Plan]:
    """Of tables in that schema; if there are none, of those in no schema, of which there is one for each tenant."""
    tables = known.tables_called(name)
    found = [table for table in tables if naming.is_same_schema(table.schema, schema)]
    if not found:
        found = [table for table in tables if table.schema is None]
        naming = naming.with_schemas({None: schema})
    return [_plan_of_table(table, naming) for table in found]


def _plan(thing: Any, schema: str | None, naming: Naming) -> _Plan:
    inspected = _inspected(thing)
    if isinstance(inspected, Table):
        if schema is not None:
            naming = naming.with_schemas({named(inspected).schema: schema})
        return _plan_of_table(named(inspected), naming)
    if not isinstance(inspected, Mapper):
        raise NoIdentifier(f"{thing!r} has no rows: expected the name of a table, a Table, or a mapped class")
    attributes = _key_attributes(inspected)
    tables: dict[Named, tuple[str, ...]] = {}
    # What is loaded as one of this class may be one of a class that inherits from it.
    for mapper in inspected.self_and_descendants:
        for table, own in mapping(mapper).tables:
            tables.setdefault(table, own)
    if schema is not None:
        naming = naming.with_schemas(dict.fromkeys((table.schema for table in tables), schema))
    found = tuple((naming.rows(table), _places(own, attributes)) for table, own in tables.items())
    is_known = all(own and set(own) <= set(attributes) for own in tables.values())
    return _Plan(naming, found, len(attributes), is_known)


def _plan_of_table(table: Named, naming: Naming) -> _Plan:
    if not table.key_columns:
        raise NoIdentifier(f"{table.name} has no primary key, so its rows have no names: expected table()")
    return _Plan(naming, ((naming.rows(table), None),), len(table.key_columns), is_known=True)


def _places(own: Sequence[str], attributes: Sequence[str]) -> tuple[int, ...] | None:
    if list(own) == list(attributes) or not set(own) <= set(attributes):
        return None
    return tuple(attributes.index(attribute) for attribute in own)


def _inspected(thing: Any) -> Any:
    try:
        return inspect(thing)
    except NoInspectionAvailable:
        return None
