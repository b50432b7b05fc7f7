"""A process that raises the price of a book, and dies when the database has committed it.

Its arguments: the URLs of the database and of Redis, and the book's number.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

from sqlalchemy import create_engine, event
from sqlalchemy.orm import Session, sessionmaker

from alkey import Alkey
from bookshop.models import Book


def die(_session: Session) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("it lives on")


def main(database_url: str, redis_url: str, number: str) -> None:
    sessions = sessionmaker(create_engine(database_url))
    # Of those who hear of the database's COMMIT, it is the first: alkey, which would send ALKEY.COMMIT, comes after it.
    event.listen(sessions, "after_commit", die)
    Alkey(redis_url, unavailable="raise").bind(sessions)
    with sessions() as session:
        book = session.get_one(Book, int(number))
        book.cents += 100
        print(f"raised the price of “{book.title}” to {book.cents / 100:.2f}", flush=True)
        session.commit()


if __name__ == "__main__":
    main(*sys.argv[1:])
