"""Start and stop in every wiring: wrapped, outermost, mounted, and with nobody to tell us."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from django.core.handlers.asgi import ASGIHandler
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from responses_asgi.lifespan import LifespanRelay, Runtime
from responses_asgi.middleware import ResponsesMiddleware
from responses_asgi.types.asgi import ASGIApp, Message, Receive, Scope, Send
from responses_asgi.upstreams.upstream import Upstream
from tests.asgi_driver import HELLO, playing, post
from tests.loopback import until

SCOPE: Scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}


class Server:
    """The server's side of a lifespan."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self.task: asyncio.Task[None] = asyncio.create_task(self._serve())

    async def _serve(self) -> None:
        await self._app(SCOPE, self._to_app.get, self._from_app.put)

    async def say(self, kind: str) -> Message:
        """Say `startup` or `shutdown`, and return the app's answer."""
        self._to_app.put_nowait({"type": f"lifespan.{kind}"})
        async with asyncio.timeout(10):
            return await self._from_app.get()

    async def end(self) -> None:
        async with asyncio.timeout(10):
            await self.task
        assert self._from_app.empty()


class Log(list[str]):
    """What happened, in order; makes apps and resources that write into it."""

    @asynccontextmanager
    async def resource(self) -> AsyncIterator[None]:
        self.append("ours starts")
        try:
            yield
        finally:
            self.append("ours stops")

    @asynccontextmanager
    async def app_lifespan(self, app: Any) -> AsyncIterator[None]:
        self.append("app starts")
        yield
        self.append("app stops")

    def upstream(self, app: ASGIApp) -> Upstream:
        """An upstream whose connections are closed with `aclose`."""
        log = self

        class Closing:
            async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
                await app(scope, receive, send)

            async def aclose(self) -> None:
                log.append("upstream closed")

        return Upstream(app=Closing(), path="/v1/chat/completions")


def relaying(app: ASGIApp, runtime: Runtime) -> ASGIApp:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await LifespanRelay(app, runtime, receive, send).run(scope)

    return serve


# The relay


async def test_app_starts_before_us_and_stops_before_us() -> None:
    log = Log()
    server = Server(relaying(FastAPI(lifespan=log.app_lifespan), Runtime([log.resource])))
    assert await server.say("startup") == {"type": "lifespan.startup.complete"}
    assert log == ["app starts", "ours starts"]
    assert await server.say("shutdown") == {"type": "lifespan.shutdown.complete"}
    await server.end()
    assert log == ["app starts", "ours starts", "app stops", "ours stops"]


async def refuses(scope: Scope, receive: Receive, send: Send) -> None:
    raise ValueError("Django can only handle ASGI/HTTP connections, not lifespan.")


async def refuses_after_startup(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    raise ValueError("no lifespan")


async def ignores(scope: Scope, receive: Receive, send: Send) -> None:
    return


async def ignores_the_stop(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})


async def ignores_the_stop_it_heard_of(scope: Scope, receive: Receive, send: Send) -> None:
    await ignores_the_stop(scope, receive, send)
    await receive()


@pytest.mark.parametrize(
    "app",
    [
        refuses,
        refuses_after_startup,
        ignores,
        ignores_the_stop,
        ignores_the_stop_it_heard_of,
        ASGIHandler.__call__,
    ],
)
async def test_app_that_takes_no_part_is_answered_for(app: Any) -> None:
    log = Log()
    if app is ASGIHandler.__call__:
        app = _django()
    server = Server(relaying(app, Runtime([log.resource])))
    assert await server.say("startup") == {"type": "lifespan.startup.complete"}
    assert log == ["ours starts"]
    assert await server.say("shutdown") == {"type": "lifespan.shutdown.complete"}
    await server.end()
    assert log == ["ours starts", "ours stops"]


def _django() -> ASGIApp:
    from django.conf import settings

    if not settings.configured:
        settings.configure(SECRET_KEY="test")
    return ASGIHandler()


async def test_failed_start_of_the_app_is_told_and_ours_never_starts() -> None:
    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        raise RuntimeError("no database")
        yield

    log = Log()
    server = Server(relaying(FastAPI(lifespan=lifespan), Runtime([log.resource])))
    answer = await server.say("startup")
    assert answer["type"] == "lifespan.startup.failed"
    assert "no database" in answer["message"]
    with pytest.raises(RuntimeError):
        await server.end()
    assert log == []


async def test_failed_start_without_an_exception() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    server = Server(relaying(app, Runtime()))
    assert await server.say("startup") == {"type": "lifespan.startup.failed", "message": "no"}
    await server.end()


@pytest.mark.parametrize("takes_part", [True, False])
async def test_failed_start_of_ours_is_told_and_the_app_is_stopped(takes_part: bool) -> None:
    @asynccontextmanager
    async def broken() -> AsyncIterator[None]:
        raise OSError("store unreachable")
        yield

    log = Log()
    app = FastAPI(lifespan=log.app_lifespan) if takes_part else refuses
    server = Server(relaying(app, Runtime([log.resource, broken])))
    answer = await server.say("startup")
    assert answer == {"type": "lifespan.startup.failed", "message": "OSError: store unreachable"}
    await server.end()
    theirs = ["app starts", "app stops"] if takes_part else []
    assert [entry for entry in log if entry.startswith("app")] == theirs
    assert [entry for entry in log if entry.startswith("ours")] == ["ours starts", "ours stops"]


