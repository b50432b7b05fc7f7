"""Which scopes a write changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.orm.attributes import set_committed_value

from alkey import Alkey
from alkey.sqlalchemy import scoped
from scoped_models import Base, Customer, Driver, Place, Sale, Worker
from watch import Watch

Sessions = sessionmaker[Session]
sales: sa.Table = Base.metadata.tables["sales"]
OF_CUSTOMERS = "sales#customer=1 sales#customer=2 sales#customer=3 sales#customer=%0"
OF_SHOPS = "sales#shop=a,state=1 sales#shop=a,state=2 sales#shop=b,state=1"
NAMES = f"{OF_CUSTOMERS} {OF_SHOPS}"
ALL = set(NAMES.split())


@pytest.fixture
def sessions(engine: sa.Engine, alkey: Alkey) -> Sessions:
    Base.metadata.create_all(engine)
    bound = sessionmaker(engine)
    alkey.bind(bound)
    with bound.begin() as session:
        session.add_all([Customer(id=number) for number in (1, 2, 3)])
        session.flush()
        session.add_all([Sale(id=number, customer_id=number) for number in (1, 2)])
        session.add_all([Driver(id=1, team=1), Worker(id=2, team=2)])
    return bound


def changed_by(
    watch: Watch, sessions: Sessions, write: Callable[[Session], Any], names: str = NAMES
) -> set[str]:
    with watch.changed(names) as changed, sessions.begin() as session:
        write(session)
    return changed


def statement(text: sa.Executable, *parameters: Any) -> Callable[[Session], Any]:
    return lambda session: session.execute(text, *parameters)


def test_a_flush(sessions: Sessions, watch: Watch) -> None:
    def changed(write: Callable[[Session], Any]) -> set[str]:
        return changed_by(watch, sessions, write)

    def move(session: Session) -> None:
        session.get_one(Sale, 1).customer_id = 2

    def set_total(session: Session) -> None:
        session.get_one(Sale, 1).total += 1

    def set_state(session: Session) -> None:
        session.get_one(Sale, 1).state = 2

    def append(session: Session) -> None:
        customer = session.get_one(Customer, 3)
        customer.sales.append(session.get_one(Sale, 1))

    def detach(session: Session) -> None:
        session.delete(session.get_one(Customer, 3))

    first, shop = "sales#customer=1", "sales#shop=a,state=1"
    assert changed(lambda session: session.add(Sale(id=3, customer_id=3, state=1))) == {
        "sales#customer=3",
        shop,
    }
    assert changed(set_total) == {first, shop}
    assert changed(move) == {first, "sales#customer=2", shop}
    assert changed(append) == {"sales#customer=2", "sales#customer=3", shop}
    assert changed(set_state) == {"sales#customer=3", shop, "sales#shop=a,state=2"}
    assert changed(detach) == {"sales#customer=3", "sales#customer=%0", shop, "sales#shop=a,state=2"}
    assert changed(lambda session: session.delete(session.get_one(Sale, 1))) == {
        "sales#customer=%0",
        "sales#shop=a,state=2",
    }
    assert changed(lambda session: session.add(Customer(id=4))) == set()


def test_what_the_database_gives_is_not_known(sessions: Sessions, watch: Watch) -> None:
    assert changed_by(watch, sessions, lambda session: session.add(Sale(id=3, customer_id=3))) == ALL

    def compute(session: Session) -> None:
        session.get_one(Sale, 1).customer_id = sa.select(sa.func.min(Customer.id)).scalar_subquery()

    assert changed_by(watch, sessions, compute) == ALL


def test_what_the_session_holds_may_be_old(sessions: Sessions, watch: Watch) -> None:
    """Another transaction may have moved the row since it was loaded: what counts is what the database holds."""

    def write(session: Session) -> None:
        sale = session.get_one(Sale, 1)
        set_committed_value(sale, "customer_id", 3)
        sale.total = 5

    assert changed_by(watch, sessions, write) == {"sales#customer=1", "sales#shop=a,state=1"}


def test_what_another_transaction_does_meanwhile(
    sessions: Sessions, watch: Watch, pg_engine: sa.Engine
) -> None:
    """The first one holds a row that the second one moves before the first one changes it."""
    if sessions.kw["bind"] is not pg_engine:
        pytest.skip("what PostgreSQL lets two do")
    for write in ({"total": 5}, {"customer_id": 3}):
        with sessions() as first:
            sale = first.get_one(Sale, 1)
            moved = sale.customer_id == 1
            with sessions.begin() as second:
                second.get_one(Sale, 1).customer_id = 2 if moved else 1
            with watch.changed("sales#customer=1 sales#customer=2 sales#customer=3") as changed:
                for attribute, value in write.items():
                    setattr(sale, attribute, value)
                first.commit()
        assert changed == {f"sales#customer={2 if moved else 1}"} | (
            {"sales#customer=3"} if "customer_id" in write else set()
        )


def test_a_row_too_many_is_not_read(
    sessions: Sessions, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(session: Session) -> None:
        for sale in session.scalars(sa.select(Sale)).all():
            sale.total += 1

    for maximum, expected in ((2, {"sales#customer=1", "sales#customer=2"}), (1, set(OF_CUSTOMERS.split()))):
        monkeypatch.setattr(scoped, "ROWS_MAX", maximum)
        assert changed_by(watch, sessions, write, OF_CUSTOMERS) == expected


def test_savepoints(sessions: Sessions, watch: Watch) -> None:
    def write(session: Session) -> None:
        with session.begin_nested() as point:
            session.get_one(Sale, 2).total = 9
            session.flush()
            point.rollback()
        session.get_one(Sale, 1).total = 9

    assert changed_by(watch, sessions, write, OF_CUSTOMERS) == {"sales#customer=1"}


def test_statements(sessions: Sessions, watch: Watch) -> None:
    def changed(text: sa.Executable, *parameters: Any) -> set[str]:
        return changed_by(watch, sessions, statement(text, *parameters))

    shop = "sales#shop=a,state=1"
    new = {"shop": "a", "state": 1, "total": 0}
    assert changed(sa.insert(Sale).values(id=5, customer_id=1, **{**new, "state": 2})) == {
        "sales#customer=1",
        "sales#shop=a,state=2",
    }
    assert changed(sa.insert(sales), [{"id": 6, "customer": 3, **new}, {"id": 7, "customer": 1, **new}]) == {
        "sales#customer=1",
        "sales#customer=3",
        shop,
    }
    assert (
        changed(sa.insert(sales).values([{"id": 8, "customer": 3, **new}, {"id": 9, "customer": 1, **new}]))
        == ALL
    )
    assert changed(sa.insert(sales).values(id=10, customer=1, shop="a", total=0)) == ALL
    assert (
        changed(sa.insert(sales).from_select(["id", "shop"], sa.select(sa.literal(11), sa.literal("z"))))
        == ALL
    )
    assert changed(sa.update(Sale).where(Sale.id == 1).values(customer_id=2)) == {
        "sales#customer=1",
        "sales#customer=2",
        shop,
    }
    assert changed(sa.update(Sale).where(Sale.id == 1).values({"customer_id": 3})) == {
        "sales#customer=2",
        "sales#customer=3",
        shop,
    }
    assert changed(sa.update(sales).where(sales.c.id == 1).values(customer=sales.c.customer - 1)) == ALL
    assert changed(sa.update(sales).where(sales.c.id == 1).values(state=2)) == {
        "sales#customer=2",
        shop,
        "sales#shop=a,state=2",
    }
    assert changed(sa.update(sales).where(sales.c.customer == 1).values(total=2)) == ALL
    assert changed(sa.delete(sales).where(sales.c.id == 1)) == {"sales#customer=2", "sales#shop=a,state=2"}
    assert changed(sa.delete(sales).where(sales.c.id == 99)) == set()
    assert changed(sa.delete(sales).where(sales.c.total > 1)) == ALL
    assert changed(sa.text("DELETE FROM sales")) == ALL


def test_bulk_operations(sessions: Sessions, watch: Watch) -> None:
    def changed(write: Callable[[Session], Any]) -> set[str]:
        return changed_by(watch, sessions, write)

    sale, shop = sa.inspect(Sale), "sales#shop=a,state=1"
    new = {"id": 5, "customer_id": 3, "shop": "a", "state": 2, "total": 0}
    assert changed(lambda session: session.bulk_insert_mappings(sale, [new])) == {
        "sales#customer=3",
        "sales#shop=a,state=2",
    }
    assert changed(lambda session: session.bulk_update_mappings(sale, [{"id": 5, "state": 1}])) == {
        "sales#customer=3",
        "sales#shop=a,state=2",
        shop,
    }
    assert changed(lambda session: session.execute(sa.update(Sale), [{"id": 1, "customer_id": 2}])) == {
        "sales#customer=1",
        "sales#customer=2",
        shop,
    }


def test_joined_inheritance(sessions: Sessions, watch: Watch) -> None:
    names = "workers#team=1 workers#team=2 workers#team=3"

    def changed(write: Callable[[Session], Any]) -> set[str]:
        return changed_by(watch, sessions, write, names)

    def drive(session: Session) -> None:
        session.get_one(Driver, 1).car = "x"

    def move(session: Session) -> None:
        session.get_one(Driver, 1).team = 3

    assert changed(drive) == {"workers#team=1"}
    assert changed(move) == {"workers#team=1", "workers#team=3"}
    assert changed(lambda session: session.delete(session.get_one(Driver, 1))) == {"workers#team=3"}
    assert changed(lambda session: session.add(Driver(id=7, team=2))) == {"workers#team=2"}


def test_a_key_of_two_columns(sessions: Sessions, watch: Watch) -> None:
    names = "places#zone=1 places#zone=2 places#zone=3 places#zone=4"

    def changed(write: Callable[[Session], Any]) -> set[str]:
        return changed_by(watch, sessions, write, names)

    def add(session: Session) -> None:
        session.add_all([Place(row=1, letter="a", zone=1), Place(row=1, letter="b", zone=2)])
        session.add(Place(row=2, letter="a", zone=3))

    def move(session: Session) -> None:
        for letter in ("a", "b"):
            session.get_one(Place, (1, letter)).zone = 4

    def delete(session: Session) -> None:
        session.delete(session.get_one(Place, (2, "a")))

    assert changed(add) == {"places#zone=1", "places#zone=2", "places#zone=3"}
    assert changed(move) == {"places#zone=1", "places#zone=2", "places#zone=4"}
    assert changed(delete) == {"places#zone=3"}


def test_in_autocommit_tables_change(sessions: Sessions, watch: Watch, engine: sa.Engine) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("this engine begins by itself")
    sessions.configure(bind=engine.execution_options(isolation_level="AUTOCOMMIT"))
    with watch.changed(NAMES) as changed, sessions() as session:
        session.get_one(Sale, 1).total = 9
        session.flush()
    assert changed == ALL


def test_a_list_is_cached_by_its_scope(sessions: Sessions, alkey: Alkey) -> None:
    cache: dict[str, Any] = {}
    loads = []

    def total(customer: int) -> int:
        def load() -> int:
            loads.append(customer)
            with sessions() as session:
                return (
                    session.scalar(sa.select(sa.func.sum(Sale.total)).where(Sale.customer_id == customer))
                    or 0
                )

        return alkey.cached(cache, alkey.scope(Sale, customer_id=customer), load=load)

    def write(id_: int) -> None:
        with sessions.begin() as session:
            session.get_one(Sale, id_).total += 1

    assert [total(1), total(2), total(1), total(2), loads] == [0, 0, 0, 0, [1, 2]]
    write(1)
    assert [total(1), total(2), loads] == [1, 0, [1, 2, 1]]
    alkey.touch(alkey.scope(Sale, customer_id=2))
    assert [total(1), total(2), loads] == [1, 0, [1, 2, 1, 2]]
