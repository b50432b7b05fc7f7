"""The fixture `alkey_server`, in runs of pytest of their own, on the real server."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

import alkey.connect
from pages import blocks

pytest_plugins = ["pytester"]


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    # As the entry point does where the package is installed.
    return pytester.runpytest_inprocess("-p", "alkey.pytest_plugin", "-p", "no:cacheprovider", *arguments)


@pytest.fixture
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """No environment that says where the programs are; what it said."""
    said = {name: os.environ[name] for name in ("ALKEY_MODULE", "ALKEY_REDIS_SERVER")}
    for name in said:
        monkeypatch.delenv(name)
    # Neither is a server on PATH.
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    return said


TEST_THAT_ASKS = """
    import redis
    from alkey import Alkey

    def test_it(alkey_server):
        assert Alkey(alkey_server.url).lookup("a value").is_shared
        with redis.Redis.from_url(alkey_server.url) as client:
            print("the process is", client.info("server")["process_id"])
            print("the directory is", client.config_get("dir")["dir"])
"""


def test_one_server_for_a_run_whose_keys_are_shared_at_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import subprocess, time
        import pytest
        from alkey import Alkey

        @pytest.fixture(autouse=True)
        def nothing_stays(alkey_server):
            yield
            alkey_server.clear()

        def test_a_key_that_nobody_asked_for_is_shared(alkey_server):
            alkey = Alkey(alkey_server.url)
            for namespace in "alkey", "alkey{one}":
                alkey = Alkey(alkey_server.url, namespace)
                assert alkey.lookup(alkey.row("users", 1)).is_shared
            # That of life, with which writers can do.
            assert alkey.delivery.lease_ns == 5_000_000_000

        def test_what_was_written_settles(alkey_server):
            alkey = Alkey(alkey_server.url)
            alkey.touch(alkey.row("users", 1))
            alkey_server.settle()
            assert alkey.lookup(alkey.row("users", 1)).settled_ms >= 10

        def test_what_is_in_flight_does_not_settle(alkey_server, monkeypatch):
            alkey = Alkey(alkey_server.url)
            alkey.commands.record(b"alkey:tx:of a writer", [alkey.row("users", 1)])
            monkeypatch.setattr("alkey.pytest_plugin._DEADLINE_S", 0.01)
            with pytest.raises(TimeoutError, match="alkey does not settle: -1 ms; in flight: .*alkey:tx:of a writer"):
                alkey_server.settle()
            monkeypatch.undo()
            alkey_server.clear()
            alkey_server.settle()

        def test_it_answers_still(alkey_server):
            alkey_server.settle()
            assert alkey_server._process.poll() is None
            print("the server is", alkey_server._process.pid)
    """)
    result = run(pytester, "-s")
    result.assert_outcomes(passed=4)
    (line,) = (line for line in result.outlines if "the server is" in line)
    # It ended with the run.
    assert not Path("/proc", line.split()[-1]).exists()


