"""Rows and tables that are named by hand: by a mapped class, a Table, or a table's name.

They are named as the mapped columns would name them: these convert the key, and refuse what they can't hold. Where only
the database knows which row it is, the row depends on its table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Table, inspect
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.orm import Mapper

from alkey._names.identifier import row_name
from alkey._names.kinds import OnlyTheDatabaseKnows
from alkey._names.rows import Rows
from alkey._names.values import value_name
from alkey.errors import NoIdentifier
from alkey.parts import Apart, Identifier, Row
from alkey.sqlalchemy import known
from alkey.sqlalchemy.identifiers import key_attributes, of_class, under_each_name
from alkey.sqlalchemy.instances import mapping
from alkey.sqlalchemy.naming import Naming, naming_of_readers
from alkey.sqlalchemy.tables import Named, changes, named


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

# What is known of a thing whose rows were asked for, as long as nothing has changed since the count: what names a row,
# if one identifier says all of it; and how, for each table that it may be.
_known: dict[tuple[Any, str | None, str], tuple[int, Callable[[_Key], bytes] | None, list[_Plan]]] = {}
_KNOWN_MAX = 4096


def row_of(thing: Any, key: _Key, schema: str | None, namespace: str) -> Identifier:
    """The row of a mapped class or of a table, or of that which has this name."""
    found = _known.get((thing, schema, namespace))
    if found is None or found[0] != changes.count:
        found = _learn(thing, schema, namespace)
    if found[1] is not None:
        try:
            return Identifier(found[1](key))
        except NoIdentifier:
            # Not said so plainly.
            pass
    plans = found[2]
    if len(plans) == 1:
        return _row(plans[0], key)
    if plans:
        return _row_of_one(plans, key)
    prefix = naming_of_readers(namespace).prefix(*_split(thing, schema))
    return Identifier(prefix + row_name([value_name(value) for value in key]))


def _learn(
    thing: Any, schema: str | None, namespace: str
) -> tuple[int, Callable[[_Key], bytes] | None, list[_Plan]]:
    count = changes.count
    naming = naming_of_readers(namespace)
    is_name = isinstance(thing, str)
    plans = _plans_by_name(*_split(thing, schema), naming) if is_name else [_plan(thing, schema, naming)]
    row = None
    if len(plans) == 1 and len(plans[0].tables) == 1:
        ((rows, places),) = plans[0].tables
        if places is None and plans[0].is_known and plans[0].naming.is_path_known:
            row = rows.row
    if len(_known) >= _KNOWN_MAX:
        _known.clear()
    learned = _known[thing, schema, namespace] = (count, row, plans)
    return learned


def table_of(thing: Any, schema: str | None, namespace: str) -> Identifier:
    """Any row, as `row_of`."""
    naming = naming_of_readers(namespace)
    if isinstance(thing, str):
        return Identifier(naming.prefix(*_split(thing, schema)) + b"*")
    inspected = _inspected(thing)
    if isinstance(inspected, Mapper) and schema is None:
        return _identifier(of_class(inspected, naming))
    if isinstance(inspected, Table):
        naming = _in_schema(naming, schema, [named(inspected)])
        return _identifier(under_each_name(naming, [naming.rows(named(inspected)).any_row]))
    plan = _plan(thing, schema, naming)
    return _identifier(under_each_name(plan.naming, [rows.any_row for rows, _ in plan.tables]))


def _in_schema(naming: Naming, schema: str | None, tables: Iterable[Named]) -> Naming:
    """Where the tables are in this schema, if it is said."""
    return naming if schema is None else naming.with_schemas({table.schema: schema for table in tables})


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
            return _identifier(under_each_name(naming, found))
        except OnlyTheDatabaseKnows:
            pass
    return _identifier(Apart(under_each_name(naming, [rows.any_row for rows, _ in tables]), list(key)))


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
    # That which depends on the table depends on what the others say, too.
    first = next((each for each in found if isinstance(each, Row)), next(iter(found)))
    if len(found) > 1 and not isinstance(first, Row):
        raise NoIdentifier(
            f"the key {key!r} names another row in each of several tables of this name: expected the mapped class"
        )
    return first


def _identifier(identifiers: tuple[bytes, ...]) -> Identifier:
    is_plain = len(identifiers) == 1 and not isinstance(identifiers, Apart)
    return Identifier(identifiers[0]) if is_plain else Row(identifiers)


def _plans_by_name(name: str, schema: str | None, naming: Naming) -> list[_Plan]:
    """Of tables in that schema; if there are none, of those in no schema, of which there is one for each tenant. What
    has no key is there for its name's sake."""
    tables = [table for table in known.tables_called(name) if table.key_columns]
    found = [table for table in tables if naming.is_same_schema(table.schema, schema)]
    if not found:
        found = [table for table in tables if table.schema is None]
        naming = naming.with_schemas({None: schema})
    return [_plan_of_table(table, naming) for table in found]


def _split(name: str, schema: str | None) -> tuple[str, str | None]:
    """A name may say its schema, unless there is a table whose name has a dot."""
    of_schema, dot, last = name.rpartition(".")
    is_both = schema is None and dot and not known.tables_called(name) and known.tables_called(last)
    return (last, of_schema) if is_both else (name, schema)


def _plan(thing: Any, schema: str | None, naming: Naming) -> _Plan:
    inspected = _inspected(thing)
    if isinstance(inspected, Table):
        return _plan_of_table(named(inspected), _in_schema(naming, schema, [named(inspected)]))
    if not isinstance(inspected, Mapper):
        raise NoIdentifier(f"{thing!r} has no rows: expected the name of a table, a Table, or a mapped class")
    attributes = key_attributes(inspected)
    tables: dict[Named, tuple[str, ...]] = {}
    # What is loaded as one of this class may be one of a class that inherits from it.
    for mapper in inspected.self_and_descendants:
        for table, own in mapping(mapper).tables:
            tables.setdefault(table, own)
    naming = _in_schema(naming, schema, tables)
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
