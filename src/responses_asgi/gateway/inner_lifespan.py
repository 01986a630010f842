"""Start and stop of the apps behind a gateway that is the server's own app.

A server tells one app of its start and stop. This is the server's side of it for each of the apps behind.
Source: https://asgi.readthedocs.io/en/latest/specs/lifespan.html
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from responses_asgi.errors import ConfigurationError
from responses_asgi.types.asgi import ASGIApp, Message, Receive, Scope, Send

__all__ = ["nothing", "started"]

logger = logging.getLogger("responses_asgi")


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that takes no part in lifespan: the gateway's own part is all there is."""


@asynccontextmanager
async def started(app: ASGIApp, scope: Scope) -> AsyncIterator[None]:
    """Start the app, and stop it at the end of the block; `scope` is that of the server's lifespan.

    An app that does not take part in lifespan (Django raises) is left alone. Raises ConfigurationError when
    the app says that it cannot start.
    """
    said: asyncio.Queue[Message] = asyncio.Queue()
    answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def send(message: Message) -> None:
        if not answered.done():
            answered.set_result(message)
        elif message["type"] == "lifespan.shutdown.failed":
            logger.error("An app behind the gateway could not stop: %s", message.get("message", ""))

    said.put_nowait({"type": "lifespan.startup"})
    task: asyncio.Future[Any] = asyncio.ensure_future(app(scope, said.get, send))
    try:
        await asyncio.wait([task, answered], return_when=asyncio.FIRST_COMPLETED)
        if answered.done():
            answer = answered.result()
            if answer["type"] == "lifespan.startup.failed":
                raise ConfigurationError(
                    f"an app behind the gateway could not start: {answer.get('message', '')}"
                )
        yield
        said.put_nowait({"type": "lifespan.shutdown"})
        await asyncio.wait([task])
    finally:
        task.cancel()
        error = (await asyncio.gather(task, return_exceptions=True))[0]
        if isinstance(error, Exception):
            level = logging.ERROR if answered.done() else logging.DEBUG
            logger.log(level, "An app behind the gateway left its lifespan", exc_info=error)
