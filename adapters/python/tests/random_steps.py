"""What a random session does, one step at a time, each with what its keys may change: see test_random_writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from models import Child, Engineer, Grandchild, Order, Parent, Person, Seat, Tag, User, tags_of_users

KEYS = (1, 2, 3)
TAGS = ("x", "*")
LETTERS = ("a", "1")
NAMES = ("n", "m")

# The rows that there may be: the keys of each table.
ROWS: dict[str, list[tuple[Any, ...]]] = {
    **{
        table: [(key,) for key in KEYS]
        for table in ("users", "orders", "people", "engineers", "parents", "children", "grandchildren")
    },
    "tags": [(tag,) for tag in TAGS],
    "tags_of_users": [(user, tag) for user in KEYS for tag in TAGS],
    "seats": [(row, letter) for row in KEYS for letter in LETTERS],
}
Row = tuple[str, tuple[Any, ...]]


class Run:
    """One session, and for each of its savepoints what its keys may change."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.may_change: list[set[Row]] = [set()]

    def may(self, table: str, *key: Any) -> None:
        """Without a key: all rows of the table."""
        self.may_change[-1].update([(table, key)] if key else [(table, each) for each in ROWS[table]])

    def may_order(self, order: Order) -> None:
        self.may("orders", order.id)
        if order.customer is not None:
            self.may("users", order.customer)

    def may_links(self, user: User, tag: Tag) -> None:
        for row in (("tags_of_users", user.id, tag.name), ("users", user.id), ("tags", tag.name)):
            self.may(*row)


Step = Callable[[Run, int, int], None]


def add_user(run: Run, key: int, other: int) -> None:
    if run.session.get(User, key) is None or other == KEYS[-1]:
        run.may("users", key)
        run.session.add(User(id=key, name=NAMES[other % 2]))


def rename_user(run: Run, key: int, other: int) -> None:
    user = run.session.get(User, key)
    if user is not None:
        if user.name != NAMES[other % 2]:
            run.may("users", key)
        user.name = NAMES[other % 2]


def compute_visits(run: Run, key: int, _other: int) -> None:
    user = run.session.get(User, key)
    if user is not None:
        run.may("users", key)
        user.visits = User.visits + 1


def delete_user(run: Run, key: int, _other: int) -> None:
    user = run.session.get(User, key)
    if user is not None:
        run.may("users", key)
        for order in user.orders:
            run.may_order(order)
        for tag in user.tags:
            run.may_links(user, tag)
        run.session.delete(user)


def change_key(run: Run, key: int, other: int) -> None:
    seat = run.session.get(Seat, (key, "a"))
    if seat is not None and run.session.get(Seat, (other, "1")) is None:
        run.may("seats", key, "a")
        run.may("seats", other, "1")
        seat.row, seat.letter = other, "1"


def add_seat(run: Run, key: int, _other: int) -> None:
    if run.session.get(Seat, (key, "a")) is None:
        run.may("seats", key, "a")
        run.session.add(Seat(row=key, letter="a"))


def add_order(run: Run, key: int, other: int) -> None:
    if run.session.get(Order, key) is None:
        order = Order(id=key, customer=other)
        run.may_order(order)
        run.session.add(order)


def move_order(run: Run, key: int, other: int) -> None:
    order = run.session.get(Order, key)
    if order is not None and order.customer != other and run.session.get(User, other) is not None:
        run.may_order(order)
        order.customer = other
        run.may_order(order)


def assign_the_same(run: Run, key: int, _other: int) -> None:
    """Which changes nothing."""
    for kind in (User, Order, Person):
        instance = run.session.get(kind, key)
        if instance is not None:
            for attribute in ("name", "customer", "total"):
                if hasattr(instance, attribute):
                    setattr(instance, attribute, getattr(instance, attribute))


def move_expired_order(run: Run, key: int, other: int) -> None:
    """Which user it had is unknown."""
    order = run.session.get(Order, key)
    if order is not None and run.session.get(User, other) is not None:
        run.session.flush()
        run.session.expire(order)
        run.may("orders", key)
        run.may("users")
        order.customer = other


def pop_order(run: Run, key: int, _other: int) -> None:
    user = run.session.get(User, key)
    if user is not None and user.orders:
        run.may_order(user.orders[-1])
        user.orders.pop()


def take_order(run: Run, key: int, other: int) -> None:
    user, order = run.session.get(User, key), run.session.get(Order, other)
    if user is not None and order is not None and order not in user.orders:
        run.may_order(order)
        run.may("users", key)
        user.orders.append(order)


def delete_order(run: Run, key: int, _other: int) -> None:
    order = run.session.get(Order, key)
    if order is not None:
        run.may_order(order)
        run.session.delete(order)


