"""The examples of README.md and docs/: each page is a program from its top to its end."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from harness import DEADLINE_S

PACKAGE = Path(__file__).parents[1]
PAGES = ["README.md", *sorted(str(page.relative_to(PACKAGE)) for page in (PACKAGE / "docs").glob("*.md"))]
BLOCK = re.compile(r"(?:<!-- file: (\S+) -->\n)?```(\w+)\n(.*?)```", re.DOTALL)


# Pyramid's own, with newer releases of Python and setuptools.
IGNORED = [
    "-W",
    "ignore::DeprecationWarning",
    "-W",
    "ignore:pkg_resources is deprecated as an API:UserWarning",
]


def blocks(page: str) -> list[tuple[str, str, str]]:
    """Of each: the file that it is, or nothing; its language; its text."""
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


def run_page(page: str, url: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Runs the page's program in this directory, with the server of this URL."""
    program = program_of((PACKAGE / page).read_text(), directory, url)
    return subprocess.run(
        [sys.executable, *IGNORED, "-c", program],
        cwd=directory,
        env={"REDIS_URL": url, "PYTHONPATH": f"{directory}:{PACKAGE / 'src'}", "PATH": "/usr/bin:/bin"},
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
