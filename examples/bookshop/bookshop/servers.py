"""The two servers of the bookshop: PostgreSQL and Redis, each in a directory and with a port of its own.

The environment names their programs; `run` sets it: ALKEY_POSTGRES_BIN, ALKEY_REDIS_SERVER and ALKEY_MODULE.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import redis

DEADLINE_S = 60.0


def wait_until(what: str, condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(
                f"it was in vain to wait until {what}:\n{log.read_text(errors='replace')[-2000:]}"
            )
        time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Redis:
    """A redis-server with the module, that can be set back to an old dump."""

    def __init__(self, directory: Path, lease_ms: int, trust_restored: bool) -> None:
        self.directory, self.lease_ms, self.trust_restored = directory, lease_ms, trust_restored
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._client = redis.Redis.from_url(self.url, socket_timeout=DEADLINE_S)
        # With the shortest lease at first: a server answers strict readers when it is over.
        self._start(lease_ms=1)
        wait_until("grace is over", lambda: self._info("grace_left_ms") == 0, self._process, self._log)
        self._client.config_set("alkey.lease-ms", lease_ms)

    def dump(self) -> None:
        """Keeps what Redis knows now, as the old dump."""
        self._client.save()
        shutil.copy(self.directory / "dump.rdb", self.directory / "old.rdb")

    def restart_from_old_dump(self) -> None:
        self.kill()
        shutil.copy(self.directory / "old.rdb", self.directory / "dump.rdb")
        self._start(self.lease_ms)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _start(self, lease_ms: int) -> None:
        self._log = self.directory / "log"
        command = [os.environ["ALKEY_REDIS_SERVER"], "--bind", "127.0.0.1", "--port", str(self.port)]
        command += ["--dir", str(self.directory), "--save", "", "--loadmodule", os.environ["ALKEY_MODULE"]]
        command += ["lease-ms", str(lease_ms), "trust-restored", "yes" if self.trust_restored else "no"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until("Redis answers", self._is_up, self._process, self._log)

    def _is_up(self) -> bool:
        try:
            return int(self._client.info("server")["process_id"]) == self._process.pid
        except (redis.ConnectionError, redis.TimeoutError):
            return False

    def _info(self, field: str) -> int:
        return int(self._client.info("alkey")[f"alkey_{field}"])


class Postgres:
    """PostgreSQL, as the user `nobody` if this is root, which it refuses to run as."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.port = directory, free_port()
        self._as = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}
        if self._as:
            shutil.chown(directory, "nobody", "nogroup")
        programs = self._reachable(Path(os.environ["ALKEY_POSTGRES_BIN"]))
        data, log_path = directory / "data", directory / "log"
        self._run(
            programs / "initdb", "--pgdata", data, "--auth=trust", "--username=postgres", "--no-sync",
            "--encoding=UTF8", "--locale=C",
        )  # fmt: skip
        command = [programs / "postgres", "-D", data, "-p", str(self.port), "-k", directory]
        # Shared memory is scarce in containers.
        for setting in ("listen_addresses=127.0.0.1", "dynamic_shared_memory_type=mmap"):
            command += ["-c", setting]
        with log_path.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._as)  # type: ignore[call-overload]
        ready: list[str | Path] = [programs / "pg_isready", "-q", "-h", directory, "-p", str(self.port)]
        wait_until(
            "PostgreSQL answers",
            lambda: subprocess.run(ready, check=False).returncode == 0,
            self._process,
            log_path,
        )
        self.url = f"postgresql+psycopg://postgres@/postgres?host={directory}&port={self.port}"

    def close(self) -> None:
        # The fast shutdown: who is still connected is not waited for.
        self._process.send_signal(signal.SIGINT)
        self._process.wait()

    def _reachable(self, programs: Path) -> Path:
        """The programs where `nobody` can run them: as they are, or a copy, if they are in somebody's home."""
        try:
            self._run(programs / "postgres", "--version")
        except (PermissionError, subprocess.CalledProcessError):
            # In the wheel the programs find their libraries by the way from one directory to the other.
            packages, wheel = programs.parents[2], programs.parents[1].name
            copy = self.directory / "programs"
            for folder in (wheel, f"{wheel}.libs"):
                shutil.copytree(packages / folder, copy / folder, symlinks=True)
            for path in (copy, *copy.rglob("*")):
                shutil.chown(path, "nobody", "nogroup")
            return copy / programs.relative_to(packages)
        return programs

    def _run(self, *command: str | Path) -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **self._as)  # type: ignore[call-overload]
