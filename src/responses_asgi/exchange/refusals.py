"""How clients are told of what goes wrong before an answer has begun."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from responses_asgi.errors import APIError
from responses_asgi.exchange.calls import asked_from_outside
from responses_asgi.exchange.inner_response import internal_error
from responses_asgi.types.asgi import Send
from responses_asgi.upstreams.replies import send_error

__all__ = ["BrokenOffError", "telling_refusals"]


class BrokenOffError(Exception):
    """An answer that has begun cannot be gone on with.

    Raised to the server, which closes the connection: so the client learns that this is not the end.
    """


def telling_refusals(send: Send) -> AbstractAsyncContextManager[object]:
    """Tell the client what is raised before anything was sent; what is no APIError is raised again."""
    return _Telling(send)


class _Telling:
    """No generator: it stands around every request, and nearly always there is nothing to tell."""

    __slots__ = ("_send",)

    def __init__(self, send: Send) -> None:
        self._send = send

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None or isinstance(error, BrokenOffError):
            return False
        if isinstance(error, APIError):
            await send_error(self._send, error)
            return True
        if isinstance(error, Exception | asyncio.CancelledError) and not asked_from_outside(error):
            await send_error(self._send, internal_error())
        return False