async def test_failed_stop_of_the_app_is_told_and_ours_stops() -> None:
    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        yield
        raise RuntimeError("cannot flush")

    log = Log()
    server = Server(relaying(FastAPI(lifespan=lifespan), Runtime([log.resource])))
    await server.say("startup")
    assert (await server.say("shutdown"))["type"] == "lifespan.shutdown.failed"
    with pytest.raises(RuntimeError):
        await server.end()
    assert log == ["ours starts", "ours stops"]


async def test_app_that_breaks_down_while_it_runs() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await ignores_the_stop(scope, receive, send)
        raise KeyError

    log = Log()
    server = Server(relaying(app, Runtime([log.resource])))
    await server.say("startup")
    with pytest.raises(KeyError):
        await server.end()
    assert log == ["ours starts", "ours stops"]


async def test_failed_stop_of_ours_does_not_leave_the_server_waiting() -> None:
    @asynccontextmanager
    async def broken() -> AsyncIterator[None]:
        yield
        raise OSError("cannot close")

    server = Server(relaying(FastAPI(), Runtime([broken])))
    await server.say("startup")
    assert (await server.say("shutdown"))["type"] == "lifespan.shutdown.complete"
    with pytest.raises(OSError, match="cannot close"):
        await server.end()


# The runtime


async def test_resources_are_opened_once_and_closed_in_reverse() -> None:
    log: list[str] = []

    def resource(name: str) -> Callable[[], Any]:
        @asynccontextmanager
        async def hold() -> AsyncIterator[None]:
            log.append(f"+{name}")
            await asyncio.sleep(0)
            yield
            log.append(f"-{name}")

        return hold

    runtime = Runtime([resource("a"), resource("b")])
    await asyncio.gather(*(runtime.start() for _ in range(5)))
    await runtime.start()
    assert log == ["+a", "+b"]
    await runtime.aclose()
    await runtime.aclose()
    assert log == ["+a", "+b", "-b", "-a"]
    await runtime.start()
    assert log[4:] == ["+a", "+b"]
    await runtime.aclose()


async def test_start_that_failed_is_tried_again() -> None:
    attempts = 0

    @asynccontextmanager
    async def shaky() -> AsyncIterator[None]:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise OSError("not yet")
        yield

    runtime = Runtime([shaky])
    with pytest.raises(OSError, match="not yet"):
        await runtime.start()
    await runtime.start()
    await runtime.aclose()
    assert attempts == 2


async def test_owner_keeps_no_context_of_the_request_that_started_it() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")
    seen: list[str] = []

    @asynccontextmanager
    async def resource() -> AsyncIterator[None]:
        seen.append(variable.get())
        yield

    variable.set("request")
    runtime = Runtime([resource])
    await runtime.start()
    await runtime.aclose()
    assert seen == ["none"]


def test_each_event_loop_has_resources_of_its_own() -> None:
    """As under a test client that runs every request in a new loop; each closes what it opened at its end."""
    log = Log()
    runtime = Runtime([log.resource])
    for _ in range(3):
        asyncio.run(runtime.start())
    assert log == ["ours starts", "ours stops"] * 3
    assert not runtime._owners


def test_loop_that_ends_while_resources_open() -> None:
    @asynccontextmanager
    async def slow() -> AsyncIterator[None]:
        await asyncio.sleep(60)
        yield

    async def main() -> None:
        task = asyncio.create_task(runtime.start())
        await asyncio.sleep(0.01)
        assert not task.done()

    runtime = Runtime([slow])
    asyncio.run(main())


# The component in its wirings


async def test_wrapped_app_by_add_middleware() -> None:
    log = Log()
    app = FastAPI(lifespan=log.app_lifespan)
    app.add_middleware(ResponsesMiddleware)
    server = Server(app)
    await server.say("startup")
    await server.say("shutdown")
    await server.end()
    assert log == ["app starts", "app stops"]


async def test_outermost_with_an_upstream() -> None:
    """The upstream's app is told of the lifespan too, and its connections are closed after it."""
    log = Log()
    component = ResponsesMiddleware(log.upstream(FastAPI(lifespan=log.app_lifespan)))
    server = Server(component)
    await server.say("startup")
    await server.say("shutdown")
    await server.end()
    assert log == ["app starts", "app stops", "upstream closed"]


async def test_mounted_with_the_host_s_lifespan() -> None:
    log = Log()
    component = ResponsesMiddleware(log.upstream(playing(*HELLO)))
    app = FastAPI(lifespan=component.lifespan)
    app.mount("/v1", component)
    server = Server(app)
    await server.say("startup")
    assert (await post(app, stream=True).run()).text == "Hello"
    assert log == []
    await server.say("shutdown")
    await server.end()
    assert log == ["upstream closed"]


async def test_lifespan_closes_when_the_host_fails() -> None:
    log = Log()
    component = ResponsesMiddleware(log.upstream(playing()))
    with pytest.raises(KeyError):
        async with component.lifespan():
            raise KeyError
    assert log == ["upstream closed"]


async def test_mounted_only_starts_lazily_and_can_be_closed_by_hand() -> None:
    log = Log()
    component = ResponsesMiddleware(log.upstream(playing(*HELLO)))
    app = Starlette(routes=[Mount("/v1", component)])
    for _ in range(2):
        assert (await post(app, stream=True).run()).text == "Hello"
        await component.aclose()
    assert log == ["upstream closed"] * 2


async def test_under_a_real_server() -> None:
    log = Log()
    component = ResponsesMiddleware(log.upstream(FastAPI(lifespan=log.app_lifespan)))
    server = uvicorn.Server(uvicorn.Config(component, port=0, log_level="error", lifespan="on"))
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    assert log == ["app starts"]
    server.should_exit = True
    await asyncio.wait_for(task, 10)
    assert log == ["app starts", "app stops", "upstream closed"]
