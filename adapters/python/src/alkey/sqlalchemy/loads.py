"""When instances were loaded, as each instance itself remembers it.

The time is that of the start of the transaction that loaded it, which is before the statement that did. An instance
without a time, or with that of another process, is of unknown age: it was unpickled, made by hand, or loaded by a
session that nobody bound.
"""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy.orm import InstanceState
from sqlalchemy.orm.attributes import instance_state

from alkey.sqlalchemy.instances import has_data

_KEY = "alkey.loaded"
# An instance may be pickled with its time, and the clock of another machine says something else.
_PROCESS = secrets.token_bytes(16)


class Load:
    """The time of all that one transaction loads."""

    __slots__ = ("mark",)

    def __init__(self, since_ns: int) -> None:
        self.mark = (_PROCESS, since_ns)

    def marks(self, instance: object) -> None:
        """It was loaded, or written, as a whole."""
        state: InstanceState[Any] = instance_state(instance)
        state.info[_KEY] = self.mark

    def marks_refreshed(self, state: InstanceState[Any], attributes: Any) -> None:
        """These attributes of it were loaded, all if None. What else it holds is as old as it was."""
        if attributes is None or _held(state) <= set(attributes):
            state.info[_KEY] = self.mark


def _held(state: InstanceState[Any]) -> set[str]:
    """The mapped attributes that an instance holds."""
    return {key for key in state.dict if key in state.mapper.attrs}


def loaded_ns(state: InstanceState[Any]) -> tuple[bool, int | None]:
    """Whether its age is known; and since when its data is, None if it holds none."""
    if not has_data(state):
        return True, None
    process, since_ns = state.info.get(_KEY, (None, None))
    return process == _PROCESS, since_ns
