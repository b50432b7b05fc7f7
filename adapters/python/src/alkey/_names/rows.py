"""The names of one table's rows, where the kinds of its key's columns are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from alkey._names import numbers
from alkey._names.identifier import ROW_BYTES_MAX, row_name
from alkey._names.kinds import NULL, Kind, OnlyTheDatabaseKnows
from alkey.errors import NoIdentifier

Row = Callable[[Sequence[Any]], bytes]


class Rows:
    """The rows of a table, of which each has one name."""

    __slots__ = ("any_row", "integer_format", "prefix", "row")

    row: Row
    """Names the row with a key. Raises OnlyTheDatabaseKnows where the table stands for the row, and NoIdentifier for
    what is no key of it. A function, since rows are named in every request and for all that is written."""
    integer_format: bytes | None
    """What makes a name of an int, if the key is one integer: most are."""

    def __init__(self, prefix: bytes, labels: Sequence[str], kinds: Sequence[Kind | None]) -> None:
        """`prefix`: what their names begin with. `labels`: of the key's columns, for errors. `kinds`: theirs; None: of
        a type whose values have no names."""
        self.prefix = prefix
        self.any_row = prefix + b"*"
        self.integer_format = None
        columns = [(label, kind or _unknown) for label, kind in zip(labels, kinds, strict=True)]
        self.row = _of_several(prefix, columns) if len(columns) != 1 else _of_one(prefix, *columns[0])
        if columns and columns[0][1] is numbers.integer and len(columns) == 1:
            self.integer_format = prefix.replace(b"%", b"%%") + b"%d"
            self.row = _of_integer(self.integer_format, self.row)


def _unknown(_: Any) -> bytes:
    raise OnlyTheDatabaseKnows("values of its type have no names")


def _of_integer(form: bytes, of_others: Row) -> Row:
    def row(key: Sequence[Any]) -> bytes:
        if len(key) == 1 and type(key[0]) is int:
            try:
                return form % key[0]
            except ValueError:
                # It is too long to be written.
                pass
        return of_others(key)

    return row


def _of_one(prefix: bytes, label: str, kind: Kind) -> Row:
    def row(key: Sequence[Any]) -> bytes:
        if len(key) != 1:
            raise _of_other_length(key, [label])
        try:
            name = kind(key[0])
        except NoIdentifier as error:
            raise type(error)(f"{label}: {error}") from None
        return prefix + (name if len(name) <= ROW_BYTES_MAX else row_name([name]))

    return row


def _of_several(prefix: bytes, columns: Sequence[tuple[str, Kind]]) -> Row:
    size = len(columns)
    kinds = [kind for _, kind in columns]

    def row(key: Sequence[Any]) -> bytes:
        if len(key) != size:
            raise _of_other_length(key, [label for label, _ in columns])
        try:
            # Of the same length, which has just been asked.
            names = [NULL if value is None else kind(value) for kind, value in zip(kinds, key)]  # noqa: B905
        except NoIdentifier:
            for (label, kind), value in zip(columns, key, strict=True):
                if value is not None:
                    _of_one(b"", label, kind)((value,))
            raise
        name = b",".join(names)
        return prefix + (name if len(name) <= ROW_BYTES_MAX and names[0] is not NULL else row_name(names))

    return row


def _of_other_length(key: Sequence[Any], labels: Sequence[str]) -> NoIdentifier:
    expected = ", ".join(labels) or "none, since there is no primary key"
    return NoIdentifier(f"a key of {len(key)} values is none: expected {expected}")
