"""What is cached: for each kind of fragment what it depends on, and how it is made from the database.

A fragment depends on the rows and lists that it shows, and on nothing else. So an edited book changes the fragments
that show it, and all others come from the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alkey import Alkey
from bookshop.models import Author, Book, Review


class Kind(NamedTuple):
    """A kind of fragment. It is rendered by the template of its name, unless it is data."""

    depends_on: Callable[..., list[object]]
    load: Callable[..., Any]
    is_data: bool = False


def _shelf(session: Session) -> list[tuple[int, int]]:
    return [
        (book, author)
        for book, author in session.execute(select(Book.id, Book.author_id).order_by(Book.title))
    ]


def _book(session: Session, book: int, author: int) -> dict[str, Any]:
    return {"book": session.get_one(Book, book), "author": session.get_one(Author, author)}


def _authors(session: Session) -> dict[str, Any]:
    counted = (
        select(Author, func.count(Book.id)).outerjoin(Author.books).group_by(Author.id).order_by(Author.name)
    )
    return {"authors": session.execute(counted).all()}


def _same_author(session: Session, author: int) -> dict[str, Any]:
    books = select(Book).where(Book.author_id == author).order_by(Book.title)
    return {"author": session.get_one(Author, author), "books": session.scalars(books).all()}


def _reviews(session: Session, book: int) -> dict[str, Any]:
    return {
        "reviews": session.scalars(select(Review).where(Review.book_id == book).order_by(Review.id)).all()
    }


def _book_and_author(alkey: Alkey, book: int, author: int) -> list[object]:
    return [alkey.row(Book, book), alkey.row(Author, author)]


KINDS = {
    # Which books there are, each with its author: with this, no page needs the database to know what it consists of.
    "shelf": Kind(lambda alkey: [alkey.table(Book)], _shelf, is_data=True),
    "authors": Kind(lambda alkey: [alkey.table(Author), alkey.table(Book)], _authors),
    "card": Kind(_book_and_author, _book),
    "details": Kind(_book_and_author, _book),
    "same_author": Kind(
        lambda alkey, author: [alkey.row(Author, author), alkey.scope(Book, author_id=author)],
        _same_author,
    ),
    "reviews": Kind(lambda alkey, book: [alkey.scope(Review, book_id=book)], _reviews),
}
