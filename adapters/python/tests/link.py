"""A way to the server that fails as networks do: it loses an answer, or is down.

What was sent has arrived all the same when its answer is lost: the server has done it, and the client can't know.
"""

from __future__ import annotations

import contextlib
import socket
import threading

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from harness import DEADLINE_S


class Link:
    """Passes on what goes from its own port to the server's, and back."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._is_down = False
        self._lost: bytes | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, name="link", daemon=True).start()

    def client(self) -> redis.Redis:
        """One that goes this way, and neither sleeps nor tries again."""
        return redis.Redis(port=self.port, retry=Retry(NoBackoff(), 0), socket_timeout=DEADLINE_S)

    def lose_the_answer_to(self, command: bytes) -> None:
        """The next such command arrives, and instead of its answer comes the end of the connection."""
        self._lost = command

    def go_down(self) -> None:
        """Ends all connections. A new one ends at once, until `come_up`."""
        with self._lock:
            self._is_down = True
            for each in self._sockets:
                _end(each)

    def come_up(self) -> None:
        self._is_down = False

    def close(self) -> None:
        self.go_down()
        _end(self._listener)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), name="link", daemon=True).start()
        self._listener.close()

    def _serve(self, client: socket.socket) -> None:
        with (
            client,
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self._server_port)) as server,
        ):
            with self._lock:
                if self._is_down:
                    return
                self._sockets |= {client, server}
            is_lost = threading.Event()
            back = threading.Thread(
                target=self._pass_back, args=(server, client, is_lost), name="link", daemon=True
            )
            back.start()
            while request := client.recv(65536):
                if self._lost is not None and self._lost in request:
                    self._lost = None
                    is_lost.set()
                server.sendall(request)
            _end(server)
            back.join()
            with self._lock:
                self._sockets -= {client, server}

    @staticmethod
    def _pass_back(server: socket.socket, client: socket.socket, is_lost: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while (answer := server.recv(65536)) and not is_lost.is_set():
                client.sendall(answer)
        _end(client)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
