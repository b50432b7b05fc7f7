"""Whether a connection is in a transaction, by Django's word and its driver's. Asks no database.

Django's word is not enough where somebody sends BEGIN and COMMIT by a cursor, and on SQLite, which ends transactions by
itself after some errors.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

# Of libpq: idle, and no connection.
_CLOSED = (0, 4)


def is_in_transaction(connection: Any, is_begun_by_hand: bool) -> bool:
    """Whether what is written now is committed later. It is, too, where the driver begins a transaction by itself."""
    driver = connection.connection
    if connection.vendor == "sqlite" and driver is not None:
        # It can't be asked when it is closed, which Django's blocks go on after.
        with suppress(connection.Database.ProgrammingError):
            if driver.isolation_level is None:
                return bool(driver.in_transaction)
    if connection.in_atomic_block or not connection.autocommit:
        return True
    return is_begun_by_hand and is_open(connection)


def is_open(connection: Any) -> bool:
    """Whether the database has a transaction of this connection. What no driver tells is taken for one."""
    driver = connection.connection
    if connection.vendor == "sqlite":
        with suppress(connection.Database.ProgrammingError):
            return bool(driver.in_transaction)
        return False
    status = getattr(getattr(driver, "info", None), "transaction_status", None)
    return status is None or int(status) not in _CLOSED
