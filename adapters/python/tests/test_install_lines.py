"""Each `pip install` of the documents does, as it stands, what its page needs.

The lines of a page are run in a fresh virtual environment, in order, and after each the page's examples up to the next
one, in which nothing else is installed. A page without such a line takes those of README.md. Pages with the same lines
share an environment.

They install from the registry, so they run only where they are asked for: ALKEY_TEST_WHEEL=1. Lines that take the
files of a release (`--find-links .`) run where ALKEY_RELEASE_FILES names their directory. scripts/test-release asks
for both.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from harness import RedisServer
from pages import PACKAGE, PAGES, program_of

CLONE = PACKAGE.parents[1]
RELEASE_FILES = os.environ.get("ALKEY_RELEASE_FILES")
OF_A_RELEASE = "--find-links ."
VERSION = re.findall(r'^version = "(.+)"$', (PACKAGE / "pyproject.toml").read_text(), re.MULTILINE)[0]
# In a block of commands, or between backticks; without a comment.
INSTALL = re.compile(r"\bpip install [^`\n#]+[^`\n#\s]")

_databases = itertools.count(30)


def documents() -> dict[str, str]:
    """The text of each page, by its path in the clone."""
    own = [f"adapters/python/{page}" for page in PAGES]
    others = ["README.md", "packaging/python/README.md", "examples/bookshop/README.md"]
    others += sorted(str(page.relative_to(CLONE)) for page in (CLONE / "docs").glob("*.md"))
    return {page: (CLONE / page).read_text() for page in (*own, *others)}


def installs(text: str, *, of_a_release: bool) -> list[re.Match[str]]:
    return [line for line in INSTALL.finditer(text) if (OF_A_RELEASE in line[0]) is of_a_release]


def groups(*, of_a_release: bool) -> list[tuple[tuple[str, ...], list[str]]]:
    """The pages by the lines that they have."""
    found: dict[tuple[str, ...], list[str]] = {}
    for page, text in documents().items():
        lines = tuple(line[0] for line in installs(text, of_a_release=of_a_release))
        if not lines and page.startswith("adapters/") and not of_a_release and "```python" in text:
            lines = tuple(
                line[0] for line in installs(documents()["adapters/python/README.md"], of_a_release=False)
            )
        if lines:
            found.setdefault(lines, []).append(page)
    return list(found.items())


class Installed:
    """A fresh virtual environment, and what is on a user's PATH beside it."""

    def __init__(self, directory: Path) -> None:
        venv.create(directory)
        programs = directory / "bin"
        # A pip of its own takes five seconds to install.
        pip = programs / "pip"
        pip.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pip --python "{programs}/python" "$@"\n')
        pip.chmod(0o755)
        # Settings that keep pip from the registry would hide what it has there by the same name.
        hiding = ("PIP_NO_INDEX", "PIP_FIND_LINKS", "PYTHONPATH")
        self.environment = {name: value for name, value in os.environ.items() if name not in hiding}
        # What is imported is compiled then, and no more.
        self.environment |= {"PATH": f"{programs}:{os.environ['PATH']}", "PIP_NO_COMPILE": "1"}

    def run(self, *command: str, where: Path, **environment: str) -> str:
        done = subprocess.run(
            command,
            cwd=where,
            env={**self.environment, **environment},
            capture_output=True,
            check=False,
            text=True,
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout


def check(
    lines: tuple[str, ...], pages: list[str], where: Path, server: RedisServer, directory: Path
) -> None:
    installed = Installed(directory / "fresh")
    texts = documents()
    for number, line in enumerate(lines):
        # By a shell, so that a quote that is missing counts.
        installed.run("bash", "-euc", line, where=where)
        what = "alkey" if "alkey-module" not in line else "alkey-module"
        tell = f"from importlib.metadata import version; print(version('{what}'))"
        assert installed.run("python", "-I", "-c", tell, where=directory).strip() == VERSION, line
        if "module" in line:
            assert Path(installed.run("python", "-m", "alkey_module", where=directory).strip()).is_file()
        for page in pages:
            following = installs(texts[page], of_a_release=OF_A_RELEASE in line)[number + 1 :]
            text = texts[page][: following[0].start()] if following else texts[page]
            place = directory / f"{number}-{page.replace('/', '-')}"
            place.mkdir()
            run_examples(installed, page, text, place, server)


def run_examples(installed: Installed, page: str, text: str, place: Path, server: RedisServer) -> None:
    url = f"redis://127.0.0.1:{server.port}/{next(_databases)}?socket_timeout=60"
    program = program_of(text, place, url)
    if not page.startswith("adapters/"):
        # Its examples are parts of programs, which other tests make whole.
        program = "\n".join(re.findall(r"^(?:import|from) .+", program, re.MULTILINE))
    ignore = "-Wignore::DeprecationWarning"
    installed.run("python", ignore, "-c", program, where=place, REDIS_URL=url, PYTHONPATH=str(place))
    if (place / "conftest.py").exists():
        installed.run("python", ignore, "-m", "pytest", where=place)


def ids(value: object) -> str | None:
    return " and ".join(value) if isinstance(value, tuple) else ""


@pytest.mark.skipif("ALKEY_TEST_WHEEL" not in os.environ, reason="it installs packages: ALKEY_TEST_WHEEL=1")
@pytest.mark.parametrize(("lines", "pages"), groups(of_a_release=False), ids=ids)
def test_from_a_clone(lines: tuple[str, ...], pages: list[str], server: RedisServer, tmp_path: Path) -> None:
    check(lines, pages, CLONE, server, tmp_path)


@pytest.mark.skipif(RELEASE_FILES is None, reason="ALKEY_RELEASE_FILES names no release's files")
@pytest.mark.parametrize(("lines", "pages"), groups(of_a_release=True), ids=ids)
def test_from_a_release_s_files(
    lines: tuple[str, ...],
    pages: list[str],
    server: RedisServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The module is the one that was installed.
    monkeypatch.delenv("ALKEY_MODULE")
    check(lines, pages, Path(RELEASE_FILES or "."), server, tmp_path)


def test_there_are_such_lines() -> None:
    assert len(groups(of_a_release=False)) >= 5
    assert len(groups(of_a_release=True)) >= 3
