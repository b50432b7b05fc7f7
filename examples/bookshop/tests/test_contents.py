"""That a fragment depends on all that it shows: the test that an application needs most, on the plugin's server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session, sessionmaker

from alkey import Alkey
from alkey.pytest_plugin import AlkeyServer
from bookshop.contents import KINDS
from bookshop.models import Author, Base, Book, Review, fill

# What each kind of fragment is asked for.
IDS: dict[str, dict[str, int]] = {
    "shelf": {},
    "authors": {},
    "card": {"book": 1, "author": 1},
    "details": {"book": 1, "author": 1},
    "same_author": {"author": 1},
    "reviews": {"book": 1},
}


def shown(value: Any) -> Any:
    """All that a template could show of what was loaded."""
    if isinstance(value, (list, tuple)):
        return [shown(one) for one in value]
    if isinstance(value, dict):
        return {name: shown(one) for name, one in value.items()}
    if isinstance(value, Book):
        return (value.id, value.title, value.cents)
    if isinstance(value, Author):
        return (value.id, value.name)
    if isinstance(value, Review):
        return (value.id, value.reader, value.text)
    return shown(tuple(value)) if hasattr(value, "_mapping") else value


CHANGES: dict[str, Callable[[Session], object]] = {
    "a title": lambda session: setattr(session.get_one(Book, 1), "title", "Emma, or Matchmaking"),
    "a price": lambda session: setattr(session.get_one(Book, 2), "cents", 1),
    "an author's name": lambda session: setattr(session.get_one(Author, 1), "name", "A Lady"),
    "another author's book": lambda session: setattr(session.get_one(Book, 1), "author_id", 2),
    "a new book": lambda session: session.add(Book(title="Sanditon", cents=990, author_id=1)),
    "a book that is gone": lambda session: session.delete(session.get_one(Book, 2)),
    "a review": lambda session: session.add(Review(book_id=1, reader="Elton", text="Charming.")),
    "a review that moves": lambda session: setattr(session.get_one(Review, 1), "book_id", 2),
}


@pytest.fixture
def alkey(alkey_server: AlkeyServer) -> Iterator[Alkey]:
    yield Alkey(alkey_server.url)
    alkey_server.clear()


@pytest.fixture
def sessions(alkey: Alkey, tmp_path: Any) -> sessionmaker[Session]:
    engine = create_engine(f"sqlite:///{tmp_path}/db")
    Base.metadata.create_all(engine)
    bound = sessionmaker(engine)
    alkey.bind(bound)
    with bound() as session:
        fill(session)
    return bound


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", KINDS)
def test_what_changes_a_fragment_changes_its_key(
    alkey: Alkey, sessions: sessionmaker[Session], name: str, change: str
) -> None:
    kind, ids = KINDS[name], IDS[name]

    def key_and_shown() -> tuple[str, Any]:
        with sessions() as session:
            return alkey.key(*kind.depends_on(alkey, **ids), session=session), shown(
                kind.load(session, **ids)
            )

    before = key_and_shown()
    with sessions() as session:
        CHANGES[change](session)
        session.commit()
    after = key_and_shown()
    assert after[1] == before[1] or after[0] != before[0]


@pytest.mark.parametrize(
    ("name", "ids", "change"),
    [
        ("card", {"book": 3, "author": 2}, "a title"),
        ("same_author", {"author": 2}, "a price"),
        ("reviews", {"book": 3}, "a review that moves"),
    ],
)
def test_what_is_none_of_a_fragment_s_does_not_change_it(
    alkey: Alkey, sessions: sessionmaker[Session], name: str, ids: dict[str, int], change: str
) -> None:
    before = alkey.key(*KINDS[name].depends_on(alkey, **ids))
    with sessions() as session:
        CHANGES[change](session)
        session.commit()
    assert alkey.key(*KINDS[name].depends_on(alkey, **ids)) == before
