"""Faults while others read and write: with `unavailable="raise"` no strict reader gets a stale value."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from alkey import Alkey
from harness import RedisServer, wait_until
from spy import Spy, spy
from stage import Stage

LEASE_MS = 2000
# A writer that is frozen before it says COMMIT is ended by the database, before its lease is over. Readers may be as
# slow as a busy machine makes them.
UNFROZEN = {"options": f"-c idle_in_transaction_session_timeout={LEASE_MS // 2}"}


@pytest.fixture
def seed() -> int:
    return int(os.environ.get("ALKEY_FAULT_SEED", random.randrange(10**6)))


@pytest.fixture
def redis_server(own_server: Callable[..., RedisServer]) -> RedisServer:
    server = own_server(lease_ms=LEASE_MS)
    # From the next start on it has this lease from the beginning, so that its grace is as long as that of life.
    configuration = server.directory / "redis.conf"
    configuration.write_text(configuration.read_text().replace("lease-ms 1\n", f"lease-ms {LEASE_MS}\n"))
    return server


def patient(server: RedisServer, **options: object) -> Alkey:
    """One that a busy machine does not cut off."""
    return Alkey(server.client(socket_timeout=10), **options)  # type: ignore[arg-type]


@pytest.fixture
def stage(pg_engine: sa.Engine, redis_server: RedisServer, seed: int) -> Iterator[Stage]:
    unfrozen = sa.create_engine(pg_engine.url, connect_args=UNFROZEN)
    yield Stage(pg_engine, unfrozen, lambda **options: patient(redis_server, **options), seed)
    unfrozen.dispose()


@contextmanager
def other_process(stage: Stage, server: RedisServer, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    url = stage.engine.url.update_query_dict(UNFROZEN).render_as_string(hide_password=False)
    command = [
        sys.executable,
        "dying_writer.py",
        url,
        f"{server.url}?socket_timeout=10",
        str(stage.seed),
        *arguments,
    ]
    with subprocess.Popen(command, cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()


def lines(process: subprocess.Popen[str], wanted: str, count: int) -> None:
    """Waits until the process has said it so often."""
    assert process.stdout is not None
    for line in process.stdout:
        count -= line.strip() == wanted
        if count <= 0:
            return
    pytest.fail(f"the writer ended before it had {wanted} {count} more times")


def test_nothing_but_readers_and_writers(stage: Stage) -> None:
    with stage.act(engine=stage.engine) as tally:
        stage.go_on(hits=1000, commits=50)
    assert tally.refused == tally.unknown == 0


def test_writers_die_between_the_two_commits(stage: Stage, redis_server: RedisServer) -> None:
    with stage.act(writers=1), other_process(stage, redis_server, "dies") as process:
        lines(process, "died", 20)
        stage.go_on()


def test_redis_restarts_from_an_old_dump(stage: Stage, redis_server: RedisServer) -> None:
    with stage.act():
        stage.set_back(redis_server, times=3)


class LosesAnswers:
    """A way to PostgreSQL that breaks now and then when the database has committed and says so."""

    def __init__(self, port: int, dice: random.Random) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lost = 0
        self._target, self._dice = port, dice
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                loses = threading.Event()
                for source, target in ((client, server), (server, client)):
                    threading.Thread(
                        target=self._pass, args=(source, target, loses, source is server), daemon=True
                    ).start()

    def _pass(
        self, source: socket.socket, target: socket.socket, loses: threading.Event, answers: bool
    ) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not answers and b"COMMIT" in data and self._dice.random() < 0.3:
                    loses.set()
                if answers and loses.is_set():
                    # This is the answer: the database has committed.
                    self.lost += 1
                    break
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def close(self) -> None:
        self.listener.close()


def test_the_answer_to_commit_is_lost(stage: Stage, seed: int) -> None:
    url = stage.engine.url
    way = LosesAnswers(int(str(url.query["port"])), random.Random(seed))
    through = url.set(host="127.0.0.1", port=way.port, query={})
    engine = sa.create_engine(through)
    try:
        with stage.act(engine=engine) as tally:
            wait_until("ten answers are lost", lambda: way.lost >= 10 or tally.failures)
            stage.go_on()
        assert tally.unknown >= 10
    finally:
        way.close()
        engine.dispose()


@pytest.fixture
def cut_off(redis_server: RedisServer) -> Spy:
    """A client that will not reach the server."""
    return spy(redis_server.port, socket_timeout=10)


def test_redis_is_out_of_a_writer_s_reach_who_refuses(stage: Stage, cut_off: Spy) -> None:
    with stage.act(writers=1, alkey=Alkey(cut_off, unavailable="raise")):
        for _ in range(3):
            stage.go_on()
            cut_off.is_cut_off = True
            stage.go_on_until_refused(5)
            cut_off.is_cut_off = False
        stage.go_on()


def test_redis_is_out_of_a_writer_s_reach_who_delivers_later(stage: Stage, cut_off: Spy) -> None:
    """That gives up the promise; what is promised is that keys change when the COMMIT arrives."""
    alkey = Alkey(cut_off)
    with stage.act(writers=1, alkey=alkey) as tally:
        stage.go_on()
        cut_off.is_cut_off = True
        stage.go_on(hits=0, commits=5)
        cut_off.is_cut_off = False
        wait_until("all has arrived", lambda: alkey.delivery.counts.waiting == 0)
        print(f"until then {len(tally.stale)} of {tally.hits} hits were stale")
        tally.stale.clear()
        stage.go_on()
    assert alkey.delivery.counts.unrecorded > 0
    assert tally.refused == 0


def test_a_writer_is_frozen(stage: Stage, redis_server: RedisServer, seed: int) -> None:
    dice = random.Random(seed)
    with stage.act(writers=1), other_process(stage, redis_server) as process:
        for leases in (0.3, 1.5, 0.3, 1.5):
            lines(process, "wrote", 3)
            # Somewhere in what it does.
            stage.end.wait(dice.random() * 0.1)
            process.send_signal(signal.SIGSTOP)
            stage.end.wait(LEASE_MS / 1000 * leases)
            process.send_signal(signal.SIGCONT)
            stage.go_on(hits=100, commits=5)
