"""What can be told without a database: which text writes, and what classes and instances stand for."""

from __future__ import annotations

import pytest

from alkey.sqlalchemy import identifiers_of
from alkey.texts import text_writes
from models import Engineer, Person, Seat, User


@pytest.mark.parametrize(
    ("text", "writes"),
    [
        ("SELECT 1", False),
        ("  -- a comment\n /* another\n */ (select 1)", False),
        ("SELECT 1;", False),
        ("SELECT 1; DELETE FROM t", True),
        ("SELECT * FROM t FOR UPDATE", False),
        ("WITH x AS (SELECT 1) SELECT * FROM x", False),
        ("WITH x AS (SELECT 1) SELECT * FROM x FOR NO KEY UPDATE", False),
        ("WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", True),
        ("with x as (insert into t values (1)) select 1", True),
        ("WITH x AS (SELECT 1) UPDATE t SET a = 1", True),
        ("VALUES (1)", False),
        ("SET LOCAL statement_timeout = 1", False),
        ("SET x = 1; UPDATE t SET a = 1", True),
        ("SELECTED", True),
        ("INSERT INTO t VALUES (1)", True),
        ("CALL p()", True),
        ("TRUNCATE t", True),
        ("EXPLAIN ANALYZE DELETE FROM t", True),
        ("", True),
    ],
)
def test_which_text_writes(text: str, writes: bool) -> None:
    assert text_writes(text) == writes


def test_classes_stand_for_all_their_tables() -> None:
    assert identifiers_of(User, "alkey") == (b"alkey:users#*",)
    assert identifiers_of(Person, "alkey") == (b"alkey:people#*", b"alkey:engineers#*")
    assert identifiers_of(Engineer, "alkey") == (b"alkey:engineers#*", b"alkey:people#*")
    assert identifiers_of(User(id=1), "alkey") == (b"alkey:users#1",)
    assert identifiers_of(User(), "alkey") == (b"alkey:users#*",)
    assert identifiers_of(Engineer(id=1), "alkey") == (b"alkey:engineers#1", b"alkey:people#1")
    assert identifiers_of(Seat(row=1, letter="1"), "alkey") == (b"alkey:seats#1,1",)
    assert identifiers_of("text", "alkey") == identifiers_of(None, "alkey") == ()
