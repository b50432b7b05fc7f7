"""The users of docs/access.md, as that page has them: the server refuses them nothing that the adapter sends."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy as sa
from django.core.checks import run_checks
from django.test import override_settings
from sqlalchemy.orm import sessionmaker

import django_site  # noqa: F401 - it configures Django
from alkey import Alkey
from alkey.cache import get_cache_key_generator, get_token
from harness import RedisServer
from models import Base, User
from pages import PACKAGE, run_page

APPLICATION, WRITER, READER, RELAXED = (
    "alkey-application",
    "alkey-writer",
    "alkey-reader",
    "alkey-relaxed-reader",
)


class Guarded:
    """A server whose users are those of the page, and one more who asks what was refused."""

    def __init__(self, server: RedisServer, users: Path) -> None:
        page = (PACKAGE.parents[1] / "docs" / "access.md").read_text()
        block = re.search(r"```acl\n(.*?)```", page, re.DOTALL)
        assert block is not None
        self._port = server.port
        self._passwords = dict(re.findall(r"^user (\S+) .*?>(\S+)", block[1], re.MULTILINE))
        users.write_text(f"{block[1]}user admin on nopass ~* &* +@all\n")
        with server.client() as client:
            client.execute_command("ACL LOAD")
        self.admin = server.client(username="admin", password="")

    def url(self, user: str) -> str:
        # Patient, since a machine that runs tests may be busy.
        return f"redis://{user}:{self._passwords[user]}@127.0.0.1:{self._port}/0?socket_timeout=60"

    def refused(self) -> list[tuple[str, str]]:
        """Who was refused what."""
        entries: list[dict[str, Any]] = self.admin.execute_command("ACL LOG")
        return [(entry["username"], entry["object"]) for entry in entries]


@pytest.fixture
def guarded(own_server: Callable[..., RedisServer], tmp_path: Path) -> Iterator[Guarded]:
    users = tmp_path / "users.acl"
    users.touch()
    made = Guarded(own_server(lease_ms=1000, config=f"aclfile {users}\n"), users)
    yield made
    made.admin.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    made = sa.create_engine(f"sqlite:///{tmp_path}/db")
    Base.metadata.create_all(made)
    yield made
    made.dispose()


@pytest.fixture(autouse=True)
def no_warning(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    "page", ["README.md", "docs/asyncio.md", "docs/django.md", "docs/moving.md", "docs/pyramid.md"]
)
def test_the_pages_of_the_adapter(page: str, guarded: Guarded, tmp_path: Path) -> None:
    done = run_page(page, guarded.url(APPLICATION), tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert guarded.refused() == []


def test_who_writes_and_who_reads_apart(guarded: Guarded, engine: sa.Engine) -> None:
    writer, reader = Alkey(guarded.url(WRITER), unavailable="raise"), Alkey(guarded.url(READER))
    written, read = sessionmaker(engine), sessionmaker(engine)
    writer.bind(written)
    reader.bind(read)
    cache: dict[str, str] = {}

    def name() -> str:
        def load() -> str:
            with read() as session:
                return str(session.get_one(User, 1).name)

        return reader.cached(cache, reader.row("users", 1), load=load)

    with written.begin() as session:
        session.add(User(id=1, name="Ann"))
    assert [name(), name(), len(cache)] == ["Ann", "Ann", 1]
    with written.begin() as session:
        session.get_one(User, 1).name = "Eve"
    assert [name(), name(), len(cache)] == ["Eve", "Eve", 2]
    with written() as session:
        session.add(User(id=2, name="Max"))
        session.flush()
        session.rollback()
    writer.touch(User)
    assert writer.delivery.lease_ns == 1_000_000_000
    assert guarded.refused() == []


def test_relaxed_keys_and_tokens(guarded: Guarded) -> None:
    client = redis.Redis.from_url(guarded.url(RELAXED))
    generate = get_cache_key_generator()
    generate.alkey = Alkey(client, strict=False)
    assert generate("alkey:users#1") == generate("alkey:users#1")
    assert get_token(client, "alkey:users#1") == get_token(client, "alkey:users#1")
    assert guarded.refused() == []
    client.close()


@pytest.mark.parametrize(
    ("user", "is_strict"), [(APPLICATION, True), (APPLICATION, False), (READER, True), (RELAXED, False)]
)
def test_what_django_checks(user: str, is_strict: bool, guarded: Guarded) -> None:
    with override_settings(ALKEY={"URL": guarded.url(user), "STRICT": is_strict}):
        assert [message for message in run_checks() if (message.id or "").startswith("alkey.")] == []
    assert guarded.refused() == []
    assert guarded.admin.keys() == [], "to check makes no namespace"


def test_what_is_refused_is_seen(guarded: Guarded) -> None:
    with override_settings(ALKEY={"URL": guarded.url(WRITER)}):
        [message] = [message for message in run_checks() if (message.id or "").startswith("alkey.")]
    assert message.id == "alkey.E003"
    assert guarded.refused() == [(WRITER, "alkey.lookup")]
