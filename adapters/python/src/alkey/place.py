"""Which server a client asks, for people who read an error or a line in the log.

The invariant: no credentials are in it.
"""

from __future__ import annotations

from typing import Any

from alkey.cluster import AsyncRouted, Routed


def server_of(client: Any) -> str:
    """As in `the alkey server at localhost:6379`."""
    if isinstance(client, (Routed, AsyncRouted)):
        client = client.client
    # Clients of redis-py and valkey-py have these attributes, others may not.
    nodes = getattr(getattr(client, "nodes_manager", None), "startup_nodes", None)
    if nodes:
        return f"the alkey server in the cluster of {next(iter(nodes))}"
    pool = getattr(client, "connection_pool", None)
    if pool is None:
        return "the alkey server"
    if hasattr(pool, "service_name"):
        return f"the alkey server that Sentinel calls {pool.service_name!r}"
    options = pool.connection_kwargs
    return f"the alkey server at {options.get('path') or _address(options)}"


def _address(options: dict[str, Any]) -> str:
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"
