"""The pages: they read through fragments, and write through sessions. alkey is not mentioned where they write."""

from __future__ import annotations

import random
from decimal import Decimal, InvalidOperation
from typing import Any

from pyramid.httpexceptions import (
    HTTPBadRequest,
    HTTPConflict,
    HTTPNotFound,
    HTTPSeeOther,
    HTTPServiceUnavailable,
)
from pyramid.request import Request
from pyramid.view import exception_view_config, view_config
from redis import ConnectionError as NoRedis
from sqlalchemy.orm.exc import StaleDataError

from alkey import Unavailable
from bookshop.fragments import Page
from bookshop.laboratory import State
from bookshop.models import Book, Review

TEXT_MAX = 200
CENTS_MAX = 1_000_000


def _page(request: Request) -> dict[str, Any]:
    """What the layout shows on every page."""
    request.registry["statements"].begin()
    page = Page(request.registry["library"], request.alkey, request.registry["sessions"])
    return {
        "page": page,
        "shelf": page.get("shelf"),
        "library": page.library,
        "laboratory": request.registry["laboratory"],
        "statements": request.registry["statements"],
        "state": lambda: State.of(request.redis),
    }


@view_config(route_name="front", request_method="GET", renderer="front.mako")
def front(request: Request) -> dict[str, Any]:
    return {**_page(request), "number": None}


@view_config(route_name="book", request_method="GET", renderer="book.mako")
def book(request: Request) -> dict[str, Any]:
    shown = _page(request)
    number = int(request.matchdict["book"])
    author = dict(shown["shelf"]).get(number)
    if author is None:
        raise HTTPNotFound
    return {**shown, "number": number, "author": author}


@view_config(route_name="book", request_method="POST")
def edit(request: Request) -> HTTPSeeOther:
    title, cents = _text(request, "title"), _cents(_text(request, "price"))
    found = _book(request)
    # The form is of the fragment that was shown: somebody may have changed the book since.
    if str(found.revision) != request.params.get("revision"):
        raise StaleDataError
    request.registry["laboratory"].dump()
    found.title, found.cents = title, cents
    request.registry["sessions"].commit()
    return HTTPSeeOther(request.path)


@view_config(route_name="reviews", request_method="POST")
def review(request: Request) -> HTTPSeeOther:
    added = Review(book_id=_book(request).id, reader=_text(request, "reader"), text=_text(request, "text"))
    request.registry["laboratory"].dump()
    request.registry["sessions"].add(added)
    request.registry["sessions"].commit()
    return HTTPSeeOther(request.route_path("book", book=added.book_id))


@view_config(route_name="kill_a_writer", request_method="POST")
def kill_a_writer(request: Request) -> HTTPSeeOther:
    sessions, laboratory = request.registry["sessions"], request.registry["laboratory"]
    books = {str(number): number for (number,) in sessions.query(Book.id)}
    # The writer is another process, and must not wait for this one.
    sessions.rollback()
    book = books.get(request.params.get("book", random.choice(list(books))))
    if book is None:
        raise HTTPNotFound
    laboratory.dump()
    laboratory.kill_a_writer(book)
    return _back(request)


@view_config(route_name="restart_redis", request_method="POST")
def restart_redis(request: Request) -> HTTPSeeOther:
    request.registry["laboratory"].restart_redis()
    return _back(request)


@exception_view_config(Unavailable)
@exception_view_config(NoRedis)
def unavailable(_error: Exception, _request: Request) -> HTTPServiceUnavailable:
    return HTTPServiceUnavailable("Redis does not answer, so the change was not made. Try again in a moment.")


@exception_view_config(StaleDataError)
def edited_by_another(_error: StaleDataError, _request: Request) -> HTTPConflict:
    return HTTPConflict("Somebody else has changed this meanwhile. Go back, and look again.")


def _mistake(text: str) -> HTTPBadRequest:
    """The page for somebody who filled in a form wrongly."""
    error = HTTPBadRequest(text)
    error.explanation = "Nothing was changed. Go back, and correct the form."
    return error


def _book(request: Request) -> Book:
    found: Book | None = request.registry["sessions"].get(Book, int(request.matchdict["book"]))
    if found is None:
        raise HTTPNotFound
    return found


def _text(request: Request, name: str) -> str:
    text: str = request.params.get(name, "").strip()
    if not 0 < len(text) <= TEXT_MAX:
        raise _mistake(f"The {name} is missing or too long: expected 1 to {TEXT_MAX} characters")
    return text


def _cents(price: str) -> int:
    try:
        cents = Decimal(price) * 100
    except InvalidOperation:
        raise _mistake(f"The price “{price}” is not a number: expected one such as 12.50") from None
    if not (cents.is_finite() and 1 <= cents <= CENTS_MAX):
        raise _mistake(f"The price “{price}” is out of range: expected 0.01 to {CENTS_MAX // 100}")
    if cents != int(cents):
        raise _mistake(f"The price “{price}” has parts of a cent: expected two decimals at most")
    return int(cents)


def _back(request: Request) -> HTTPSeeOther:
    """To the page whose button it was."""
    if request.params.get("book", "").isdecimal():
        return HTTPSeeOther(request.route_path("book", book=request.params["book"]))
    return HTTPSeeOther(request.route_path("front"))
