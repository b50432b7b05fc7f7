"""For tests of applications: `alkey_server`, a redis-server with the module, for one run of pytest.

    def test_it(alkey_server):
        alkey = Alkey(alkey_server.url)

It has its own directory and port, runs as the user who runs pytest, and ends with the run. Where the module and the
server are is said by, in this order:

    --alkey-module         ALKEY_MODULE         alkey_module          the package alkey-module, if it is installed
    --alkey-redis-server   ALKEY_REDIS_SERVER   alkey_redis_server    redis-server or valkey-server on PATH
    (command line)         (environment)        (pytest's ini-file)

pytest loads this by itself where the package is installed. It imports no client before the fixture is asked for.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from alkey._names.identifier import NAMESPACE, everything
from alkey.commands import text_of, translated
from alkey.connect import client_of
from alkey.errors import Unavailable

# A server is in grace for one lease from its start, so it starts with the shortest. Then it gets that of life, since no
# writer could do with one that is over before it has the answer.
_LEASE_MS_AT_START = 1
_LEASE_MS = 5000
_DATABASES = 16
_DEADLINE_S = 30.0
_TRIES = 5
# Sessions that begin now share keys for seconds: what is compared with is their age and 0.1 % and 2 ms.
_SETTLED_MS = 10

_MODULE_MISSING = (
    "The fixture alkey_server needs the module alkey: install alkey-module from the files of a release, or say where "
    "libalkey.so is by --alkey-module, the environment's ALKEY_MODULE, or alkey_module in pytest's ini-file"
)
_SERVER_MISSING = (
    "The fixture alkey_server needs redis-server 7.0 or newer, or valkey-server: install one (Debian: redis-server), "
    "or say where it is by --alkey-redis-server, the environment's ALKEY_REDIS_SERVER, or alkey_redis_server in "
    "pytest's ini-file"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("alkey", "a redis-server with the module alkey")
    for name, what in (("module", "the module, libalkey.so"), ("redis-server", "the server, redis-server")):
        group.addoption(f"--alkey-{name}", metavar="PATH", help=f"{what}, for the fixture alkey_server")
        setting = f"alkey_{name.replace('-', '_')}"
        parser.addini(setting, f"{what}, for the fixture alkey_server; a path from the root directory")


@pytest.fixture(scope="session")
def alkey_server(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AlkeyServer]:
    """A redis-server with the module alkey, for the whole run: `.url`, `.clear()`, `.settle()`."""
    server, module = _server(pytestconfig), _module(pytestconfig)
    running = AlkeyServer(server, module, tmp_path_factory.mktemp("alkey"))
    yield running
    running.close()


class AlkeyServer:
    """A redis-server with the module, past its grace, so that strict keys are shared at once."""

    def __init__(self, server: str, module: str, directory: Path) -> None:
        self.directory = directory
        # By the number of the database.
        self._clients: dict[int, Any] = {}
        for _ in range(_TRIES):
            self._start(server, module)
            if self._is_up():
                break
            # Somebody else may have taken the port since it was free.
            if "Address already in use" not in self._log():
                pytest.fail(
                    f"{server} with {module} did not start; it says:\n{self._log()[-2000:]}", pytrace=False
                )
        else:
            pytest.fail(f"{server} found its port taken {_TRIES} times", pytrace=False)
        self._call("CONFIG", "SET", "alkey.lease-ms", _LEASE_MS)
        self._call("ALKEY.KEY", everything("alkey"))

    @property
    def url(self) -> str:
        """For a client, and for Alkey."""
        return f"redis://127.0.0.1:{self.port}/0"

    def clear(self) -> None:
        """Forgets everything, in all databases: values, transactions in flight, and what keys were. To be called
        between tests."""
        namespaces = []
        for database in self._databases():
            for fields in self._call("ALKEY.PENDING", database=database):
                # A map in RESP3, its array in RESP2.
                name = fields[b"transaction"] if isinstance(fields, dict) else fields[1]
                self._call("ALKEY.DISCARD", name, database=database)
            names = [text_of(name) for name in self._call("KEYS", "alkey*", database=database)]
            namespaces += [(database, name) for name in names if NAMESPACE.fullmatch(name)]
        self._call("FLUSHALL")
        # They are as old as this moment then, and not as the first look-up of the next test.
        for database, namespace in namespaces:
            self._call("ALKEY.KEY", everything(namespace), database=database)

    def settle(self, namespace: str = "alkey", database: int = 0) -> None:
        """Waits the milliseconds until all that was written is old enough for sessions that begin now to share keys."""
        end_s = time.monotonic() + _DEADLINE_S
        while True:
            found = self._call("ALKEY.LOOKUP", everything(namespace), database=database)
            _, settled_ms = found.values() if isinstance(found, dict) else found[1::2]
            if settled_ms >= _SETTLED_MS:
                return
            if time.monotonic() > end_s:
                pending = self._call("ALKEY.PENDING", database=database)
                raise TimeoutError(f"{namespace} does not settle: {settled_ms} ms; in flight: {pending}")
            time.sleep(0.001)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._process.kill()
        self._process.wait()

    def _start(self, server: str, module: str) -> None:
        self.port = _free_port()
        command = [server, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.directory)]
        command += [
            "--databases",
            str(_DATABASES),
            "--save",
            "",
            "--loadmodule",
            module,
            "lease-ms",
            str(_LEASE_MS_AT_START),
        ]
        with (self.directory / "log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the programs are those that the developer names
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _is_up(self) -> bool:
        """Waits until it is, and out of grace, or until it has ended."""
        client: Any = client_of(self.url)
        end_s = time.monotonic() + _DEADLINE_S
        while self._process.poll() is None:
            if time.monotonic() > end_s:
                self.close()
                pytest.fail(
                    f"the server does not answer in {_DEADLINE_S} s; it says:\n{self._log()}", pytrace=False
                )
            try:
                found = client.execute_command("INFO", "server", "alkey")
            except Exception as error:
                if not isinstance(translated(error), Unavailable):
                    raise
            else:
                # Another one may have the port.
                if found["process_id"] == self._process.pid and found["alkey_grace_left_ms"] == 0:
                    client.close()
                    return True
            time.sleep(0.005)
        return False

    def _databases(self) -> list[int]:
        """The numbers of those that may hold anything. What is in flight is in no key."""
        found = self._call("INFO", "keyspace", "alkey")
        if found["alkey_transactions_in_flight"] > 0:
            return list(range(_DATABASES))
        return [int(name.removeprefix("db")) for name in found if name.startswith("db")]

    def _call(self, *arguments: Any, database: int = 0) -> Any:
        if database not in self._clients:
            # Patient, since a machine that runs tests may be busy.
            url = f"redis://127.0.0.1:{self.port}/{database}"
            self._clients[database] = client_of(url, socket_timeout=_DEADLINE_S)
        return self._clients[database].execute_command(*arguments)

    def _log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")


def _module(config: pytest.Config) -> str:
    path = _asked(config, "module")
    if path is None:
        if find_spec("alkey_module") is None:
            pytest.fail(_MODULE_MISSING, pytrace=False)
        path = str(import_module("alkey_module").path())
    if not Path(path).is_file():
        pytest.fail(f"{path} is no file. {_MODULE_MISSING}", pytrace=False)
    return str(Path(path).resolve())


def _server(config: pytest.Config) -> str:
    asked = _asked(config, "redis_server")
    for name in ("redis-server", "valkey-server") if asked is None else (asked,):
        found = shutil.which(name)
        if found is not None:
            return found
    said = "" if asked is None else f"{asked} is no program that can be run. "
    pytest.fail(said + _SERVER_MISSING, pytrace=False)


def _asked(config: pytest.Config, name: str) -> str | None:
    asked = config.getoption(f"alkey_{name}") or os.environ.get(f"ALKEY_{name.upper()}")
    if asked:
        return str(asked)
    written = config.getini(f"alkey_{name}")
    if not written:
        return None
    is_on_path = name == "redis_server" and "/" not in written
    return str(written if is_on_path else config.rootpath / written)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
