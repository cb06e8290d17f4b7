"""A line between a browser and the site that can be cut: set_offline leaves a browser's open WebSocket alone."""

import socket
from contextlib import suppress
from threading import Thread
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

PIECE = 65536


class Cable:
    """Passes on what comes to `address` until it is cut; then what is open breaks and nothing new gets through."""

    def __init__(self, site: str) -> None:
        whole = urlsplit(site)
        assert whole.hostname
        assert whole.port
        self._site = (whole.hostname, whole.port)
        self._server = socket.create_server((whole.hostname, 0))
        self.address = f"http://{whole.hostname}:{self._server.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._is_cut = False
        Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.cut()
        self._server.close()

    def cut(self) -> None:
        self._is_cut = True
        ends, self._open = self._open, []
        for end in ends:
            _end(end)

    def mend(self) -> None:
        self._is_cut = False

    def _accept(self) -> None:
        with suppress(OSError):  # closed: the test is over
            while True:
                near, _ = self._server.accept()
                if self._is_cut:
                    near.close()
                    continue
                far = socket.create_connection(self._site)
                self._open += [near, far]
                for one, other in ((near, far), (far, near)):
                    Thread(target=_pass_on, args=(one, other), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while piece := one.recv(PIECE):
            other.sendall(piece)
    _end(one)
    _end(other)


def _end(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
