"""Starlette and FastAPI: one `AsyncAlkey` for the application, closed when it ends, and at hand in each request.

    app = Starlette(lifespan=lifespan(alkey), ...)     # or FastAPI(lifespan=lifespan(alkey))
    alkey_of(request)                                  # the AsyncAlkey; of a websocket, too

It is in the state of the application's lifespan, `request.state.alkey`. For FastAPI's dependencies see `alkey.fastapi`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from starlette.requests import HTTPConnection

from alkey.asyncio import AsyncAlkey

Lifespan = Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any]]]
Inner = Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any] | None]]


def lifespan(alkey: AsyncAlkey, inner: Inner | None = None) -> Lifespan:
    """What the application is given as its lifespan. `inner` is one of its own, which begins later and ends before: at
    its end it may still write."""

    @asynccontextmanager
    async def run(app: Any) -> AsyncIterator[Mapping[str, Any]]:
        async with alkey:
            if inner is None:
                yield {"alkey": alkey}
            else:
                async with inner(app) as state:
                    yield {**(state or {}), "alkey": alkey}

    return run


def alkey_of(connection: HTTPConnection) -> AsyncAlkey:
    """That of the application which has this request, or this websocket."""
    alkey: AsyncAlkey | None = getattr(connection.state, "alkey", None)
    if alkey is None:
        raise RuntimeError(
            "the application has no AsyncAlkey: expected lifespan=alkey.starlette.lifespan(AsyncAlkey(...)), and a "
            "server that runs it (a TestClient does so as a context manager)"
        )
    return alkey
