"""Codex asks, and goes on: turns, output schemas, images, resumed sessions, reasoning."""

from __future__ import annotations

import base64
import json

import pytest

from responses_asgi.profiles import PROFILES
from responses_asgi.testing import ModelRequest, Reasoning, Usage
from tests.chat_history import calling, turn
from tests.codex.bridged import SHAPES, Shape, bridged
from tests.codex.codex_cli import Codex
from tests.programs import assistants, outputs

# The smallest PNG that decoders take: one red pixel.
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)
SCHEMA = {
    "type": "object",
    "properties": {"capital": {"type": "string"}},
    "required": ["capital"],
    "additionalProperties": False,
}


def test_a_turn(codex: Codex, shape: Shape) -> None:
    def check(request: ModelRequest) -> None:
        assert request.stream
        assert request.text == "Say hello"
        assert "cod" in request.instructions.casefold()
        roles = [message["role"] for message in request.messages]
        assert set(roles) == {"system", "user"}
        assert roles == sorted(roles)
        assert request.headers.get("authorization") is None, "the client's key is not for the upstream"

    said = turn("Hello", " there.", Usage(1200, 7, cached_tokens=1000, reasoning_tokens=2), check=check)
    with bridged(codex, [said], profile=shape.profile):
        run = codex.exec(shape.model, "Say hello")
    assert run.text == "Hello there."
    assert run.usage["input_tokens"] == 1200
    assert run.usage["cached_input_tokens"] == 1000
    assert run.usage["output_tokens"] == 7
    assert run.usage["reasoning_output_tokens"] == 2


def test_output_schema(codex: Codex, shape: Shape) -> None:
    def check(request: ModelRequest) -> None:
        asked = request.body["response_format"]
        if PROFILES[shape.profile].json_schema:
            assert asked["type"] == "json_schema"
            assert asked["json_schema"] == {"name": "codex_output_schema", "strict": True, "schema": SCHEMA}
        else:
            assert asked == {"type": "json_object"}

    schema = codex.folder / "schema.json"
    schema.write_text(json.dumps(SCHEMA))
    with bridged(codex, [turn({"capital": "Oslo"}, check=check)], profile=shape.profile):
        run = codex.exec(shape.model, "--output-schema", str(schema), "The capital of Norway?")
    assert json.loads(run.text) == {"capital": "Oslo"}


def test_an_image_beside_the_prompt(codex: Codex, shape: Shape) -> None:
    def check(request: ModelRequest) -> None:
        content = request.messages[-1]["content"]
        assert [part["type"] for part in content] == ["text", "image_url", "text", "text"]
        _, _, data = content[1]["image_url"]["url"].partition("base64,")
        assert base64.b64decode(data).startswith(b"\x89PNG")
        assert content[-1]["text"] == "What colour is it?"

    picture = codex.folder / "pixel.png"
    picture.write_bytes(PIXEL)
    with bridged(codex, [turn("Red.", check=check)], profile=shape.profile):
        run = codex.exec(shape.model, "What colour is it?", "-i", str(picture))
    assert run.text == "Red."


def test_an_image_from_a_tool_follows_its_output(codex: Codex, shape: Shape) -> None:
    picture = codex.folder / "pixel.png"
    picture.write_bytes(PIXEL)
    seen = calling("view_image", {"path": str(picture)})
    if shape.code_mode:
        seen = calling(
            "exec", f"image((await tools.view_image({json.dumps({'path': str(picture)})})).image_url)"
        )

    def check(request: ModelRequest) -> None:
        *_, told, shown = request.messages
        assert told["role"] == "tool"
        assert told["content"]
        assert shown["role"] == "user"
        assert any(part["type"] == "image_url" for part in shown["content"])

    turns = [turn(seen), turn("Red.", check=check)]
    with bridged(codex, turns, profile=shape.profile):
        run = codex.exec(shape.model, "What colour is pixel.png?")
    assert run.text == "Red."


