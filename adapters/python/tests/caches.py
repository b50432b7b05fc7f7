"""Caches for the tests of `cached`, one of each kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dogpile.cache import make_region


class GetSet:
    """A cache of the smallest kind. It says what was stored."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.ttls: list[float | None] = []

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        self.values[key] = value
        self.ttls.append(ttl)


def region() -> Any:
    return make_region().configure("dogpile.cache.memory")


def stored(cache: Any) -> int:
    """How many values a cache holds."""
    if isinstance(cache, dict):
        return len(cache)
    return len(cache.values) if isinstance(cache, GetSet) else len(cache.backend._cache)


CACHES: list[Callable[[], Any]] = [region, GetSet, dict]
