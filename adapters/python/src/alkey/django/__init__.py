"""Django: what its models change is recorded and committed by itself, and what they read has an age.

    INSTALLED_APPS = [..., "alkey.django"]
    ALKEY = {"URL": "redis://localhost:6379"}

    from alkey.django import cached, everything, key, lookup, row, table, touch

`{% load alkey %}` brings `{% alkeycache %}` to templates. To import this imports no model, so that settings may.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alkey.django.front import cached, everything, key, lookup, row, table, touch

__all__ = ["cached", "everything", "key", "lookup", "row", "table", "touch"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("alkey.django.front"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
