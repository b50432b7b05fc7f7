"""The tables, and the books that are there at first.

A revision grows with each change of its row, so that no page ever looks as it did before.
"""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    revision: Mapped[int] = mapped_column()
    books: Mapped[list[Book]] = relationship(back_populates="author")
    __mapper_args__ = {"version_id_col": revision}


class Book(Base):
    __tablename__ = "books"
    # The books of an author are a list that survives changes of other authors' books.
    __alkey_scopes__ = ("author_id",)
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    cents: Mapped[int]
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="books", lazy="joined", innerjoin=True)
    revision: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": revision}


class Review(Base):
    __tablename__ = "reviews"
    __alkey_scopes__ = ("book_id",)
    id: Mapped[int] = mapped_column(primary_key=True)
    book_id: Mapped[int] = mapped_column(ForeignKey("books.id"))
    reader: Mapped[str]
    text: Mapped[str]


_BOOKS = {
    "Jane Austen": {"Emma": 1490, "Persuasion": 1190},
    "Herman Melville": {"Moby-Dick": 2190, "Bartleby": 690},
    "Mary Shelley": {"Frankenstein": 1290},
    "Charlotte Brontë": {"Jane Eyre": 1590},
    "Jules Verne": {"Around the World in Eighty Days": 1390, "The Mysterious Island": 1790},
}


def fill(session: Session) -> None:
    """Puts books on the shelf, if it is empty."""
    if session.query(Book.id).first() is not None:
        return
    for name, books in _BOOKS.items():
        author = Author(name=name)
        session.add_all([Book(title=title, cents=cents, author=author) for title, cents in books.items()])
    session.flush()
    session.add(Review(book_id=1, reader="Knightley", text="Badly done, and then very well."))
    session.commit()
