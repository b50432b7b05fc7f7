"""A client from a URL, where the application gives no client of its own.

The invariant: such a client neither sleeps nor waits for long, since it waits inside of requests.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from alkey.asyncio.commands import AsyncClient
    from alkey.commands import Client

TIMEOUT_S = 1.0

# Which package reads which URLs. The other one is taken where the first is not installed.
_PACKAGES = {
    "redis": ("redis", "valkey"),
    "rediss": ("redis", "valkey"),
    "unix": ("redis", "valkey"),
    "valkey": ("valkey",),
    "valkeys": ("valkey",),
}


def client_of(url: str, **options: Any) -> Client:
    """A client of redis-py or valkey-py. `options` are those of its `from_url`."""
    return cast("Client", _client_of(url, "", options))


def async_client_of(url: str, **options: Any) -> AsyncClient:
    """One for asyncio."""
    return cast("AsyncClient", _client_of(url, ".asyncio", options))


def _client_of(url: str, part: str, options: dict[str, Any]) -> Any:
    scheme = url.partition("://")[0]
    if scheme not in _PACKAGES:
        # The URL may hold a password, so it is not shown.
        raise ValueError(
            f"a URL of kind {scheme[:20]!r} is not known: expected one of {', '.join(_PACKAGES)}"
        )
    for package in _PACKAGES[scheme]:
        try:
            module = import_module(package + part)
        except ModuleNotFoundError:
            continue
        backoff = import_module(f"{package}.backoff").NoBackoff()
        retry = import_module(f"{package}{part}.retry").Retry(backoff, 1)
        kind = module.Valkey if package == "valkey" else module.Redis
        limits = {"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S, "retry": retry}
        return kind.from_url(url, **{**limits, **options})
    ways = " or ".join(f"`pip install 'alkey[{package}]>=1'`" for package in _PACKAGES[scheme])
    raise ModuleNotFoundError(f"no client is installed that reads {scheme}:// URLs: expected {ways}")
