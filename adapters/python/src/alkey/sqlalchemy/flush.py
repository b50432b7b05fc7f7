"""What a flush changes beside the rows that its statements name: new rows, whose keys the database may have given; the
other tables' rows of an instance that is in several; and the rows that changed rows point at, before and after.

Works on all instances of a class at once, since one at a time they cost as much as the flush. Knows no server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import compress
from typing import Any, NamedTuple

from sqlalchemy.orm import InstanceState, Mapper, UOWTransaction
from sqlalchemy.orm.attributes import instance_state

from alkey._names.rows import Rows
from alkey.sqlalchemy.instances import Mapped, mapping, parents_of, rows_or_tables
from alkey.sqlalchemy.many import names_of
from alkey.sqlalchemy.naming import Naming
from alkey.sqlalchemy.scoped import OldRows
from alkey.sqlalchemy.scopes import scopes_of

_NOTHING_NEW: dict[str, object] = {}


class Group(NamedTuple):
    """Instances of one class, with what they hold, which takes time to ask for."""

    states: list[InstanceState[Any]]
    values: list[dict[str, Any]]


def _group(states: list[InstanceState[Any]]) -> Group:
    return Group(states, [state.dict for state in states])


def is_by_flush(context: Any) -> bool:
    """Whether a statement that was executed during a flush is the flush's own, for mapped instances, and not one that
    a listener executes. Only the ORM gives its statements a cache; with none they are judged like any other."""
    return "compiled_cache" in context.execution_options


def changed_by_flush(
    context: UOWTransaction,
    naming_of: Callable[[Mapper[Any]], Naming],
    rows_sent: set[bytes],
    has_inserted: bool,
) -> set[bytes]:
    """`rows_sent`: what the flush's statements named; `has_inserted`: whether there were INSERTs among them, which
    named nothing. What it deleted, `parents_of_deleted` is asked about."""
    changed: set[bytes] = set()
    for mapper, states in context.mappers.items():
        known = mapping(mapper)
        if not (has_inserted or known.parents or len(known.tables) > 1):
            continue
        new_states: list[InstanceState[Any]] = []
        old_states: list[InstanceState[Any]] = []
        for state in states:
            # A new instance gets its identity only after this.
            (new_states if state.key is None else old_states).append(state)
        naming = naming_of(mapper)
        found: set[bytes] = set()
        if new_states:
            new = _group(new_states)
            found |= _rows(known, new, naming)
            found |= _parents(known, new, naming)
        if old_states and (known.parents or len(known.tables) > 1):
            updated = _updated(known, _group(old_states), naming, rows_sent)
            if len(known.tables) > 1:
                found |= _rows(known, updated, naming)
            found |= _parents(known, updated, naming)
        changed.update(naming.with_aliases(found))
    return changed


def rows_beside(
    context: UOWTransaction,
    naming_of: Callable[[Mapper[Any]], Naming],
    rows_sent: set[bytes],
    rows_read: set[bytes],
) -> Iterator[tuple[Mapper[Any], OldRows]]:
    """Of instances that are in several tables: the rows whose scopes were not read, since no statement changed them."""
    for mapper, states in context.mappers.items():
        known = mapping(mapper)
        if len(known.tables) == 1 or not any(scopes_of(table) for table, _ in known.tables):
            continue
        naming = naming_of(mapper)
        old = _group([state for state in states if state.key is not None])
        updated = _updated(known, old, naming, rows_sent)
        for table, attributes in known.tables:
            if scopes_of(table):
                names = names_of(naming.rows(table), attributes, updated.values)
                rows = [
                    (tuple(values.get(attribute) for attribute in attributes), _NOTHING_NEW)
                    for name, values in zip(names, updated.values, strict=True)
                    if name not in rows_read
                ]
                if rows:
                    yield mapper, OldRows(table, rows)


def parents_of_deleted(instance: object, naming: Naming) -> set[bytes]:
    state: InstanceState[Any] = instance_state(instance)
    return _parents(mapping(state.mapper), _group([state]), naming)


def _rows(known: Mapped, group: Group, naming: Naming) -> set[bytes]:
    """The row of each in each of its tables, or the table."""
    rows: set[bytes] = set()
    for table, attributes in known.tables:
        names = names_of(naming.rows(table), attributes, group.values)
        if None in names:
            return {row for state in group.states for row in rows_or_tables(state, naming)}
        rows.update(filter(None, names))
    return rows


def _updated(known: Mapped, group: Group, naming: Naming, rows_sent: set[bytes]) -> Group:
    """Those with a row that a statement named. An instance is in a flush as soon as anything was assigned to it, or
    to a collection of it, but its row changes only if that was something else."""
    if not rows_sent.isdisjoint(naming.rows(table).any_row for table, _ in known.tables):
        return group
    of_tables = [names_of(naming.rows(table), attributes, group.values) for table, attributes in known.tables]
    if rows_sent.issuperset(of_tables[0]):
        return group
    if len(of_tables) == 1:
        are_sent = [name in rows_sent for name in of_tables[0]]
    else:
        are_sent = [not rows_sent.isdisjoint(names) for names in zip(*of_tables, strict=True)]
    return Group(list(compress(group.states, are_sent)), list(compress(group.values, are_sent)))


def _parents(known: Mapped, group: Group, naming: Naming) -> set[bytes]:
    """What these instances point at, and pointed at before."""
    rows: set[bytes] = set()
    for parent, attributes in known.parents:
        parents = naming.parents(parent)
        common = _common_parents(parents, attributes, group)
        if common is None:
            for state in group.states:
                rows.update(parents_of(state, parents, attributes))
        else:
            rows |= common
    return rows


def _common_parents(parents: Rows, attributes: tuple[str, ...], group: Group) -> set[bytes] | None:
    """The rows that they point at, which are few if many point at the same. None: each must be looked at closely,
    since one pointed elsewhere before, or what it points at is not known."""
    if len(attributes) > 1:
        return None
    attribute = attributes[0]
    # Of a new one all is in `committed_state`, and it pointed at nothing before.
    for state in group.states:
        if attribute in state.committed_state and state.key is not None:
            return None
    try:
        keys = {values[attribute] for values in group.values}
    except (KeyError, TypeError):
        return None
    keys.discard(None)
    names = names_of(parents, attributes, [{attribute: key} for key in keys])
    return None if None in names else set(filter(None, names))
