"""The Agents SDK on a model that knows nothing but Chat: tools, handoffs, streams, state, its own tools."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from agents import (
    Agent,
    ApplyPatchTool,
    CustomTool,
    LocalShellTool,
    ModelSettings,
    OpenAIProvider,
    RunConfig,
    Runner,
    ShellTool,
    ToolOutputImage,
    ToolSearchTool,
    function_tool,
    tool_namespace,
)
from agents.apply_diff import apply_diff
from agents.editor import ApplyPatchOperation, ApplyPatchResult
from openai import AsyncOpenAI
from openai.types.shared import Reasoning as ReasoningSettings
from pydantic import BaseModel

from responses_asgi.testing import ModelRequest, Reasoning
from tests.chat_history import Turn, calling, turn
from tests.programs import Entrance, assistants, bridged, outputs

PATHS = {
    "responses": "POST /v1/responses",
    "websocket": "WEBSOCKET /v1/responses",
    "chat": "POST /v1/chat/completions",
}
MODEL = "some-model"
PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)


class Warmth(BaseModel):
    city: str
    degrees: int


@function_tool
def weather(city: str) -> str:
    """What the weather is like."""
    return f"sunny in {city}"


WEATHER = calling("weather", {"city": "Oslo"})


class Desk:
    """The SDK, led to the bridge."""

    def __init__(self, provider: OpenAIProvider, entrance: Entrance) -> None:
        self.config = RunConfig(model_provider=provider, tracing_disabled=True)
        self.entrance = entrance

    async def ask(self, agent: Agent[Any], question: Any, **options: Any) -> Any:
        return await Runner.run(agent, question, run_config=self.config, **options)


@asynccontextmanager
async def desk(
    turns: Sequence[Turn], transport: str = "responses", profile: str = "vllm", **settings: Any
) -> AsyncIterator[Desk]:
    with bridged(turns, profile=profile, **settings) as entrance:
        client = AsyncOpenAI(base_url=entrance.base_url, api_key="key-of-the-client", max_retries=0)
        async with client:
            provider = OpenAIProvider(
                openai_client=client,
                use_responses=transport != "chat",
                use_responses_websocket=transport == "websocket",
            )
            yield Desk(provider, entrance)
            await provider.aclose()
        assert set(entrance.seen) == {PATHS[transport]}


def assistant(**options: Any) -> Agent[Any]:
    return Agent(name="assistant", instructions="Be brief.", model=MODEL, **options)


@pytest.fixture(params=PATHS)
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def with_reasoning(request: ModelRequest) -> None:
    assert request.instructions == "Be brief."
    (called,) = assistants(request)
    assert called["reasoning"] == "I must ask."
    assert [call["function"]["name"] for call in called["tool_calls"]] == ["weather"] * 2
    assert outputs(request) == ["sunny in Oslo"] * 2


async def test_tools_are_called_side_by_side(transport: str) -> None:
    turns = [turn(Reasoning("I must ask."), WEATHER, WEATHER), turn("A hat.", check=with_reasoning)]
    async with desk(turns, transport) as at:
        result = await at.ask(assistant(tools=[weather]), "Do I need a hat in Oslo?")
    assert result.final_output == "A hat."


async def test_streaming(transport: str) -> None:
    turns = [turn(Reasoning("I must ask."), WEATHER, WEATHER), turn("Yes, a hat.", check=with_reasoning)]
    async with desk(turns, transport) as at:
        result = Runner.run_streamed(assistant(tools=[weather]), "A hat?", run_config=at.config)
        events = [event async for event in result.stream_events()]
    raw = [event.data for event in events if event.type == "raw_response_event"]
    deltas = [event.delta for event in raw if event.type == "response.output_text.delta"]
    assert deltas == ["Yes,", " a", " hat."]
    items = [event.name for event in events if event.type == "run_item_stream_event"]
    assert items.count("tool_called") == items.count("tool_output") == 2
    assert result.final_output == "Yes, a hat."


async def test_handoff(transport: str) -> None:
    def check(request: ModelRequest) -> None:
        assert request.instructions == "You are the clerk."
        assert len(assistants(request)) == 1
        assert "clerk" in outputs(request)[0]

    clerk = Agent[Any](name="clerk", instructions="You are the clerk.", model=MODEL)
    turns = [turn(calling("transfer_to_clerk", {})), turn("Here it is.", check=check)]
    async with desk(turns, transport) as at:
        result = await at.ask(assistant(handoffs=[clerk]), "I want my money back.")
    assert result.last_agent is clerk
    assert result.final_output == "Here it is."


async def test_structured_output(transport: str) -> None:
    def check(request: ModelRequest) -> None:
        assert request.body["response_format"]["json_schema"]["schema"]["required"] == ["city", "degrees"]

    answer = Warmth(city="Oslo", degrees=21)
    async with desk([turn(answer, check=check)], transport) as at:
        assert (await at.ask(assistant(output_type=Warmth), "How warm is Oslo?")).final_output == answer


def knows_ada(request: ModelRequest) -> None:
    said = [
        (message["role"], message["content"]) for message in request.messages if message["role"] != "system"
    ]
    assert said == [("user", "I am Ada."), ("assistant", "Hello, Ada."), ("user", "Who am I?")]


async def test_a_second_turn_with_the_first_in_its_input(transport: str) -> None:
    async with desk([turn("Hello, Ada."), turn("Ada.", check=knows_ada)], transport) as at:
        first = await at.ask(assistant(), "I am Ada.")
        history = [*first.to_input_list(), {"role": "user", "content": "Who am I?"}]
        assert (await at.ask(assistant(), history)).final_output == "Ada."


@pytest.mark.parametrize("kept_as", ["previous response", "conversation"])
async def test_a_second_turn_with_the_first_kept_by_the_bridge(kept_as: str) -> None:
    with bridged([turn("Hello, Ada."), turn("Ada.", check=knows_ada)], profile="vllm") as entrance:
        client = AsyncOpenAI(base_url=entrance.base_url, api_key="key-of-the-client")
        config = RunConfig(model_provider=OpenAIProvider(openai_client=client), tracing_disabled=True)
        options: dict[str, Any] = {}
        if kept_as == "conversation":
            options["conversation_id"] = (await client.conversations.create()).id
        first = await Runner.run(assistant(), "I am Ada.", run_config=config, **options)
        if kept_as == "previous response":
            options["previous_response_id"] = first.last_response_id
        second = await Runner.run(assistant(), "Who am I?", run_config=config, **options)
        await client.close()
    assert second.final_output == "Ada."


async def test_reasoning_is_carried_where_nothing_is_stored() -> None:
    def check(request: ModelRequest) -> None:
        (called,) = assistants(request)
        assert called["reasoning_content"] == "I must ask."

    settings = ModelSettings(
        store=False,
        response_include=["reasoning.encrypted_content"],
        reasoning=ReasoningSettings(effort="high"),
    )
    turns = [turn(Reasoning("I must ask."), WEATHER), turn("A hat.", check=check)]
    async with desk(turns, profile="deepseek", seal_keys=["the bridge's own secret"]) as at:
        result = await at.ask(assistant(tools=[weather], model_settings=settings), "A hat?")
    assert result.final_output == "A hat."
    (sealed,) = [item for item in at.entrance.bodies[1]["input"] if item.get("type") == "reasoning"]
    assert sealed["encrypted_content"].startswith("sealed1.")


async def test_an_image_from_a_tool() -> None:
    @function_tool
    def picture() -> ToolOutputImage:
        """A picture."""
        return ToolOutputImage(image_url=PIXEL, detail="low")

    def check(request: ModelRequest) -> None:
        *_, told, shown = request.messages
        assert (told["role"], shown["role"]) == ("tool", "user")
        (image,) = [part["image_url"] for part in shown["content"] if part["type"] == "image_url"]
        assert image["url"] == PIXEL

    async with desk([turn(calling("picture", {})), turn("A pixel.", check=check)]) as at:
        assert (await at.ask(assistant(tools=[picture]), "What is it?")).final_output == "A pixel."


async def test_shells() -> None:
    def check(request: ModelRequest) -> None:
        assert "it is 42" in outputs(request)[0]

    def run(request: Any) -> str:
        (command,) = request.data.action.commands
        return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout

    def run_local(request: Any) -> str:
        return subprocess.run(request.data.action.command, capture_output=True, text=True, check=True).stdout

    shell = calling("shell", {"commands": ["echo it is $((40 + 2))"]})
    async with desk([turn(shell), turn("42.", check=check)]) as at:
        assert (await at.ask(assistant(tools=[ShellTool(executor=run)]), "Count.")).final_output == "42."
    local = calling("local_shell", {"command": ["sh", "-c", "echo it is $((40 + 2))"]})
    async with desk([turn(local), turn("42.", check=check)]) as at:
        assert (
            await at.ask(assistant(tools=[LocalShellTool(executor=run_local)]), "Count.")
        ).final_output == "42."


class Editor:
    """Applies patches in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create_file(self, operation: ApplyPatchOperation) -> ApplyPatchResult:
        (self._folder / operation.path).write_text(apply_diff("", operation.diff or "", "create"))
        return ApplyPatchResult(status="completed", output=f"created {operation.path}")

    def update_file(self, operation: ApplyPatchOperation) -> ApplyPatchResult:
        path = self._folder / operation.path
        path.write_text(apply_diff(path.read_text(), operation.diff or ""))
        return ApplyPatchResult(status="completed", output=f"updated {operation.path}")

    def delete_file(self, operation: ApplyPatchOperation) -> ApplyPatchResult:
        (self._folder / operation.path).unlink()
        return ApplyPatchResult(status="completed", output=f"deleted {operation.path}")


