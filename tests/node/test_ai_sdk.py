"""The AI SDK on a model that knows nothing but Chat, by both of the APIs that it speaks."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from responses_asgi.testing import Error, ModelRequest, Reasoning, Usage
from tests.chat_history import calling, turn
from tests.node.node_program import Node
from tests.programs import Entrance, assistants, bridged, outputs

SCRIPT = "ai_sdk.mjs"
APIS = ("responses", "chat")
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
WEATHER = calling("weather", {"city": "Oslo"})
OBJECT = {"city": "Oslo", "degrees": 21}


def play(node: Node, entrance: Entrance, scene: str, **variables: str) -> Any:
    return node.scene(SCRIPT, scene, BASE_URL=entrance.base_url, **variables)


@pytest.mark.parametrize(("api", "model"), [("responses", "gpt-5.5"), ("responses", "any"), ("chat", "any")])
def test_text(node: Node, api: str, model: str) -> None:
    def check(request: ModelRequest) -> None:
        assert [message["role"] for message in request.messages] == ["system", "user"]
        assert request.instructions == "Be brief."
        assert request.text == "Say hello."

    with bridged([turn("Hello.", Usage(9, 3), check=check)], profile="vllm") as entrance:
        told = play(node, entrance, "text", API=api, MODEL=model)
    assert (told["text"], told["finishReason"]) == ("Hello.", "stop")
    assert told["usage"] == {"input": 9, "output": 3}
    assert not told["warnings"]


@pytest.mark.parametrize("api", APIS)
def test_stream(node: Node, api: str) -> None:
    with bridged([turn(Reasoning("Let me see."), "Hel", "lo.")], profile="vllm") as entrance:
        told = play(node, entrance, "stream", API=api)
    assert told["deltas"] == ["Hel", "lo."]
    assert told["finish"] == "stop"
    assert not told["errors"]
    # This SDK shows summaries of reasoning, and reasoning itself neither of Responses nor of Chat.
    assert not told["reasoning"]


@pytest.mark.parametrize(("api", "model"), [("responses", "gpt-5.5"), ("responses", "any"), ("chat", "any")])
@pytest.mark.parametrize("scene", ["tools", "streamed_tools"])
def test_tool_loop(node: Node, api: str, model: str, scene: str) -> None:
    """By default the SDK leaves what the model has said to the service, and refers to it by id."""

    def first(request: ModelRequest) -> None:
        (called,) = assistants(request)
        assert called["content"] == "Let me ask. "
        assert called.get("reasoning") == ("I must." if api == "responses" else None)
        assert [call["function"]["name"] for call in called["tool_calls"]] == ["weather"] * 2
        assert outputs(request) == ['{"weather":"sunny in Oslo"}'] * 2

    def second(request: ModelRequest) -> None:
        assert len(assistants(request)) == 2
        assert outputs(request) == ['{"weather":"sunny in Oslo"}']

    turns = [
        turn(Reasoning("I must."), "Let me ask. ", WEATHER, WEATHER),
        turn(WEATHER, check=first),
        turn("Yes, a hat.", check=second),
    ]
    with bridged(turns, profile="vllm") as entrance:
        told = play(node, entrance, scene, API=api, MODEL=model)
    assert told["text"] == "Yes, a hat."
    assert told["calls"] == [["weather", {"city": "Oslo"}]] * 3
    assert told["results"] == [{"weather": "sunny in Oslo"}] * 3
    if api == "responses":
        assert "item_reference" in [item.get("type") for item in entrance.bodies[1]["input"]]


@pytest.mark.parametrize("sealed", [True, False], ids=["sealed", "in the open"])
def test_reasoning_is_carried_by_the_sdk_where_nothing_is_stored(node: Node, sealed: bool) -> None:
    def check(request: ModelRequest) -> None:
        (called,) = assistants(request)
        assert called["reasoning_content"] == "I must ask."
        assert outputs(request) == ['{"weather":"sunny in Oslo"}']

    turns = [turn(Reasoning("I must ask."), WEATHER), turn("Yes, a hat.", check=check)]
    settings: dict[str, Any] = {"seal_keys": ["the bridge's own secret"]} if sealed else {}
    with bridged(turns, profile="deepseek", **settings) as entrance:
        told = play(node, entrance, "carried")
    assert told["text"] == "Yes, a hat."
    assert all(body["store"] is False for body in entrance.bodies)


@pytest.mark.parametrize(
    ("api", "profile"), [("responses", "vllm"), ("responses", "deepseek"), ("chat", "vllm")]
)
def test_structured_output(node: Node, api: str, profile: str) -> None:
    def check(request: ModelRequest) -> None:
        asked = request.body["response_format"]
        if profile == "vllm":
            assert asked["json_schema"]["schema"]["required"] == ["city", "degrees"]
        else:
            assert asked == {"type": "json_object"}

    with bridged([turn(OBJECT, check=check)], profile=profile) as entrance:
        assert play(node, entrance, "object", API=api) == OBJECT


@pytest.mark.parametrize("api", APIS)
def test_image(node: Node, api: str) -> None:
    def check(request: ModelRequest) -> None:
        text, image = request.messages[-1]["content"]
        assert text["text"] == "What is it?"
        assert base64.b64decode(image["image_url"]["url"].partition("base64,")[2]) == base64.b64decode(PIXEL)

    with bridged([turn("A pixel.", check=check)], profile="vllm") as entrance:
        assert play(node, entrance, "image", API=api, PIXEL=PIXEL)["text"] == "A pixel."


@pytest.mark.parametrize(
    ("scene", "api"), [("conversation", "responses"), ("conversation", "chat"), ("previous", "responses")]
)
def test_a_second_turn(node: Node, scene: str, api: str) -> None:
    def check(request: ModelRequest) -> None:
        said = [(message["role"], message["content"]) for message in request.messages]
        assert [role for role, _ in said] == ["user", "assistant", "user"]
        assert said[1] == ("assistant", "Hello, Ada.")

    with bridged([turn("Hello, Ada."), turn("You are Ada.", check=check)], profile="vllm") as entrance:
        assert play(node, entrance, scene, API=api)["text"] == "You are Ada."


def test_a_custom_tool(node: Node) -> None:
    query = 'SELECT "count" FROM t\nWHERE \\ = ü'

    def check(request: ModelRequest) -> None:
        assert outputs(request) == [f"rows of {query}"]

    with bridged([turn(calling("sql", query)), turn("Three.", check=check)], profile="vllm") as entrance:
        told = play(node, entrance, "custom")
    assert told["text"] == "Three."
    assert told["calls"] == [["sql", query]]


def test_a_shell(node: Node) -> None:
    def check(request: ModelRequest) -> None:
        (output,) = outputs(request)
        assert "it is 42" in output

    call = calling("shell", {"commands": ["echo it is $((40 + 2))"]})
    with bridged([turn(call), turn("42.", check=check)], profile="vllm") as entrance:
        told = play(node, entrance, "shell")
    assert told["text"] == "42."


def test_a_patch(node: Node) -> None:
    def check(request: ModelRequest) -> None:
        (output,) = outputs(request)
        assert "done" in output

    operation = {"type": "create_file", "path": "greeting.txt", "diff": "+Hello"}
    with bridged(
        [turn(calling("apply_patch", operation)), turn("Written.", check=check)], profile="vllm"
    ) as entrance:
        told = play(node, entrance, "patch")
    assert told["text"] == "Written."
    assert told["operations"] == [operation]


@pytest.mark.parametrize("api", APIS)
def test_an_error(node: Node, api: str) -> None:
    with bridged(
        [turn(Error(429, "Slow down.", code="rate_limit_exceeded"))],
        profile="vllm",
    ) as entrance:
        told = play(node, entrance, "error", API=api)
    assert told == {"name": "AI_APICallError", "message": "Slow down.", "status": 429, "retryable": True}


@pytest.mark.parametrize("api", APIS)
def test_an_error_inside_a_stream(node: Node, api: str) -> None:
    with bridged([turn("Hel", Error(500, "It broke."))], profile="vllm") as entrance:
        told = play(node, entrance, "stream", API=api)
    assert told["deltas"] == ["Hel"]
    assert "It broke." in str(told["errors"])
    assert told["finish"] == "error"
