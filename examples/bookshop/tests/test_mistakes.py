"""What the pages say to somebody who fills in a form wrongly, and that nothing is changed then."""

from __future__ import annotations

import html
import re

import pytest

from conftest import Start, ask


@pytest.fixture(scope="module")
def address(start: Start) -> str:
    return start()


def edit(address: str, price: str) -> tuple[int, str]:
    shown = ask(address, "GET", "/books/1")[1]
    revision = re.search(r'name="revision" value="(\d+)"', shown)
    assert revision is not None, shown
    status, page = ask(address, "POST", "/books/1", title="Emma", price=price, revision=revision[1])
    return status, html.unescape(page)


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        ("1,50", "The price “1,50” is not a number: expected one such as 12.50"),
        ("<b>", "The price “<b>” is not a number: expected one such as 12.50"),
        ("nan", "The price “nan” is out of range: expected 0.01 to 10000"),
        ("1e999", "The price “1e999” is out of range: expected 0.01 to 10000"),
        ("0", "The price “0” is out of range: expected 0.01 to 10000"),
        ("-1", "The price “-1” is out of range: expected 0.01 to 10000"),
        ("10000.01", "The price “10000.01” is out of range: expected 0.01 to 10000"),
        ("0.011", "The price “0.011” has parts of a cent: expected two decimals at most"),
        ("", "The price is missing or too long: expected 1 to 200 characters"),
    ],
)
def test_a_price_that_is_refused(price: str, expected: str, address: str) -> None:
    before = ask(address, "GET", "/books/1")[1]
    status, page = edit(address, price)
    assert (status, page.count(expected)) == (400, 1), page
    assert "Nothing was changed" in page
    assert "malformed" not in page
    after = ask(address, "GET", "/books/1")[1]
    assert shown_price(after) == shown_price(before)


@pytest.mark.parametrize(("price", "expected"), [("0.01", "0.01"), ("10000", "10000.00"), ("1.5", "1.50")])
def test_a_price_that_is_taken(price: str, expected: str, address: str) -> None:
    assert edit(address, price)[0] == 303
    assert shown_price(ask(address, "GET", "/books/1")[1]) == expected


def shown_price(page: str) -> str:
    found = re.search(r'name="price" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]
