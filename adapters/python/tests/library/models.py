"""A library: foreign keys of each kind, many-to-many, inheritance over several tables, and keys of several types."""

from __future__ import annotations

from uuid import uuid4

from django.db import models


class Author(models.Model):
    name = models.TextField(default="")


class Publisher(models.Model):
    name = models.TextField(default="")


class Tag(models.Model):
    name = models.TextField(default="")


class Book(models.Model):
    title = models.TextField(default="")
    sold = models.IntegerField(default=0)
    author = models.ForeignKey(Author, models.CASCADE, null=True)
    publisher = models.ForeignKey(Publisher, models.SET_NULL, null=True)
    tags = models.ManyToManyField(Tag)


class Review(models.Model):
    """What becomes of it when its book is deleted is left to the database."""

    book = models.ForeignKey(Book, models.DO_NOTHING, db_constraint=False)


class Place(models.Model):
    name = models.TextField(default="")


class Restaurant(Place):
    stars = models.IntegerField(default=0)


class Ticket(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid4)
    seat = models.IntegerField(default=0)


class Shelf(models.Model):
    code = models.CharField(primary_key=True, max_length=9)
    room = models.IntegerField(default=0)


class Loan(models.Model):
    pk = models.CompositePrimaryKey("branch", "number")
    branch = models.IntegerField()
    number = models.IntegerField()
    days = models.IntegerField(default=0)
