"""The fragments of a page: each from the cache or made anew, and what became of it.

The line that counts is `alkey.cached(region, …)`; an application needs no more. The rest is for the show: the same
fragment is asked for with a relaxed key, too, and both are compared with what the database says just before and just
after. A hit that is neither, while those two are the same, is stale.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from dogpile.cache.region import CacheRegion
from mako.lookup import TemplateLookup
from markupsafe import Markup
from sqlalchemy.orm import Session, sessionmaker

from alkey import Alkey, Identifier
from bookshop.contents import KINDS, Kind


class Tally:
    """What became of the fragments of all pages since the start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.asked = self.hits = self.stale = 0

    @property
    def percentage(self) -> int:
        """Of hits."""
        return 100 * self.hits // max(self.asked, 1)

    def count(self, got: Got) -> None:
        with self._lock:
            self.asked += 1
            self.hits += got.how == "hit"
            self.stale += got.is_stale


class Got(NamedTuple):
    """What a reader got."""

    value: Any
    key: str
    how: str
    """A hit; a miss: loaded and stored; private: loaded and not stored."""
    why_private: str | None
    ms: float
    is_stale: bool = False

    @property
    def short_key(self) -> str:
        return self.key.removeprefix("private-")[:8]


class Shown(NamedTuple):
    """A fragment of the page."""

    name: str
    depends_on: list[str]
    strict: Got
    relaxed: Got


class Library:
    """What all pages share."""

    def __init__(
        self, region: CacheRegion, templates: TemplateLookup, relaxed: Alkey, onlookers: sessionmaker[Session]
    ) -> None:
        self.region, self.templates, self.relaxed = region, templates, relaxed
        self._onlookers = onlookers
        self.strict_tally, self.relaxed_tally = Tally(), Tally()

    def truth(self, make: Callable[[Session], Any]) -> Any:
        """What the database says now."""
        with self._onlookers() as session:
            return make(session)


class Page:
    """The fragments of one page, in the session of its request."""

    def __init__(self, library: Library, alkey: Alkey, session: Any) -> None:
        self.library, self.alkey, self.session = library, alkey, session
        self.shown: list[Shown] = []

    def get(self, name: str, **ids: int) -> Any:
        """The fragment's value."""
        kind, library = KINDS[name], self.library
        parts = [name, ids, *kind.depends_on(self.alkey, **ids)]

        def make(session: Session) -> Any:
            return self._make(name, kind, session, ids)

        before = library.truth(make)
        strict = self._ask(self.alkey, parts, lambda: make(self.session))
        relaxed = self._ask(library.relaxed, parts, lambda: library.truth(make))
        after = library.truth(make)
        # If it has changed in between, who knows what was right. What the database itself gave is not judged.
        judged = [
            got._replace(is_stale=got.how == "hit" and before == after != got.value)
            for got in (strict, relaxed)
        ]
        for tally, got in zip((library.strict_tally, library.relaxed_tally), judged, strict=True):
            tally.count(got)
        depends_on = [part.decode().partition(":")[2] for part in parts if isinstance(part, Identifier)]
        self.shown.append(Shown(" ".join([name, *map(str, ids.values())]), depends_on, *judged))
        return strict.value

    def show(self, name: str, **ids: int) -> Markup:
        """The fragment with a label."""
        html = self.get(name, **ids)
        return self._render("fragment", html=html, fragment=self.shown[-1])

    def _ask(self, alkey: Alkey, parts: list[object], make: Callable[[], Any]) -> Got:
        loads: list[float] = []

        def load() -> Any:
            loads.append(time.perf_counter())
            return make()

        # For the label. It is the key that `cached` uses, unless something changes at this very moment.
        found = alkey.lookup(*parts, session=self.session)
        start = time.perf_counter()
        value = alkey.cached(self.library.region, *parts, load=load, session=self.session)
        ms = (time.perf_counter() - start) * 1000
        how = "hit" if not loads else "miss" if found.is_shared else "private"
        return Got(value, found.key, how, found.why_private, ms)

    def _make(self, name: str, kind: Kind, session: Session, ids: dict[str, int]) -> Any:
        loaded = kind.load(session, **ids)
        return loaded if kind.is_data else self._render(name, **loaded)

    def _render(self, name: str, **values: Any) -> Markup:
        html = self.library.templates.get_template(f"fragments/{name}.mako").render(**values)
        return Markup(html)  # noqa: S704 - the template has escaped what it was given
