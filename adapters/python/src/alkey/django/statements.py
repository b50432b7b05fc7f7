"""What a statement of Django's ORM changes: the rows, where it names them, else the table; and what they point at.

It is judged as it is about to be sent, by the query that it was made from. A row is changed, too, when one begins or
ends to point at it, or when an instance that points at it is saved. A judgement may name too much, never too little.

Knows no connection and no server. `known` is what instances remember of where rows pointed before: for each attribute
the values that a row may have had, by the row's identifier. What was asked about is taken out of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, NamedTuple

from django.db.models.constants import OnConflict
from django.db.models.expressions import Col, ColPairs
from django.db.models.lookups import Exact, In

from alkey.django.naming import Naming
from alkey.django.tables import Parent, Table, is_plain, left_to_the_database, parents_of, table_of

Known = MutableMapping[bytes, dict[str, set[Any]]]


def is_key_given(query: Any) -> bool:
    """Whether the keys of rows that are inserted are known before the database is asked."""
    names = [field.attname for field in table_of(query.model).key]
    return all(is_plain(vars(each).get(name)) for each in query.objs for name in names)


def inserted(query: Any, naming: Naming, are_rows_named: bool) -> set[bytes]:
    """`are_rows_named`: False if the database gives the keys, and `inserted_rows` is asked when it has."""
    table = table_of(query.model)
    found: set[bytes] = set()
    if query.on_conflict is OnConflict.UPDATE:
        # Other rows may be changed than those that are named.
        found = {naming.any_row(table)}
    elif are_rows_named:
        names = [field.attname for field in table.key]
        found = naming.those(table, [[vars(each).get(name) for name in names] for each in query.objs])
    updated = {field.attname for field in query.update_fields}
    for parent in parents_of(query.model):
        found |= naming.those_pointed_at(
            parent, {_value(vars(each).get(parent.attribute)) for each in query.objs}
        )
        if parent.attribute in updated:
            found.add(naming.any_row(parent.table))
    return found


def inserted_rows(query: Any, naming: Naming, returned: Iterable[Any], fields: Iterable[Any]) -> set[bytes]:
    """The rows with the keys that the database gave; the table if it did not tell them."""
    table = table_of(query.model)
    places = [at for key in table.key for at, field in enumerate(fields) if field == key]
    keys = [[row[at] for at in places] for row in returned]
    if len(places) < len(table.key) or len(keys) < len(query.objs):
        return {naming.any_row(table)}
    return naming.those(table, keys)


def updated(query: Any, naming: Naming, known: Known) -> set[bytes]:
    table = table_of(query.model)
    bound = _bound(query)
    values = {field.attname: value for field, _model, value in query.values}
    rows = None if any(field.attname in values for field in table.key) else _rows(table, naming, bound)
    found = {naming.any_row(table)} if rows is None else set(rows)
    for parent, before in _parents(query.model, naming, rows, bound, known):
        if parent.attribute in values:
            found |= naming.those_pointed_at(parent, {_new_value(parent, values[parent.attribute])})
            found |= {naming.any_row(parent.table)} if before is None else before
        elif before is not None:
            found |= before
    return found


def deleted(query: Any, naming: Naming, known: Known) -> set[bytes]:
    table = table_of(query.model)
    bound = _bound(query)
    rows = _rows(table, naming, bound)
    found = {naming.any_row(table)} if rows is None else set(rows)
    for parent, before in _parents(query.model, naming, rows, bound, known):
        found |= {naming.any_row(parent.table)} if before is None else before
    found |= {naming.any_row(child) for child in left_to_the_database(query.model)}
    return found


def _rows(table: Table, naming: Naming, bound: Mapping[str, Bound]) -> set[bytes] | None:
    """The rows that WHERE names; None: others."""
    name = table.key[0].attname if len(table.key) == 1 else "pk"
    if name not in bound:
        return None
    values, are_prepared = bound[name]
    keys = [[value] for value in values] if len(table.key) == 1 else values
    found = naming.those(table, keys, are_prepared=are_prepared)
    return None if naming.any_row(table) in found else found


def _parents(
    model: Any,
    naming: Naming,
    rows: set[bytes] | None,
    bound: Mapping[str, Bound],
    known: Known,
) -> list[tuple[Parent, set[bytes] | None]]:
    """What the rows point at, with what they pointed at before; None: nobody knows."""
    found = [(each, _before(each, naming, rows, bound, known)) for each in parents_of(model)]
    for row in rows or ():
        known.pop(row, None)
    return found


def _before(
    parent: Parent,
    naming: Naming,
    rows: set[bytes] | None,
    bound: Mapping[str, Bound],
    known: Known,
) -> set[bytes] | None:
    if parent.attribute in bound:
        values, are_prepared = bound[parent.attribute]
        return naming.those_pointed_at(parent, values, are_prepared=are_prepared)
    if rows is None or any(parent.attribute not in known.get(row, ()) for row in rows):
        return None
    return naming.those_pointed_at(parent, {value for row in rows for value in known[row][parent.attribute]})


def _new_value(parent: Parent, value: Any) -> Any:
    return value.prepare_database_save(parent.field) if hasattr(value, "prepare_database_save") else value


def _value(value: Any) -> Any:
    """To be in a set. What can't be is taken for an expression, of which nobody knows the value."""
    return value if getattr(type(value), "__hash__", None) else _Unknown()


class _Unknown:
    def as_sql(self) -> None: ...


class Bound(NamedTuple):
    """The values that a column is compared with."""

    values: list[Any]
    are_prepared: bool
    """Whether they are as the field prepares them. Of several columns at once nobody has asked it yet."""


def _bound(query: Any) -> dict[str, Bound]:
    """The columns of the table that WHERE compares with values, by attribute, and `pk` for composite keys."""
    bound: dict[str, Bound] = {}
    _bind(query.where, query.get_initial_alias(), bound)
    return bound


def _bind(node: Any, alias: str, bound: dict[str, Bound]) -> None:
    """The comparisons that must all hold. One that is left out makes what is named no smaller than it is."""
    if node.negated or (node.connector != "AND" and len(node.children) > 1):
        return
    for child in node.children:
        if hasattr(child, "children"):
            _bind(child, alias, bound)
            continue
        values = _compared(child)
        if values is None:
            continue
        left = child.lhs
        if isinstance(left, Col) and left.alias == alias:
            bound[left.target.attname] = Bound(values, child.prepare_rhs)
        elif isinstance(left, ColPairs) and left.alias == alias and all(map(_is_key, left.targets)):
            bound["pk"] = Bound(values, are_prepared=False)


def _is_key(field: Any) -> bool:
    return field in table_of(field.model).key


def _compared(lookup: Any) -> list[Any] | None:
    """The values that a comparison is with; None: it is another one, or with what the database computes."""
    if not isinstance(lookup, Exact | In) or lookup.lookup_name not in ("exact", "in"):
        return None
    # One that somebody has made may compare as it likes.
    if not type(lookup).__module__.startswith("django."):
        return None
    if lookup.bilateral_transforms or not lookup.rhs_is_direct_value():
        return None
    values = list(lookup.rhs) if isinstance(lookup, In) else [lookup.rhs]
    return None if any(hasattr(value, "as_sql") for value in values) else values
