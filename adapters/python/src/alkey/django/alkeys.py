"""The `Alkey` of each namespace, as the setting ALKEY says.

ALKEY = {
    "URL": "redis://localhost:6379",        # or "CLIENT": a client of redis-py or valkey-py
    "NAMESPACE": "alkey",
    "NAMESPACES": {"archive": "alkey{archive}"},    # of databases that have their own, by alias
    "STRICT": True, "UNAVAILABLE": "deliver", "REPLICA_LAG_MS": 0, "LEASE_MS": None,
}
"""

from __future__ import annotations

import threading
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from alkey.front import Alkey

_SETTINGS = frozenset({
    "URL", "CLIENT", "NAMESPACE", "NAMESPACES", "STRICT", "UNAVAILABLE", "REPLICA_LAG_MS", "LEASE_MS",
})  # fmt: skip


_by_namespace: dict[str, Alkey] = {}
_lock = threading.Lock()


def alkey_of(alias: str) -> Alkey:
    """That of a database."""
    asked: dict[str, Any] = getattr(settings, "ALKEY", {})
    own: dict[str, str] = asked.get("NAMESPACES", {})
    return of_namespace(own.get(alias) or asked.get("NAMESPACE", "alkey"))


def default() -> Alkey:
    """That of databases that have none of their own."""
    asked: dict[str, Any] = getattr(settings, "ALKEY", {})
    return of_namespace(asked.get("NAMESPACE", "alkey"))


def of_namespace(namespace: str) -> Alkey:
    found = _by_namespace.get(namespace)
    if found is None:
        with _lock:
            found = _by_namespace.get(namespace)
            if found is None:
                found = _by_namespace[namespace] = _made(namespace)
    return found


def _made(namespace: str) -> Alkey:
    # It knows models, and they their connections, which ask for this.
    from alkey.django.keys import DjangoAlkey

    asked = getattr(settings, "ALKEY", None)
    if not isinstance(asked, dict) or ("URL" in asked) == ("CLIENT" in asked):
        raise ImproperlyConfigured('the setting ALKEY is missing: expected ALKEY = {"URL": "redis://…"}')
    unknown = sorted(set(asked) - _SETTINGS)
    if unknown:
        raise ImproperlyConfigured(
            f"ALKEY[{unknown[0]!r}] is no setting: expected one of {', '.join(sorted(_SETTINGS))}"
        )
    try:
        return DjangoAlkey(
            asked["URL"] if "URL" in asked else asked["CLIENT"],
            namespace,
            strict=asked.get("STRICT", True),
            unavailable=asked.get("UNAVAILABLE", "deliver"),
            replica_lag_ms=asked.get("REPLICA_LAG_MS", 0),
            lease_ms=asked.get("LEASE_MS"),
        )
    except (ValueError, ModuleNotFoundError) as error:
        raise ImproperlyConfigured(f"the setting ALKEY: {error}") from error


def forget(*, setting: str, **_: Any) -> None:
    """A test has changed a setting."""
    if setting == "ALKEY":
        _by_namespace.clear()
