"""What a statement changes: the rows, where its parameters name them, else the tables. Of text `texts` tells it.

It is judged as it is about to be sent, so whoever made it (a flush, a bulk operation, Core) is judged by what is true.
How to judge a compiled statement is worked out once and kept with it. A judgement may name too much, never too little.

Knows no session and no server.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy.sql import visitors
from sqlalchemy.sql.ddl import DDL, CreateIndex, CreateTable, DropTable, ExecutableDDLElement
from sqlalchemy.sql.dml import Delete, Insert, Update, UpdateBase
from sqlalchemy.sql.elements import (
    SavepointClause,
    TextClause,
)
from sqlalchemy.sql.expression import TableClause
from sqlalchemy.sql.selectable import TextualSelect

from alkey._names import identifier
from alkey.sqlalchemy.columns import bound, computed, is_pointed_at, written_columns
from alkey.sqlalchemy.many import names_of
from alkey.sqlalchemy.naming import Naming
from alkey.sqlalchemy.scoped import OldRows, scopes_of_new
from alkey.sqlalchemy.scopes import UNKNOWN, scopes_of
from alkey.sqlalchemy.tables import Cascades, Named, Parent, cascades, named
from alkey.sqlalchemy.texts import changed_by_text


class Change:
    """What one statement changes."""

    def __init__(self, named_rows: set[bytes], unnamed_insert: bytes | None = None) -> None:
        self.identifiers = named_rows
        # A table's identifier among them that stands for new rows. Their keys are known when the database has answered.
        self.unnamed_insert = unnamed_insert
        # Those whose scopes are to be read, too.
        self.old_rows: OldRows | None = None


class Plan:
    """How to judge a compiled statement that changes rows of a table."""

    def __init__(self, table: Named, others: Sequence[Named]) -> None:
        self.table = table
        self.others = tuple(others)
        self.is_insert = False
        # For each column of the primary key the name of the parameter that says it; None: unknown rows.
        self.key_parameters: tuple[str, ...] | None = None
        # What the rows point at, with the names of the parameters that say so.
        self.parents: list[tuple[Parent, tuple[str, ...]]] = []
        # Of an update that changes the primary key: the names for the new key. Empty: not changed.
        self.new_key_parameters: tuple[str, ...] = ()
        # Of an update: for each column that it writes the name of the parameter that says what, if there is one.
        self.written: dict[str, str | None] = {}

    def bind(self, bound: Mapping[Any, str]) -> None:
        """`bound`: columns that are compared with a parameter, and its name."""
        if self.table.key_columns and all(column in bound for column in self.table.key_columns):
            self.key_parameters = tuple(bound[column] for column in self.table.key_columns)
        for parent in self.table.parents:
            if all(column in bound for column in parent.columns):
                self.parents.append((parent, tuple(bound[column] for column in parent.columns)))

    def change(self, naming: Naming, parameters: Sequence[Mapping[str, Any]]) -> Change:
        change = Change({naming.rows(other).any_row for other in self.others})
        rows = change.identifiers
        of_table = naming.rows(self.table)
        are_told = self.key_parameters is not None
        for names in (self.key_parameters, self.new_key_parameters):
            if names:
                found = names_of(of_table, names, parameters)
                rows.update(filter(None, found))
                are_told = are_told and all(found)
        if not are_told:
            rows.add(of_table.any_row)
            if self.is_insert and self._asks_for_keys(parameters):
                change.unnamed_insert = of_table.any_row
        for parent, names in self.parents:
            parents = naming.parents(parent)
            found = names_of(parents, names, parameters)
            rows.update(filter(None, found))
            for row, values in zip(found, parameters, strict=True):
                if row is None and all(values.get(name) is not None for name in names):
                    rows.add(parents.any_row)
        if scopes_of(self.table):
            self._add_scopes(change, naming, parameters, are_told)
        return change

    def _asks_for_keys(self, parameters: Sequence[Mapping[str, Any]]) -> bool:
        """Whether the database gives keys, and tells them. One that is given and has no name is not asked for."""
        names = self.table.key_names
        return any(values.get(name) is None for values in parameters for name in names)

    def _add_scopes(
        self, change: Change, naming: Naming, parameters: Sequence[Mapping[str, Any]], are_told: bool
    ) -> None:
        if self.is_insert:
            scopes = scopes_of_new(self.table, naming, parameters)
            change.identifiers |= scopes
            if naming.rows(self.table).any_row in scopes:
                change.unnamed_insert = None
        elif are_told and self.key_parameters:
            rows = []
            for values in parameters:
                new = {
                    column: UNKNOWN if name is None else values.get(name, UNKNOWN)
                    for column, name in self.written.items()
                }
                rows.append((tuple(values[name] for name in self.key_parameters), new))
            change.old_rows = OldRows(self.table, rows)


class _Text:
    """A statement that is judged by its text."""


_TEXT = _Text()
_plans: weakref.WeakKeyDictionary[Any, list[Plan] | _Text | None] = weakref.WeakKeyDictionary()


def change_by(context: Any, statement: str, naming: Naming) -> Change | None:
    """What a statement that is about to be executed changes; None: nothing."""
    compiled = context.compiled
    if compiled is None:
        return _change_by_text(context, statement, naming)
    try:
        plans = _plans[compiled]
    except KeyError:
        plans = _plans[compiled] = _judged(compiled)
    if plans is None:
        return None
    if isinstance(plans, _Text):
        return _change_by_text(context, statement, naming)
    if not plans:
        return Change(identifier.all_of(naming.namespace))
    change = plans[0].change(naming, context.compiled_parameters or [{}])
    for plan in plans[1:]:
        change.identifiers |= plan.change(naming, [{}]).identifiers
    return change


def only_reads(context: Any) -> bool:
    """Whether it is known already that a compiled statement changes nothing."""
    return _plans.get(context.compiled, _TEXT) is None


def _change_by_text(context: Any, statement: str, naming: Naming) -> Change | None:
    changed = changed_by_text(context, statement, naming)
    return None if changed is None else Change(changed)


def scopes_inserted(context: Any, naming: Naming) -> set[bytes]:
    """Those of the rows that an INSERT of a flush is about to make."""
    table = named(context.compiled.statement.table)
    return scopes_of_new(table, naming, context.compiled_parameters) if scopes_of(table) else set()


def entered_savepoint(context: Any) -> str | None:
    """The name of the savepoint that a statement makes. The event for it is fired before it has one."""
    statement = None if context.compiled is None else context.compiled.statement
    return str(statement.ident) if isinstance(statement, SavepointClause) else None


def _judged(compiled: Any) -> list[Plan] | _Text | None:
    """None: it changes nothing. Empty: nobody knows what."""
    statement: Any = compiled.statement
    if isinstance(statement, ExecutableDDLElement):
        return _judged_ddl(statement)
    if compiled.ctes and any(isinstance(each, TextualSelect) for each in visitors.iterate(statement)):
        return _TEXT
    if isinstance(statement, UpdateBase):
        plans = [_plan(compiled, statement)]
        if compiled.ctes:
            plans += [_coarse(each) for each in _writing(statement) if each is not statement]
        return plans
    element = getattr(statement, "element", statement)
    if isinstance(element, TextClause | TextualSelect):
        return _TEXT
    if not (compiled.ctes or compiled.isinsert or compiled.isupdate or compiled.isdelete):
        return None
    return [_coarse(each) for each in _writing(statement)] or None


def _judged_ddl(statement: ExecutableDDLElement) -> list[Plan] | _Text | None:
    if isinstance(statement, CreateTable | CreateIndex):
        return None
    if isinstance(statement, DropTable):
        return [Plan(named(statement.element), [])]
    return _TEXT if isinstance(statement, DDL) else []


def _writing(statement: Any) -> Iterator[UpdateBase]:
    for each in visitors.iterate(statement):
        if isinstance(each, UpdateBase):
            yield each


def _tables(statement: Any) -> list[TableClause]:
    """The tables that it changes: one, but for MySQL's UPDATE of a join."""
    table = statement.table
    if isinstance(table, TableClause):
        return [table]
    return [each for each in visitors.iterate(table) if isinstance(each, TableClause)]


