"""Databases for the tests of Django, on SQLite and on PostgreSQL: those tests name this in `pytest_plugins`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from django.apps import apps
from django.core.management import call_command
from django.db import connections
from django.test import override_settings

from django_site import postgres_options, use
from harness import Postgres, RedisServer

ALIASES = ("default", "archive")


def _migrate(server: RedisServer, **options: Any) -> None:
    use("default", **options)
    with override_settings(ALKEY={"URL": server.url}):
        _make_tables()
    connections["default"].close()


def _make_tables() -> None:
    call_command("migrate", run_syncdb=True, verbosity=0, skip_checks=True)
    with connections["default"].cursor() as cursor:
        cursor.execute("CREATE TABLE no_model (id INTEGER)")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory, server: RedisServer) -> Path:
    path = tmp_path_factory.mktemp("library") / "db"
    _migrate(server, ENGINE="django.db.backends.sqlite3", NAME=str(path))
    return path


@pytest.fixture(scope="session")
def pg_libraries(postgres: Postgres, server: RedisServer) -> None:
    """A database for each alias."""
    admin: dict[str, Any] = {
        "host": str(postgres.directory),
        "port": postgres.port,
        "user": "postgres",
        "autocommit": True,
    }
    with closing(psycopg.connect(**admin)) as connection:
        for alias in ALIASES:
            connection.execute(f"CREATE DATABASE {alias}_library")
            _migrate(server, **postgres_options(postgres, f"{alias}_library"))


@pytest.fixture
def pg_library(postgres: Postgres, pg_libraries: None) -> Iterator[None]:
    """PostgreSQL as both databases, each of its own."""
    for alias in ALIASES:
        use(alias, **postgres_options(postgres, f"{alias}_library"))
    yield
    for alias in ALIASES:
        with connections[alias].cursor() as cursor:
            tables = ", ".join(connections[alias].introspection.table_names(cursor))
            # With the driver's own cursor, since it is nobody's write.
            connections[alias].connection.execute(f"TRUNCATE {tables} RESTART IDENTITY")
    connections.close_all()


@pytest.fixture
def sqlite_library(sqlite_template: Path, tmp_path: Path) -> Iterator[None]:
    for alias in ALIASES:
        copy = shutil.copy(sqlite_template, tmp_path / alias)
        use(
            alias,
            ENGINE="django.db.backends.sqlite3",
            NAME=str(copy),
            OPTIONS={"init_command": "PRAGMA synchronous = OFF"},
        )
    yield
    connections.close_all()


@pytest.fixture(params=["sqlite", "postgresql"])
def library(request: pytest.FixtureRequest) -> str:
    """Either database."""
    request.getfixturevalue({"sqlite": "sqlite_library", "postgresql": "pg_library"}[request.param])
    return str(request.param)


@pytest.fixture
def site(library: str, client: redis.Redis, namespace: str) -> Iterator[None]:
    """A database with the tables, and a namespace of its own on the server of all tests."""
    with override_settings(ALKEY={"CLIENT": client, "NAMESPACE": namespace}):
        yield


@pytest.fixture
def own_models() -> Iterator[None]:
    """Models that the test makes are gone after it."""
    models = apps.all_models["library"]
    before = dict(models)
    yield
    models.clear()
    models.update(before)
    apps.clear_cache()
