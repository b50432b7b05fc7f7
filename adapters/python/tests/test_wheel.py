"""The wheel and the sdist build, and the wheel passes the quick start in a fresh virtual environment.

It installs from the registry, so it runs only where it is asked for: ALKEY_TEST_WHEEL=1.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from harness import RedisServer
from pages import blocks

PACKAGE = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(
    "ALKEY_TEST_WHEEL" not in os.environ, reason="it installs packages: ALKEY_TEST_WHEEL=1"
)


def run(*command: str | Path) -> None:
    done = subprocess.run([str(word) for word in command], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("client", ["redis", "valkey"])
def test_the_quick_start_from_the_wheel(client: str, server: RedisServer, tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--outdir", tmp_path, PACKAGE)
    (wheel,), (sdist,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"alkey/py.typed", "alkey/front.py", "alkey/sqlalchemy/__init__.py"} <= set(names)
    assert all(name.startswith(("alkey/", "alkey-1.0.0.dist-info/")) for name in names)
    with tarfile.open(sdist) as archive:
        members = archive.getnames()
    assert "alkey-1.0.0/src/alkey/front.py" in members
    assert "alkey-1.0.0/README.md" in members
    environment = tmp_path / "fresh"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", f"{wheel}[sqlalchemy,{client}]")
    program = "".join(text for _, kind, text in blocks("README.md") if kind == "python")
    url = f"{client}://127.0.0.1:{server.port}/14?socket_timeout=60"
    run(python, "-I", "-c", program.replace("redis://localhost:6379", url))
    run(python, "-I", "-c", "import alkey; assert 'site-packages' in alkey.__file__")
