"""What changed, as the server sees it: tokens of identifiers before and after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from alkey.commands import Commands


class Watch:
    """The keys of a namespace. Identifiers are written without it: `users#1`."""

    def __init__(self, client: Any, namespace: str) -> None:
        self.commands = Commands(client)
        self.namespace = namespace

    def full(self, name: str) -> bytes:
        return f"{self.namespace}:{name}".encode()

    def tokens(self, names: Iterable[str]) -> dict[str, str | None]:
        # KEY makes the namespace, where nobody has yet.
        self.commands.key([self.full("*#*")])
        return {name: self.commands.token(self.full(name)) for name in names}

    @contextmanager
    def changed(self, names: str) -> Iterator[set[str]]:
        """Of these names, separated by spaces, those whose keys have changed at the end are in the set."""
        before = self.tokens(names.split())
        found: set[str] = set()
        yield found
        after = self.tokens(names.split())
        found.update(name for name in before if before[name] != after[name])

    def is_in_flight(self, name: str) -> bool:
        return self.commands.lookup([self.full(name)]).settled_ms == -1