def _coarse(statement: UpdateBase) -> Plan:
    first, *more = _tables(statement)
    reached = cascades(first)
    others: list[Named] = []
    if reached is not None and not isinstance(statement, Insert | Update):
        others += reached.on_delete
    if reached is not None and not isinstance(statement, Insert | Delete):
        others += reached.on_update
    return Plan(named(first), [*map(named, more), *others])


def _plan(compiled: Any, statement: UpdateBase) -> Plan:
    first, *more = _tables(statement)
    table = named(first)
    reached = cascades(first)
    if more:
        return _coarse(statement)
    if isinstance(statement, Insert):
        # With a clause after the values, or another verb, rows are changed that were there. REPLACE deletes them.
        if not compiled.string.startswith("INSERT INTO"):
            return Plan(table, [] if reached is None else [*reached.on_delete, *reached.on_update])
        if re.search(r"\bON (CONFLICT|DUPLICATE)\b", compiled.string):
            return Plan(table, [] if reached is None else reached.on_update)
        plan = Plan(table, [])
        if statement.select is None:
            plan.is_insert = True
            plan.key_parameters = table.key_names or None
            plan.parents = [(parent, parent.column_names) for parent in table.parents]
        return plan
    if isinstance(statement, Delete):
        plan = Plan(table, reached.on_delete if reached else [])
        plan.bind(bound(compiled, statement))
        return plan
    if isinstance(statement, Update):
        return _plan_of_update(compiled, statement, table, reached)
    return _coarse(statement)


def _plan_of_update(compiled: Any, statement: Update, table: Named, reached: Cascades | None) -> Plan:
    written = written_columns(compiled, statement)
    plan = Plan(
        table, reached.on_update if reached and (written is None or is_pointed_at(table, written)) else []
    )
    if written is None or any(name in written and name not in compiled.binds for name in table.key_names):
        return plan
    plan.bind(bound(compiled, statement))
    plan.written = {name: name if name in compiled.binds else None for name in (*written, *computed(table))}
    if plan.key_parameters is not None and not written.isdisjoint(table.key_names):
        # A parameter that has a column's name is what the column becomes: SQLAlchemy reserves these names.
        old_and_new = zip(plan.key_parameters, table.key_names, strict=True)
        plan.new_key_parameters = tuple(new if new in written else old for old, new in old_and_new)
    return plan
