"""A WSGI app as an ASGI app, streaming piece by piece, each request in a thread of its own.

asgiref's adapter does the translation. What is added here: requests run side by side (thread-sensitive code
shares one thread otherwise), and when the client leaves the app is stopped at its next piece and its
iterable closed, as PEP 3333 demands and the adapter does not do.
"""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from asgiref.sync import SyncToAsync, ThreadSensitiveContext
from asgiref.wsgi import WsgiToAsgi

from responses_asgi.types.asgi import ASGIApp, Message, Receive, Scope, Send
from responses_asgi.upstreams.replies import deny_websocket, serve_lifespan
from responses_asgi.upstreams.request import ClientGone, while_client_stays

__all__ = ["WSGIApp", "WSGIUpstream"]

WSGIApp: TypeAlias = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class WSGIUpstream:
    """The app of `Upstream.wsgi`."""

    def __init__(self, app: WSGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await serve_lifespan(receive, send)
        elif scope["type"] == "websocket":
            await deny_websocket(receive, send)
        else:
            body_read = asyncio.Event()

            async def receive_body() -> Message:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                if not message.get("more_body", False):
                    body_read.set()
                return message

            await while_client_stays(receive, self._serve(scope, receive_body, send), after=body_read)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = threading.Event()

        async def send_unless_gone(message: Message) -> None:
            if not gone.is_set():
                await send(message)

        # Set by hand, not entered: leaving it would wait for the thread, which may be asleep in the app. The
        # thread ends when this context is no longer referred to.
        token = SyncToAsync.thread_sensitive_context.set(ThreadSensitiveContext())
        try:
            app: ASGIApp = WsgiToAsgi(_stoppable(self._app, gone))  # type: ignore[no-untyped-call] # asgiref has no types here
            await app(scope, receive, send_unless_gone)
        finally:
            gone.set()
            SyncToAsync.thread_sensitive_context.reset(token)


def _stoppable(app: WSGIApp, gone: threading.Event) -> WSGIApp:
    """The app with an output that ends, and closes the app's own, once nobody listens."""

    def run(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        if "CONTENT_LENGTH" not in environ:  # a body that came in chunks: WSGI apps read none without it
            body = environ["wsgi.input"]
            environ["CONTENT_LENGTH"] = str(body.seek(0, io.SEEK_END))
            body.seek(0)
        output = app(environ, start_response)
        try:
            for piece in output:
                if gone.is_set():
                    return
                yield piece
        finally:
            close = getattr(output, "close", None)
            if close is not None:
                close()

    return run
