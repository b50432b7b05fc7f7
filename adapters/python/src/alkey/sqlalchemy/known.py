"""Which tables there are: those of the mapped classes, and those of every MetaData that a statement had a table of.

Knows no session and no server.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from sqlalchemy import MetaData, Table, event
from sqlalchemy.orm import Mapper, mapperlib

from alkey.sqlalchemy.tables import Named, changes, named, seen_metadata


def all_tables() -> Iterator[Table]:
    mapped = {registry.metadata for registry in mapperlib._all_registries()}
    metadata: MetaData
    for metadata in mapped | seen_metadata():
        yield from metadata.tables.values()


def tables_called(name: str) -> tuple[Named, ...]:
    return _by_name(changes.count).get(name, ())


@lru_cache(maxsize=1)
def _by_name(_version: int) -> dict[str, tuple[Named, ...]]:
    found: dict[str, dict[Named, None]] = {}
    for table in list(all_tables()):
        found.setdefault(str(table.name), {})[named(table)] = None
    return {name: tuple(tables) for name, tables in found.items()}


def _changed(*_: Any) -> None:
    changes.happen()


event.listen(Mapper, "after_mapper_constructed", _changed)
event.listen(Table, "after_parent_attach", _changed)