def test_a_session_shares_what_has_settled_before_it_began(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import sqlalchemy as sa
        from sqlalchemy.orm import sessionmaker
        from alkey import Alkey
        from models import Base, User

        def test_it(alkey_server, tmp_path):
            engine = sa.create_engine(f"sqlite:///{tmp_path}/db")
            Base.metadata.create_all(engine)
            alkey, sessions = Alkey(alkey_server.url, "alkey{one}"), sessionmaker(engine)
            alkey.bind(sessions)
            for number in range(20):
                with sessions.begin() as session:
                    session.add(User(id=number))
                alkey_server.settle("alkey{one}")
                with sessions() as session:
                    found = alkey.lookup(session.get(User, number), session=session)
                    assert found.is_shared, (number, found)
            engine.dispose()
    """)
    run(pytester).assert_outcomes(passed=1)


@pytest.mark.parametrize("client", ["redis", "valkey"])
@pytest.mark.parametrize("database", [0, 3])
def test_clear_forgets_everything(
    pytester: pytest.Pytester, client: str, database: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As where it is the client that is installed.
    monkeypatch.setitem(alkey.connect._PACKAGES, "redis", (client,))
    pytester.makepyfile(f"""
        from alkey import Alkey
        from alkey.connect import client_of

        def test_it(alkey_server):
            client = client_of(alkey_server.url.replace("/0", "/{database}"))
            assert type(client).__module__.startswith("{client}")
            client.set("cached", "value")
            client.set("alkey-not", "a namespace")
            alkeys = [Alkey(client), Alkey(client, "alkey{{one}}")]
            before = [alkey.key(alkey.row("users", 1)) for alkey in alkeys]
            for alkey in alkeys:
                alkey.commands.record(f"{{alkey.namespace}}:tx:of a writer".encode(), [alkey.row("users", 1)])
                assert alkey.lookup(alkey.row("users", 1)).settled_ms == -1
            alkey_server.clear()
            assert client.get("cached") is None
            for alkey, key in zip(alkeys, before):
                assert client.exists(alkey.namespace)
                found = alkey.lookup(alkey.row("users", 1))
                assert found.is_shared and found.key != key
            assert client.execute_command("ALKEY.PENDING") == []
            # Of namespaces that are gone.
            alkey.commands.record(f"{{alkey.namespace}}:tx:of a writer".encode(), [alkey.row("users", 1)])
            client.flushall()
            alkey_server.clear()
            assert client.execute_command("ALKEY.PENDING") == []
    """)
    run(pytester).assert_outcomes(passed=1)


@pytest.mark.parametrize("how", ["the command line", "the environment", "the ini-file", "the package"])
def test_where_the_programs_are(
    pytester: pytest.Pytester, nothing_said: dict[str, str], how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(TEST_THAT_ASKS)
    module, server = nothing_said["ALKEY_MODULE"], nothing_said["ALKEY_REDIS_SERVER"]
    (pytester.path / "programs").mkdir()
    (pytester.path / "programs" / "redis-server").symlink_to(server)
    arguments: list[str] = []
    if how == "the command line":
        # It comes before the others.
        monkeypatch.setenv("ALKEY_MODULE", "/nowhere")
        arguments = ["--alkey-module", module, "--alkey-redis-server", server]
    elif how == "the environment":
        monkeypatch.setenv("ALKEY_MODULE", module)
        monkeypatch.setenv("ALKEY_REDIS_SERVER", server)
        pytester.makeini("[pytest]\nalkey_module = nowhere.so")
    elif how == "the ini-file":
        (pytester.path / "libalkey.so").symlink_to(module)
        pytester.makeini("[pytest]\nalkey_module = libalkey.so\nalkey_redis_server = programs/redis-server")
    else:
        pytester.makepyfile(alkey_module=f"def path():\n    return {module!r}")
        monkeypatch.setenv("PYTHONPATH", str(pytester.path), prepend=os.pathsep)
        monkeypatch.setenv("PATH", str(pytester.path / "programs"), prepend=os.pathsep)
    run(pytester, *arguments).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            {},
            "The fixture alkey_server needs the module alkey: install alkey-module from the files of a release",
        ),
        (
            {"ALKEY_MODULE": "/nowhere"},
            "/nowhere is no file. The fixture alkey_server needs the module alkey",
        ),
        (
            {"ALKEY_REDIS_SERVER": "/no/redis-server"},
            "/no/redis-server is no program that can be run. The fixture",
        ),
        ({"ALKEY_MODULE": __file__}, "did not start; it says:"),
        ({"ALKEY_REDIS_SERVER": "/bin/true"}, "/bin/true with .* did not start"),
    ],
)
def test_what_is_missing_is_told(
    pytester: pytest.Pytester,
    nothing_said: dict[str, str],
    said: dict[str, str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytester.makepyfile(TEST_THAT_ASKS + "\n    def test_another():\n        pass")
    for name, value in {**(nothing_said if said else {}), **said}.items():
        monkeypatch.setenv(name, value)
    if not said:
        monkeypatch.setenv("ALKEY_REDIS_SERVER", nothing_said["ALKEY_REDIS_SERVER"])
    result = run(pytester)
    # The tests that need no server are run.
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.re_match_lines([f".*{told}"])
    for noise in "*Traceback*", "*During handling*":
        result.stdout.no_fnmatch_line(noise)


def test_no_server_at_all(pytester: pytest.Pytester, nothing_said: dict[str, str], monkeypatch: Any) -> None:
    monkeypatch.setenv("ALKEY_MODULE", nothing_said["ALKEY_MODULE"])
    pytester.makepyfile(TEST_THAT_ASKS)
    result = run(pytester)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["The fixture alkey_server needs redis-server 7.0 or newer, or valkey-server*"]
    )


def test_a_port_that_somebody_takes_is_not_used(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import socket
        import pytest
        from alkey import pytest_plugin

        @pytest.fixture(autouse=True, scope="session")
        def taken():
            free = pytest_plugin._free_port
            with socket.create_server(("127.0.0.1", 0)) as server, pytest.MonkeyPatch.context() as patched:
                port = server.getsockname()[1]
                ports = [port]
                patched.setattr(pytest_plugin, "_free_port", lambda: ports.pop() if ports else free())
                yield port

        def test_it(taken, alkey_server):
            assert alkey_server.port != taken
    """)
    run(pytester).assert_outcomes(passed=1)


def test_two_runs_have_two_servers(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TEST_THAT_ASKS)
    runs = [run(pytester, "-s").outlines for _ in range(2)]
    for what in "the process is", "the directory is":
        assert len({next(line for line in lines if what in line) for lines in runs}) == 2


def test_the_example_of_the_docs(pytester: pytest.Pytester) -> None:
    for name, _, text in blocks("docs/testing.md"):
        if name:
            (pytester.path / name).write_text(text)
    run(pytester).assert_outcomes(passed=2)


def test_nothing_is_imported_before_it_is_asked_for(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import sys

        def test_it():
            assert sys.modules.keys().isdisjoint({"redis", "valkey", "sqlalchemy", "pyramid", "django"})
    """)
    # This process has imported them all.
    result = pytester.runpytest_subprocess("-p", "alkey.pytest_plugin", "-p", "no:hypothesispytest")
    result.assert_outcomes(passed=1)
