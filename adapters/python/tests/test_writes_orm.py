"""What a session's flushes change: these keys, and no others."""

from __future__ import annotations

from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from models import Animal, Child, Document, Dog, Engineer, Grandchild, Order, Parent, Person, Seat, Tag, User
from watch import Watch

Sessions = sessionmaker[Session]


@pytest.fixture
def filled(sessions: Sessions) -> Sessions:
    """Two users, of whom the first has two orders."""
    with sessions.begin() as session:
        session.add_all([User(id=1, name="a", orders=[Order(id=1), Order(id=2)]), User(id=2, name="b")])
    return sessions


def test_insert_update_and_delete(sessions: Sessions, watch: Watch) -> None:
    names = "users#1 users#2 users#* orders#* *#*"
    with watch.changed(names) as changed, sessions.begin() as session:
        session.add(User(id=1))
    assert changed == {"users#1", "users#*", "*#*"}
    with watch.changed(names) as changed, sessions.begin() as session:
        session.get_one(User, 1).name = "b"
    assert changed == {"users#1", "users#*", "*#*"}
    with watch.changed(names) as changed, sessions.begin() as session:
        session.delete(session.get_one(User, 1))
    assert changed == {"users#1", "users#*", "*#*"}
    with watch.changed(names) as changed:
        pass
    assert changed == set()


def test_a_key_that_the_database_gives(sessions: Sessions, watch: Watch) -> None:
    with watch.changed("users#1 users#2 users#3") as changed, sessions.begin() as session:
        session.add_all([User(), User()])
    assert changed == {"users#1", "users#2"}


def test_a_key_that_is_given_as_text_is_that_of_the_column(sessions: Sessions, watch: Watch) -> None:
    with watch.changed("users#7 users#8 users#%37") as changed, sessions.begin() as session:
        session.add(User(id="7"))
    assert changed == {"users#7"}


def test_several_flushes_one_commit(sessions: Sessions, watch: Watch) -> None:
    names = "users#1 users#2 users#3"
    with watch.changed(names) as changed, sessions() as session:
        for number in (1, 2):
            session.add(User(id=number))
            with watch.changed(names) as early:
                session.flush()
            assert early == set()
        session.commit()
    assert changed == {"users#1", "users#2"}


def test_what_a_before_commit_listener_changes(sessions: Sessions, watch: Watch) -> None:
    with watch.changed("users#1 users#2") as changed, sessions() as session:
        sa.event.listen(session, "before_commit", lambda session: session.add(User(id=2)))
        session.add(User(id=1))
        session.commit()
    assert changed == {"users#1", "users#2"}


def test_an_unchanged_assignment_changes_nothing(filled: Sessions, watch: Watch) -> None:
    with watch.changed("users#1 orders#1 *#*") as changed, filled.begin() as session:
        user, order = session.get_one(User, 1), session.get_one(Order, 1)
        user.name = user.name
        order.total = order.total
        order.customer = order.customer
    assert changed == set()


def test_a_value_that_the_database_computes(filled: Sessions, watch: Watch) -> None:
    with watch.changed("users#1 users#2") as changed, filled.begin() as session:
        session.get_one(User, 1).visits = User.visits + 1
    assert changed == {"users#1"}


def test_orphans(filled: Sessions, watch: Watch) -> None:
    with watch.changed("users#1 users#2 orders#1 orders#2") as changed, filled.begin() as session:
        user = session.get_one(User, 1)
        del user.orders[0]
    assert changed == {"users#1", "orders#1"}


def test_a_child_changes_its_parent(filled: Sessions, watch: Watch) -> None:
    names = "users#1 users#2 orders#1 orders#2 orders#3"
    with watch.changed(names) as changed, filled.begin() as session:
        session.add(Order(id=3, customer=2))
    assert changed == {"users#2", "orders#3"}
    with watch.changed(names) as changed, filled.begin() as session:
        session.get_one(Order, 1).total = 5
    assert changed == {"users#1", "orders#1"}
    with watch.changed(names) as changed, filled.begin() as session:
        session.delete(session.get_one(Order, 3))
    assert changed == {"users#2", "orders#3"}


@pytest.mark.parametrize("how", ["column", "relationship"])
def test_the_old_and_the_new_parent(filled: Sessions, watch: Watch, how: str) -> None:
    with watch.changed("users#1 users#2 users#3 orders#1") as changed, filled.begin() as session:
        order = session.get_one(Order, 1)
        if how == "column":
            order.customer = 2
        else:
            order.buyer = session.get_one(User, 2)
    assert changed == {"users#1", "users#2", "orders#1"}


def test_an_old_parent_that_nobody_read(filled: Sessions, watch: Watch) -> None:
    with watch.changed("users#1 users#2 orders#1") as changed, filled.begin() as session:
        order = session.get_one(Order, 1)
        session.expire(order)
        order.customer = 2
    assert changed == {"users#1", "users#2", "orders#1"}


def test_a_changed_primary_key(filled: Sessions, watch: Watch) -> None:
    with watch.changed("users#2 users#3 users#4") as changed, filled.begin() as session:
        session.get_one(User, 2).id = 3
    assert changed == {"users#2", "users#3"}


