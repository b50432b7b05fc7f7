"""Readers and writers of Django who act at once on PostgreSQL, as `stage` has them of SQLAlchemy: the same tally and
the same verdict, by a number in each row that each commit raises by one.

As a program it is a writer in a process of its own, to be killed: `django_stage.py SETTINGS REDIS SEED`. Each of its
transactions is in a child, which kills itself between the database's commit and ALKEY.COMMIT.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any

import psycopg
from django.core.signals import request_finished, request_started
from django.db import DatabaseError, connections, transaction
from django.db.models import F
from django.test import override_settings

import django_site
from alkey import Unavailable
from alkey.django import cached, row
from alkey.django.alkeys import default
from library.models import Book
from stage import ROWS, Actor, Tally, Threads


class DjangoStage(Threads):
    """Readers and writers of Django. Readers use the alias "default", writers "archive" if they are given no other."""

    HITS = 100

    def __init__(self, truth: Callable[[], psycopg.Connection[Any]], seed: int) -> None:
        super().__init__(seed)
        self._truth = truth
        Book.objects.bulk_create([Book(id=number) for number in range(1, ROWS + 1)])

    def act(
        self, readers: int = 3, writers: int = 2, alias: str = "archive"
    ) -> AbstractContextManager[Tally]:
        return self.acting([self._read] * readers + [partial(self._write, alias)] * writers)

    def _run(self, act: Actor, dice: random.Random) -> None:
        try:
            super()._run(act, dice)
        finally:
            connections.close_all()

    def _read(self, dice: random.Random) -> None:
        with self._truth() as truth:

            def committed(number: int) -> int:
                found = truth.execute("SELECT sold FROM library_book WHERE id = %s", [number]).fetchone()
                assert found is not None
                return int(found[0])

            while not self.end.is_set():
                number = dice.randint(1, ROWS)
                with _surroundings(dice) as is_followed:
                    loads: list[int] = []
                    part, load = self._part(dice, number, loads, is_followed)
                    floor = committed(number)
                    value = cached(part, load=load, cache=self.cache)
                if loads:
                    self.tally.count(reads=1)
                    continue
                self.tally.hit(number, floor, value, committed(number))

    def _part(
        self, dice: random.Random, number: int, loads: list[int], is_followed: bool
    ) -> tuple[Any, Callable[[], int]]:
        """A key's part, and what loads the value: from then on, or from what was read before the key was made."""

        def load(read: Callable[[], int]) -> int:
            loads.append(1)
            # One is added, since a dict's None is a miss and 0 would be no less a number.
            return read() + 1

        chosen = dice.randrange(4 if is_followed else 3)
        if chosen == 3:
            # No instance, but read in the same transaction, or for the same request.
            seen = Book.objects.values_list("sold", flat=True).get(pk=number)
            self.end.wait(dice.random() * 0.02)
            return row(Book, number), partial(load, lambda: seen)
        if chosen == 0:
            return row(Book, number), partial(load, lambda: Book.objects.get(pk=number).sold)
        book = Book.objects.get(pk=number)
        self.end.wait(dice.random() * 0.02)
        if chosen == 1:
            return book, partial(load, lambda: book.sold)
        return book, partial(load, lambda: Book.objects.get(pk=number).sold)

    def _write(self, alias: str, dice: random.Random) -> None:
        while not self.end.is_set():
            self.end.wait(dice.random() * 0.1)
            try:
                self.tally.count(commits=write(dice, alias))
            except Unavailable:
                self.tally.count(refused=1)
            except DatabaseError:
                self.tally.count(unknown=1)
                connections[alias].close()


@contextmanager
def _surroundings(dice: random.Random) -> Iterator[bool]:
    """A request or none, autocommit or a transaction, with a snapshot or without. Whether the age is known of what is
    read here, and not only of instances."""
    with ExitStack() as around:
        is_served, is_atomic = dice.random() < 0.5, dice.random() < 0.5
        if is_served:
            request_started.send(sender=None)
            around.callback(request_finished.send, sender=None)
        if is_atomic:
            around.enter_context(transaction.atomic())
            if dice.random() < 0.5:
                with connections["default"].cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield is_served or is_atomic


def write(dice: random.Random, alias: str) -> int:
    """One commit, or none: whether it was one."""
    rows = Book.objects.using(alias).filter(pk=dice.randint(1, ROWS))
    chosen = dice.randrange(4)
    if chosen == 0:
        rows.update(sold=F("sold") + 1)
        return 1
    with transaction.atomic(using=alias):
        if chosen == 1:
            with transaction.atomic(using=alias):
                rows.update(sold=F("sold") + 1000)
                transaction.set_rollback(True, using=alias)
        book = rows.select_for_update().get()
        book.sold += 1
        book.save()
        if chosen == 2 and dice.random() < 0.5:
            transaction.set_rollback(True, using=alias)
            return 0
    return 1


def die(*_arguments: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(database: str, redis: str, seed: str) -> None:
    django_site.use("default", **json.loads(database))
    dice = random.Random(seed)
    while True:
        child_seed = dice.random()
        child = os.fork()
        if child == 0:
            with override_settings(ALKEY={"URL": redis, "UNAVAILABLE": "raise"}):
                vars(default().delivery)["commit"] = die
                write(random.Random(child_seed), "default")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print("died" if os.WIFSIGNALED(status) else "refused", flush=True)
        time.sleep(dice.random() * 0.1)


if __name__ == "__main__":
    main(*sys.argv[1:4])
