"""The names of alkey 0.7.1 and its environment variables: what they give, and what a name without a place says."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest
import redis
from sqlalchemy.orm import Session, sessionmaker

from alkey import NoCanonicalForm
from alkey.cache import CacheKeyGenerator, alkey_of, get_token
from alkey.client import get_redis_client
from alkey.utils import get_object_id, get_table_id
from harness import RedisServer
from models import Document, Engineer, Seat, User

Sessions = sessionmaker[Session]

pytestmark = pytest.mark.usefixtures("environment_of_0_7_1")


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        (User, "alkey:users#*"),
        (User(name="new"), "alkey:users#*"),
        (User(id=7), "alkey:users#7"),
        (Seat(row=1, letter="A"), "alkey:seats#1,A"),
        (Engineer(id=7), "alkey:engineers#7"),
        (Document, "alkey:Documents-2#*"),
        ("anything", "anything"),
        (b"anything", b"anything"),
        (7, 7),
        (None, None),
    ],
)
def test_get_object_id(thing: Any, expected: Any) -> None:
    assert get_object_id(thing) == expected


def test_what_only_looks_mapped_is_taken_for_it(key: CacheKeyGenerator) -> None:
    class Looks:
        __tablename__ = "users"
        id: int | None = None

    instance = Looks()
    assert get_object_id(Looks) == get_object_id(instance) == get_table_id("users") == "alkey:users#*"
    instance.id = 1
    assert get_object_id(instance) == "alkey:users#1"
    assert key(instance) == key("alkey:users#1")


@pytest.mark.parametrize(
    "text", ["alkey:users", "alkey:#1", "alkey:*#7", "alkey{shop:users#1", "alkey:users#"]
)
def test_text_that_only_begins_as_an_identifier_is_refused(key: CacheKeyGenerator, text: str) -> None:
    with pytest.raises(ValueError, match="is not an identifier: expected alkey:TABLE#ROW"):
        key(text)
    assert key([text]) == key([text])


def test_a_generator_s_namespace_is_that_of_text_without_a_tag(server: RedisServer) -> None:
    with server.client() as client:
        shop = alkey_of(client, "alkey{shop}")
        key = CacheKeyGenerator(shop)
        before = key("alkey:users#1"), key("alkey{other}:users#1")
        shop.touch(shop.row("users", 1))
        assert key("alkey:users#1") != before[0]
        assert key("alkey{other}:users#1") == before[1]
        alkey_of(client, "alkey{other}").touch(alkey_of(client, "alkey{other}").table("users"))
        assert key("alkey{other}:users#1") != before[1]


def test_what_has_no_token(environment_of_0_7_1: None) -> None:
    with pytest.raises(
        TypeError, match="7 has no token: expected a mapped instance or class, or an identifier"
    ):
        get_token(get_redis_client(), 7)


def test_what_has_no_canonical_form(key: CacheKeyGenerator) -> None:
    with pytest.raises(NoCanonicalForm, match="<object object at .* has no canonical form"):
        key(object())


GONE = {
    "alkey": ["get_cache_key_generator", "get_cache_manager", "bind_to_events"],
    "alkey.cache": ["get_cache_manager", "get_token_key", "set_token"],
    "alkey.client": ["GetRedisClient"],
    "alkey.constants": [
        "CACHE_INI_NAMESPACES", "CHANGED_KEY", "CHANGED_SET_EXPIRES", "MAX_CACHE_DURATION", "TOKEN_NAMESPACE",
    ],
    "alkey.utils": [
        "get_stamp", "resiliently_call", "unpack_object_id", "valid_object_id", "valid_write_token",
        "is_single_relation", "get_single_relations",
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in GONE.items() for name in names]
)
def test_a_name_without_a_place_names_its_successor(module: str, name: str) -> None:
    with pytest.raises(
        ImportError, match=rf"^{re.escape(module)}\.{name} was in alkey 0\.7\.1 and is no more: use "
    ):
        exec(f"from {module} import {name}")


def test_a_module_without_a_place_names_its_successor() -> None:
    with pytest.raises(ImportError, match="was in alkey 0.7.1 and is no more: use Alkey.bind"):
        importlib.import_module("alkey.handle")


@pytest.mark.parametrize("module", [*GONE])
def test_a_name_that_never_was_is_none(module: str) -> None:
    with pytest.raises(AttributeError, match=f"module '{module}' has no attribute 'nonsense'"):
        _ = importlib.import_module(module).nonsense


# The environment


@pytest.mark.parametrize(
    ("environment_", "expected"),
    [
        ({}, {"host": "localhost", "port": 6379, "db": 0}),
        (
            {"REDIS_URL": "redis://me:secret@example:1234"},
            {"host": "example", "port": 1234, "db": 0, "username": "me", "password": "secret"},
        ),
        ({"REDIS_URL": "redis://example/5"}, {"host": "example", "port": 6379, "db": 5}),
        ({"REDIS_URL": "redis://example/5", "REDIS_DB": "6"}, {"host": "example", "port": 6379, "db": 6}),
        ({"REDIS_URL": "unix:///run/redis", "REDIS_DB": "6"}, {"path": "/run/redis", "db": 6}),
    ],
)  # fmt: skip
def test_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment_: dict[str, str], expected: dict[str, Any]
) -> None:
    for name in ("REDIS_URL", "REDIS_DB"):
        monkeypatch.delenv(name)
    for name, value in environment_.items():
        monkeypatch.setenv(name, value)
    client: Any = get_redis_client()
    assert isinstance(client, redis.Redis)
    known = client.connection_pool.connection_kwargs
    assert {name: known.get(name, {"port": 6379}.get(name)) for name in expected} == expected
    assert client is get_redis_client()


def test_the_number_of_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_MAX_CONNECTIONS", "7")
    client: Any = get_redis_client()
    assert client.connection_pool.max_connections == 7
    monkeypatch.setenv("REDIS_MAX_CONNECTIONS", "many")
    with pytest.raises(
        ValueError, match="redis.max_connections or REDIS_MAX_CONNECTIONS is 'many': expected a whole"
    ):
        get_redis_client()
