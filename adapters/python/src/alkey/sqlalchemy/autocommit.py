"""Connections in autocommit: the database commits each statement at once, so each is a transaction of its own.

The rows that a statement changes can often be told only afterwards, so its tables are recorded before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from alkey._names.identifier import table_of
from alkey.spread import AnyTransaction


def commits_by_itself(connection: Connection) -> bool:
    """Whether the driver's connection is in autocommit. Asks the driver, and never the database."""
    if connection.dialect.name == "sqlite":
        # Under asyncio there is one more layer, which does not tell.
        driver: Any = connection.connection.driver_connection
        # Its driver begins a transaction before it writes, unless it is told not to; then BEGIN may have been sent.
        return getattr(driver, "isolation_level", "") is None and not getattr(driver, "in_transaction", False)
    driver = connection.connection.dbapi_connection
    asked = connection.get_execution_options().get("isolation_level")
    if asked is None:
        asked = getattr(connection.dialect, "_on_connect_isolation_level", None)
    if asked is not None:
        return str(asked).upper() == "AUTOCOMMIT"
    return bool(getattr(driver, "autocommit", False))


class Immediate:
    """The statement that is being executed, with its transaction."""

    def __init__(self, begin: Callable[[], AnyTransaction]) -> None:
        self._begin = begin
        self._transaction: AnyTransaction | None = None

    def before(self, identifiers: set[bytes]) -> None:
        """Raises what `Transaction.record` does."""
        self.after()
        self._transaction = self._begin()
        self._transaction.add({table_of(one) for one in identifiers})
        self._transaction.decide()

    def after(self) -> None:
        """The database has answered. If it was an error nobody knows whether something had been committed."""
        if self._transaction is not None:
            self._transaction.committed()
            self._transaction = None

    def ended(self) -> None:
        """The session has ended. If the statement has no answer yet, the database may commit it still."""
        if self._transaction is not None:
            self._transaction.abandoned()
            self._transaction = None
