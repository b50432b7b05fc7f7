"""names/vectors.json, which every implementation's tests read: what docs/names.md says, as examples."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

FILE = Path(__file__).resolve().parents[3] / "names" / "vectors.json"


def _address(text: str) -> object:
    return ipaddress.ip_interface(text) if "/" in text else ipaddress.ip_address(text)


_MADE: dict[str, Callable[[str], object]] = {
    "decimal": Decimal,
    "float": float,
    "uuid": UUID,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "bytes": bytes.fromhex,
    "address": _address,
    "network": ipaddress.ip_network,
}


def value_of(noted: Any) -> Any:
    """A value as a program in Python holds it."""
    if not isinstance(noted, dict):
        return noted
    if "repeat" in noted:
        return noted["repeat"] * noted["times"]
    ((kind, text),) = noted.items()
    return _MADE[kind](text)


def bytes_of(noted: Any) -> bytes:
    """What is printed, or a name."""
    found = value_of(noted)
    return found if isinstance(found, bytes) else found.encode()


def literal_of(value: Any) -> str:
    """The value as a text that PostgreSQL takes for one of its type."""
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    return value.isoformat() if isinstance(value, datetime | date | time) else str(value)


VECTORS: dict[str, list[Any]] = json.loads(FILE.read_text())


def label_of(vector: dict[str, Any]) -> str:
    """Of a test."""
    return json.dumps(list(vector.values())[:2])[1:60]
