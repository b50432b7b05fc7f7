"""Rows that are named by hand: by a mapped class, a Table, or a table's name."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column, sessionmaker

from alkey import Alkey, NoIdentifier
from models import Base, Document, Engineer, Person, Seat, User, tags_of_users
from watch import Watch

Sessions = sessionmaker[Session]


def name_of(part: bytes) -> str:
    return part.decode().partition(":")[2]


def test_the_three_ways_are_one(alkey: Alkey) -> None:
    ids = (UUID(int=10), str(UUID(int=10)).upper(), UUID(int=10).hex)
    things: list[Any] = [Document, Document.__table__, "Documents-2"]
    for thing in things:
        for given in ids:
            assert name_of(alkey.row(thing, given)) == f"Documents-2#{UUID(int=10)}"
        assert name_of(alkey.table(thing)) == "Documents-2#*"
    things = [Seat, Seat.__table__, "seats"]
    for thing in things:
        assert name_of(alkey.row(thing, "1", "a")) == name_of(alkey.row(thing, (1, "a"))) == "seats#1,a"
    assert name_of(alkey.row(tags_of_users, 1, "x")) == name_of(alkey.row("tags_of_users", "1", "x"))
    assert name_of(alkey.row("nobody knows it", "1")) == "nobody knows it#1"


def test_a_class_that_inherits_is_in_each_of_its_tables(
    alkey: Alkey, sessions: Sessions, watch: Watch
) -> None:
    engineer, person = alkey.row(Engineer, 1), alkey.row(Person, "1")
    assert set(map(name_of, engineer.identifiers)) == {"engineers#1", "people#1"}
    # It may be an engineer, of whom more is read.
    assert set(map(name_of, person.identifiers)) == {"engineers#1", "people#1"}
    assert set(map(name_of, alkey.table(Person).identifiers)) == {"engineers#*", "people#*"}
    with sessions.begin() as session:
        session.add(Engineer(id=1))
    for table in ("engineers", "people"):
        before = [alkey.key(part) for part in (engineer, person)]
        with sessions.begin() as session:
            session.execute(sa.update(Base.metadata.tables[table]).values(id=1))
        assert not set(before) & {alkey.key(part) for part in (engineer, person)}
    with watch.changed("engineers#1 people#1 people#2") as changed:
        alkey.touch(person)
    assert changed == {"engineers#1", "people#1"}


@pytest.mark.parametrize(
    ("thing", "key", "message"),
    [
        (User, ("one",), r"^users\.id: expected an integer, not 'one' of type str$"),
        ("users", ("one",), r"^users\.id: expected an integer, not 'one' of type str$"),
        (User, (None,), r"^users\.id: expected an integer, not None of type NoneType$"),
        (User, (), "^a key of 0 values is none: expected 1"),
        (User, (1, 2), "^a key of 2 values is none: expected 1"),
        (Seat, (1,), "^a key of 1 values is none: expected 2"),
        (Seat, (None, None), "^a row without a primary key can't be named"),
        (Seat, ("a", "a"), r"^seats\.row: expected an integer, not 'a'"),
        (Document, ("x" * 99,), r"^Documents-2\.id: expected a UUID, not 'x{59}… of type str$"),
        (int, (1,), "^<class 'int'> has no rows: expected the name of a table, a Table, or a mapped class$"),
        (User(), (1,), "has no rows"),
        (sa.table("users"), (1,), "has no rows"),
    ],
)
def test_what_is_refused(alkey: Alkey, thing: Any, key: tuple[Any, ...], message: str) -> None:
    for _ in range(2):
        with pytest.raises(NoIdentifier, match=message):
            alkey.row(thing, *key)


def test_a_table_without_a_key_is_there_for_its_name(alkey: Alkey) -> None:
    audit = sa.Table("audit", Base.metadata, sa.Column("at", sa.Integer))
    try:
        assert name_of(alkey.row("audit", "1")) == "audit#1"
        with pytest.raises(
            NoIdentifier, match=r"audit has no primary key, so its rows have no names: expected table"
        ):
            alkey.row(audit, 1)
        assert name_of(alkey.table(audit)) == "audit#*"
    finally:
        Base.metadata.remove(audit)


def test_tables_of_one_name(alkey: Alkey) -> None:
    def mapped(kind: Any) -> Any:
        class Own(DeclarativeBase):
            pass

        return type("Same", (Own,), {"__tablename__": "same", "id": mapped_column(kind, primary_key=True)})

    first, second = mapped(sa.Integer), mapped(sa.BigInteger)
    assert alkey.row("same", "01") == alkey.row(first, 1) == alkey.row(second, 1)
    third = mapped(sa.String)
    assert alkey.row("same", 1) == alkey.row(third, "1")
    assert name_of(alkey.row("same", "a")) == "same#a"
    with pytest.raises(NoIdentifier, match="expected the mapped class"):
        alkey.row("same", "01")
    assert name_of(alkey.row(third, "01")) == "same#01"


def test_a_table_that_is_declared_later(alkey: Alkey) -> None:
    """What was told of its name before is forgotten."""
    assert name_of(alkey.row("declared_later", "01")) == "declared_later#01"

    class Own(DeclarativeBase):
        pass

    class Later(Own):
        __tablename__ = "declared_later"
        id = mapped_column(sa.Integer, primary_key=True)

    assert name_of(alkey.row("declared_later", "01")) == name_of(alkey.row(Later, 1)) == "declared_later#1"
