"""Chunks that repeat the one before them are told without a look at what became of them; the end looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from responses_asgi import ChatCompletionsMiddleware, ResponsesMiddleware, Upstream
from responses_asgi.errors import UpstreamError
from responses_asgi.testing import Cut, FakeModel, assert_valid_chat_stream, assert_valid_stream
from responses_asgi.translate.chat_to_responses import ChatToResponses
from responses_asgi.translate.responses_to_chat import ResponsesToChat
from responses_asgi.types.events import Event
from tests.loopback import ask

BROKEN = UpstreamError("It broke.", status=502)


def fake() -> FakeModel:
    """Says pieces of a text, and nothing after them in which a failure would be seen."""
    return FakeModel([["one ", "two ", "three ", Cut(clean=True), "four"]])


@pytest.fixture(autouse=True)
def repeats_that_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def over_chat(self: Any, text: object, call: int = 0) -> list[Event]:
        self._stream.failure = BROKEN
        return []

    def over_responses(self: Any, text: object, call: int = 0) -> list[Event]:
        self._failure = BROKEN
        return []

    broken: dict[type, Callable[..., list[Event]]] = {
        ResponsesToChat: over_chat,
        ChatToResponses: over_responses,
    }
    for translator, repeat in broken.items():
        monkeypatch.setattr(translator, "repeat", repeat)
        monkeypatch.setattr(translator, "repeat_all", repeat)


async def test_a_responses_client_is_told_that_a_repeated_chunk_failed() -> None:
    app = ResponsesMiddleware(Upstream.asgi(fake()))
    got = await ask(app, "/v1/responses", {"model": "m", "input": "Hi", "stream": True})
    ended = assert_valid_stream(got.body)
    assert (ended["status"], ended["error"]["message"]) == ("failed", "It broke.")


async def test_a_chat_client_is_told_that_a_repeated_chunk_failed() -> None:
    app = ChatCompletionsMiddleware(Upstream.asgi(fake(), api="responses"))
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    got = await ask(app, "/v1/chat/completions", body)
    assert assert_valid_chat_stream(got.body)["error"]["message"] == "It broke."
