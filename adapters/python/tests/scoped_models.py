"""Tables with scopes: of each kind that is changed in another way."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    sales: Mapped[list[Sale]] = relationship(back_populates="customer", cascade="save-update, merge")


class Sale(Base):
    """An attribute of it is named unlike its column."""

    __tablename__ = "sales"
    __alkey_scopes__ = ("customer_id", ("shop", "state"))
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int | None] = mapped_column("customer", sa.ForeignKey("customers.id"))
    shop: Mapped[str] = mapped_column(default="a")
    state: Mapped[int] = mapped_column(server_default="1")
    total: Mapped[int] = mapped_column(default=0)
    customer: Mapped[Customer | None] = relationship(back_populates="sales")


class Worker(Base):
    """Joined-table inheritance."""

    __tablename__ = "workers"
    __alkey_scopes__ = ("team",)
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    team: Mapped[int]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "worker"}


class Driver(Worker):
    __tablename__ = "drivers"
    id: Mapped[int] = mapped_column(sa.ForeignKey("workers.id"), primary_key=True)
    car: Mapped[str | None]
    __mapper_args__ = {"polymorphic_identity": "driver"}


class Place(Base):
    """A key of two columns."""

    __tablename__ = "places"
    __alkey_scopes__ = ("zone",)
    row: Mapped[int] = mapped_column(primary_key=True)
    letter: Mapped[str] = mapped_column(primary_key=True)
    zone: Mapped[int]
