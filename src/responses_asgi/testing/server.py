"""An ASGI app on a real port, served by uvicorn in a thread, for clients that are not in this process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from responses_asgi.errors import ConfigurationError, MissingExtraError, ResponsesASGIError
from responses_asgi.types.asgi import ASGIApp

__all__ = ["Server", "served"]

# Seconds a server has to start and to stop.
PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Server:
    """Where the app is: `url` is its root, `base_url` what clients of the OpenAI API are given."""

    url: str

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"


@contextmanager
def served(app: ASGIApp, *, port: int = 0) -> Iterator[Server]:
    """Serve the app on 127.0.0.1 while the block runs, by default on a free port.

    Raises MissingExtraError without uvicorn, ConfigurationError for a port that is taken, and
    ResponsesASGIError for an app that does not start.

    >>> with served(FakeModel("Hi")) as server:  # doctest: +SKIP
    ...     client = openai.OpenAI(base_url=server.base_url, api_key="any")
    """
    try:
        uvicorn = import_module("uvicorn")
    except ImportError:
        raise MissingExtraError("a server", "server") from None
    try:
        listening = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise ConfigurationError(f"port {port} cannot be listened on: {error.strerror}") from None
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=_run, args=(server, listening), daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + PATIENCE
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise ResponsesASGIError("the app did not start; the log of uvicorn tells why")
            time.sleep(0.005)
        yield Server(f"http://127.0.0.1:{listening.getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listening.close()


def _run(server: Any, listening: socket.socket) -> None:
    with suppress(SystemExit):  # of an app that does not start
        server.run([listening])