def toggle_tag(run: Run, key: int, other: int) -> None:
    user, tag = run.session.get(User, key), run.session.get(Tag, TAGS[other % 2])
    if tag is None:
        run.may("tags", TAGS[other % 2])
        run.session.add(Tag(name=TAGS[other % 2]))
    elif user is not None:
        run.may_links(user, tag)
        if tag in user.tags:
            user.tags.remove(tag)
        else:
            user.tags.append(tag)


def engineer(run: Run, key: int, other: int) -> None:
    person = run.session.get(Person, key)
    if person in run.session.deleted:
        # It is gone with the next flush. SQLAlchemy raises a KeyError if that is of a column's own asking.
        return
    if not isinstance(person, Engineer):
        run.may("people", key)
        run.may("engineers", key)
        run.session.add(Engineer(id=key, name=NAMES[0]))
    elif other == KEYS[-1]:
        run.may("people", key)
        run.may("engineers", key)
        run.session.delete(person)
    else:
        attribute = ("name", "field")[other % 2]
        if getattr(person, attribute) != NAMES[1]:
            run.may("people", key)
            run.may("engineers", key)
        setattr(person, attribute, NAMES[1])


def family(run: Run, key: int, other: int) -> None:
    """What the database deletes, or sets to null, nobody names but by its table."""
    parent = run.session.get(Parent, key)
    if parent is None:
        for table, row in (("parents", key), ("children", key), ("grandchildren", other)):
            run.may(table, row)
        run.session.add(Parent(id=key))
        run.session.flush()
        run.session.add(Child(id=key, parent_id=key))
        run.session.flush()
        run.session.add(Grandchild(id=other, child_id=key))
        run.may("children", key)
    else:
        run.may("parents", key)
        run.may("children")
        run.may("grandchildren")
        run.session.delete(parent)
        run.session.flush()
        run.session.expire_all()


def core_update(run: Run, key: int, other: int) -> None:
    run.may("users", key)
    run.session.execute(sa.update(User).where(User.id == key).values(visits=other))


def core_update_of_many(run: Run, _key: int, other: int) -> None:
    run.may("users")
    run.session.execute(sa.update(User).where(User.name == NAMES[0]).values(visits=other))


def core_delete(run: Run, key: int, _other: int) -> None:
    run.may("orders", key)
    run.session.execute(sa.delete(Order).where(Order.id == key))


def core_link(run: Run, key: int, other: int) -> None:
    run.session.flush()
    run.may("tags_of_users", key, TAGS[other % 2])
    run.may("users", key)
    run.may("tags", TAGS[other % 2])
    run.session.execute(
        sa.delete(tags_of_users).where(
            tags_of_users.c.user_id == key, tags_of_users.c.tag_name == TAGS[other % 2]
        )
    )
    run.session.expire_all()


def bulk_update(run: Run, key: int, other: int) -> None:
    run.session.flush()
    run.may("users", key)
    run.session.execute(sa.update(User), [{"id": key, "visits": other}])


def bulk_insert(run: Run, key: int, other: int) -> None:
    run.session.flush()
    run.may_order(Order(id=key, customer=other))
    run.session.execute(sa.insert(Order), [{"id": key, "customer": other}])


def insert_from_select(run: Run, key: int, _other: int) -> None:
    run.session.flush()
    run.may("users")
    chosen = sa.select(sa.literal(key), sa.literal(0)).where(
        ~sa.exists(sa.select(User.id).where(User.id == key))
    )
    run.session.execute(sa.insert(User).from_select(["id", "visits"], chosen))


def text(run: Run, key: int, other: int) -> None:
    run.session.flush()
    for table in ROWS:
        run.may(table)
    run.session.execute(
        sa.text("UPDATE users SET visits = :visits WHERE id = :id"), {"id": key, "visits": other}
    )
    run.session.expire_all()


def read(run: Run, key: int, _other: int) -> None:
    run.session.get(User, key)
    run.session.execute(sa.text("SELECT 1"))
    run.session.scalars(sa.select(Order)).all()


def flush(run: Run, _key: int, _other: int) -> None:
    run.session.flush()


def enter_savepoint(run: Run, _key: int, _other: int) -> None:
    run.session.begin_nested()
    run.may_change.append(set())


def release_savepoint(run: Run, _key: int, _other: int) -> None:
    nested = run.session.get_nested_transaction()
    if nested is not None:
        nested.commit()
        released = run.may_change.pop()
        run.may_change[-1] |= released


def roll_back_to_savepoint(run: Run, _key: int, _other: int) -> None:
    nested = run.session.get_nested_transaction()
    if nested is not None:
        nested.rollback()
        run.may_change.pop()


WRITES: tuple[Step, ...] = (
    add_user, rename_user, compute_visits, delete_user, change_key, add_seat, add_order, move_order,
    move_expired_order, pop_order, take_order, delete_order, toggle_tag, engineer, family, core_update,
    core_update_of_many, core_delete, core_link, bulk_update, bulk_insert, insert_from_select, text,
)  # fmt: skip
OTHERS: tuple[Step, ...] = (assign_the_same, read, flush)
