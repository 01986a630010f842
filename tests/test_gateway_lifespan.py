"""Start and stop of the apps behind a gateway."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from responses_asgi import ConfigurationError
from responses_asgi.gateway.inner_lifespan import started
from responses_asgi.types.asgi import Receive, Scope, Send

SCOPE: Scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}


class App:
    """Takes part in lifespan, and answers each of its messages as it is told to."""

    def __init__(self, start: str = "complete", stop: str = "complete") -> None:
        self.log: list[str] = []
        self._answers = {"startup": start, "shutdown": stop}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["made"] = "by the app"
        for step in self._answers:
            assert (await receive())["type"] == f"lifespan.{step}"
            self.log.append(step)
            await send({"type": f"lifespan.{step}.{self._answers[step]}", "message": "because"})


async def test_the_app_is_started_before_the_block_and_stopped_after_it() -> None:
    app, scope = App(), {**SCOPE, "state": {}}
    async with started(app, scope):
        assert app.log == ["startup"]
        assert scope["state"] == {"made": "by the app"}
    assert app.log == ["startup", "shutdown"]


async def test_an_app_that_cannot_start_is_told() -> None:
    with pytest.raises(ConfigurationError, match="could not start: because"):
        async with started(App(start="failed"), SCOPE):
            pytest.fail("it was entered")


async def test_an_app_that_cannot_stop_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with started(App(stop="failed"), SCOPE):
        pass
    assert "could not stop: because" in caplog.text


async def test_an_app_that_takes_no_part_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def raising(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("only http here")

    async def returning(scope: Scope, receive: Receive, send: Send) -> None:
        return

    caplog.set_level(logging.INFO)
    for app in (raising, returning):
        async with started(app, SCOPE):
            pass
    assert caplog.text == ""


async def test_an_app_that_breaks_off_later_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.complete"})
        raise ValueError("broke off")

    async with started(app, SCOPE):
        await asyncio.sleep(0)
    assert "left its lifespan" in caplog.text


async def test_a_failure_of_the_block_ends_the_app() -> None:
    ended: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        try:
            await receive()
        finally:
            ended.append(True)

    with pytest.raises(ZeroDivisionError):
        async with started(app, SCOPE):
            _ = 1 / 0
    assert ended == [True]
