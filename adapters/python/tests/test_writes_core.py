"""What sessions change past the unit of work: bulk operations, Core, text."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, sessionmaker

from alkey import texts
from models import Base, Child, Document, Engineer, Order, Parent, Seat, Tag, User, tags_of_users
from watch import Watch

Sessions = sessionmaker[Session]
users: sa.Table = Base.metadata.tables["users"]
NAMES = "users#1 users#2 users#3 users#4 users#* orders#1 orders#* people#1"


@pytest.fixture(autouse=True)
def _filled(sessions: Sessions) -> None:
    with sessions.begin() as session:
        session.add_all([User(id=1, name="a", orders=[Order(id=1)]), User(id=2), User(id=3)])
        session.add_all([Tag(name="x"), Engineer(id=1)])


def changed_by(watch: Watch, sessions: Sessions, *statements: sa.Executable, names: str = NAMES) -> set[str]:
    with watch.changed(names) as changed, sessions.begin() as session:
        for statement in statements:
            session.execute(statement)
    return changed


EVERY_USER = {"users#1", "users#2", "users#3", "users#4", "users#*"}


@pytest.mark.parametrize("target", [User, users])
def test_update_and_delete(sessions: Sessions, watch: Watch, target: type[User] | sa.Table) -> None:
    id_ = users.c.id if isinstance(target, sa.Table) else User.id
    update = sa.update(target)
    one = {"users#1", "users#*"}
    assert changed_by(watch, sessions, update.values(visits=1)) == EVERY_USER
    assert changed_by(watch, sessions, update.where(id_ > 1).values(visits=1)) == EVERY_USER
    assert changed_by(watch, sessions, update.where(id_ == 1).values(visits=1)) == one
    assert changed_by(watch, sessions, update.where(id_ == 1, users.c.name == "a").values(visits=1)) == one
    assert changed_by(watch, sessions, update.where((id_ == 1) | (id_ == 2)).values(visits=1)) == EVERY_USER
    assert changed_by(watch, sessions, update.where(id_ == id_ * 1).values(visits=1)) == EVERY_USER
    assert changed_by(watch, sessions, update.where(id_ != 1).values(visits=1)) == EVERY_USER
    assert changed_by(watch, sessions, sa.delete(target).where(id_ == 2)) == {"users#2", "users#*"}
    assert changed_by(watch, sessions, sa.delete(target).where(id_ > 2)) == EVERY_USER


def test_an_update_of_the_primary_key(sessions: Sessions, watch: Watch) -> None:
    with watch.changed(NAMES) as changed, sessions.begin() as session:
        session.execute(sa.update(users).where(users.c.id == 2).values(id=4))
    assert changed == {"users#2", "users#4", "users#*"}
    assert (
        changed_by(watch, sessions, sa.update(users).where(users.c.id == 4).values(id=users.c.id + 5))
        == EVERY_USER
    )


def test_inserts(sessions: Sessions, watch: Watch) -> None:
    assert changed_by(watch, sessions, sa.insert(users).values(id=4, visits=0)) == {"users#4", "users#*"}
    # The database gives the key, and is asked for it.
    with watch.changed("users#1 users#100 users#*") as changed, sessions.begin() as session:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(sa.text("SELECT setval('users_id_seq', 99)"))
        else:
            session.execute(sa.insert(users).values(id=99, visits=0))
        session.execute(sa.insert(users).values(visits=0))
    assert changed == {"users#100", "users#*"}
    assert changed_by(watch, sessions, sa.insert(Order).values(id=9, customer=2, total=0)) == {
        "users#2", "users#*", "orders#*",
    }  # fmt: skip


def test_inserts_that_return_their_rows(sessions: Sessions, watch: Watch) -> None:
    with watch.changed("users#1 users#4 users#5 users#*") as changed, sessions.begin() as session:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(sa.text("SELECT setval('users_id_seq', 3)"))
        assert (
            len(session.scalars(sa.insert(User).returning(User), [{"visits": 1}, {"visits": 2}]).all()) == 2
        )
    assert changed == {"users#4", "users#5", "users#*"}


def test_inserts_whose_keys_nobody_learns(sessions: Sessions, watch: Watch) -> None:
    copy = sa.insert(users).from_select(["id", "visits"], sa.select(users.c.id + 200, users.c.visits))
    assert changed_by(watch, sessions, copy) == EVERY_USER
    many = sa.insert(users).values([{"id": 301, "visits": 0}, {"id": 302, "visits": 0}])
    assert changed_by(watch, sessions, many) == EVERY_USER
    with watch.changed(NAMES) as changed, sessions.begin() as session:
        session.execute(sa.insert(users), [{"id": 4, "visits": 0}, {"id": 5, "visits": 0}])
    assert changed == {"users#4", "users#*"}


def test_an_upsert_changes_whatever_was_there(sessions: Sessions, watch: Watch) -> None:
    dialect = sessions.kw["bind"].dialect.name
    insert = (
        sa.dialects.registry.load(dialect)
        and __import__(f"sqlalchemy.dialects.{dialect}", fromlist=["insert"]).insert
    )
    upsert = (
        insert(users).values(id=1, visits=1).on_conflict_do_update(index_elements=["id"], set_={"visits": 5})
    )
    assert changed_by(watch, sessions, upsert) == EVERY_USER


def test_bulk_operations(sessions: Sessions, watch: Watch) -> None:
    with watch.changed(NAMES) as changed, sessions.begin() as session:
        session.bulk_update_mappings(sa.inspect(User), [{"id": 1, "visits": 5}])
    assert changed == {"users#1", "users#*"}
    with watch.changed(NAMES) as changed, sessions.begin() as session:
        session.execute(sa.update(User), [{"id": 1, "visits": 6}, {"id": 2, "visits": 6}])
    assert changed == {"users#1", "users#2", "users#*"}
    with watch.changed(NAMES) as changed, sessions.begin() as session:
        session.bulk_insert_mappings(sa.inspect(User), [{"id": 4, "visits": 5}])
    assert changed == {"users#4", "users#*"}
    with watch.changed(NAMES) as changed, sessions.begin() as session:
        session.bulk_save_objects([Order(id=7, customer=1, total=0)])
    assert changed == {"orders#*", "users#1", "users#*"}
    with watch.changed("people#2 engineers#2 engineers#1") as changed, sessions.begin() as session:
        session.bulk_save_objects([Engineer(id=2)])
    assert changed == {"people#2", "engineers#2"}


def test_a_bulk_operation_after_a_flush_that_failed(sessions: Sessions, watch: Watch) -> None:
    with watch.changed("users#1 users#4") as changed, sessions() as session:
        with pytest.raises(sa.exc.IntegrityError), session.begin_nested():
            session.add(User(id=1))
            session.flush()
        # It sends what a flush sends, and there is none that would name its rows afterwards.
        session.bulk_insert_mappings(sa.inspect(User), [{"id": 4, "visits": 0}])
        session.commit()
    assert changed == {"users#4"}


def test_links(sessions: Sessions, watch: Watch) -> None:
    names = "users#1 users#2 tags#x tags_of_users#1,x tags_of_users#2,x"
    insert = sa.insert(tags_of_users).values(user_id=1, tag_name="x")
    assert changed_by(watch, sessions, insert, names=names) == {"users#1", "tags#x", "tags_of_users#1,x"}
    delete = sa.delete(tags_of_users).where(tags_of_users.c.user_id == 1)
    changed = changed_by(watch, sessions, delete, names=names)
    assert changed == {"users#1", "tags_of_users#1,x", "tags_of_users#2,x"}


def test_cascades_of_bulk_deletes(sessions: Sessions, watch: Watch) -> None:
    parents = Base.metadata.tables["parents"]
    changed = changed_by(watch, sessions, sa.delete(parents), names="children#1 grandchildren#1 users#1")
    assert changed == {"children#1", "grandchildren#1"}
    children = sa.update(Child).where(Child.id == 7).values(parent_id=1)
    assert changed_by(watch, sessions, children, names="children#1 children#7 grandchildren#1") == {
        "children#7"
    }
    children = sa.update(Child).where(Child.id == 7).values(id=8)
    assert changed_by(watch, sessions, children, names="children#1 children#7 children#8 grandchildren#1") == {
        "children#7", "children#8", "grandchildren#1",
    }  # fmt: skip


def test_writing_ctes(pg_engine: sa.Engine, alkey: object, watch: Watch) -> None:
    from alkey import Alkey

    assert isinstance(alkey, Alkey)
    Base.metadata.create_all(pg_engine)
    bound = sessionmaker(pg_engine)
    alkey.bind(bound)
    gone = sa.delete(Seat).where(Seat.row == 1).returning(Seat.row).cte("gone")
    assert changed_by(watch, bound, sa.select(gone), names="seats#1,a users#1") == {"seats#1,a"}
    insert = sa.insert(Document).from_select(["title"], sa.select(sa.cast(gone.c.row, sa.String)))
    assert changed_by(watch, bound, insert, names="seats#1,a users#1 Documents-2#*") == {
        "seats#1,a",
        "Documents-2#*",
    }
    updated = sa.update(User).where(User.id == 1).values(visits=1).returning(User)
    with watch.changed("users#1 seats#1,a") as changed, bound.begin() as session:
        session.scalars(sa.select(User).from_statement(updated)).all()
    assert changed == {"users#1"}


def test_the_connection_of_the_session(sessions: Sessions, watch: Watch) -> None:
    with watch.changed(NAMES) as changed, sessions.begin() as session:
        session.connection().execute(sa.update(users).where(users.c.id == 1).values(visits=1))
    assert changed == {"users#1", "users#*"}
    with watch.changed(NAMES) as changed, sessions.begin() as session:
        session.connection().exec_driver_sql("UPDATE users SET visits = 7")
    assert changed == EVERY_USER


def test_selects_change_nothing(sessions: Sessions, watch: Watch) -> None:
    cte = sa.select(User.id).cte()
    union = sa.union(sa.select(users.c.id), sa.select(users.c.id))
    text = sa.text("SELECT id FROM users WHERE id = :id").columns(users.c.id).bindparams(id=1)
    with watch.changed(NAMES + " *#*") as changed, sessions.begin() as session:
        for statement in (
            sa.select(User),
            sa.select(cte),
            union,
            text,
            sa.select(sa.func.count()),
            sa.func.now(),
        ):
            session.execute(statement)
        session.scalars(sa.select(User).from_statement(sa.text("SELECT * FROM users"))).all()
        session.execute(sa.text("SELECT 1"))
        session.connection().exec_driver_sql("SELECT 1")
        session.execute(sa.select(User).with_for_update())
    assert changed == set()


def test_without_a_parser_text_changes_everything(
    sessions: Sessions, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "is_available", lambda: False)
    for text in (
        "UPDATE users SET visits = 7 WHERE id = 1",
        "DELETE FROM orders",
        "WITH x AS (SELECT 1) DELETE FROM orders",
    ):
        assert changed_by(watch, sessions, sa.text(text)) == set(NAMES.split())
    with watch.changed(NAMES) as changed, sessions.begin() as session:
        drop = sa.schema.DropTable(Base.metadata.tables["seats"])
        session.execute(drop)
        session.execute(sa.schema.CreateTable(Base.metadata.tables["seats"]))
    assert changed == set()
    assert changed_by(
        watch,
        sessions,
        sa.DDL("ALTER TABLE users ADD COLUMN x INTEGER"),
    ) == set(NAMES.split())


def test_a_bulk_update_of_an_instance_that_is_loaded(sessions: Sessions, watch: Watch) -> None:
    with watch.changed(NAMES) as changed, sessions.begin() as session:
        user = session.get_one(User, 1)
        session.execute(
            sa.update(User).where(User.id == 1).values(visits=2),
            execution_options={"synchronize_session": "evaluate"},
        )
        assert user.visits == 2
    assert changed == {"users#1", "users#*"}


def test_an_upsert_does_not_tell_what_a_delete_would(sessions: Sessions, watch: Watch) -> None:
    insert: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
    with watch.changed("parents#1 children#1") as changed, sessions.begin() as session:
        upsert = insert[session.get_bind().dialect.name](Parent).values(id=1, name="new")
        session.execute(upsert.on_conflict_do_update(index_elements=["id"], set_={"name": "new"}))
    assert changed == {"parents#1"}
