"""What Codex makes of failures: which it repeats, and what it tells its user.

Each script has as many turns as there are requests to come.
"""

from __future__ import annotations

import pytest

from responses_asgi.testing import Cut, Error, Finish, ModelRequest
from responses_asgi.translate.messages import GO_ON
from tests.chat_history import turn
from tests.codex.bridged import SHAPES, bridged
from tests.codex.codex_cli import Codex

SHAPE = SHAPES["fallback"]


CONTEXT_WINDOW = "ran out of room in the model's context window"
TOO_LONG = (
    "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens. Please reduce "
    "the length of the messages."
)


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (Error(400, TOO_LONG, code="context_length_exceeded"), CONTEXT_WINDOW),
        (Error(400, TOO_LONG, type="BadRequestError"), CONTEXT_WINDOW),
        (Error(429, "You exceeded your current quota.", code="insufficient_quota"), "Quota exceeded"),
        (Error(400, "Invalid prompt: it was flagged.", code="invalid_prompt"), "it was flagged"),
        (Error(503, "The engine is overloaded.", code="server_is_overloaded"), "at capacity"),
    ],
    ids=lambda value: value.code or value.type if isinstance(value, Error) else "",
)
def test_an_error_of_the_server_is_told(codex: Codex, error: Error, shown: str) -> None:
    with bridged(codex, [turn(error)], profile=SHAPE.profile):
        failure = codex.exec(SHAPE.model, "Hi").failure
    assert shown in failure


def test_a_key_that_the_server_refuses(codex: Codex) -> None:
    """Codex blames the WebSocket first."""
    refused = turn(Error(401, "Incorrect API key provided.", code="invalid_api_key"))
    turns = [refused] * (2 if codex.websockets else 1)
    with bridged(codex, turns, profile=SHAPE.profile, falls_back=True):
        assert "Incorrect API key provided." in codex.exec(SHAPE.model, "Hi").failure


def test_an_error_inside_the_stream_is_told(codex: Codex) -> None:
    said = turn("Half a ", Error(400, "Too long for me.", code="context_length_exceeded"))
    with bridged(codex, [said], profile=SHAPE.profile, retries=2):
        failure = codex.exec(SHAPE.model, "Hi").failure
    assert CONTEXT_WINDOW in failure


def test_a_stream_that_breaks_off_is_gone_on_with(codex: Codex) -> None:
    """Codex keeps and shows what was said, and sends it again at the end of its input."""

    def check(request: ModelRequest) -> None:
        *_, said, asked = request.messages
        assert (said["role"], said["content"]) == ("assistant", "Half an ")
        assert (asked["role"], asked["content"]) == ("user", GO_ON)

    turns = [turn("Half an ", Cut()), turn("answer.", check=check)]
    with bridged(codex, turns, profile=SHAPE.profile, retries=1):
        run = codex.exec(SHAPE.model, "Hi")
    assert [item["text"] for item in run.items("agent_message")] == ["Half an ", "answer."]


def test_a_server_that_is_busy_is_asked_again(codex: Codex) -> None:
    turns = [turn(Error(503, "Later.", retry_after=0.1)), turn("Here I am.")]
    with bridged(codex, turns, profile=SHAPE.profile, retries=1):
        assert codex.exec(SHAPE.model, "Hi").text == "Here I am."


def test_an_answer_that_was_cut_short(codex: Codex) -> None:
    with bridged(codex, [turn("As far as I", Finish("length"))], profile=SHAPE.profile):
        run = codex.exec(SHAPE.model, "Hi")
    assert "max_output_tokens" in run.failure
    assert run.items("agent_message")[0]["text"] == "As far as I"