def test_links_of_many_to_many(sessions: Sessions, watch: Watch) -> None:
    with sessions.begin() as session:
        session.add_all([User(id=1), User(id=2), Tag(name="x"), Tag(name="y")])
    names = "users#1 users#2 tags#x tags#y tags_of_users#1,x tags_of_users#1,y tags_of_users#2,x"
    with watch.changed(names) as changed, sessions.begin() as session:
        user = session.get_one(User, 1)
        user.tags.append(session.get_one(Tag, "x"))
    assert changed == {"users#1", "tags#x", "tags_of_users#1,x"}
    with watch.changed(names) as changed, sessions.begin() as session:
        user = session.get_one(User, 1)
        user.tags.clear()
    assert changed == {"users#1", "tags#x", "tags_of_users#1,x"}


def test_joined_table_inheritance(sessions: Sessions, watch: Watch) -> None:
    names = "people#1 people#2 people#* engineers#1 engineers#2 engineers#*"
    of_one = {"people#1", "people#*", "engineers#1", "engineers#*"}
    with watch.changed(names) as changed, sessions.begin() as session:
        session.add(Engineer(id=1, name="a", field="x"))
    assert changed == of_one
    for attribute in ("name", "field"):
        with watch.changed(names) as changed, sessions.begin() as session:
            setattr(session.get_one(Engineer, 1), attribute, "new")
        assert changed == of_one
    with watch.changed(names) as changed, sessions.begin() as session:
        session.add(Person(id=2))
    assert changed == {"people#2", "people#*"}
    with watch.changed(names) as changed, sessions.begin() as session:
        session.delete(session.get_one(Person, 1))
    assert changed == of_one


def test_single_table_inheritance(sessions: Sessions, watch: Watch) -> None:
    with watch.changed("animals#1 animals#2 animals#*") as changed, sessions.begin() as session:
        session.add(Dog(id=1, trick="sits"))
    assert changed == {"animals#1", "animals#*"}
    with watch.changed("animals#1 animals#2") as changed, sessions.begin() as session:
        session.delete(session.get_one(Animal, 1))
    assert changed == {"animals#1"}


def test_keys_of_any_type_and_tables_of_any_name(sessions: Sessions, watch: Watch) -> None:
    one, other = UUID(int=1), UUID(int=2)
    with sessions.begin() as session:
        session.add_all(
            [Document(id=one), Document(id=other), Seat(row=-1, letter="1"), Seat(row=-1, letter="*")]
        )
        session.add_all([Tag(name=name) for name in ("*", "#", "a b", "", "1", "a,b")])
    names = f"Documents-2#{one} Documents-2#{other} seats#-1,%31 seats#-1,%2A seats#-1,1"
    with watch.changed(names) as changed, sessions.begin() as session:
        session.get_one(Document, one).title = "new"
        session.get_one(Seat, (-1, "*")).taken = True
    assert changed == {f"Documents-2#{one}", "seats#-1,%2A"}
    with (
        watch.changed("tags#%2A tags## tags#%s tags#%31 tags#a%2Cb tags#%0") as changed,
        sessions.begin() as session,
    ):
        session.get_one(Tag, "*").note = "new"
        session.get_one(Tag, "").note = "new"
    assert changed == {"tags#%2A", "tags#%s"}


def test_cascades_of_the_database(sessions: Sessions, watch: Watch) -> None:
    with sessions.begin() as session:
        session.add_all([Parent(id=1), Parent(id=2)])
        session.flush()
        session.add_all([Child(id=1, parent_id=1), Child(id=2, parent_id=2)])
        session.flush()
        session.add_all([Grandchild(id=1, child_id=1), Grandchild(id=2, child_id=2)])
    names = "parents#1 parents#2 children#1 children#2 grandchildren#1 grandchildren#2 users#1"
    with watch.changed(names) as changed, sessions.begin() as session:
        session.get_one(Parent, 1).name = "new"
    assert changed == {"parents#1"}
    with watch.changed(names) as changed, sessions.begin() as session:
        session.delete(session.get_one(Parent, 1))
    # Which rows the database deletes, and which it sets to null, nobody knows but itself.
    assert changed == set(names.split()) - {"parents#2", "users#1"}
    with watch.changed(names) as changed, sessions.begin() as session:
        session.get_one(Child, 2).id = 3
    assert changed == {"parents#2", "children#2", "grandchildren#1", "grandchildren#2"}


def test_what_a_listener_executes_during_a_flush(filled: Sessions, watch: Watch) -> None:
    def bump(_mapper: object, connection: sa.Connection, _order: Order) -> None:
        connection.execute(sa.update(User).where(User.id == 2).values(visits=9))

    sa.event.listen(Order, "after_insert", bump)
    try:
        with watch.changed("users#1 users#2 orders#3") as changed, filled.begin() as session:
            session.add(Order(id=3))
    finally:
        sa.event.remove(Order, "after_insert", bump)
    assert changed == {"users#2", "orders#3"}


def test_a_schema(pg_engine: sa.Engine, alkey: object, watch: Watch) -> None:
    from alkey import Alkey

    assert isinstance(alkey, Alkey)

    class Base(sa.orm.DeclarativeBase):
        pass

    class Sale(Base):
        __tablename__ = "users"
        __table_args__ = {"schema": "sales"}
        id: sa.orm.Mapped[int] = sa.orm.mapped_column(primary_key=True)

    with pg_engine.begin() as connection:
        connection.execute(sa.schema.CreateSchema("sales"))
    Base.metadata.create_all(pg_engine)
    bound = sessionmaker(pg_engine)
    alkey.bind(bound)
    with watch.changed("users#1 sales.users#1 sales.users#2") as changed, bound.begin() as session:
        session.add(Sale(id=1))
    assert changed == {"sales.users#1"}