def test_resume(codex: Codex, shape: Shape) -> None:
    def check(request: ModelRequest) -> None:
        (earlier,) = assistants(request)
        assert earlier["content"] == "My name is Ada."
        said = [message["content"] for message in request.messages if message["role"] == "user"]
        assert "Who are you?" in said
        assert request.text == "Say it again"

    turns = [turn("My name is Ada."), turn("Ada.", check=check)]
    with bridged(codex, turns, profile=shape.profile):
        assert codex.exec(shape.model, "Who are you?").text == "My name is Ada."
        assert codex.resume(shape.model, "Say it again").text == "Ada."


@pytest.mark.parametrize("sealed", [True, False], ids=["sealed", "in the open"])
def test_reasoning_is_given_back_with_the_calls_it_led_to(codex: Codex, shape: Shape, sealed: bool) -> None:
    field = PROFILES[shape.profile].reasoning_field
    assert field is not None

    def reasoned(request: ModelRequest) -> None:
        (called,) = assistants(request)
        assert called[field] == "A command will tell."
        assert outputs(request)[0].strip().endswith("42")

    def resumed(request: ModelRequest) -> None:
        called, _ = assistants(request)
        assert called[field] == "A command will tell."

    turns = [
        turn(Reasoning("A command "), Reasoning("will tell."), shape.shell("echo $((40 + 2))")),
        turn(Reasoning("There it is."), "It is 42.", check=reasoned),
        turn("Still 42.", check=resumed),
    ]
    with bridged(codex, turns, profile=shape.profile, **({} if sealed else {"seal_keys": ()})):
        assert codex.exec(shape.model, "What is 40 + 2?").text == "It is 42."
        assert codex.resume(shape.model, "And now?").text == "Still 42."


def test_raw_reasoning_is_shown(codex: Codex) -> None:
    shape = SHAPES["fallback"]
    with bridged(codex, [turn(Reasoning("Let me see."), "Yes.")], profile=shape.profile):
        arguments = ("-c", "show_raw_agent_reasoning=true", "--skip-git-repo-check", "--model", shape.model)
        run = codex.run("exec", *arguments, "Is it?")
    assert "\nLet me see.\n" in run.stderr


def test_reasoning_is_shown_as_its_own_summary(codex: Codex, shape: Shape) -> None:
    field = PROFILES[shape.profile].reasoning_field
    asked = ("-c", "model_reasoning_summary=auto")

    def reasoned(request: ModelRequest) -> None:
        (called,) = assistants(request)
        assert called[field] == "A command will tell."

    turns = [
        turn(Reasoning("A command "), Reasoning("will tell."), shape.shell("echo 42")),
        turn("It is 42.", check=reasoned),
    ]
    with bridged(codex, turns, profile=shape.profile, reasoning_as_summary=True):
        run = codex.exec(shape.model, *asked, "What is 40 + 2?")
    assert run.text == "It is 42."
    assert [item["text"] for item in run.items("reasoning")] == ["A command will tell."]


@pytest.mark.parametrize("provider", ["bridge", "OpenAI"])
def test_a_thread_that_grew_too_long_is_compacted(codex: Codex, shape: Shape, provider: str) -> None:
    """Codex asks for a summary, and goes on with that in place of what came before.

    Of a provider called OpenAI it asks for a compaction in place of a summary.
    """
    codex.provider = provider

    def asked(request: ModelRequest) -> None:
        assert "first words" in outputs_told(request)
        assert "summary" in request.text

    def summed_up(request: ModelRequest) -> None:
        assert "first words" not in outputs_told(request)
        assert "All of it was said." in request.text

    def outputs_told(request: ModelRequest) -> str:
        return "".join(str(message["content"]) for message in request.messages if message["role"] == "tool")

    turns = [
        turn(shape.shell("echo first words"), Usage(150_000, 5)),
        turn("All of it was said.", Usage(100, 5), check=asked),
        turn("I have gone on.", Usage(100, 5), check=summed_up),
    ]
    limits = ("-c", "model_context_window=200000", "-c", "model_auto_compact_token_limit=100000")
    with bridged(codex, turns, profile=shape.profile) as entrance:
        assert codex.exec(shape.model, *limits, "Begin").text == "I have gone on."
    items = [item["type"] for body in entrance.bodies for item in body["input"]]
    assert items.count("compaction_trigger") == (provider == "OpenAI")
