"""Strict reading: which sessions, with what they have read, share keys with others."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import pytest
import redis
import sqlalchemy as sa
from sqlalchemy.orm import Session, make_transient_to_detached, scoped_session, sessionmaker

import alkey.connect
from alkey import Alkey, Lookup, is_private
from harness import wait_until
from models import Base, Engineer, Order, User

Sessions = sessionmaker[Session]


@pytest.fixture
def filled(sessions: Sessions, alkey: Alkey) -> Sessions:
    """Two users, for so long that no margin matters."""
    with sessions.begin() as session:
        session.add_all([User(id=1, name="a"), User(id=2, name="b")])
    settle(alkey, User)
    return sessions


def settle(alkey: Alkey, *parts: object, ms: int = 200) -> None:
    """Waits until the parts are settled for longer than anything in a test takes."""
    wait_until("the keys are settled", lambda: (alkey.lookup(*parts).settled_ms or 0) >= ms)


def change(sessions: Sessions, user_id: int = 1, name: str = "changed") -> None:
    with sessions.begin() as session:
        session.get_one(User, user_id).name = name


def test_who_has_read_nothing_has_age_0(filled: Sessions, alkey: Alkey) -> None:
    change(filled)
    with filled() as session:
        found = alkey.lookup(User, session=session)
    assert found.is_shared
    assert found.age_ms == 0
    assert found.settled_ms is not None


def test_sessions_that_have_read_what_did_not_change_share_keys(filled: Sessions, alkey: Alkey) -> None:
    keys = set()
    for _ in range(2):
        with filled() as session:
            user = session.get_one(User, 1)
            found = alkey.lookup(user, "profile")
            assert found.is_shared
            assert found.age_ms >= 2
            keys.add(found.key)
    assert len(keys) == 1


def test_an_instance_that_was_loaded_before_the_change_has_a_private_key(
    filled: Sessions, alkey: Alkey
) -> None:
    with filled() as session:
        user = session.get_one(User, 1)
        # Not by another session: one that reads holds back who writes, in SQLite.
        alkey.touch(user)
        found = alkey.lookup(user)
        assert found.why_private == "something has changed since the data was read"
        assert found.settled_ms is not None
        assert 0 <= found.settled_ms < found.age_ms
        assert not found.is_shared
        # The session goes by its oldest statement, also where the instance is not a part.
        assert not alkey.lookup(User, session=session).is_shared
        assert not alkey.lookup(alkey.row("users", 1), session=session).is_shared
        assert alkey.lookup(alkey.row("users", 2), session=session).is_shared
        session.rollback()
        assert alkey.lookup(user).is_shared


def test_a_detached_instance_is_as_old_as_its_load(filled: Sessions, alkey: Alkey) -> None:
    with Session(filled.kw["bind"], expire_on_commit=False) as session:
        alkey.bind(session)
        user = session.get_one(User, 1)
        session.commit()
    assert alkey.lookup(user).is_shared
    change(filled)
    assert alkey.lookup(user).why_private == "something has changed since the data was read"


def unpickled(user: User) -> User:
    """As it comes from a cache that another process has filled."""
    loaded: User = pickle.loads(pickle.dumps(user).replace(b"alkey.loaded", b"other.loaded"))
    return loaded


def made_by_hand(_user: User) -> User:
    user = User(id=1, name="old")
    make_transient_to_detached(user)
    user.__dict__["name"] = "old"
    return user


def loaded_by_an_unbound_session(user: User) -> User:
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(User(id=user.id, name="old"))
        session.commit()
        loaded = session.get_one(User, user.id)
        session.expunge(loaded)
    engine.dispose()
    return loaded


@pytest.mark.parametrize("made", [unpickled, made_by_hand, loaded_by_an_unbound_session])
def test_an_instance_of_unknown_age_has_no_shared_key(filled: Sessions, alkey: Alkey, made: Any) -> None:
    with filled() as session:
        user = session.get_one(User, 1)
        session.expunge(user)
    found = alkey.lookup("nested", [{"deep": made(user)}])
    assert found.why_private == "the age of an instance is unknown"
    assert is_private(found.key)


def add(session: Session) -> None:
    session.add(User(id=9))


def modify(session: Session) -> None:
    session.get_one(User, 1).name = "mine"


def delete(session: Session) -> None:
    session.delete(session.get_one(User, 1))


def bulk(session: Session) -> None:
    session.execute(sa.update(User).values(name="mine"))


def core(session: Session) -> None:
    session.execute(sa.insert(Base.metadata.tables["users"]).values(id=9, visits=0))


def raw(session: Session) -> None:
    session.execute(sa.text("UPDATE users SET name = 'mine'"))


def savepoint(session: Session) -> None:
    with session.begin_nested():
        add(session)


@pytest.mark.parametrize("write", [add, modify, delete, bulk, core, raw, savepoint])
def test_from_its_first_change_until_its_end_a_session_has_private_keys(
    filled: Sessions, alkey: Alkey, write: Any
) -> None:
    for end in (Session.rollback, Session.commit):
        with filled() as session:
            assert alkey.lookup("x", session=session).is_shared
            write(session)
            assert alkey.lookup("x", session=session).why_private == "the session holds changes"
            assert alkey.lookup("x").why_private == "the session holds changes", (
                "it is the one that is used here"
            )
            session.flush()
            assert alkey.lookup(User, session=session).why_private == "the session holds changes"
            end(session)
            assert alkey.lookup("x", session=session).is_shared


def test_what_others_change_does_not_make_a_session_private(filled: Sessions, alkey: Alkey) -> None:
    with filled() as writer, filled() as reader:
        writer.add(User(id=9))
        assert alkey.lookup(User, session=reader).is_shared


def test_what_another_thread_changes_is_not_this_thread_s(filled: Sessions, alkey: Alkey) -> None:
    found: list[Lookup] = []
    with filled() as writer:
        writer.add(User(id=9))
        thread = threading.Thread(target=lambda: found.append(alkey.lookup(User)))
        thread.start()
        thread.join()
    assert found[0].is_shared


def test_the_session_of_a_registry_is_this_thread_s(filled: Sessions, alkey: Alkey) -> None:
    registry = scoped_session(filled)
    assert alkey.lookup("x", session=registry).is_shared
    registry.add(User(id=9))
    assert not alkey.lookup("x", session=registry).is_shared
    registry.remove()
    assert alkey.lookup("x", session=registry).is_shared


def test_what_is_in_flight_has_a_private_key(filled: Sessions, alkey: Alkey) -> None:
    before = alkey.key(alkey.row("users", 1))
    alkey.commands.record(f"{alkey.namespace}:tx:1".encode(), [alkey.row("users", 1)])
    found = alkey.lookup(alkey.row("users", 1))
    assert found.why_private == "something is in flight, or the server is in grace"
    assert found.settled_ms == -1
    assert alkey.lookup(alkey.row("users", 2)).is_shared
    alkey.commands.discard(f"{alkey.namespace}:tx:1".encode())
    assert alkey.key(alkey.row("users", 1)) == before


def test_private_keys_are_nobody_else_s(filled: Sessions, alkey: Alkey) -> None:
    with filled() as session:
        session.add(User(id=9))
        keys = {alkey.key("x", session=session) for _ in range(1000)}
    assert len(keys) == 1000
    assert all(is_private(key) and len(key) == 64 for key in keys)
    assert not is_private(alkey.key("x"))


def test_a_replica_s_lag_is_added(filled: Sessions, client: redis.Redis, namespace: str) -> None:
    lagging = Alkey(client, namespace, replica_lag_ms=60_000)
    assert lagging.lookup(User).why_private == "something has changed since the data was read"
    assert lagging.lookup(User).age_ms == 60_062
    assert lagging.lookup("depends on nothing").is_shared


def test_an_instance_depends_on_a_row_in_each_of_its_tables(sessions: Sessions, alkey: Alkey) -> None:
    with sessions.begin() as session:
        session.add(Engineer(id=1))
    settle(alkey, Engineer)
    for table in ("people", "engineers"):
        with sessions() as session:
            engineer = session.get_one(Engineer, 1)
            before = alkey.key(engineer)
            session.rollback()
            alkey.touch(alkey.row(table, 1))
            assert alkey.key(engineer) != before


def test_names(alkey: Alkey) -> None:
    start = alkey.namespace
    assert alkey.row("users", 1) == f"{start}:users#1".encode()
    assert alkey.row("seats", 1, "A", schema="hall") == f"{start}:hall.seats#1,A".encode()
    assert alkey.table("users") == f"{start}:users#*".encode()
    assert alkey.table("users", "hall") == f"{start}:hall.users#*".encode()
    assert alkey.everything() == f"{start}:*#*".encode()
    assert repr(alkey.everything()) == f"Identifier({start.encode() + b':*#*'!r})"


def test_touch(filled: Sessions, alkey: Alkey) -> None:
    one, all_ = alkey.row("users", 1), alkey.table("users")
    keys = alkey.key(one), alkey.key(all_)
    with filled() as session:
        alkey.touch(session.get_one(User, 1))
    assert (alkey.key(one) != keys[0], alkey.key(all_) != keys[1]) == (True, True)
    keys = alkey.key(one), alkey.key(all_)
    alkey.touch(User)
    assert alkey.key(one) != keys[0]
    orders = alkey.key(Order)
    alkey.touch(one, alkey.table("orders"))
    assert alkey.key(Order) != orders


@pytest.mark.parametrize("thing", [1, "alkey:users#1", b"alkey:users#1", [User]])
def test_touch_refuses_what_can_not_change(alkey: Alkey, thing: Any) -> None:
    with pytest.raises(TypeError, match="can't be touched: expected a mapped class or instance"):
        alkey.touch(thing)


def test_touch_refuses_another_namespace(alkey: Alkey, client: redis.Redis) -> None:
    with pytest.raises(TypeError, match="can't be touched"):
        alkey.touch(Alkey(client, "alkey{other}").row("users", 1))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"namespace": "users"}, "'users' is not a namespace: expected 'alkey'"),
        ({"unavailable": "ignore"}, "'ignore' is no policy: expected 'deliver' or 'raise'"),
        ({"replica_lag_ms": -1}, "replica_lag_ms=-1 is no lag: expected 0 or more"),
        ({"client": "http://localhost"}, "a URL of kind 'http' is not known: expected one of redis, rediss"),
    ],
)
def test_what_is_set_up_wrongly_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Alkey(**{"client": "redis://localhost", **options})


def test_a_client_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(alkey.connect._PACKAGES, "redis", ("nowhere",))
    # Not below 1: that is the predecessor.
    with pytest.raises(ModuleNotFoundError, match=r"expected `pip install 'alkey\[nowhere\]>=1'`"):
        Alkey("redis://localhost")