async def test_patches(tmp_path: Path) -> None:
    def check(request: ModelRequest) -> None:
        assert "created greeting.txt" in outputs(request)[0]

    def changed(request: ModelRequest) -> None:
        assert (tmp_path / "greeting.txt").read_text().split() == ["Hello", "all"]
        assert "updated greeting.txt" in outputs(request)[0]

    def patch(type: str, **fields: str) -> Any:
        return calling("apply_patch", {"type": type, "path": "greeting.txt", **fields})

    turns = [
        turn(patch("create_file", diff="+Hello\n+you")),
        turn(patch("update_file", diff="@@\n Hello\n-you\n+all"), check=check),
        turn(patch("delete_file"), check=changed),
        turn("Done."),
    ]
    async with desk(turns) as at:
        result = await at.ask(assistant(tools=[ApplyPatchTool(editor=Editor(tmp_path))]), "Greet.")
    assert result.final_output == "Done."
    assert os.listdir(tmp_path) == []


async def test_a_custom_tool() -> None:
    query = 'SELECT "count" FROM t\nWHERE \\ = ü'

    def check(request: ModelRequest) -> None:
        assert outputs(request) == [f"rows of {query}"]

    async def invoke(context: Any, text: str) -> str:
        return f"rows of {text}"

    sql = CustomTool(
        name="sql",
        description="Runs a query.",
        on_invoke_tool=invoke,
        format={"type": "grammar", "syntax": "lark", "definition": 'start: "SELECT " /.+/'},
    )
    async with desk([turn(calling("sql", query)), turn("Three.", check=check)]) as at:
        assert (await at.ask(assistant(tools=[sql]), "Count them.")).final_output == "Three."


async def test_tools_in_a_namespace_of_which_one_must_be_searched_for() -> None:
    @function_tool
    def find(name: str) -> str:
        """Finds a customer."""
        return f"customer {name}"

    @function_tool(defer_loading=True)
    def close(name: str) -> str:
        """Closes the account of a customer."""
        return f"closed {name}"

    def check(request: ModelRequest) -> None:
        assert outputs(request) == ["customer Ada"]

    tools = [*tool_namespace(name="crm", description="Customers.", tools=[find, close]), ToolSearchTool()]
    async with desk([turn(calling("find", {"name": "Ada"})), turn("Found.", check=check)]) as at:
        assert (await at.ask(assistant(tools=tools), "Where is Ada?")).final_output == "Found."
