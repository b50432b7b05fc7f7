"""The commands through every kind of client, and the errors that come of a server that can't or won't."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import redis
import valkey

from alkey.commands import Commands, Found, translated
from alkey.errors import AlkeyError, ModuleNotLoaded, Refused, Unavailable
from harness import RedisServer, free_port

Start = Callable[..., RedisServer]


@pytest.mark.parametrize("kind", [redis.Redis, valkey.Valkey])
@pytest.mark.parametrize("decode_responses", [False, True])
@pytest.mark.parametrize("protocol", [2, 3])
def test_every_kind_of_client(
    server: RedisServer, namespace: str, kind: type[Any], decode_responses: bool, protocol: int
) -> None:
    tx = f"{namespace}:tx:1".encode()
    row, other = f"{namespace}:users#1".encode(), f"{namespace}:users#2\x00\xff"
    with kind(port=server.port, decode_responses=decode_responses, protocol=protocol) as client:
        commands = Commands(client)
        assert commands.key_ro([row]) is None
        assert commands.token(row) is None
        key = commands.key([row, "value", b"\x00\xff"])
        assert len(key) == 64
        assert commands.key([row, "value", b"\x00\xff"]) == key
        assert len(str(commands.key_ro([row]))) == 64
        assert len(str(commands.token(row))) == 36
        assert commands.lookup(["value"]).settled_ms is None
        assert commands.record(tx, [row, other.encode()]) == 2
        found = commands.lookup([row])
        assert isinstance(found, Found)
        assert (len(found.key), found.settled_ms) == (64, -1)
        assert commands.commit(tx, [row, other.encode()]) == 2
        assert (commands.lookup([row]).settled_ms or 0) >= 0
        assert commands.record(tx, [row]) == 1
        assert commands.discard(tx) == 1
        assert commands.touch([row]) == 1
        assert commands.lease_ms() == 5000


def test_a_pool_and_a_unix_socket(server: RedisServer) -> None:
    pool = redis.ConnectionPool(port=server.port)
    with redis.Redis(connection_pool=pool) as client:
        assert len(Commands(client).key(["x"])) == 64
    pool.disconnect()
    with redis.Redis(unix_socket_path=f"{server.directory}/socket") as client:
        assert len(Commands(client).key(["x"])) == 64


def raised(call: Callable[[], object]) -> AlkeyError:
    with pytest.raises(AlkeyError) as caught:
        call()
    assert caught.value.__cause__ is not None
    return caught.value


def test_a_mistake_is_refused(any_client: Any) -> None:
    commands = Commands(any_client)
    error = raised(lambda: commands.key(["alkey:users"]))
    assert type(error) is Refused
    assert "is not an identifier: expected alkey:TABLE#ROW" in str(error)
    any_client.set("alkey{wrong}", "something else")
    assert "WRONGTYPE" in str(raised(lambda: commands.key(["alkey{wrong}:users#1"])))


def test_a_server_without_the_module(own_server: Start) -> None:
    with own_server(module=False).client() as client:
        error = raised(lambda: Commands(client).key(["x"]))
    assert type(error) is ModuleNotLoaded
    assert "loadmodule /path/to/libalkey.so" in str(error)


def test_a_server_that_can_not_now(own_server: Start) -> None:
    server = own_server(lease_ms=50)
    with server.client() as client, server.client(socket_timeout=0.2) as hasty:
        commands = Commands(client)
        tx, row = b"alkey:tx:1", [b"alkey:users#1"]

        def refuses(call: Callable[[], object], *settings: tuple[str, str]) -> None:
            for name, value in settings:
                client.config_set(name, value)
            error = raised(call)
            assert type(error) is Unavailable, error

        client.config_set("min-replicas-to-write", "1")
        refuses(lambda: commands.record(tx, row))
        client.config_set("min-replicas-to-write", "0")
        refuses(lambda: commands.record(tx, row), ("maxmemory", "1"))
        client.config_set("maxmemory", "0")
        client.replicaof("127.0.0.1", str(free_port()))
        refuses(lambda: commands.commit(tx, row))
        client.replicaof("NO", "ONE")
        client.config_set("maxclients", "1")
        with server.client() as another:
            refuses(lambda: Commands(another).key(["x"]))
        client.config_set("maxclients", "1000")
        server.pause()
        refuses(lambda: Commands(hasty).key(["x"]))
        server.resume()
        assert len(commands.key(["x"])) == 64
    server.kill()
    for kind in (redis.Redis, valkey.Valkey):
        with kind(port=server.port) as client:
            assert type(raised(partial(Commands(client).key, ["x"]))) is Unavailable


def test_a_user_who_may_not(own_server: Start) -> None:
    server = own_server(lease_ms=50)
    with server.client() as client:
        client.acl_setuser(
            "app", enabled=True, nopass=True, keys=["*"], categories=["+@all"], commands=["-config"]
        )
    with server.client(username="app", password="x") as client:
        assert Commands(client).lease_ms() is None
        assert len(Commands(client).key(["x"])) == 64
    with server.client(username="nobody", password="x") as client:
        assert type(raised(lambda: Commands(client).key(["x"]))) is Refused


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("MISCONF Redis is configured to save RDB snapshots", Unavailable),
        ("NOREPLICAS Not enough good replicas to write.", Unavailable),
        ("BUSY Redis is busy running a script.", Unavailable),
        ("CLUSTERDOWN The cluster is down", Unavailable),
        ("TRYAGAIN Multiple keys request during rehashing of slot", Unavailable),
        ("too many transactions are in flight: expected at most 100000 in a namespace", Unavailable),
        ("CROSSSLOT Keys in request don't hash to the same slot", Refused),
        ("a defect in alkey stopped ALKEY.KEY: expected a report with the server's log", Refused),
    ],
)
def test_what_servers_say_that_are_hard_to_have(text: str, kind: type[AlkeyError]) -> None:
    assert type(translated(redis.ResponseError(text))) is kind
