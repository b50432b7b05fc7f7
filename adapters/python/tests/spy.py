"""A client that remembers what it was asked, and one that can be cut off; and what is sent by others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from alkey._names.identifier import namespace_of


class Spy(redis.Redis):
    """It sends what it is asked, unless it is cut off: then nothing arrives anywhere."""

    asked: list[tuple[Any, ...]]
    is_cut_off = False

    def execute_command(self, *arguments: Any, **options: Any) -> Any:
        self.asked.append(arguments)
        if self.is_cut_off:
            raise redis.ConnectionError("cut off")
        return super().execute_command(*arguments, **options)  # type: ignore[no-untyped-call]

    def names(self) -> list[str]:
        """The names of the commands that were asked, since the last call."""
        names = [str(arguments[0]) for arguments in self.asked]
        self.asked.clear()
        return names


def spy(port: int, **options: Any) -> Spy:
    client = Spy(host="127.0.0.1", port=port, retry=Retry(NoBackoff(), 0), **options)
    client.asked = []
    return client


def sent_by(monkeypatch: pytest.MonkeyPatch, *methods: tuple[object, str]) -> list[tuple[str, str]]:
    """The commands that these methods send from now on, each with the namespace of what it names first."""
    sent: list[tuple[str, str]] = []

    def listening(execute: Callable[..., Any]) -> Callable[..., Any]:
        def listen(*arguments: Any) -> Any:
            sent.append((arguments[0], namespace_of(arguments[1])))
            return execute(*arguments)

        return listen

    for owner, name in methods:
        monkeypatch.setattr(owner, name, listening(getattr(owner, name)))
    return sent
