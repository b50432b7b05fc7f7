"""For asyncio: `AsyncAlkey`, the twin of `alkey.Alkey` for SQLAlchemy's AsyncSession and clients that are awaited.

    alkey = AsyncAlkey("redis://localhost:6379")
    alkey.bind(Session)                                         # an async_sessionmaker
    await alkey.key(user, "profile")
    await alkey.cached(cache, user, "profile", load=...)

To import this imports no client and no SQLAlchemy.
"""

from alkey.asyncio.front import AsyncAlkey

__all__ = ["AsyncAlkey"]
