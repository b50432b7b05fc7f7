"""`dying_writer` for asyncio: `dying_async_writer.py POSTGRES REDIS SEED`.

Each transaction is in a child, which kills itself between the database's commit and ALKEY.COMMIT.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from alkey import Unavailable
from alkey.asyncio import AsyncAlkey
from dying_writer import die
from models import User
from stage import ROWS


async def write(postgres: str, redis: str, number: int) -> None:
    alkey = AsyncAlkey(redis, unavailable="raise")
    vars(alkey.delivery)["commit"] = die
    sessions = async_sessionmaker(create_async_engine(postgres))
    alkey.bind(sessions)
    async with sessions() as session:
        try:
            (await session.get_one(User, number, with_for_update=True)).visits += 1
            await session.commit()
        except (Unavailable, DBAPIError):
            await session.rollback()


def main(postgres: str, redis: str, seed: str) -> None:
    dice = random.Random(seed)
    while True:
        number = dice.randrange(ROWS)
        child = os.fork()
        if child == 0:
            asyncio.run(write(postgres, redis, number))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print("died" if os.WIFSIGNALED(status) else "refused", flush=True)
        time.sleep(dice.random() * 0.1)


if __name__ == "__main__":
    main(*sys.argv[1:])
