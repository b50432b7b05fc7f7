"""Fixtures of all tests: real servers, real clients, a namespace of its own for each test."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
import sqlalchemy as sa
import valkey
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import NullPool

from alkey import Alkey
from alkey.asyncio import AsyncAlkey
from alkey.cache import CacheKeyGenerator, get_cache_key_generator
from harness import DB_OF_0_7_1, Postgres, RedisServer, pending
from link import Link
from models import Base
from watch import Watch

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

# For the programs that tests start: the same that pyproject.toml tells pytest.
HERE = Path(__file__).parent
os.environ["PYTHONPATH"] = os.pathsep.join((str(HERE.parent / "src"), str(HERE)))

_numbers = itertools.count(1)

ASYNC_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}


@pytest.fixture(scope="session")
def server() -> Iterator[RedisServer]:
    """One for all tests that do it no harm."""
    running = RedisServer()
    yield running
    running.close()


@pytest.fixture
def own_server() -> Iterator[Callable[..., RedisServer]]:
    """Starts a server for this test alone, to kill, to pause or to configure: `own_server(lease_ms=200)`."""
    started: list[RedisServer] = []

    def start(**options: Any) -> RedisServer:
        started.append(RedisServer(**options))
        return started[-1]

    yield start
    for running in started:
        running.close()


@pytest.fixture
def link(server: RedisServer) -> Iterator[Link]:
    """A way to the server of all tests, to be broken."""
    way = Link(server.port)
    yield way
    way.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    running = Postgres()
    yield running
    running.close()


@pytest.fixture
def namespace() -> str:
    """A namespace that no other test uses."""
    return f"alkey{{test{next(_numbers)}}}"


@pytest.fixture
def client(server: RedisServer) -> Iterator[redis.Redis]:
    with server.client() as connected:
        yield connected


@pytest.fixture
def empty_client(server: RedisServer) -> Iterator[redis.Redis]:
    """Of a database that holds nothing, for what has no namespaces."""
    with server.client(db=DB_OF_0_7_1) as connected:
        connected.flushdb()
        yield connected


@pytest.fixture(params=["redis", "valkey"])
def any_client(request: pytest.FixtureRequest, server: RedisServer) -> Iterator[Any]:
    """The client of redis-py, then that of valkey-py, each as its authors made it."""
    kind = {"redis": redis.Redis, "valkey": valkey.Valkey}[request.param]
    with kind(host="127.0.0.1", port=server.port) as connected:
        yield connected


@pytest.fixture
def pg_engine(postgres: Postgres) -> Iterator[sa.Engine]:
    """An engine on a database that no other test uses."""
    name = f"test{next(_numbers)}"
    admin = sa.create_engine(postgres.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE template0"))
    engine = sa.create_engine(sa.make_url(postgres.url).set(database=name))
    yield engine
    engine.dispose()
    with admin.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def sqlite_engine(tmp_path: Any) -> Iterator[sa.Engine]:
    """SQLite in a file, with foreign keys and with savepoints that work, which take some words to its driver."""
    engine = sa.create_engine(f"sqlite:///{tmp_path}/db")
    set_up_sqlite(engine)
    yield engine
    engine.dispose()


def set_up_sqlite(engine: sa.Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN")


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> sa.Engine:
    """Either database."""
    chosen: sa.Engine = request.getfixturevalue(
        {"sqlite": "sqlite_engine", "postgresql": "pg_engine"}[request.param]
    )
    return chosen


@pytest.fixture
def alkey(client: redis.Redis, namespace: str) -> Alkey:
    return Alkey(client, namespace)


@pytest.fixture
def sessions(engine: sa.Engine, alkey: Alkey) -> sessionmaker[Session]:
    """Sessions that are bound, on either database, with the tables of `models`."""
    Base.metadata.create_all(engine)
    bound = sessionmaker(engine)
    alkey.bind(bound)
    return bound


@pytest.fixture
def anyio_backend() -> str:
    """What runs the tests that are coroutines."""
    return "asyncio"


@pytest.fixture
async def async_engine(engine: sa.Engine) -> AsyncIterator[AsyncEngine]:
    """Either database, with the tables of `models`. `engine` is the same one."""
    from sqlalchemy.ext.asyncio import create_async_engine

    Base.metadata.create_all(engine)
    made = create_async_engine(engine.url.set(drivername=ASYNC_DRIVERS[engine.dialect.name]))
    if engine.dialect.name == "sqlite":
        set_up_sqlite(made.sync_engine)
    yield made
    await made.dispose()


@pytest.fixture
async def async_alkey(server: RedisServer, namespace: str) -> AsyncIterator[AsyncAlkey]:
    async with AsyncAlkey(f"{server.url}?socket_timeout=60", namespace) as made:
        yield made


@pytest.fixture
def async_sessions(async_engine: AsyncEngine, async_alkey: AsyncAlkey) -> async_sessionmaker[AsyncSession]:
    """Sessions that are bound, on either database."""
    from sqlalchemy.ext.asyncio import async_sessionmaker

    bound = async_sessionmaker(async_engine)
    async_alkey.bind(bound)
    return bound


@pytest.fixture
def watch(client: redis.Redis, namespace: str) -> Watch:
    return Watch(client, namespace)


@pytest.fixture
def environment_of_0_7_1(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's, and a database of it that is empty: 0.7.1 knew one namespace only."""
    # Patient, since a machine that runs tests may be busy.
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{server.port}?socket_timeout=60")
    monkeypatch.setenv("REDIS_DB", str(DB_OF_0_7_1))
    with redis.Redis(port=server.port, db=DB_OF_0_7_1) as client:
        client.flushdb()


@pytest.fixture
def key(environment_of_0_7_1: None) -> CacheKeyGenerator:
    return get_cache_key_generator()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, alkey: Alkey) -> list[str]:
    """The commands that are sent."""
    assert alkey.delivery.lease_ns == 5_000_000_000
    sent: list[str] = []
    execute = alkey.commands._execute

    def spy(*arguments: Any) -> Any:
        sent.append(arguments[0])
        return execute(*arguments)

    monkeypatch.setattr(alkey.commands, "_execute", spy)
    return sent


@pytest.fixture
def nothing_stays_in_flight(client: Any, namespace: str) -> Iterator[None]:
    yield
    assert pending(client, namespace) == {}
