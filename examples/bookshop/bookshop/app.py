"""The application: what is made once, and put together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dogpile.cache import make_region
from mako.lookup import TemplateLookup
from pyramid.config import Configurator
from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.response import Response
from sqlalchemy import create_engine, event
from sqlalchemy.orm import scoped_session, sessionmaker

from alkey import Alkey
from bookshop.fragments import Library
from bookshop.laboratory import Laboratory
from bookshop.models import Base, fill
from bookshop.servers import Redis

HERE = Path(__file__).parent


class Statements:
    """How many statements a request has sent to the database."""

    def __init__(self) -> None:
        self._local = threading.local()

    def begin(self) -> None:
        self._local.count = 0

    @property
    def count(self) -> int:
        return getattr(self._local, "count", 0)

    def add(self, *_event: Any) -> None:
        self._local.count = self.count + 1


def make_app(database_url: str, redis: Redis) -> Any:
    """The WSGI application."""
    engine, statements = create_engine(database_url), Statements()
    event.listen(engine, "after_cursor_execute", statements.add)
    sessions = scoped_session(sessionmaker(engine))
    Base.metadata.create_all(engine)
    settings = {
        "redis.url": redis.url,
        "alkey.session_cls": sessions,
        "alkey.strict": "true",
        # A change that Redis can't be told of is refused.
        "alkey.unavailable": "raise",
        "mako.directories": str(HERE / "templates"),
    }
    config = Configurator(settings=settings)
    config.include("pyramid_mako")
    config.include("alkey")
    with sessions() as session:
        fill(session)
    config.registry["sessions"], config.registry["statements"] = sessions, statements
    config.registry["library"] = Library(
        # In the memory of this process, which outlives Redis: what was stored under an old key would be found again.
        make_region().configure("dogpile.cache.memory", expiration_time=3600),
        TemplateLookup([str(HERE / "templates")], default_filters=["h"], strict_undefined=True),
        Alkey(redis.url, strict=False),
        # Not bound, and not counted.
        sessionmaker(create_engine(database_url, isolation_level="REPEATABLE READ")),
    )
    config.registry["laboratory"] = Laboratory(redis, database_url)
    config.add_tween("bookshop.app.sessions_end_with_requests")
    config.add_static_view("static", str(HERE / "static"))
    config.add_route("front", "/")
    config.add_route("book", r"/books/{book:\d{1,9}}")
    config.add_route("reviews", r"/books/{book:\d{1,9}}/reviews")
    config.add_route("kill_a_writer", "/kill-a-writer", request_method="POST")
    config.add_route("restart_redis", "/restart-redis", request_method="POST")
    config.scan("bookshop.views")
    return config.make_wsgi_app()


def sessions_end_with_requests(
    handler: Callable[[Request], Response], registry: Registry
) -> Callable[[Request], Response]:
    def tween(request: Request) -> Response:
        try:
            return handler(request)
        finally:
            registry["sessions"].remove()

    return tween
