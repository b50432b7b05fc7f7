"""Faults while others read and write by Django: with UNAVAILABLE "raise" no strict reader gets a stale value."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.test import override_settings

import test_faults
from django_site import postgres_options, use
from django_stage import DjangoStage
from harness import Postgres, RedisServer, wait_until
from spy import spy
from test_faults import UNFROZEN, LosesAnswers, lines

pytest_plugins = ["django_fixtures"]

seed = test_faults.seed
redis_server = test_faults.redis_server


@pytest.fixture
def options(postgres: Postgres) -> dict[str, Any]:
    return {**postgres_options(postgres, "default_library"), "OPTIONS": UNFROZEN}


@pytest.fixture
def alkey_settings(redis_server: RedisServer) -> dict[str, Any]:
    return {"CLIENT": redis_server.client(socket_timeout=10), "UNAVAILABLE": "raise"}


@pytest.fixture
def stage(
    pg_library: None,
    postgres: Postgres,
    options: dict[str, Any],
    alkey_settings: dict[str, Any],
    seed: int,
) -> Iterator[DjangoStage]:
    # Readers may be as slow as a busy machine makes them.
    use("default", **postgres_options(postgres, "default_library"))
    use("archive", **options)

    def truth() -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=str(postgres.directory),
            port=postgres.port,
            user="postgres",
            dbname="default_library",
            autocommit=True,
        )

    with override_settings(ALKEY=alkey_settings):
        yield DjangoStage(truth, seed)


def test_nothing_but_readers_and_writers(stage: DjangoStage) -> None:
    with stage.act(alias="default") as tally:
        stage.go_on(hits=500, commits=50)
    assert tally.refused == tally.unknown == 0


def test_writers_die_between_the_two_commits(
    stage: DjangoStage,
    redis_server: RedisServer,
    options: dict[str, Any],
) -> None:
    url = f"{redis_server.url}?socket_timeout=10"
    command = [sys.executable, "django_stage.py", json.dumps(options), url, str(stage.seed)]
    with (
        stage.act(writers=1),
        subprocess.Popen(command, cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True) as process,
    ):
        try:
            lines(process, "died", 10)
            stage.go_on()
        finally:
            process.kill()


def test_redis_restarts_from_an_old_dump(stage: DjangoStage, redis_server: RedisServer) -> None:
    with stage.act():
        stage.set_back(redis_server, times=1)


def test_the_answer_to_commit_is_lost(
    stage: DjangoStage,
    postgres: Postgres,
    options: dict[str, Any],
    seed: int,
) -> None:
    way = LosesAnswers(postgres.port, random.Random(seed))
    use("archive", **{**options, "HOST": "127.0.0.1", "PORT": str(way.port)})
    try:
        with stage.act() as tally:
            wait_until("five answers are lost", lambda: way.lost >= 5 or tally.failures)
            stage.go_on(commits=5)
        assert tally.unknown >= 5
    finally:
        way.close()


def test_redis_is_out_of_reach(
    stage: DjangoStage,
    redis_server: RedisServer,
    alkey_settings: dict[str, Any],
) -> None:
    """Of the writers and of the readers, who are in one process."""
    cut_off = spy(redis_server.port, socket_timeout=10)
    with override_settings(ALKEY={**alkey_settings, "CLIENT": cut_off}), stage.act():
        for _ in range(2):
            stage.go_on()
            cut_off.is_cut_off = True
            stage.go_on_until_refused(5)
            cut_off.is_cut_off = False
        stage.go_on()
