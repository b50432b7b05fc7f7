"""Scopes of what AsyncSessions change: the SELECT that reads what rows hold is sent within the awaited statement."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from alkey.asyncio import AsyncAlkey
from scoped_models import Base, Customer, Driver, Sale
from watch import Watch

pytestmark = pytest.mark.anyio
NAMES = "sales#customer=1 sales#customer=2 sales#customer=3 workers#team=1 workers#team=2"


async def test_scopes(engine: sa.Engine, async_sessions: Any, async_alkey: AsyncAlkey, watch: Watch) -> None:
    Base.metadata.create_all(engine)
    with watch.changed(NAMES) as inserted:
        async with async_sessions.begin() as session:
            session.add_all([Customer(id=1), Customer(id=2), Driver(id=1, team=1)])
            await session.flush()
            session.add(Sale(id=1, customer_id=1, state=1))
    with watch.changed(NAMES) as updated:
        async with async_sessions.begin() as session:
            (await session.get_one(Sale, 1)).customer_id = 2
            (await session.get_one(Driver, 1)).car = "x"
    with watch.changed(NAMES) as deleted:
        async with async_sessions.begin() as session:
            await session.execute(sa.delete(Sale).where(Sale.id == 1))
    assert inserted == {"sales#customer=1", "workers#team=1"}
    assert updated == {"sales#customer=1", "sales#customer=2", "workers#team=1"}
    assert deleted == {"sales#customer=2"}
    assert watch.full("sales#customer=2") == async_alkey.scope(Sale, customer_id=2)
