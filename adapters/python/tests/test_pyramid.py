"""A real application of Pyramid, with Mako templates and dogpile.cache: `config.include("alkey")` and its settings."""

from __future__ import annotations

import itertools
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy as sa
from dogpile.cache import make_region
from dogpile.cache.api import NO_VALUE
from mako.cache import register_plugin
from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid_mako import MakoRendererFactory, PkgResourceTemplateLookup
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from webtest import TestApp

from alkey import Alkey
from harness import RedisServer, wait_until
from models import Base, User

# As 0.7.1's README has it. The count says which pages were made anew.
PAGE = """<%page cached="True" cache_key="${request.cache_key(1, self.uri, user)}"/>
${user.name}, made ${next(made)}"""

register_plugin("dogpile.cache", "dogpile.cache.plugins.mako_cache", "MakoPlugin")


class Model(types.ModuleType):
    """An application's module, that the settings name."""

    Session: scoped_session[Session]


@pytest.fixture
def model(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    Base.metadata.create_all(engine)
    module = Model("application_model")
    module.Session = scoped_session(sessionmaker(engine))
    monkeypatch.setitem(sys.modules, "application_model", module)
    module.Session.add_all([User(id=1, name="ann"), User(id=2, name="bob")])
    module.Session.commit()
    module.Session.remove()
    yield module
    module.Session.remove()


@pytest.fixture
def settings(server: RedisServer, namespace: str) -> dict[str, str]:
    return {
        "redis.url": f"redis://127.0.0.1:{server.port}?socket_timeout=60",
        "redis.db": "4",
        "redis.max_connections": "20",
        "alkey.session_cls": "application_model.Session",
        "alkey.namespace": namespace,
    }


def application(model: Model, settings: dict[str, str], templates: Path) -> TestApp:
    made = itertools.count(1)
    (templates / "page.mako").write_text(PAGE)
    config = Configurator(settings=settings)
    config.include("alkey")
    mako = MakoRendererFactory()
    mako.lookup = PkgResourceTemplateLookup(
        directories=[str(templates)],
        cache_impl="dogpile.cache",
        cache_args={"regions": {"pages": make_region().configure("dogpile.cache.memory")}, "region": "pages"},
    )
    config.add_renderer(".mako", mako)

    def user_of(request: Any) -> Any:
        return model.Session.get(User, int(request.matchdict["id"]))

    def page(request: Any) -> Any:
        try:
            # The object comes first and the key after it, as with request.context.
            return render_to_response("page.mako", {"user": user_of(request), "made": made}, request)
        finally:
            model.Session.remove()

    def rename(request: Any) -> Any:
        user_of(request).name = request.params["name"]
        model.Session.commit()
        model.Session.remove()
        return request.response

    def names(request: Any) -> Any:
        assert request.redis is request.alkey.client
        assert request.cache_key is request.cache_key
        options = request.redis.connection_pool.connection_kwargs
        return {
            "db": options["db"],
            "connections": request.redis.connection_pool.max_connections,
            "strict": request.alkey.strict,
            "unavailable": request.alkey.unavailable,
            "namespace": request.alkey.namespace,
            "lag": request.alkey.replica_lag_ms,
        }

    config.add_route("names", "/")
    config.add_view(names, route_name="names", renderer="json")
    for view, method in ((page, "GET"), (rename, "POST")):
        config.add_route(view.__name__, "/{id}", request_method=method)
        config.add_view(view, route_name=view.__name__)
    return TestApp(config.make_wsgi_app())


def shown(app: TestApp, user_id: int) -> str:
    return str(app.get(f"/{user_id}").text).strip()


def test_pages_are_cached_until_what_they_show_is_changed(
    model: Model, settings: dict[str, str], tmp_path: Path
) -> None:
    app = application(model, settings, tmp_path)
    assert [shown(app, 1), shown(app, 1), shown(app, 2)] == ["ann, made 1", "ann, made 1", "bob, made 2"]
    app.post("/1", {"name": "eve"})
    assert [shown(app, 1), shown(app, 2), shown(app, 1)] == ["eve, made 3", "bob, made 2", "eve, made 3"]


def test_strict_pages_are_cached_when_they_are_settled(
    model: Model, settings: dict[str, str], tmp_path: Path
) -> None:
    app = application(model, settings | {"alkey.strict": "true"}, tmp_path)

    def is_cached() -> bool:
        return shown(app, 1) == shown(app, 1)

    wait_until("the page is cached", is_cached)
    app.post("/1", {"name": "eve"})
    assert shown(app, 1).startswith("eve")
    wait_until("the new page is cached", is_cached)


def test_the_settings(model: Model, settings: dict[str, str], namespace: str, tmp_path: Path) -> None:
    more = {
        "alkey.strict": "yes",
        "alkey.unavailable": "raise",
        "alkey.replica_lag_ms": "7",
        "alkey.lease_ms": "1000",
    }
    expected = {
        "db": 4,
        "connections": 20,
        "strict": False,
        "unavailable": "deliver",
        "namespace": namespace,
        "lag": 0,
    }
    assert application(model, settings, tmp_path).get("/").json == expected
    expected |= {"strict": True, "unavailable": "raise", "lag": 7}
    assert application(model, settings | more, tmp_path).get("/").json == expected


def test_settings_come_before_the_environment(
    model: Model, settings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://nowhere.invalid")
    monkeypatch.setenv("REDIS_DB", "5")
    assert application(model, settings, tmp_path).get("/").json["db"] == 4
    del settings["redis.db"]
    assert application(model, settings, tmp_path).get("/").json["db"] == 5


def test_the_sessions_are_those_of_pyramid_basemodel_by_default(
    model: Model,
    settings: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    client: redis.Redis,
) -> None:
    del settings["alkey.session_cls"]
    with pytest.raises(
        ImportError, match="can't bind to 'pyramid_basemodel.Session': expected the setting alkey.session"
    ):
        application(model, settings, tmp_path)
    monkeypatch.setitem(sys.modules, "pyramid_basemodel", model)
    app = application(model, settings, tmp_path)
    watching = Alkey(
        redis.Redis(port=client.connection_pool.connection_kwargs["port"], db=4), settings["alkey.namespace"]
    )
    before = watching.key(watching.row("users", 1))
    app.post("/1", {"name": "eve"})
    assert watching.key(watching.row("users", 1)) != before


def test_a_throw_away_page_is_shown_while_redis_is_away(
    model: Model, settings: dict[str, str], tmp_path: Path
) -> None:
    # Nobody listens at the discard port.
    app = application(model, settings | {"redis.url": "redis://127.0.0.1:9"}, tmp_path)
    assert [shown(app, 1), shown(app, 1)] == ["ann, made 1", "ann, made 2"]


def test_a_region_keeps_nothing_that_may_not_be_shared(model: Model, settings: dict[str, str]) -> None:
    config = Configurator(settings=settings | {"alkey.strict": "true"})
    config.include("alkey")
    config.commit()
    alkey: Alkey = Alkey(settings["redis.url"], settings["alkey.namespace"])
    region = make_region().configure("dogpile.cache.memory")
    model.Session.add(User(id=3))
    assert alkey.cached(region, User, load=lambda: "mine", session=model.Session) == "mine"
    model.Session.rollback()
    assert region.get(alkey.key(User)) is NO_VALUE
