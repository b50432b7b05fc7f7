"""A writer in a process of its own, to be killed and frozen: `dying_writer.py POSTGRES REDIS SEED [dies]`.

It writes over and over. With `dies` each transaction is in a child, which kills itself between the database's commit
and ALKEY.COMMIT.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import sessionmaker

from alkey import Alkey, Unavailable
from models import User
from stage import ROWS


def write(engine: sa.Engine, alkey: Alkey, dice: random.Random) -> None:
    sessions = sessionmaker(engine)
    alkey.bind(sessions)
    with sessions() as session:
        try:
            session.get_one(User, dice.randrange(ROWS), with_for_update=True).visits += 1
            session.commit()
        except (Unavailable, DBAPIError):
            session.rollback()


def die(*_arguments: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(postgres: str, redis: str, seed: str, dies: bool) -> None:
    dice = random.Random(seed)
    if not dies:
        engine, alkey = sa.create_engine(postgres), Alkey(redis, unavailable="raise")
    while True:
        if dies:
            child_seed = dice.random()
            child = os.fork()
            if child == 0:
                alkey = Alkey(redis, unavailable="raise")
                vars(alkey.delivery)["commit"] = die
                write(sa.create_engine(postgres), alkey, random.Random(child_seed))
                os._exit(0)
            _, status = os.waitpid(child, 0)
            print("died" if os.WIFSIGNALED(status) else "refused", flush=True)
        else:
            write(engine, alkey, dice)
            print("wrote", flush=True)
        time.sleep(dice.random() * 0.1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], "dies" in sys.argv)
