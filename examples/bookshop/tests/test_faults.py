"""Many visitors at once, while books are edited, writers are killed and Redis is set back: nothing stale is shown."""

from __future__ import annotations

import random
import re
import threading
import time

from conftest import Start, ask

BOOKS = 8
VISITORS = 3
# What goes wrong, one after the other; what is in one list, at once.
FAULTS = [["/kill-a-writer"], ["/restart-redis"], ["/kill-a-writer", "/restart-redis"]]


def number(name: str, page: str) -> int:
    found = re.search(f'<b id="{name}">(\\d+)', page)
    assert found is not None, page
    return int(found[1])


def hits(page: str) -> int:
    found = re.search(r"stale fragments since the start, in (\d+) hits", page)
    assert found is not None, page
    return int(found[1])


def test_nothing_stale_is_shown(start: Start) -> None:
    address, end = start(), threading.Event()
    failures: list[str] = []

    def visit(dice: random.Random) -> None:
        while not end.is_set():
            status, page = ask(address, "GET", dice.choice(["/", f"/books/{dice.randint(1, BOOKS)}"]))
            if status != 200:
                failures.append(page)

    def go_on(more: int) -> None:
        """Until there were so many more hits."""
        wanted = hits(ask(address, "GET", "/")[1]) + more
        deadline = time.monotonic() + 60
        while (now := hits(ask(address, "GET", "/")[1])) < wanted:
            assert time.monotonic() < deadline, f"in vain waited for {wanted} hits; last: {now}"

    dice = random.Random(1)
    visitors = [threading.Thread(target=visit, args=(random.Random(seed),)) for seed in range(VISITORS)]
    for visitor in visitors:
        visitor.start()
    try:
        for faults in FAULTS:
            for _ in range(3):
                book = dice.randint(1, BOOKS)
                revision = re.search(r'"revision" value="(\d+)"', ask(address, "GET", f"/books/{book}")[1])
                assert revision is not None
                fields = {"title": f"Title {dice.random()}", "price": 5, "revision": revision[1]}
                status, page = ask(address, "POST", f"/books/{book}", **fields)
                assert status == 303, page
                go_on(20)
            for fault in faults:
                assert ask(address, "POST", fault)[0] == 303
            go_on(20)
    finally:
        end.set()
        for visitor in visitors:
            visitor.join()
    _, page = ask(address, "GET", "/")
    print(re.sub(r"<[^>]+>", "", "\n".join(re.findall(r"<b id=\"(?:relaxed-)?stale.*", page))))
    assert failures == []
    assert number("stale", page) == 0
