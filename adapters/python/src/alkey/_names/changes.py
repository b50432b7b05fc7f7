"""What was told of a name before may have changed since: there are more tables or models, or more is known of their
databases."""

from __future__ import annotations

from itertools import count


class Changes:
    """How often. The count is another one after each change, and what is remembered holds only for the same count."""

    def __init__(self) -> None:
        self.count = 0
        self._next = count(1)

    def happen(self) -> None:
        # Two threads that change something at once get two counts, and neither was there before.
        self.count = next(self._next)
