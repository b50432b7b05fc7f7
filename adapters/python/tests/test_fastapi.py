"""Starlette and FastAPI: the application's AsyncAlkey is at hand, and closed with it. docs/asyncio.md has examples."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from alkey.asyncio import AsyncAlkey
from alkey.fastapi import AlkeyDep
from alkey.starlette import alkey_of, lifespan
from harness import RedisServer
from watch import Watch


async def show_key(request: Request) -> PlainTextResponse:
    return PlainTextResponse(await alkey_of(request).key("page"))


def test_starlette_in_one_event_loop_after_another(server: RedisServer, namespace: str) -> None:
    app = Starlette(routes=[Route("/", show_key)], lifespan=lifespan(AsyncAlkey(server.url, namespace)))
    keys = set()
    for _ in range(2):
        with TestClient(app) as client:
            keys.add(client.get("/").text)
    assert [len(key) for key in keys] == [64]


def test_fastapi_s_requests_and_websockets(server: RedisServer, namespace: str) -> None:
    app = FastAPI(lifespan=lifespan(AsyncAlkey(server.url, namespace)))

    @app.get("/")
    async def page(alkey: AlkeyDep) -> str:
        return await alkey.key("page")

    @app.websocket("/keys")
    async def keys(websocket: WebSocket, alkey: AlkeyDep) -> None:
        await websocket.accept()
        await websocket.send_text(await alkey.key("page"))

    with TestClient(app) as client, client.websocket_connect("/keys") as websocket:
        assert client.get("/").json() == websocket.receive_text()


def test_the_application_s_own_lifespan_ends_before(
    server: RedisServer, namespace: str, watch: Watch
) -> None:
    alkey = AsyncAlkey(server.url, namespace)

    @asynccontextmanager
    async def own(_app: Any) -> AsyncIterator[dict[str, str]]:
        yield {"greeting": "hello"}
        # What a last write leaves behind while the server does not answer.
        alkey.delivery.commit_later(watch.full("tx:1"), frozenset({watch.full("users#1")}))

    async def greet(request: Request) -> PlainTextResponse:
        assert request.state.alkey is alkey
        return PlainTextResponse(request.state.greeting)

    app = Starlette(routes=[Route("/", greet)], lifespan=lifespan(alkey, own))
    with watch.changed("users#1 users#2") as changed, TestClient(app) as client:
        assert client.get("/").text == "hello"
    assert changed == {"users#1"}
    assert alkey.delivery.counts.waiting == 0


def test_an_application_without_the_lifespan() -> None:
    app = Starlette(routes=[Route("/", show_key)])
    with pytest.raises(RuntimeError, match="the application has no AsyncAlkey: expected lifespan="):
        TestClient(app).get("/")
