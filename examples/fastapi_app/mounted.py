"""A second component, mounted beside the first: a plain async generator that answers Responses clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from responses_asgi import Reasoning, ResponsesMiddleware, Upstream

__all__ = ["concierge"]

OPENING_HOURS = {"saturday": "10 to 14", "sunday": "closed"}


async def answer(request: dict[str, Any]) -> AsyncIterator[str | Reasoning]:
    """Answer one Chat request: what is yielded goes to the client at once."""
    question = str(request["messages"][-1]["content"]).lower()
    yield Reasoning("A day of the week decides.")
    day = next((day for day in OPENING_HOURS if day in question), "weekdays")
    for word in ("On ", f"{day.capitalize()}: ", OPENING_HOURS.get(day, "9 to 18"), "."):
        yield word
        await asyncio.sleep(0)


concierge = ResponsesMiddleware(Upstream.handler(answer))
