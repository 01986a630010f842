from __future__ import annotations

import asyncio
import gc
from typing import Any

import httpx

from responses_asgi import ASGITransport, ResponsesMiddleware, Upstream
from responses_asgi.testing import FakeModel


class Closable(FakeModel):
    """A scripted app that notes when it is closed."""

    closed = 0

    async def aclose(self) -> None:
        Closable.closed += 1


def test_a_component_forgotten_without_aclose_is_closed_when_its_loop_ends() -> None:
    troubles: list[dict[str, Any]] = []

    async def use_and_forget() -> None:
        component = ResponsesMiddleware(Upstream.asgi(Closable([])))
        async with httpx.AsyncClient(transport=ASGITransport(component)) as client:
            await client.post("http://app/v1/responses", json={"model": "m", "input": "hi"})

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: troubles.append(context))
        await use_and_forget()
        gc.collect()
        await asyncio.sleep(0)

    asyncio.run(main())
    assert troubles == []
    assert Closable.closed == 1
