"""What one connection does: its transactions, with their savepoints, and since when what was read of it may be.

`connection` calls it for whatever a connection does, and it tells the transaction of the core. The database commits
only after `decide`; in autocommit each statement that writes is a transaction of its own. A commit whose outcome nobody
knows stays in flight until the lease is over, since the database may commit it yet.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.db import connections
from django.db.utils import DataError, IntegrityError, NotSupportedError, ProgrammingError

from alkey.age import now_ns
from alkey.django.alkeys import alkey_of
from alkey.django.drivers import is_in_transaction, is_open
from alkey.django.naming import Naming, naming_in
from alkey.django.text import Kind, Text, judged, text_of
from alkey.django.written import changed_by_text
from alkey.front import Alkey
from alkey.transaction import Transaction

# After these the database has not done what it was told, and has said so.
_REFUSALS = (DataError, IntegrityError, NotSupportedError, ProgrammingError)
# So many rows whose instances said where they pointed, until their statements are sent.
_KNOWN_MAX = 100_000


class _Here(threading.local):
    """The request that this thread serves. Django's connections are of a thread, too."""

    request: object | None = None


here = _Here()


class Statement(NamedTuple):
    """One of the ORM's that is about to be sent."""

    table: str
    """As it is in the text, quoted."""
    identifiers: Callable[[], set[bytes]]


