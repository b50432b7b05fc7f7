"""The examples of README.md and docs/ are run, each page from its top to its end in one program."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness import RedisServer
from pages import BLOCK, PACKAGE, PAGES, blocks, run_page


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(kind == "python" for _, kind, _ in blocks(page))]
)
def test_a_page_s_examples_run(page: str, server: RedisServer, tmp_path: Path) -> None:
    # Patient, since a machine that runs tests may be busy. Another database for each page.
    url = f"redis://127.0.0.1:{server.port}/{5 + PAGES.index(page)}?socket_timeout=60"
    done = run_page(page, url, tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_module_s_readme(server: RedisServer) -> None:
    """Its five lines are run as they stand. What they leave to the reader is made here: a database, a cache, a page."""
    text = (PACKAGE.parents[1] / "README.md").read_text()
    [lines] = (code for _, kind, code in BLOCK.findall(text) if kind == "python")
    assert len(lines.splitlines()) == 5
    program = f"""
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker
from models import Base, User

engine, cache, rendered = create_engine("sqlite://"), {{}}, []
Base.metadata.create_all(engine)
Session = sessionmaker(engine)

def render(user_id):
    rendered.append(user_id)
    with Session() as session:
        return f"<h1>{{session.get(User, user_id).name}}</h1>"

{lines.replace("redis://localhost:6379", f"{server.url}?socket_timeout=60")}
with Session.begin() as session:
    session.add_all([User(id=1, name="Ann"), User(id=2, name="Max")])
assert [profile(1), profile(1), rendered] == ["<h1>Ann</h1>", "<h1>Ann</h1>", [1]]
with Session.begin() as session:
    session.get(User, 2).name = "Mia"
assert [profile(1), rendered] == ["<h1>Ann</h1>", [1]]
with Session.begin() as session:
    session.get(User, 1).name = "Eve"
assert [profile(1), profile(1), rendered] == ["<h1>Eve</h1>", "<h1>Eve</h1>", [1, 1]]
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
