"""The life of a session's transaction, from its first statement to the database's decision.

What was changed is taken from the statements as they are sent (`statements`) and from the instances after each flush
(`flush`). RECORD is sent when a connection is about to commit or to prepare, which is after the session's last flush;
COMMIT when the session has committed, or when its transaction ended and nobody knows. Nothing is raised but where the
policy is to refuse the write, and then before the database was told to commit.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from sqlalchemy import Connection
from sqlalchemy.engine import RootTransaction
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Mapper, Session, UOWTransaction, object_mapper

from alkey.commands import Commands
from alkey.delivery import Backlog
from alkey.errors import NoIdentifier
from alkey.spread import AnyTransaction, Spread, Transactions, delivery_to
from alkey.sqlalchemy.autocommit import Immediate, commits_by_itself
from alkey.sqlalchemy.flush import changed_by_flush, is_by_flush, parents_of_deleted, rows_beside
from alkey.sqlalchemy.loads import Load
from alkey.sqlalchemy.naming import Naming, naming_of_readers, naming_on, schema_map_of, sees, set_path
from alkey.sqlalchemy.outer import Outer
from alkey.sqlalchemy.scoped import OldRows
from alkey.sqlalchemy.statements import change_by, entered_savepoint, only_reads, scopes_inserted
from alkey.sqlalchemy.tables import named
from alkey.transaction import Policy, Transaction


class _Nothing:
    pass


# It refers to nothing.
_NOTHING: weakref.ref[Any] = weakref.ref(_Nothing())


class Front(Protocol):
    """What is asked of an Alkey."""

    @property
    def commands(self) -> Commands: ...
    @property
    def delivery(self) -> Backlog: ...
    @property
    def namespace(self) -> str: ...
    @property
    def unavailable(self) -> Policy: ...


class Life:
    """One transaction of a session, on one connection or several."""

    def __init__(self, alkey: Front) -> None:
        self.alkey = alkey
        self.namespace = alkey.namespace
        self.transaction = self._new_transaction()
        # Each with its database transaction, which may outlive the session's. Weak, since a session that is dropped
        # without being closed gives back its connections only when nobody holds them.
        self.connections: weakref.WeakKeyDictionary[Connection, weakref.ref[RootTransaction]]
        self.connections = weakref.WeakKeyDictionary()
        self.since_ns: int | None = None
        self.load: Load | None = None
        self.is_age_known = True
        self.has_written = False
        self._is_flushing = False
        # The scopes of rows, by a statement of its own.
        self._is_reading = False
        self._rows_sent: set[bytes] = set()
        self._has_inserted = False
        self._rows_read: set[bytes] = set()
        self._judged: weakref.ref[Any] = _NOTHING
        # Identifiers of tables that stand for rows whose keys the database is about to tell, with who names them.
        self._unnamed_inserts: list[bytes] = []
        self._naming = naming_of_readers(self.namespace)
        self._immediate: Immediate | None = None

    def _new_transaction(self) -> AnyTransaction:
        alkey = self.alkey
        if isinstance(alkey.namespace, Spread):
            return Transactions(alkey.namespace, self._transaction_in)
        return self._transaction_in(alkey.namespace)

    def _transaction_in(self, namespace: str) -> Transaction:
        alkey = self.alkey
        delivery = delivery_to(alkey.delivery, namespace)
        return Transaction(alkey.commands, delivery, namespace, alkey.unavailable)

    def begin(self, connection: Connection, began_ns: int | None) -> None:
        """The session uses a connection, in which a transaction began at that time. None: before alkey could see it."""
        sees(self.namespace, connection.dialect)
        root = connection.get_transaction()
        self.connections[connection] = _NOTHING if root is None else weakref.ref(root)
        if began_ns is None:
            self.is_age_known = False
            self.load = None
        elif self.is_age_known and (self.since_ns is None or began_ns < self.since_ns):
            self.since_ns = began_ns
            self.load = Load(began_ns, schema_map_of(connection.get_execution_options()))

    def add(self, identifiers: Iterable[bytes], connection: Connection | None) -> None:
        if identifiers:
            self.has_written = True
            self.transaction.add(identifiers, self._scope(connection))

    def _scope(self, connection: Connection | None) -> int:
        """Savepoints are of a connection. What can't be told apart is in none, and is never rolled back to one."""
        if connection is None and len(self.connections) == 1:
            connection = next(iter(self.connections))
        return 0 if connection is None else id(connection)

    # Statements

    def before_statement(self, connection: Connection, statement: str, context: Any) -> None:
        if self._is_reading:
            return
        # One statement may be sent in several batches; its parameters are of them all.
        if self._immediate is None and context is self._judged():
            return
        self._judged = weakref.ref(context)
        self._unnamed_inserts = []
        savepoint = entered_savepoint(context)
        if savepoint is not None:
            self.transaction.enter(savepoint, id(connection))
        if context.compiled is None or context.is_text:
            set_path(connection, statement)
        elif only_reads(context):
            return
        self._naming = naming = naming_on(self.namespace, connection, context.execution_options)
        is_own = self._is_flushing and is_by_flush(context)
        if is_own and context.isinsert and not commits_by_itself(connection):
            # Named after the flush, when the keys are known that the database gives.
            self.has_written = self._has_inserted = True
            self.add(naming.with_aliases(scopes_inserted(context, naming)), connection)
            return
        change = change_by(context, statement, naming)
        if change is None:
            return
        if commits_by_itself(connection):
            if self._immediate is None:
                self._immediate = Immediate(self._new_transaction)
            self._immediate.before(set(naming.with_aliases(change.identifiers)))
        if change.old_rows is not None:
            change.identifiers |= self._scopes(change.old_rows, connection, naming, context.execution_options)
        if is_own:
            # Most flushes send one statement, and a copy of thousands of rows takes time.
            self._rows_sent = self._rows_sent | change.identifiers if self._rows_sent else change.identifiers
        elif change.unnamed_insert is not None:
            scope = self._scope(connection)
            inserts = naming.with_aliases([change.unnamed_insert])
            self._unnamed_inserts = [each for each in inserts if self.transaction.add_new(each, scope)]
        self.add(naming.with_aliases(change.identifiers), connection)

    def _scopes(
        self, rows: OldRows, connection: Connection, naming: Naming, options: Mapping[str, Any]
    ) -> set[bytes]:
        """Sends a SELECT, which locks them; where no lock is held for longer than a statement, it is their table."""
        if commits_by_itself(connection):
            return {naming.rows(rows.table).any_row}
        self._is_reading = True
        try:
            return rows.scopes(connection, naming, options)
        finally:
            self._is_reading = False
            self._rows_read |= rows.names

    def after_statement(self) -> None:
        if self._immediate is not None:
            self._immediate.after()

    def after_result(self, connection: Connection, result: Any) -> None:
        """The new rows have keys, where the database was asked for them."""
        if self._is_reading:
            return
        self._judged = _NOTHING
        inserts, self._unnamed_inserts = self._unnamed_inserts, []
        if not inserts:
            return
        try:
            keys = result.inserted_primary_key_rows
            if any(value is None for key in keys for value in key or [None]):
                return
            of_table = self._naming.rows(named(result.context.compiled.statement.table))
            rows = {of_table.row(key) for key in keys}
        except (InvalidRequestError, NoIdentifier):
            return
        for each in inserts:
            self.transaction.remove(each, self._scope(connection))
        self.add(self._naming.with_aliases(rows), connection)

    # Savepoints, of whoever made them

    def roll_back_to(self, connection: Connection, savepoint: str) -> None:
        self.transaction.roll_back_to(savepoint, id(connection))

    def release(self, connection: Connection, savepoint: str) -> None:
        self.transaction.release(savepoint, id(connection))

    # Flushes

    def before_flush(self) -> None:
        self._is_flushing = True
        self._rows_sent = set()
        self._rows_read = set()
        self._has_inserted = False

    def after_flush(self, session: Session, context: UOWTransaction) -> None:
        self._is_flushing = False

        def naming_of(mapper: Mapper[Any]) -> Naming:
            return self._naming_in(session, mapper)

        self.add(changed_by_flush(context, naming_of, self._rows_sent, self._has_inserted), None)
        for mapper, rows in rows_beside(context, naming_of, self._rows_sent, self._rows_read):
            connection = session.connection(bind_arguments={"mapper": mapper})
            naming = naming_of(mapper)
            self.add(naming.with_aliases(self._scopes(rows, connection, naming, {})), connection)
        # Until the commit the session is private, and then those that expire hold nothing.
        if self.load is not None and not session.expire_on_commit:
            for instance in session.new:
                self.load.marks(instance)

    def after_failed_flush(self) -> None:
        self._is_flushing = False

    def after_delete(self, session: Session, instance: object) -> None:
        naming = self._naming_in(session, object_mapper(instance))
        self.add(naming.with_aliases(parents_of_deleted(instance, naming)), None)

    def _naming_in(self, session: Session, mapper: Mapper[Any]) -> Naming:
        """That of the connection by which instances of a class were flushed."""
        connections = list(self.connections)
        if len(connections) > 1:
            bind = session.get_bind(mapper)
            connections = [each for each in connections if each.engine is bind.engine]
        if not connections:
            return naming_of_readers(self.namespace)
        return naming_on(self.namespace, connections[0], connections[0].get_execution_options())

    # Ends

    def before_prepare(self) -> None:
        self.transaction.record()

    def before_commit(self, connection: Connection) -> None:
        """Raises what `Transaction.record` does. Then the database must not commit, whoever goes on."""
        try:
            self.transaction.decide()
        except BaseException:
            if not connection.closed:
                self._roll_back(connection)
            raise

    @staticmethod
    def _roll_back(connection: Connection) -> None:
        try:
            connection.dialect.do_rollback(connection.connection)
        except BaseException:
            # It broke, or the task was cancelled again: what the connection holds is nobody's any more.
            connection.invalidate()
            raise

    def committed(self) -> dict[Connection, Outer]:
        """The session has committed. Gives what goes on in transactions that are not its own."""
        going_on = {
            connection: transaction
            for connection, root in self.connections.items()
            if (transaction := root()) is not None and transaction.is_active and not connection.closed
        }
        if not going_on or not self.transaction.identifiers:
            self.transaction.committed()
            return {}
        handed_over, self.transaction = self.transaction, self._new_transaction()
        connection, root = next(iter(going_on.items()))
        return {connection: Outer(root, handed_over, self.alkey.commands, self.alkey.delivery)}

    def ended(self) -> None:
        """The session's transaction is over, and if it had committed, `committed` was called."""
        if self._immediate is not None:
            self._immediate.ended()
            self.transaction.committed()
        elif self.transaction.is_deciding:
            self.transaction.abandoned()
        else:
            self.transaction.rolled_back()