class Life:
    """A connection's, from one connect to the next and longer."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._transaction: Transaction | None = None
        self._statements: list[Statement] = []
        self.known: dict[bytes, dict[str, set[Any]]] = {}
        self._began_ns: int | None = None
        self.has_written = False
        self._is_begun_by_hand = False
        self._is_refused = False
        self._path: tuple[str, ...] = ()
        self._request: object | None = None
        self._request_ns: int | None = None
        self._request_saw_changes = False
        # A connection that is in a transaction already has begun it at a time that nobody knows.
        self.is_age_known = connection.connection is None or not self.is_in_transaction

    @property
    def alkey(self) -> Alkey:
        return alkey_of(self._connection.alias)

    @property
    def namespace(self) -> str:
        return self.alkey.namespace

    @property
    def naming(self) -> Naming:
        return naming_in(self._connection.alias, self._path)

    @property
    def is_in_transaction(self) -> bool:
        return is_in_transaction(self._connection, self._is_begun_by_hand)

    # Reading

    def reads(self) -> int | None:
        """Something is about to be read. Since when it may be; None: it may be what nobody else may see."""
        now = now_ns()
        if here.request is not None:
            self._enter_request()
            if self._request_ns is None:
                self._request_ns = now
        if not self.is_in_transaction:
            return now
        if self._began_ns is None:
            self._began_ns = now
        return None if self.has_written or not self.is_age_known else self._began_ns

    @property
    def since_ns(self) -> int | None:
        """When the first was read that this transaction, or this request, has read; None: nothing."""
        self._enter_request()
        if self._request_ns is None or self._began_ns is None:
            return self._began_ns if self._request_ns is None else self._request_ns
        return min(self._began_ns, self._request_ns)

    @property
    def is_private(self) -> bool:
        """Whether what was read may be what nobody else may see: changes that are not committed, or never will be."""
        self._enter_request()
        return self.has_written or self._request_saw_changes

    def _saw_changes(self) -> None:
        """What was written is rolled back. What was read of it is still in the variables of who serves a request."""
        self._enter_request()
        if self._request is not None and self.has_written:
            self._request_saw_changes = True

    def _enter_request(self) -> None:
        if self._request is not here.request:
            self._request = here.request
            self._request_ns = None
            self._request_saw_changes = False

    # Statements

    @contextmanager
    def sending(self, statement: Statement) -> Iterator[None]:
        """The ORM sends a statement, and maybe others before it that it needs."""
        self._statements.append(statement)
        try:
            yield
        finally:
            self._statements.pop()

    def execute(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        """What Django calls around every statement."""
        if self._transaction is not None and not self.is_in_transaction:
            # It was ended by nobody who has said so here.
            self.committed()
        text = text_of(sql, self._connection.connection)
        said = judged(text)
        if said.path is not None:
            # When it is set back nobody can tell, so every one counts until the connection ends.
            self._path = tuple(dict.fromkeys((*self._path, *said.path)))
        self.reads()
        if said.kind is Kind.READS:
            return execute(sql, params, many, context)
        if said.kind is Kind.MAY_WRITE:
            changed = self._changed_by(text)
            if changed is None:
                return execute(sql, params, many, context)
            with self.writing(changed):
                return execute(sql, params, many, context)
        if said.kind in (Kind.COMMITS, Kind.PREPARES) or self._is_last_release(said):
            return self._commit_by_hand(said, lambda: execute(sql, params, many, context))
        result = execute(sql, params, many, context)
        self._executed(said)
        return result

    def _changed_by(self, text: str) -> set[bytes] | None:
        if self._statements:
            statement = self._statements[-1]
            # A field may send statements of its own as its value is asked for.
            if statement.table in text[: len(statement.table) + 40]:
                return self.naming.with_aliases(statement.identifiers())
        found = changed_by_text(text, self._connection.vendor, self.naming)
        return None if found is None else self.naming.with_aliases(found)

    def _executed(self, said: Text) -> None:
        if said.kind is Kind.BEGINS:
            self._is_begun_by_hand = True
        elif said.kind is Kind.ROLLS_BACK:
            self.ended()
        elif said.kind is Kind.ENTERS:
            self._opened().enter(said.savepoint)
        elif said.kind is Kind.RELEASES:
            self._opened().release(said.savepoint)
        elif said.kind is Kind.ROLLS_BACK_TO:
            self._opened().roll_back_to(said.savepoint)
            self._saw_changes()

    def _is_last_release(self, said: Text) -> bool:
        """Whether it may be of a savepoint without a transaction around it, which SQLite has, and then commits."""
        return said.kind is Kind.RELEASES and not self._connection.in_atomic_block

    def _commit_by_hand(self, said: Text, execute: Callable[[], Any]) -> Any:
        self.decide()
        try:
            result = execute()
        except BaseException as error:
            self.failed_to_commit(error)
            if not is_open(self._connection):
                self.ended()
            raise
        if said.kind is Kind.PREPARES:
            # Whoever commits what is prepared says so in a statement that writes.
            self.ended()
        elif said.kind is Kind.COMMITS or not self.is_in_transaction:
            self.committed()
        else:
            self._executed(said)
        return result

    @contextmanager
    def writing(self, identifiers: set[bytes]) -> Iterator[None]:
        """A statement that changes these is about to be executed. Raises what `Transaction.decide` does."""
        if self.is_in_transaction:
            self.has_written = True
            self._opened().add(identifiers)
            yield
            return
        alone = self._new_transaction()
        alone.add(identifiers)
        try:
            alone.decide()
        except BaseException:
            alone.rolled_back()
            raise
        try:
            yield
        except BaseException as error:
            if self._is_answer(error):
                alone.committed()
            else:
                alone.abandoned()
            raise
        alone.committed()

    def add(self, identifiers: set[bytes]) -> None:
        """What is known of a statement only now, in the same transaction."""
        self._opened().add(self.naming.with_aliases(identifiers))

    def remember(self, row: bytes, values: dict[str, set[Any]]) -> None:
        """Where a row pointed, of which a statement is about to be sent."""
        if len(self.known) >= _KNOWN_MAX:
            self.known.clear()
        self.known[row] = values

    # Ends

    def decide(self) -> None:
        """The database is about to be told to commit. Raises what `Transaction.decide` does: then it must not be."""
        self._is_refused = False
        if self._transaction is not None:
            self._transaction.decide()

    def failed_to_commit(self, error: BaseException) -> None:
        """It may still be rolled back, or tried again."""
        self._is_refused = self._is_answer(error)

    def _is_answer(self, error: BaseException) -> bool:
        """Whether nothing goes on in the database. SQLite is in this process."""
        return isinstance(error, _REFUSALS) or self._connection.vendor == "sqlite"

    def committed(self) -> None:
        transaction = self._leave()
        if transaction is not None:
            transaction.committed()

    def ended(self) -> None:
        """The transaction is over, and if it had committed, `committed` was called."""
        self._saw_changes()
        is_refused = self._is_refused
        transaction = self._leave()
        if transaction is None:
            return
        if not transaction.is_deciding:
            transaction.rolled_back()
        elif is_refused:
            transaction.committed()
        else:
            transaction.abandoned()

    def disconnected(self) -> None:
        self.ended()
        self._path = ()

    @property
    def is_open(self) -> bool:
        return self._transaction is not None

    def _leave(self) -> Transaction | None:
        transaction, self._transaction = self._transaction, None
        self._began_ns = None
        self.has_written = self._is_begun_by_hand = self._is_refused = False
        self.is_age_known = True
        self.known.clear()
        return transaction

    def _opened(self) -> Transaction:
        if self._transaction is None:
            self._transaction = self._new_transaction()
        return self._transaction

    def _new_transaction(self) -> Transaction:
        alkey = self.alkey
        return Transaction(alkey.commands, alkey.delivery, alkey.namespace, alkey.unavailable)


def life_of(alias: str) -> Life:
    """That of this thread's connection to a database."""
    connection = connections[alias]
    if not hasattr(connection, "alkey_life"):
        connection.ensure_connection()
    life: Life = connection.alkey_life
    return life
