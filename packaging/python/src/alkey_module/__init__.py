"""The Redis module alkey, as a file for a server's `loadmodule`."""

from pathlib import Path


def path() -> str:
    """The path of libalkey.so."""
    return str(Path(__file__).with_name("libalkey.so"))
