"""What points at a row by a unique column that is not its primary key changes the key of what it points at, too: of its
table, since nobody knows which row it is."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    foreign,
    mapped_column,
    relationship,
    remote,
    sessionmaker,
)

from alkey import Alkey
from watch import Watch

Sessions = sessionmaker[Session]
NAMES = "countries#1 countries#2 cities#1 shops#1 shops#2"


class Base(DeclarativeBase):
    pass


class Country(Base):
    __tablename__ = "countries"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)


class City(Base):
    __tablename__ = "cities"
    id: Mapped[int] = mapped_column(primary_key=True)
    country_code: Mapped[str | None] = mapped_column(sa.ForeignKey("countries.code"))
    name: Mapped[str | None]
    country: Mapped[Country | None] = relationship()


class Village(Base):
    """Without a foreign key."""

    __tablename__ = "villages"
    id: Mapped[int] = mapped_column(primary_key=True)
    country_code: Mapped[str | None]
    country: Mapped[Country | None] = relationship(
        primaryjoin=lambda: foreign(Village.country_code) == remote(Country.code)
    )


class Shop(Base):
    """Of one of several owners: who points at it must have the same."""

    __tablename__ = "shops"
    __table_args__ = (sa.UniqueConstraint("owner", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[int]


class Sale(Base):
    __tablename__ = "sales_of_shops"
    __table_args__ = (sa.ForeignKeyConstraint(["owner", "shop_id"], ["shops.owner", "shops.id"]),)
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[int]
    shop_id: Mapped[int | None]


@pytest.fixture
def bound(engine: sa.Engine, alkey: Alkey) -> Sessions:
    Base.metadata.create_all(engine)
    sessions = sessionmaker(engine)
    alkey.bind(sessions)
    with sessions.begin() as session:
        session.add_all([Country(id=1, code="AT"), Country(id=2, code="DE")])
        session.add_all([Shop(id=1, owner=7), Shop(id=2, owner=7)])
    return sessions


EVERY_COUNTRY = {"countries#1", "countries#2"}


def changed_by(watch: Watch, sessions: Sessions, work: Any) -> set[str]:
    with watch.changed(NAMES) as changed, sessions.begin() as session:
        work(session)
    return changed - {"cities#1"}


@pytest.mark.parametrize("kind", [City, Village])
def test_the_orm(bound: Sessions, watch: Watch, kind: Any) -> None:
    def insert(session: Session) -> None:
        session.add(kind(id=1, country=session.get(Country, 1)))

    def insert_by_code(session: Session) -> None:
        session.add(kind(id=2, country_code="DE"))

    def insert_of_none(session: Session) -> None:
        session.add(kind(id=3))

    def move(session: Session) -> None:
        session.get_one(kind, 1).country_code = "DE"

    def leave(session: Session) -> None:
        session.get_one(kind, 2).country_code = None

    def delete(session: Session) -> None:
        session.delete(session.get_one(kind, 1))

    for work in (insert, insert_by_code, move, leave, delete):
        assert changed_by(watch, bound, work) == EVERY_COUNTRY, work
    assert changed_by(watch, bound, insert_of_none) == set()


def test_core(bound: Sessions, watch: Watch) -> None:
    for statement in (
        sa.insert(City).values(id=1, country_code="AT"),
        sa.delete(City).where(City.country_code == "AT"),
    ):
        assert (
            changed_by(watch, bound, lambda session, each=statement: session.execute(each)) == EVERY_COUNTRY
        )
    nothing = sa.insert(City).values(id=1, country_code=None)
    assert changed_by(watch, bound, lambda session: session.execute(nothing)) == set()


def test_where_the_key_is_among_the_columns_it_is_the_row(bound: Sessions, watch: Watch) -> None:
    def insert(session: Session) -> None:
        session.add(Sale(id=1, owner=7, shop_id=1))

    assert changed_by(watch, bound, insert) == {"shops#1"}
    statement = sa.insert(Sale).values(id=2, owner=7, shop_id=2)
    assert changed_by(watch, bound, lambda session: session.execute(statement)) == {"shops#2"}
