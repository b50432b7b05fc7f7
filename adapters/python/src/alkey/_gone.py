"""Names of alkey 0.7.1 that have no place any more: to import one is an error that names what takes its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn


def gone(module: str, name: str, successors: Mapping[str, str]) -> NoReturn:
    """For a module's `__getattr__`."""
    if name not in successors:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    raise ImportError(f"{module}.{name} was in alkey 0.7.1 and is no more: use {successors[name]}")
