"""Every error of alkey, and who should learn what from it.

`Unavailable` is the operator's, or nobody's: the server could not be asked, or refused because of its own state. A
reader bypasses the cache, a writer tries again or refuses to write. `Refused` and its kinds are mistakes: in the call,
in the setup, or in the server's. Trying again does not help.

Knows no Redis client and no ORM.
"""

from __future__ import annotations


class AlkeyError(Exception):
    """Whatever goes wrong in alkey."""


class Unavailable(AlkeyError):
    """The server gave no answer, came too late with it, or can't serve now. Its `__cause__` is the client's error."""


class Refused(AlkeyError):
    """The server answered that the call is wrong. Its `__cause__` is the client's error."""


class ModuleNotLoaded(Refused):
    """The server does not have the module."""

    def __init__(self, command: str, server: str) -> None:
        super().__init__(
            f"{server} does not know {command}: it runs without the module alkey. Add a line "
            "`loadmodule /path/to/libalkey.so` to its redis.conf and restart it, or start it with "
            "`redis-server --loadmodule /path/to/libalkey.so`"
        )


class NoIdentifier(AlkeyError, ValueError):
    """A row can't be named: its primary key can't be what was given, or is of a type whose values have no names."""


class NoCanonicalForm(AlkeyError, TypeError):
    """A part of a key is of a type that has no canonical form."""
