"""WebSockets under several servers and in several frameworks, as processes of their own."""

from __future__ import annotations

import pytest

from tests.test_servers import TEXT, WRAPPINGS, server
from tests.websocket_driver import talking, text_of

__all__ = ["server"]


@pytest.mark.parametrize("wrapping", WRAPPINGS)
async def test_a_session_under_every_server_in_every_framework(server: str, wrapping: str) -> None:
    async with talking(server, f"/{wrapping}/v1/responses") as talk:
        warm = await talk.create(model="open", input="w", generate=False)
        first = await talk.create(model="open", input="count", previous_response_id=warm["id"])
        assert text_of(first) == TEXT
        second = await talk.create(
            model="open", input="count", stream_id="a", previous_response_id=first["id"]
        )
        assert (text_of(second), second["previous_response_id"]) == (TEXT, first["id"])
        await talk.say("{")
        assert (await talk.hear())["status"] == 400
        await talk.say({"type": "ping"})
        assert await talk.hear() == {"type": "pong"}
