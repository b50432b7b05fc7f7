"""`cached` as a decorator."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from alkey import Alkey, NoCanonicalForm
from caches import GetSet
from models import User

Sessions = sessionmaker[Session]


def test_a_decorated_function_is_cached_by_its_name_and_arguments(alkey: Alkey) -> None:
    cache, calls = GetSet(), []

    @alkey.cached(cache, alkey.table("users"))
    def profile(user_id: int, *more: str, lang: str = "de", **others: int) -> str:
        """What it is."""
        calls.append(user_id)
        return f"{user_id} {more} {lang} {others}"

    @alkey.cached(cache, alkey.table("users"))
    def other(user_id: int) -> str:
        return f"other {user_id}"

    assert profile(1) == profile(user_id=1) == profile(1, lang="de") == "1 () de {}"
    assert calls == [1]
    assert [profile(1, lang="fr"), profile(1, "x"), profile(1, x=1), other(1)] == [
        "1 () fr {}", "1 ('x',) de {}", "1 () de {'x': 1}", "other 1",
    ]  # fmt: skip
    assert len(calls) == 4
    alkey.touch(alkey.row("users", 7))
    profile(1)
    assert len(calls) == 5
    assert (profile.__name__, profile.__doc__) == ("profile", "What it is.")


def test_a_part_that_is_a_function_is_made_from_the_arguments(alkey: Alkey) -> None:
    calls = []

    @alkey.cached({}, lambda user_id, **_: alkey.row("users", user_id))
    def profile(user_id: int, lang: str = "de") -> None:
        calls.append(user_id)
        return

    cache: dict[str, Any] = {}

    @alkey.cached(cache, lambda user_id: alkey.row("users", user_id))
    def name(user_id: int) -> str:
        calls.append(user_id)
        return f"name {user_id}"

    assert [name(1), name(2), name(1)] == ["name 1", "name 2", "name 1"]
    assert calls == [1, 2]
    alkey.touch(alkey.row("users", 1))
    assert [name(1), name(2)] == ["name 1", "name 2"]
    assert calls == [1, 2, 1]
    profile(3, lang="fr")
    assert calls[-1] == 3


def test_an_argument_that_is_a_session_reads_and_is_no_part(sessions: Sessions, alkey: Alkey) -> None:
    cache, calls = GetSet(), []

    @alkey.cached(cache, User)
    def count(session: Session, least: int) -> int:
        calls.append(1)
        return session.query(User).filter(User.id >= least).count()

    for _ in range(2):
        with sessions() as session:
            assert count(session, 0) == 0
    assert len(calls) == 1
    with sessions() as session:
        session.add(User(id=1))
        assert count(session, 0) == 1, "its own change"
    with sessions() as session:
        assert count(session, 0) == 0


def test_what_can_not_be_decorated(alkey: Alkey, sessions: Sessions) -> None:
    async def coroutine() -> None: ...

    def generator() -> Any:
        yield 1

    for function in (coroutine, generator):
        with pytest.raises(TypeError, match="can't be cached: expected a function that returns its value"):
            alkey.cached({})(function)

    class Service:
        @alkey.cached({})
        def method(self) -> int:
            return 1

    with pytest.raises(NoCanonicalForm, match="Service has no canonical form"):
        Service().method()

    @alkey.cached({})
    def two(_one: Session, _other: Session) -> int:
        return 1

    with (
        sessions() as one,
        sessions() as other,
        pytest.raises(TypeError, match="given 2 sessions: expected one"),
    ):
        two(one, other)
