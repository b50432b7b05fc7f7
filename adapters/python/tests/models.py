"""The tables of the tests that write: one of each kind that matters, small enough to have them all in one database."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, sessionmaker

from alkey import Alkey


class Base(DeclarativeBase):
    pass


tags_of_users = sa.Table(
    "tags_of_users",
    Base.metadata,
    sa.Column("user_id", sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("tag_name", sa.ForeignKey("tags.name"), primary_key=True),
)


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    visits: Mapped[int] = mapped_column(default=0)
    orders: Mapped[list[Order]] = relationship(back_populates="buyer", cascade="all, delete-orphan")
    tags: Mapped[list[Tag]] = relationship(secondary=tags_of_users)


class Tag(Base):
    __tablename__ = "tags"
    name: Mapped[str] = mapped_column(primary_key=True)
    note: Mapped[str | None]


class Order(Base):
    """Its foreign key is named unlike its relationship."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    total: Mapped[int] = mapped_column(default=0)
    buyer: Mapped[User | None] = relationship(back_populates="orders")


class Parent(Base):
    """What points at it the database changes by itself."""

    __tablename__ = "parents"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]


class Child(Base):
    __tablename__ = "children"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int] = mapped_column(sa.ForeignKey("parents.id", ondelete="CASCADE"))


class Grandchild(Base):
    __tablename__ = "grandchildren"
    id: Mapped[int] = mapped_column(primary_key=True)
    child_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("children.id", ondelete="SET NULL", onupdate="CASCADE")
    )


class Person(Base):
    """Joined-table inheritance."""

    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[str | None]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}


class Engineer(Person):
    __tablename__ = "engineers"
    id: Mapped[int] = mapped_column(sa.ForeignKey("people.id"), primary_key=True)
    field: Mapped[str | None]
    __mapper_args__ = {"polymorphic_identity": "engineer"}


class Animal(Base):
    """Single-table inheritance."""

    __tablename__ = "animals"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}


class Dog(Animal):
    trick: Mapped[str | None]
    __mapper_args__ = {"polymorphic_identity": "dog"}


class Document(Base):
    __tablename__ = "Documents-2"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    title: Mapped[str | None]


class Seat(Base):
    __tablename__ = "seats"
    row: Mapped[int] = mapped_column(primary_key=True)
    letter: Mapped[str] = mapped_column(primary_key=True)
    taken: Mapped[bool] = mapped_column(default=False)


def bound_to(alkey: Alkey, engine: sa.Engine, **options: Any) -> sessionmaker[Session]:
    """Sessions that are bound, on an engine that has the tables."""
    Base.metadata.create_all(engine)
    sessions = sessionmaker(engine, **options)
    alkey.bind(sessions)
    return sessions


def ids_in(engine: sa.Engine) -> list[int]:
    """Of the users that the database has."""
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(User.id).order_by(User.id)))
