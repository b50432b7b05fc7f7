"""What AsyncSessions change is recorded and committed, by the sync session under each."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_scoped_session,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session, sessionmaker

from alkey import Alkey
from alkey.asyncio import AsyncAlkey
from harness import eventually
from models import Base, Order, User, ids_in
from watch import Watch

Sessions = async_sessionmaker[AsyncSession]
NAMES = "users#1 users#2 users#3"
users: sa.Table = Base.metadata.tables["users"]

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_stays_in_flight")]


@pytest.fixture
async def async_calls(monkeypatch: pytest.MonkeyPatch, async_alkey: AsyncAlkey) -> list[str]:
    """The commands that are sent."""
    sent: list[str] = []
    client: Any = async_alkey.client
    execute = client.execute_command

    async def spy(*arguments: Any) -> Any:
        sent.append(arguments[0])
        return await execute(*arguments)

    monkeypatch.setattr(client, "execute_command", spy)
    monkeypatch.setattr(async_alkey.commands, "_execute", spy)
    async_alkey.delivery._lease_ms = 5000
    return sent


async def test_two_round_trips_for_a_writing_transaction_and_none_for_a_reading_one(
    async_sessions: Sessions, async_calls: list[str]
) -> None:
    async with async_sessions() as session:
        session.add_all([User(id=1), User(id=2)])
        await session.flush()
        session.add(User(id=3))
        await session.commit()
        assert async_calls == ["ALKEY.RECORD", "ALKEY.COMMIT"]
        async_calls.clear()
        (await session.scalars(sa.select(User))).all()
        await session.commit()
        (await session.scalars(sa.select(User))).all()
        await session.rollback()
    assert async_calls == []


async def test_what_is_written(async_sessions: Sessions, watch: Watch) -> None:
    with watch.changed(f"{NAMES} orders#1 orders#2") as changed:
        async with async_sessions.begin() as session:
            session.add_all([User(id=number) for number in (1, 2, 3)])
        async with async_sessions.begin() as session:
            session.add(Order(id=1, customer=1))
    assert changed == {*NAMES.split(), "orders#1"}
    with watch.changed(f"{NAMES} orders#1 orders#2") as changed:
        async with async_sessions.begin() as session:
            (await session.get_one(User, 1)).name = "Ann"
    assert changed == {"users#1"}
    with watch.changed(f"{NAMES} orders#1") as changed:
        async with async_sessions.begin() as session:
            await session.delete(await session.get_one(Order, 1))
    assert changed == {"users#1", "orders#1"}
    with watch.changed(NAMES) as changed:
        async with async_sessions.begin() as session:
            await session.execute(sa.update(User).where(User.id == 2).values(name="Bob"))
        async with async_sessions.begin() as session:
            await session.run_sync(lambda under: under.execute(sa.delete(users).where(users.c.id == 3)))
    assert changed == {"users#2", "users#3"}


async def test_what_is_rolled_back_is_not(async_sessions: Sessions, watch: Watch) -> None:
    with watch.changed(NAMES) as changed:
        async with async_sessions() as session:
            session.add(User(id=1))
            await session.flush()
            await session.rollback()
            session.add(User(id=2))
            await session.flush()
            savepoint = await session.begin_nested()
            session.add(User(id=3))
            await session.flush()
            await savepoint.rollback()
            await session.commit()
    assert changed == {"users#2"}


async def test_in_flight_until_the_database_has_committed(
    async_sessions: Sessions, async_engine: AsyncEngine, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    dialect = async_engine.sync_engine.dialect
    do_commit = dialect.do_commit

    def commit(connection: Any) -> None:
        seen.append(watch.is_in_flight("users#1"))
        do_commit(connection)

    monkeypatch.setattr(dialect, "do_commit", commit)
    async with async_sessions.begin() as session:
        session.add(User(id=1))
    assert seen == [True]
    assert not watch.is_in_flight("users#1")


class OwnSession(Session):
    pass


class OwnAsyncSession(AsyncSession):
    sync_session_class = OwnSession


def plain(engine: AsyncEngine, alkey: AsyncAlkey) -> Any:
    made = async_sessionmaker(engine)
    alkey.bind(made)
    return made


def twice(engine: AsyncEngine, alkey: AsyncAlkey) -> Any:
    made = plain(engine, alkey)
    alkey.bind(made)
    return made


def of_a_class(engine: AsyncEngine, alkey: AsyncAlkey) -> Any:
    class Bound(AsyncSession):
        pass

    alkey.bind(Bound)
    return lambda: Bound(engine)


def of_a_maker_s_option(engine: AsyncEngine, alkey: AsyncAlkey) -> Any:
    made = async_sessionmaker(engine, sync_session_class=OwnSession)
    alkey.bind(made)
    assert isinstance(made().sync_session, OwnSession)
    return made


def of_a_class_of_its_own(engine: AsyncEngine, alkey: AsyncAlkey) -> Any:
    made = async_sessionmaker(engine, class_=OwnAsyncSession)
    alkey.bind(made)
    assert isinstance(made().sync_session, OwnSession)
    return made


def scoped(engine: AsyncEngine, alkey: AsyncAlkey) -> Any:
    made = async_scoped_session(async_sessionmaker(engine), scopefunc=lambda: 1)
    alkey.bind(made)
    return made


def one(engine: AsyncEngine, alkey: AsyncAlkey) -> Any:
    session = AsyncSession(engine)
    alkey.bind(session)
    return lambda: session


@pytest.mark.parametrize(
    "make", [plain, twice, of_a_class, of_a_maker_s_option, of_a_class_of_its_own, scoped, one]
)
async def test_what_can_be_bound(
    async_engine: AsyncEngine, async_alkey: AsyncAlkey, watch: Watch, make: Any
) -> None:
    sessions = make(async_engine, async_alkey)
    with watch.changed(NAMES) as changed:
        async with sessions() as session:
            session.add(User(id=1))
            await session.commit()
    assert changed == {"users#1"}


async def test_others_are_not_bound(
    async_engine: AsyncEngine, engine: sa.Engine, async_alkey: AsyncAlkey, watch: Watch
) -> None:
    for make in (plain, of_a_class, of_a_maker_s_option, of_a_class_of_its_own):
        make(async_engine, async_alkey)
    with watch.changed(NAMES) as changed:
        async with AsyncSession(async_engine) as session, session.begin():
            session.add(User(id=1))
        async with OwnAsyncSession(async_engine) as session, session.begin():
            session.add(User(id=2))
        with sessionmaker(engine, class_=OwnSession).begin() as session_of_threads:
            session_of_threads.add(User(id=3))
    assert changed == set()
    assert ids_in(engine) == [1, 2, 3]


@pytest.mark.parametrize("target", [Session, sessionmaker(), Session(), int, None])
async def test_what_can_not_be_bound(async_alkey: AsyncAlkey, target: Any) -> None:
    with pytest.raises(
        TypeError, match="can't be bound: expected an AsyncSession class, an async_sessionmaker"
    ):
        async_alkey.bind(target)


async def test_alkey_names_its_twin(async_engine: AsyncEngine, alkey: Alkey) -> None:
    with pytest.raises(TypeError, match="For sessions of asyncio there is alkey.asyncio.AsyncAlkey"):
        alkey.bind(async_sessionmaker(async_engine))


async def test_a_sync_session_class_must_be_a_class(
    async_engine: AsyncEngine, async_alkey: AsyncAlkey
) -> None:
    made = async_sessionmaker(async_engine, sync_session_class=lambda **options: Session(**options))
    with pytest.raises(TypeError, match="is the sync_session_class: expected a class"):
        async_alkey.bind(made)


async def test_autocommit(pg_engine: sa.Engine, async_alkey: AsyncAlkey, watch: Watch) -> None:
    Base.metadata.create_all(pg_engine)
    engine = create_async_engine(pg_engine.url, isolation_level="AUTOCOMMIT")
    sessions = plain(engine, async_alkey)
    with watch.changed("users#1 users#*") as changed:
        async with sessions() as session:
            await session.execute(sa.insert(User).values(id=1))
            assert ids_in(pg_engine) == [1]
    assert "users#*" in changed
    await engine.dispose()


async def test_a_transaction_that_the_application_began_on_the_connection(
    async_engine: AsyncEngine, async_alkey: AsyncAlkey, watch: Watch
) -> None:
    sessions = plain(async_engine, async_alkey)
    with watch.changed(NAMES) as changed:
        async with async_engine.connect() as connection, connection.begin() as outer:
            async with sessions(bind=connection) as session:
                session.add(User(id=1))
                await session.commit()
            assert watch.is_in_flight("users#1")
            await outer.commit()
        await eventually("that has ended, too", lambda: not watch.is_in_flight("users#1"))
    assert changed == {"users#1"}


async def test_both_fronts_on_one_server(
    async_sessions: Sessions, async_alkey: AsyncAlkey, alkey: Alkey
) -> None:
    assert async_alkey.namespace == alkey.namespace
    row = alkey.row("users", 1)
    before = alkey.key(row)
    assert await async_alkey.key(row) == before
    async with async_sessions.begin() as session:
        session.add(User(id=1))
    assert before != await async_alkey.key(row) == alkey.key(row)
