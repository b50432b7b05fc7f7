"""What people read: errors and lines in the log name alkey and the server that they mean, and claim nothing that nobody
knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
import redis.asyncio
import redis.sentinel
import sqlalchemy as sa
import valkey
from sqlalchemy.orm import sessionmaker

from alkey import Alkey
from alkey.cluster import Routed
from alkey.errors import AlkeyError, ModuleNotLoaded, Refused
from alkey.place import server_of
from cluster import Cluster
from harness import LEASE_MS_LONG, RedisServer, pending, settled_ms
from models import Base, User

Start = Callable[..., RedisServer]
SECRET = "se:cr@et"


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        (redis.Redis(), "the alkey server at localhost:6379"),
        (redis.Redis(host="h", port=7, db=3, password=SECRET), "the alkey server at h:7"),
        (redis.Redis.from_url("rediss://u:se%3Acr%40et@h:7/3"), "the alkey server at h:7"),
        (redis.Redis(unix_socket_path="/run/redis", password=SECRET), "the alkey server at /run/redis"),
        (redis.Redis(connection_pool=redis.ConnectionPool()), "the alkey server at localhost:6379"),
        (valkey.Valkey(host="h", password=SECRET), "the alkey server at h:6379"),
        (redis.asyncio.Redis(host="h", port=7, password=SECRET), "the alkey server at h:7"),
        (
            redis.sentinel.Sentinel([("s", 26379)]).master_for("shop", password=SECRET),
            "the alkey server that Sentinel calls 'shop'",
        ),
        (object(), "the alkey server"),
    ],
)
def test_a_server_is_named_without_its_credentials(client: Any, expected: str) -> None:
    assert server_of(client) == expected


def test_a_cluster_is_named_by_a_node() -> None:
    cluster = Cluster()
    try:
        with cluster.client() as client:
            expected = f"the alkey server in the cluster of 127.0.0.1:{cluster.servers[0].port}"
            assert server_of(client) == server_of(Routed(client)) == expected
    finally:
        cluster.close()


def test_errors_name_the_server(own_server: Start) -> None:
    server = own_server(module=False)
    where = f"the alkey server at 127.0.0.1:{server.port}"
    with server.client(socket_timeout=60) as client:
        alkey = Alkey(client)
        with pytest.raises(ModuleNotLoaded, match=f"^{where} does not know ALKEY.TOUCH: it runs without"):
            alkey.touch(User)
        client.execute_command("ACL SETUSER", "default", "-get")
        with pytest.raises(Refused, match=f"^GET failed on {where}: NoPermissionError: "):
            alkey.commands._call("GET", "x")
        server.kill()
        with pytest.raises(AlkeyError, match=f"^{where} can't serve ALKEY.DISCARD: ConnectionError: "):
            alkey.commands.discard(b"alkey:tx:1")


def test_each_line_in_the_log_names_the_server(
    own_server: Start, sqlite_engine: sa.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    server = own_server(lease_ms=50)
    Base.metadata.create_all(sqlite_engine)
    sessions = sessionmaker(sqlite_engine)
    with caplog.at_level("DEBUG", "alkey"), server.client() as client:
        alkey = Alkey(client, lease_ms=LEASE_MS_LONG)
        alkey.bind(sessions)
        alkey.lookup(User)
        server.kill()
        with sessions.begin() as session:
            session.add(User(id=1, name="Ann"))
        alkey.touch(User)
        assert not alkey.lookup(User).is_shared
        server.start()
        assert alkey.delivery.flush(60)
        alkey.lookup(User)
    said = [record.getMessage() for record in caplog.records]
    assert [line for line in said if f"the alkey server at 127.0.0.1:{server.port}" not in line] == []
    for beginning in (
        "a write goes on unrecorded, so readers may get the old value for a while: ",
        "a TOUCH did not arrive and is sent in the background, as a COMMIT: ",
        "nothing is cached until the alkey server answers: ",
    ):
        assert sum(line.startswith(beginning) for line in said) == 1, (beginning, said)
    assert sum("arrived late at" in line for line in said) >= 1, said
    assert sum(line.endswith("answers again") for line in said) == 1, said


def test_grace_is_not_said_to_be_a_flight(own_server: Start) -> None:
    """The server answers -1 for both."""
    server = own_server(lease_ms=50)
    with server.client() as client:
        alkey = Alkey(client)
        assert alkey.lookup(User).is_shared
        client.config_set("alkey.lease-ms", LEASE_MS_LONG)
        # What comes from a file is in grace for one lease.
        client.execute_command("DEBUG", "RELOAD")
        found = alkey.lookup(User)
        assert settled_ms(client, alkey.table("users")) == found.settled_ms == -1
        assert pending(client, "alkey") == {}
        assert found.why_private == "something is in flight, or the server is in grace"
