"""The cluster clients of redis-py and valkey-py: they would ask a node where the keys of each of the module's commands
are, which takes two round trips. Here they are told the node, since a call's first argument that names a namespace has
its slot, and so has all else that it names.

Where that node does not answer, the client finds another one in its own way.
"""

from __future__ import annotations

from typing import Any


def is_cluster(client: Any) -> bool:
    return hasattr(client, "get_node_from_key")


class Routed:
    """A cluster client, as far as alkey needs one."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def execute_command(self, *args: Any, **options: Any) -> Any:
        node = _node(self.client, args)
        if node is not None:
            try:
                return self.client.execute_command(*args, target_nodes=node, **options)
            except Exception as error:
                if not _is_of_the_way(error):
                    raise
        return self.client.execute_command(*args, **options)


class AsyncRouted:
    """One of asyncio."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        # It asks the nodes for their slots when it is first used.
        await self.client.initialize()
        node = _node(self.client, args)
        if node is not None:
            try:
                return await self.client.execute_command(*args, target_nodes=node, **options)
            except Exception as error:
                if not _is_of_the_way(error):
                    raise
        return await self.client.execute_command(*args, **options)


def _node(client: Any, args: tuple[Any, ...]) -> Any:
    """None: the client is to find it."""
    if len(args) < 2 or not str(args[0]).startswith("ALKEY."):
        return None
    named = args[1].encode() if isinstance(args[1], str) else args[1]
    try:
        # What depends on nothing has no slot: any node knows its key.
        return client.get_node_from_key(named) if named != b"--" else client.get_default_node()
    except Exception as error:
        if _is_of_the_way(error):
            return None
        raise


def _is_of_the_way(error: Exception) -> bool:
    """Whether the node could not be reached, or is not the one. A command that was sent is sent again: each may be."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return not kinds.isdisjoint({"ConnectionError", "ClusterDownError", "SlotNotCoveredError", "MovedError"})
