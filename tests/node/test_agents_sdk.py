"""The Agents SDK for JavaScript on a model that knows nothing but Chat, by each of its transports."""

from __future__ import annotations

from typing import Any

import pytest

from responses_asgi.testing import ModelRequest, Reasoning
from tests.chat_history import calling, turn
from tests.node.node_program import Node
from tests.programs import Entrance, assistants, bridged, outputs

SCRIPT = "agents_sdk.mjs"
PATHS = {
    "responses": "POST /v1/responses",
    "websocket": "WEBSOCKET /v1/responses",
    "chat": "POST /v1/chat/completions",
}
WEATHER = calling("weather", {"city": "Oslo"})


def play(node: Node, entrance: Entrance, scene: str, api: str = "responses") -> Any:
    told = node.scene(SCRIPT, scene, BASE_URL=entrance.base_url, API=api)
    assert set(entrance.seen) == {PATHS[api]}
    return told


@pytest.mark.parametrize("api", PATHS)
@pytest.mark.parametrize("scene", ["run", "stream"])
def test_tool_loop(node: Node, api: str, scene: str) -> None:
    def check(request: ModelRequest) -> None:
        assert request.instructions == "Be brief."
        (called,) = assistants(request)
        assert called["reasoning"] == "I must ask."
        assert outputs(request) == ["sunny in Oslo"] * 2

    turns = [turn(Reasoning("I must ask."), WEATHER, WEATHER), turn("Yes, a hat.", check=check)]
    with bridged(turns, profile="vllm") as entrance:
        told = play(node, entrance, scene, api)
    assert told["output"] == "Yes, a hat."
    assert told["items"].count("tool_call_output_item") == 2
    if scene == "stream":
        assert told["deltas"] == ["Yes,", " a", " hat."]


@pytest.mark.parametrize("api", PATHS)
def test_handoff(node: Node, api: str) -> None:
    def check(request: ModelRequest) -> None:
        assert request.instructions == "You are the clerk."
        assert len(assistants(request)) == 1
        assert "clerk" in outputs(request)[0]

    turns = [turn(calling("transfer_to_clerk", {})), turn("Here it is.", check=check)]
    with bridged(turns, profile="vllm") as entrance:
        told = play(node, entrance, "handoff", api)
    assert (told["agent"], told["output"]) == ("clerk", "Here it is.")


@pytest.mark.parametrize("api", PATHS)
def test_structured_output(node: Node, api: str) -> None:
    def check(request: ModelRequest) -> None:
        assert request.body["response_format"]["json_schema"]["schema"]["required"] == ["city", "degrees"]

    answer = {"city": "Oslo", "degrees": 21}
    with bridged([turn(answer, check=check)], profile="vllm") as entrance:
        assert play(node, entrance, "structured", api)["output"] == answer


@pytest.mark.parametrize(
    ("scene", "api"),
    [
        *(("conversation", api) for api in PATHS),
        ("previous", "responses"),
        ("previous", "websocket"),
    ],
)
def test_a_second_turn(node: Node, scene: str, api: str) -> None:
    def check(request: ModelRequest) -> None:
        said = [message["role"] for message in request.messages]
        assert said == ["system", "user", "assistant", "user"]
        assert request.text == "Who am I?"

    with bridged([turn("Hello, Ada."), turn("You are Ada.", check=check)], profile="vllm") as entrance:
        assert play(node, entrance, scene, api)["output"] == "You are Ada."


def test_a_shell(node: Node) -> None:
    def check(request: ModelRequest) -> None:
        assert "it is 42" in outputs(request)[0]

    call = calling("shell", {"commands": ["echo it is $((40 + 2))"]})
    with bridged([turn(call), turn("42.", check=check)], profile="vllm") as entrance:
        told = play(node, entrance, "shell")
    assert told["output"] == "42."


def test_a_patch_creates_a_file(node: Node) -> None:
    def check(request: ModelRequest) -> None:
        assert "created notes/greeting.txt" in outputs(request)[0]

    operation = {"type": "create_file", "path": "notes/greeting.txt", "diff": "+Hello\n+you"}
    turns = [turn(calling("apply_patch", operation)), turn("Written.", check=check)]
    with bridged(turns, profile="vllm") as entrance:
        assert play(node, entrance, "patch")["output"] == "Written."
    assert (node.folder / "notes" / "greeting.txt").read_text().strip() == "Hello\nyou"
