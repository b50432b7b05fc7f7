"""Starts the bookshop with its servers: `python -m bookshop`. `run` brings what it needs."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from waitress import create_server

from bookshop.app import make_app
from bookshop.servers import Postgres, Redis


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="run", description="The bookshop: an application that caches with alkey."
    )
    parser.add_argument(
        "--port", type=int, default=6543, help="of the pages, on 127.0.0.1; 0 for any (default 6543)"
    )
    parser.add_argument("--lease-ms", type=int, default=5000, help="alkey.lease-ms (default 5000)")
    parser.add_argument(
        "--trust-restored",
        action="store_true",
        help="alkey.trust-restored yes: gives the promise up, to see what it is good for",
    )
    options = parser.parse_args()
    # What is below is ended in order.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bookshop-")))
        # PostgreSQL may run as another user, who has to come by.
        directory.chmod(0o711)
        for name in ("postgres", "redis"):
            (directory / name).mkdir()
        print("bookshop: starting PostgreSQL and Redis ...", file=sys.stderr)
        postgres = Postgres(directory / "postgres")
        stack.callback(postgres.close)
        redis = Redis(directory / "redis", options.lease_ms, options.trust_restored)
        stack.callback(redis.kill)
        app = make_app(postgres.url, redis)
        try:
            server = create_server(app, host="127.0.0.1", port=options.port, threads=8)
        except OSError as error:
            raise RuntimeError(
                f"port {options.port} can't be had, choose another by --port: {error}"
            ) from error
        print(f"bookshop: open at http://127.0.0.1:{server.effective_port}/ (Ctrl-C closes it)", flush=True)
        server.run()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (OSError, RuntimeError) as error:
        sys.exit(f"bookshop: {error}")
