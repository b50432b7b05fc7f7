"""Sessions in a transaction that somebody else began on their connection, as test suites have it: what the session
commits, the database does not. So its changes stay in flight until that outer transaction ends.
"""

from __future__ import annotations

import logging
import weakref

from sqlalchemy.engine import RootTransaction

from alkey.commands import Commands
from alkey.delivery import Backlog
from alkey.errors import AlkeyError
from alkey.spread import AnyTransaction, touch

log = logging.getLogger("alkey")


class Outer:
    """What a session has committed in an outer transaction that goes on."""

    def __init__(
        self, root: RootTransaction, transaction: AnyTransaction, commands: Commands, delivery: Backlog
    ) -> None:
        # It holds its connection, which is not to live on for this.
        self._root = weakref.ref(root)
        self._transaction = transaction
        self._delivery = delivery
        try:
            transaction.record()
            # For relaxed readers in the same transaction: what the session has committed is true for them.
            touch(commands, transaction.identifiers)
        except AlkeyError as error:
            log.warning("what a session committed in an outer transaction could not be recorded: %s", error)
        delivery.unwatch(transaction)
        delivery.watch(self)

    @property
    def is_over(self) -> bool:
        root = self._root()
        return root is None or not root.is_active

    def decide(self) -> None:
        self._transaction.decide()
        self._delivery.unwatch(self._transaction)

    def renew(self) -> None:
        """Called by the delivery, which is who learns that the outer transaction has ended."""
        if self.is_over:
            self._delivery.unwatch(self)
            self._transaction.committed()
        else:
            self._transaction.renew()
