"""The examples of README.md and docs/ are run, each page from its top to its end in one program."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness import DEADLINE_S, RedisServer

PACKAGE = Path(__file__).parents[1]
PAGES = ["README.md", *sorted(str(page.relative_to(PACKAGE)) for page in (PACKAGE / "docs").glob("*.md"))]
BLOCK = re.compile(r"(?:<!-- file: (\S+) -->\n)?```(\w+)\n(.*?)```", re.DOTALL)


def blocks(page: str) -> list[tuple[str, str, str]]:
    return BLOCK.findall((PACKAGE / page).read_text())


def program_of(text: str, directory: Path, url: str) -> str:
    """The examples of a page, or of its beginning, as one program. The files that it shows are put there."""
    program = ""
    for name, kind, code in BLOCK.findall(text):
        code = code.replace("redis://localhost:6379", url)
        if name:
            (directory / name).parent.mkdir(exist_ok=True)
            (directory / name).write_text(code)
        elif kind == "python":
            program += code
    return program


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(kind == "python" for _, kind, _ in blocks(page))]
)
def test_a_page_s_examples_run(page: str, server: RedisServer, tmp_path: Path) -> None:
    # Patient, since a machine that runs tests may be busy. Another database for each page.
    url = f"redis://127.0.0.1:{server.port}/{5 + PAGES.index(page)}?socket_timeout=60"
    program = program_of((PACKAGE / page).read_text(), tmp_path, url)
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],
        cwd=tmp_path,
        env={"REDIS_URL": url, "PYTHONPATH": f"{tmp_path}:{PACKAGE / 'src'}", "PATH": "/usr/bin:/bin"},
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert done.returncode == 0, done.stderr


def test_the_module_s_readme(server: RedisServer) -> None:
    """What its examples leave to the reader is made here: a database, a cache, and how to read one from the other."""
    text = (PACKAGE.parents[1] / "README.md").read_text()
    by_hand, by_the_package = (code for _, kind, code in BLOCK.findall(text) if kind == "python")
    program = f"""
import sqlite3
from functools import partial
from uuid import uuid4
import redis
from sqlalchemy import create_engine
from sqlalchemy.orm import Session, sessionmaker
from alkey import Alkey
from models import Base, User

Redis = partial(redis.Redis, port={server.port}, socket_timeout=60)
reads = []

class Cache(dict):
    set = dict.__setitem__

def read_profile(database, user_id):
    reads.append(user_id)
    return database.execute("SELECT name FROM users WHERE id = ?", (user_id,)).fetchone()[0]

database, cache = sqlite3.connect(":memory:"), Cache()
database.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)")
database.execute("INSERT INTO users VALUES (1, 'Ann')")
database.commit()
{by_hand}
assert [profile(1), profile(1), len(reads)] == ["Ann", "Ann", 1]
rename(1, "Eve")
assert [profile(1), profile(1), len(reads)] == ["Eve", "Eve", 2]

engine, cache = create_engine("sqlite://"), Cache()
Base.metadata.create_all(engine)
Session = sessionmaker(engine)
with Session.begin() as session:
    session.add(user := User(id=1, name="Ann"))
render = lambda user: f"<h1>{{user.name}}</h1>"
session = Session()
user = session.get(User, 1)
session.rollback()
Alkey = partial(Alkey, lease_ms=5000)
{by_the_package.replace("redis://localhost:6379", server.url)}
assert html == "<h1>Ann</h1>"
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        text = (PACKAGE / page).read_text()
        for target in re.findall(r"\]\(([^)#]+)", text):
            assert ((PACKAGE / page).parent / target).exists(), f"{page}: {target}"


def test_every_option_is_told() -> None:
    import inspect

    from alkey import Alkey

    text = (PACKAGE / "docs" / "options.md").read_text()
    for name in inspect.signature(Alkey).parameters:
        assert f"`{name}`" in text
    for name in vars(Alkey):
        assert name.startswith("_") or name in text
