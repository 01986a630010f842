"""What Codex says on a WebSocket, and how it goes on without one."""

from __future__ import annotations

import pytest

from responses_asgi.testing import ModelRequest
from tests.chat_history import turn
from tests.codex.bridged import Shape, bridged
from tests.codex.codex_cli import Codex
from tests.programs import assistants, outputs

pytestmark = pytest.mark.parametrize("codex", ["websocket"], indirect=True)


def test_each_message_holds_only_what_is_new(codex: Codex, shape: Shape) -> None:
    """The bridge adds what came before, though Codex has asked it to store nothing."""

    def check(request: ModelRequest) -> None:
        assert len(assistants(request)) == 1
        assert "it is 42" in outputs(request)[0]
        assert "What is 40 + 2?" in str(request.messages)

    turns = [turn(shape.shell("echo it is $((40 + 2))")), turn("It is 42.", check=check)]
    with bridged(codex, turns, profile=shape.profile) as entrance:
        assert codex.exec(shape.model, "What is 40 + 2?").text == "It is 42."
    warm_up, asked, told = entrance.bodies
    assert len(entrance.seen) == 1
    assert all(body["store"] is False for body in entrance.bodies)
    assert warm_up["generate"] is False
    assert "previous_response_id" not in warm_up
    assert asked["previous_response_id"]
    assert told["previous_response_id"] not in (None, asked["previous_response_id"])
    kind = "custom_tool_call_output" if shape.code_mode else "function_call_output"
    assert [item["type"] for item in told["input"]] == [kind]


def test_without_websockets_it_posts_at_once(codex: Codex) -> None:
    settings = {"websocket": False, "profile": "vllm", "falls_back": True}
    with bridged(codex, [turn("Hello.")], **settings) as entrance:
        run = codex.exec("gpt-5.5", "Say hello")
    assert run.text == "Hello."
    assert not run.items("error")
    assert len(entrance.seen) == 2
