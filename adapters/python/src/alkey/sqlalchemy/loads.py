"""When instances were loaded, and from which schemas, as each instance itself remembers it.

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
from alkey.sqlalchemy.naming import SchemaMap

_KEY = "alkey.loaded"
_UNKNOWN: tuple[bytes | None, int | None, SchemaMap] = (None, None, ())
# An instance may be pickled with its time, and the clock of another machine says something else.
_PROCESS = secrets.token_bytes(16)


class Maps:
    """Whether anything was loaded with a `schema_translate_map`."""

    are_used = False


class Load:
    """The time of all that one transaction loads."""

    __slots__ = ("mark",)

    def __init__(self, since_ns: int, schema_map: SchemaMap) -> None:
        self.mark = (_PROCESS, since_ns, schema_map)
        if schema_map:
            Maps.are_used = True

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
    process, since_ns, _ = state.info.get(_KEY, _UNKNOWN)
    return process == _PROCESS, since_ns


def schema_map_of_load(state: InstanceState[Any]) -> SchemaMap:
    """The option `schema_translate_map` with which it was loaded."""
    schema_map: SchemaMap = state.info.get(_KEY, _UNKNOWN)[2]
    return schema_map
