"""A real cluster: three servers with the module, each with a third of the slots."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from harness import DEADLINE_S, RedisServer, free_port, wait_until

_BOUNDS = (0, 5461, 10923, 16384)
# One for each server, in their order.
NAMESPACES = ("alkey{b}", "alkey{c}", "alkey{a}")


class Cluster:
    def __init__(self, *, lease_ms: int = 300) -> None:
        buses = [free_port() for _ in range(3)]
        self.servers = [
            RedisServer(
                lease_ms=lease_ms,
                # Another port for the nodes among themselves: ten thousand more than the server's may be none.
                config=f"cluster-enabled yes\ncluster-node-timeout 60000\ncluster-port {bus}\n",
            )
            for bus in buses
        ]
        for place, server in enumerate(self.servers):
            with server.client() as client:
                client.execute_command("CLUSTER ADDSLOTSRANGE", _BOUNDS[place], _BOUNDS[place + 1] - 1)
                if place:
                    client.execute_command("CLUSTER MEET", "127.0.0.1", self.servers[0].port, buses[0])
        for server in self.servers:
            with server.client() as client:
                wait_until("the nodes know each other", lambda client=client: _knows_all(client))  # type: ignore[misc]

    def client(self, package: str = "redis") -> Any:
        """Of redis-py, of valkey-py, or of one of them for asyncio."""
        kind = import_module(f"{package}.cluster")
        kind = kind.ValkeyCluster if package.startswith("valkey") else kind.RedisCluster
        backoff = import_module(f"{package.removesuffix('.asyncio')}.backoff").NoBackoff()
        retry = import_module(f"{package}.retry").Retry(backoff, 1)
        return kind(host="127.0.0.1", port=self.servers[0].port, retry=retry, socket_timeout=DEADLINE_S)

    def calls(self) -> dict[str, int]:
        """How often each command was called, on all servers."""
        found: dict[str, int] = {}
        for server in self.servers:
            with server.client() as client:
                for name, stats in client.info("commandstats").items():
                    name = name.removeprefix("cmdstat_")
                    found[name] = found.get(name, 0) + int(stats["calls"])
        return found

    def calls_since(self, earlier: dict[str, int]) -> dict[str, int]:
        """Those of alkey, and those that ask what a command is."""
        return {
            name: count - earlier.get(name, 0)
            for name, count in self.calls().items()
            if name.startswith(("alkey.", "command")) and count != earlier.get(name, 0)
        }

    def close(self) -> None:
        for server in self.servers:
            server.close()


def _knows_all(client: Any) -> bool:
    known = client.execute_command("CLUSTER INFO")
    return bool(known["cluster_state"] == "ok" and known["cluster_known_nodes"] == "3")
