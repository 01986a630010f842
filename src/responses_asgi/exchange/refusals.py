"""How clients are told of what goes wrong before an answer has begun."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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


@asynccontextmanager
async def telling_refusals(send: Send) -> AsyncIterator[None]:
    """Tell the client what is raised before anything was sent; what is no APIError is raised again."""
    try:
        yield
    except BrokenOffError:
        raise
    except APIError as error:
        await send_error(send, error)
    except (Exception, asyncio.CancelledError) as error:
        if not asked_from_outside(error):
            await send_error(send, internal_error())
        raise
