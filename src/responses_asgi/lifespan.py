"""Start and stop: what a component holds per event loop, and its part in the server's lifespan.

1. There is one `Runtime` per component, and in it one owner task per running event loop, which alone enters
   and leaves the resources. It is started by lifespan, or lazily by the first request: mounted apps are told
   of no lifespan, and test clients run each request in a loop of its own.
2. The owner task has a context of its own, so that nothing of a request (trace span, Django's threads) stays
   alive in it.
3. At the end the wrapped app stops first: it may still use what we hold.
Source: https://asgi.readthedocs.io/en/latest/specs/lifespan.html
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Protocol

from responses_asgi.types.asgi import ASGIApp, Message, Receive, Scope, Send

__all__ = ["LifespanRelay", "Resource", "Runtime", "Startable"]

logger = logging.getLogger("responses_asgi")

_running: set[asyncio.Task[None]] = set()
"""A component forgotten without `aclose` is closed when its loop ends; its task must live until then."""


class Startable(Protocol):
    """What has a part in the server's start and stop."""

    async def start(self) -> None:
        """Open what is needed in the running event loop; once more is no harm."""

    async def aclose(self) -> None:
        """Close what is open for the running event loop."""


Resource = Callable[[], AbstractAsyncContextManager[object]]


class Runtime:
    """Holds `resources` open, entered in order, for each event loop that uses them."""

    def __init__(self, resources: Sequence[Resource] = ()) -> None:
        self._resources = resources
        self._owners: dict[asyncio.AbstractEventLoop, _Owner] = {}

    @property
    def ready(self) -> bool:
        """Whether `start` has nothing to do in the running loop."""
        if not self._resources:
            return True
        owner = self._owners.get(asyncio.get_running_loop())
        return owner is not None and owner.opened

    async def start(self) -> None:
        """Open the resources for the running loop, unless they are; raises what opening them raises."""
        if not self._resources:
            return
        loop = asyncio.get_running_loop()
        owner = self._owners.get(loop)
        if owner is None:
            owner = self._owners[loop] = _Owner(self._resources, self._owners, loop)
        await owner.ready()

    async def aclose(self) -> None:
        """Close what is open for the running loop. The next `start` opens it anew."""
        owner = self._owners.pop(asyncio.get_running_loop(), None)
        if owner is not None:
            await owner.stop()


class _Owner:
    """The owner task of one loop. It takes itself off `owners` at its end: when it is stopped, when opening
    failed, and when its loop ends and cancels it."""

    def __init__(
        self,
        resources: Sequence[Resource],
        owners: dict[asyncio.AbstractEventLoop, _Owner],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._resources = resources
        self._owners = owners
        self._loop = loop
        self.opened = False
        self._opened: asyncio.Future[None] = loop.create_future()
        self._stopping = asyncio.Event()
        self._task = loop.create_task(self._own(), context=contextvars.Context())
        _running.add(self._task)
        self._task.add_done_callback(_running.discard)

    async def ready(self) -> None:
        if not self._opened.done():
            await asyncio.wait([self._opened])
        self._opened.result()

    async def stop(self) -> None:
        self._stopping.set()
        await self._task

    async def _own(self) -> None:
        try:
            await self._hold()
        finally:
            if self._owners.get(self._loop) is self:
                del self._owners[self._loop]

    async def _hold(self) -> None:
        async with AsyncExitStack() as stack:
            try:
                for resource in self._resources:
                    await stack.enter_async_context(resource())
            except BaseException as error:
                if not isinstance(error, Exception):
                    self._opened.cancel()
                    raise
                self._opened.set_exception(error)
                return
            self.opened = True
            self._opened.set_result(None)
            await self._stopping.wait()


class LifespanRelay:
    """One lifespan call: the app's own start and stop, with ours around them.

    An app that does not take part in lifespan (Django raises) is no failure: the server is answered for it.
    """

    def __init__(self, app: ASGIApp, runtime: Startable, receive: Receive, send: Send) -> None:
        self._app = app
        self._runtime = runtime
        self._outer_receive = receive
        self._outer_send = send
        self._asked: str | None = None
        self._startup_answered = False
        self._refused = False
        self._over = False

    async def run(self, scope: Scope) -> None:
        """Serve the whole lifespan. Raises what the app raises after it has taken part."""
        try:
            await self._app(scope, self._receive, self._send)
        except Exception:
            if self._startup_answered:
                await self._runtime.aclose()
                raise
            logger.debug("The app does not take part in lifespan", exc_info=True)
        if not (self._over or self._refused):
            await self._serve_alone()

    async def _serve_alone(self) -> None:
        """Go on where the app left off: it never took part, or returned after its start."""
        if self._asked is None:
            await self._receive()
        if not self._startup_answered:
            await self._start()
        if not self._refused:
            if self._asked != "lifespan.shutdown":
                await self._receive()
            await self._stop({"type": "lifespan.shutdown.complete"})

    async def _receive(self) -> Message:
        if self._refused:
            return {"type": "lifespan.shutdown"}
        message = await self._outer_receive()
        self._asked = message["type"]
        return message

    async def _send(self, message: Message) -> None:
        if self._refused:
            return
        match message["type"]:
            case "lifespan.startup.complete":
                await self._start()
            case "lifespan.startup.failed":
                self._startup_answered = self._over = True
                await self._outer_send(message)
            case _:
                await self._stop(message)

    async def _start(self) -> None:
        """Start ours after the app's; if that fails, the server is told so and the app is asked to stop."""
        self._startup_answered = True
        try:
            await self._runtime.start()
        except Exception as error:
            logger.exception("responses_asgi could not start")
            self._refused = True
            failed = {"type": "lifespan.startup.failed", "message": f"{type(error).__name__}: {error}"}
            await self._outer_send(failed)
        else:
            await self._outer_send({"type": "lifespan.startup.complete"})

    async def _stop(self, message: Message) -> None:
        self._over = True
        try:
            await self._runtime.aclose()
        finally:
            await self._outer_send(message)
