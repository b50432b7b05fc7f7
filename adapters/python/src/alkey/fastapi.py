"""FastAPI: the application's `AsyncAlkey` as a dependency.

app = FastAPI(lifespan=lifespan(alkey))

@app.get("/users/{user_id}")
async def show(user_id: int, alkey: AlkeyDep): ...
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from alkey.asyncio import AsyncAlkey
from alkey.starlette import alkey_of, lifespan

__all__ = ["AlkeyDep", "alkey_of", "lifespan"]

AlkeyDep = Annotated[AsyncAlkey, Depends(alkey_of)]
