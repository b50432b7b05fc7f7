"""The template tag, whole requests, and what `manage.py check` says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import caches
from django.core.checks import run_checks
from django.db import connection, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template, TemplateSyntaxError
from django.test import Client, override_settings
from django.urls import path
from django.utils.functional import SimpleLazyObject

import django_site  # noqa: F401 - it configures Django
from alkey import ModuleNotLoaded
from alkey.django import everything, lookup, row
from harness import RedisServer, wait_until
from library.models import Author, Book

pytest_plugins = ["django_fixtures"]
pytestmark = pytest.mark.usefixtures("site")


@pytest.fixture(autouse=True)
def books(site: None) -> None:
    caches["default"].clear()
    caches["other"].clear()
    author = Author.objects.create(name="Ann")
    Book.objects.bulk_create([Book(title="A", author=author), Book(title="B", author=author)])
    settle()


def settle() -> None:
    wait_until("nothing has changed for a while", lambda: (lookup(everything()).settled_ms or 0) > 20)


class Page:
    """A template that counts how often its fragment is rendered."""

    def __init__(self, source: str) -> None:
        self.template = Template("{% load alkey %}" + source)
        self.rendered = 0

    def count(self) -> str:
        self.rendered += 1
        return ""

    def show(self, **context: Any) -> str:
        return str(self.template.render(Context({"count": self.count, **context})))


def test_a_fragment_is_rendered_until_its_parts_change() -> None:
    page = Page("{% alkeycache 60 book %}{{ count }}<b>{{ book.title }}</b>{% endalkeycache %}")
    assert [page.show(book=Book.objects.get(pk=1)) for _ in range(3)] == ["<b>A</b>"] * 3
    assert page.rendered == 1
    assert page.show(book=Book.objects.get(pk=2)) == "<b>B</b>"
    Book.objects.filter(pk=1).update(title="<C>")
    settle()
    assert [page.show(book=Book.objects.get(pk=1)) for _ in range(2)] == ["<b>&lt;C&gt;</b>"] * 2
    assert page.show(book=SimpleLazyObject(lambda: Book.objects.get(pk=1))) == "<b>&lt;C&gt;</b>"
    assert page.rendered == 3


def test_two_fragments_of_the_same_parts() -> None:
    page = Page(
        "{% alkeycache books %}{{ count }}1{% endalkeycache %}{% alkeycache books %}{{ count }}2{% endalkeycache %}"
    )
    assert page.show(books=Book) == page.show(books=Book) == "12"
    assert page.rendered == 2
    same = Page("{% if True %}{% alkeycache books %}{{ count }}1{% endalkeycache %}{% endif %}")
    assert same.show(books=Book) == "1"
    assert same.rendered == 0


def test_fragments_within_fragments() -> None:
    page = Page(
        "{% alkeycache author books %}{{ author.name }}:{% for book in books %}"
        "{% alkeycache book %}{{ count }}{{ book.title }}{% endalkeycache %}{% endfor %}{% endalkeycache %}"
    )

    def show() -> str:
        return page.show(author=Author.objects.get(), books=Book.objects.order_by("pk"))

    assert show() == show() == "Ann:AB"
    assert page.rendered == 2
    Book.objects.filter(pk=2).update(title="C")
    settle()
    assert show() == show() == "Ann:AC"
    assert page.rendered == 3


def test_where_and_for_how_long_it_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    stored: list[tuple[str, Any]] = []
    for name in ("default", "other"):
        monkeypatch.setattr(
            caches[name], "set", lambda key, value, *ttl, name=name: stored.append((name, *ttl))
        )
    for arguments in ("60 book", "book ttl=seconds", 'book "x" using="other"', "book ttl=5 using=cache"):
        Page("{% alkeycache " + arguments + " %}{% endalkeycache %}").show(
            book=Book.objects.get(pk=1), seconds=7, cache="other"
        )
    assert stored == [("default", 60), ("default", 7), ("other",), ("other", 5)]


def test_what_holds_changes_is_not_stored() -> None:
    page = Page("{% alkeycache book %}{{ count }}{{ book.title }}{% endalkeycache %}")
    # As after a form that was not valid.
    book = Book.objects.get(pk=1)
    book.title = "never saved"
    assert page.show(book=book) == page.show(book=book) == "never saved"
    assert page.rendered == 2
    assert page.show(book=Book.objects.get(pk=1)) == "A"
    with transaction.atomic():
        Book.objects.filter(pk=1).update(title="never committed")
        assert page.show(book=Book.objects.get(pk=1)) == "never committed"
        transaction.set_rollback(True)
    assert page.show(book=Book.objects.get(pk=1)) == "A"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% alkeycache %}{% endalkeycache %}", "no parts"),
        ("{% alkeycache 60 %}{% endalkeycache %}", "no parts"),
        ("{% alkeycache misspelt %}{% endalkeycache %}", "misspelt"),
        ("{% alkeycache book.misspelt %}{% endalkeycache %}", "misspelt"),
        ('{% alkeycache book ttl="soon" %}{% endalkeycache %}', "soon"),
        ('{% alkeycache book using="none" %}{% endalkeycache %}', "none"),
    ],
)
def test_mistakes(source: str, message: str) -> None:
    with pytest.raises(TemplateSyntaxError, match=message):
        Page(source).show(book=Book.objects.get(pk=1))


def show(request: HttpRequest) -> HttpResponse:
    """What a view has read before its template asks is as old as that."""
    titles = [book.title for book in Book.objects.order_by("pk")]
    if during_request is not None:
        during_request()
    source = "{% load alkey %}{% alkeycache books %}{{ titles }}{% endalkeycache %}"
    return HttpResponse(Template(source).render(Context({"books": Book, "titles": "".join(titles)})))


def rename(request: HttpRequest, title: str) -> HttpResponse:
    Book.objects.filter(pk=1).update(title=title)
    return HttpResponse(lookup(row(Book, 1)).why_private or "shared")


urlpatterns = [path("show/", show), path("rename/<title>/", rename)]
during_request: Callable[[], object] | None = None


@pytest.mark.parametrize("is_atomic", [True, False], ids=["ATOMIC_REQUESTS", "autocommit"])
def test_requests(is_atomic: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", is_atomic)
    with override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["testserver"]):
        browser = Client()
        assert browser.get("/show/").content == browser.get("/show/").content == b"AB"
        answer = browser.get("/rename/C/").content
        assert answer == (
            b"the session holds changes" if is_atomic else b"something has changed since the data was read"
        )
        settle()
        assert browser.get("/show/").content == b"CB"

        def change() -> None:
            """As another request would, while this one has read already."""

            def rename_and_close() -> None:
                Client().get("/rename/D/")
                connections.close_all()

            thread = threading.Thread(target=rename_and_close)
            thread.start()
            thread.join()

        if connection.vendor == "postgresql":
            monkeypatch.setitem(globals(), "during_request", change)
            assert browser.get("/show/").content == b"CB"
            monkeypatch.setitem(globals(), "during_request", None)
            settle()
            assert browser.get("/show/").content == b"DB"


def messages() -> list[str]:
    return [message.id for message in run_checks() if message.id.startswith("alkey.")]


def test_checks(namespace: str, own_server: Callable[..., RedisServer]) -> None:
    assert messages() == []
    without = own_server(module=False)
    for setting, expected in (
        ({"URL": "redis://127.0.0.1:9"}, ["alkey.W001"]),
        ({"URL": without.url}, ["alkey.E002"]),
        ({}, ["alkey.E001"]),
        ({"URL": "http://nothing"}, ["alkey.E001"]),
        ({"URL": without.url, "URLS": "x"}, ["alkey.E001"]),
        ({"URL": without.url, "UNAVAILABLE": "x"}, ["alkey.E001"]),
    ):
        with override_settings(ALKEY=setting):
            assert messages() == expected
    with override_settings(ALKEY={"URL": without.url}), pytest.raises(ModuleNotLoaded):
        lookup(row(Book, 1))
