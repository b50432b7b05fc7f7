"""The pages, in a real browser: what people see when they edit a book, kill a writer and set Redis back.

BOOKSHOP_SCREENSHOTS names a directory for pictures of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from conftest import Start

DEADLINE_S = 60.0


class Visitor:
    """Somebody with a browser."""

    def __init__(self, browser: Chrome, address: str) -> None:
        self.browser, self.address = browser, address

    def visit(self, path: str = "/") -> None:
        self.browser.get(self.address + path)

    def text(self, selector: str) -> str:
        return str(self.browser.find_element(By.CSS_SELECTOR, selector).text)

    def click(self, text: str) -> None:
        """Clicks, and waits until there is another page.

        The page is known by when its document began: to ask for one of its elements while Chrome changes pages is now
        and then answered by an error that is no StaleElementReferenceException (Selenium's issue 15401).
        """
        began = self.browser.execute_script("return performance.timeOrigin")
        self.browser.find_element(By.XPATH, f"//a[.='{text}'] | //button[.='{text}']").click()
        WebDriverWait(self.browser, DEADLINE_S, 0.02, ignored_exceptions=[WebDriverException]).until(
            lambda browser: browser.execute_script(
                "return performance.timeOrigin !== arguments[0] && document.readyState === 'complete'", began
            )
        )

    def fill(self, name: str, text: str) -> None:
        field = self.browser.find_element(By.NAME, name)
        field.clear()
        field.send_keys(text)

    def fragments(self) -> dict[str, str]:
        """Where each fragment of the page is from: hit, miss or private."""
        rows = self.browser.find_elements(By.CSS_SELECTOR, "tr[data-fragment]")
        return {
            str(row.get_attribute("data-fragment")): row.find_elements(By.TAG_NAME, "td")[4].text.partition(
                ","
            )[0]
            for row in rows
        }

    def number(self, name: str) -> int:
        return int(self.text(f"#{name}"))

    def reload_until(self, what: str, condition: Callable[[], bool], path: str = "/") -> None:
        end = time.monotonic() + DEADLINE_S
        self.visit(path)
        while not condition():
            assert time.monotonic() < end, f"in vain waited until {what}; last: {self.fragments()}"
            time.sleep(0.02)
            self.visit(path)

    def warm_up(self, path: str = "/") -> None:
        self.reload_until("all is in the cache", self.all_are_hits, path)

    def all_are_hits(self) -> bool:
        return set(self.fragments().values()) == {"hit"}

    def picture(self, name: str) -> None:
        directory = os.environ.get("BOOKSHOP_SCREENSHOTS")
        if directory:
            size = self.browser.get_window_size()
            # The whole page, and nothing below it.
            self.browser.set_window_size(size["width"], 400)
            height = self.browser.execute_script(
                "return document.documentElement.scrollHeight + outerHeight - innerHeight"
            )
            self.browser.set_window_size(size["width"], height)
            self.browser.save_screenshot(Path(directory) / f"{name}.png")
            self.browser.set_window_size(size["width"], size["height"])


@pytest.fixture(scope="module")
def address(start: Start) -> str:
    return start()


@pytest.fixture
def visitor(chromium: Chrome, address: str) -> Visitor:
    return Visitor(chromium, address)


@pytest.fixture(autouse=True)
def nothing_is_said_to_be_wrong(chromium: Chrome) -> object:
    """By the browser's console: no error of a script, nothing that is not found."""
    chromium.get_log("browser")
    yield
    assert chromium.get_log("browser") == []


def test_a_page_that_is_cached_needs_no_database(visitor: Visitor) -> None:
    visitor.visit()
    assert visitor.text("header .name") == "The Bookshop"
    visitor.warm_up()
    assert visitor.number("statements") == 0
    assert visitor.text("#hits") == "10 of 10"
    # The labels say the same as the table, of all that is shown.
    labels = visitor.browser.find_elements(By.CSS_SELECTOR, ".fragment .label b")
    assert [label.text for label in labels] == ["hit"] * 9
    visitor.picture("cached")


def test_an_edited_book_changes_what_shows_it_and_nothing_else(visitor: Visitor) -> None:
    visitor.warm_up()
    visitor.visit("/books/2")
    visitor.fill("title", "Persuasion & Prejudice <1817>")
    visitor.click("Change")
    assert visitor.text("h1") == "Persuasion & Prejudice <1817>"
    visitor.visit()
    changed = {name for name, how in visitor.fragments().items() if how != "hit"}
    # A book is a part of its author, of whom the first card is, too. The list of books was read for the book's page.
    assert changed == {"card 2 1", "card 1 1", "authors"}
    assert "Persuasion & Prejudice <1817>" in visitor.text("main")
    visitor.warm_up()
    # The books of another author are a list of their own.
    visitor.warm_up("/books/3")
    visitor.visit("/books/1")
    visitor.fill("price", "15.50")
    visitor.click("Change")
    assert "15.50 €" in visitor.text("main")
    visitor.visit("/books/3")
    assert {name for name, how in visitor.fragments().items() if how != "hit"} <= {"shelf"}


def test_a_review_changes_the_reviews_of_its_book(visitor: Visitor) -> None:
    for path in "/books/5", "/books/6":
        visitor.warm_up(path)
    visitor.visit("/books/5")
    visitor.fill("reader", "Walton")
    visitor.fill("text", "I shall not sail north again.")
    visitor.click("Add")
    assert "I shall not sail north again." in visitor.text(".reviews")
    # It is a part of its book, of which the list of all books is, too.
    changed = {name for name, how in visitor.fragments().items() if how != "hit"}
    assert changed == {"reviews 5", "details 5 3", "shelf"}
    visitor.visit("/books/6")
    assert visitor.all_are_hits()


def test_a_writer_is_killed_between_the_two_commits(visitor: Visitor) -> None:
    visitor.warm_up("/books/4")
    stale_if_relaxed = visitor.number("relaxed-stale")
    visitor.click("Kill a writer")
    assert "signal 9 ended it before ALKEY.COMMIT" in visitor.text(".events")
    # The new price is there at once.
    assert "7.90 €" in visitor.text("main")
    assert visitor.fragments()["details 4 2"] == "private"
    assert "books#4" in visitor.text(".flights")
    assert visitor.number("relaxed-stale") > stale_if_relaxed
    visitor.picture("killed")
    visitor.warm_up("/books/4")
    assert "7.90 €" in visitor.text("main")
    assert visitor.number("stale") == 0


def test_redis_is_set_back(visitor: Visitor) -> None:
    visitor.warm_up("/books/6")
    visitor.fill("title", "Jane Eyre, Corrected")
    visitor.click("Change")
    visitor.warm_up("/books/6")
    visitor.click("Restart Redis from an old dump")
    assert "Redis was killed" in visitor.text(".events")
    assert visitor.text("h1") == "Jane Eyre, Corrected"
    assert "nothing is shared" in visitor.text(".flights")
    assert set(visitor.fragments().values()) == {"private"}
    visitor.picture("restarted")
    for path in "/", "/books/6":
        visitor.warm_up(path)
        assert "Jane Eyre, Corrected" in visitor.text("main")
    assert visitor.number("stale") == 0
    visitor.visit()
    visitor.picture("after")


def test_stale_fragments_would_be_seen(chromium: Chrome, start: Start) -> None:
    """Without the promise: Redis takes its old dump for the truth, and the keys are those of before the change."""
    visitor = Visitor(chromium, start("--trust-restored"))
    visitor.warm_up("/books/6")
    visitor.fill("title", "Jane Eyre, Corrected")
    visitor.click("Change")
    visitor.warm_up("/books/6")
    visitor.click("Restart Redis from an old dump")
    assert visitor.text("h1") == "Jane Eyre"
    assert visitor.number("stale") > 0
    assert visitor.text("tr[data-fragment^=details] .stale") == "stale hit"
    visitor.picture("trusting")


def test_mistakes_are_told(visitor: Visitor) -> None:
    visitor.visit("/books/7")
    visitor.fill("price", "nothing")
    visitor.click("Change")
    assert "The price “nothing” is not a number: expected one such as 12.50" in visitor.text("body")
    visitor.visit("/books/99")
    assert "404" in visitor.text("body")
    # The browser says so, too.
    assert "400 (Bad Request)" in visitor.browser.get_log("browser")[0]["message"]


def test_it_fits_a_telephone(visitor: Visitor) -> None:
    visitor.browser.set_window_size(500, 900)
    try:
        for path in "/", "/books/1":
            visitor.visit(path)
            script = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
            assert visitor.browser.execute_script(script)
            visitor.picture(f"narrow{path.replace('/', '-')}")
    finally:
        visitor.browser.set_window_size(1280, 1400)
