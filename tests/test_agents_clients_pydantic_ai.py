"""pydantic-ai on a model that knows nothing but Chat, by both of the APIs that it speaks."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, ModelHTTPError, NativeOutput, ToolOutput
from pydantic_ai.messages import ModelResponse, ThinkingPart
from pydantic_ai.models import Model
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel, OpenAIResponsesModelSettings
from pydantic_ai.providers.openai import OpenAIProvider

from responses_asgi.testing import Error, ModelRequest, Reasoning, Usage
from tests.chat_history import calling, turn
from tests.programs import Entrance, assistants, bridged, outputs

WEATHER = calling("weather", {"city": "Oslo"})


class Warmth(BaseModel):
    city: str
    degrees: int


ANSWER = Warmth(city="Oslo", degrees=21)


def weather(city: str) -> str:
    """What the weather is like."""
    return f"sunny in {city}"


@pytest.fixture(params=[OpenAIResponsesModel, OpenAIChatModel], ids=["responses", "chat"])
def kind(request: pytest.FixtureRequest) -> type[Model]:
    asked: type[Model] = request.param
    return asked


def model(entrance: Entrance, kind: Any = OpenAIResponsesModel) -> Any:
    provider = OpenAIProvider(base_url=entrance.base_url, api_key="key-of-the-client")
    return kind("some-model", provider=provider)


def hears_the_tools(request: ModelRequest) -> None:
    assert request.instructions == "Be brief."
    (called,) = assistants(request)
    assert len(called["tool_calls"]) == 2
    assert outputs(request) == ["sunny in Oslo"] * 2


async def test_tool_loop(kind: type[Model]) -> None:
    turns = [turn("Let me ask.", WEATHER, WEATHER), turn("A hat.", Usage(9, 4), check=hears_the_tools)]
    with bridged(turns, profile="vllm") as entrance:
        agent = Agent(model(entrance, kind), instructions="Be brief.", tools=[weather])
        result = await agent.run("Do I need a hat in Oslo?")
    assert result.output == "A hat."
    assert result.usage.output_tokens >= 4
    path = "/v1/responses" if kind is OpenAIResponsesModel else "/v1/chat/completions"
    assert set(entrance.seen) == {f"POST {path}"}


async def test_stream(kind: type[Model]) -> None:
    turns = [turn(WEATHER, WEATHER), turn("Yes, a hat.", check=hears_the_tools)]
    with bridged(turns, profile="vllm") as entrance:
        agent = Agent(model(entrance, kind), instructions="Be brief.", tools=[weather])
        async with agent.run_stream("Do I need a hat in Oslo?") as result:
            pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
    assert pieces == ["Yes,", " a", " hat."]


@pytest.mark.parametrize("form", [NativeOutput, ToolOutput])
async def test_structured_output(kind: type[Model], form: Any) -> None:
    said = turn(ANSWER) if form is NativeOutput else turn(calling("final_result", ANSWER.model_dump()))
    with bridged([said], profile="vllm") as entrance:
        agent = Agent(model(entrance, kind), output_type=form(Warmth))
        assert (await agent.run("How warm is Oslo?")).output == ANSWER


async def test_an_image(kind: type[Model]) -> None:
    def check(request: ModelRequest) -> None:
        text, image = request.messages[-1]["content"]
        assert text["text"] == "What is it?"
        assert image["image_url"]["url"].startswith("data:image/png;base64,")

    with bridged([turn("A pixel.", check=check)], profile="vllm") as entrance:
        prompt = ["What is it?", BinaryContent(b"\x89PNG", media_type="image/png")]
        assert (await Agent(model(entrance, kind)).run(prompt)).output == "A pixel."


async def test_a_second_turn(kind: type[Model]) -> None:
    def check(request: ModelRequest) -> None:
        said = [(message["role"], message["content"]) for message in request.messages]
        assert said == [("user", "I am Ada."), ("assistant", "Hello, Ada."), ("user", "Who am I?")]

    with bridged([turn("Hello, Ada."), turn("Ada.", check=check)], profile="vllm") as entrance:
        agent = Agent(model(entrance, kind))
        first = await agent.run("I am Ada.")
        assert (await agent.run("Who am I?", message_history=first.all_messages())).output == "Ada."


@pytest.mark.parametrize("store", [True, False], ids=["by the bridge", "by the client"])
async def test_reasoning_is_kept(store: bool) -> None:
    def check(request: ModelRequest) -> None:
        (called,) = assistants(request)
        assert called["reasoning_content"] == "I must ask."

    settings = OpenAIResponsesModelSettings(
        openai_previous_response_id="auto" if store else None,
        openai_store=store,
        openai_send_reasoning_ids=True,
        openai_reasoning_effort="high",
    )
    turns = [turn(Reasoning("I must ask."), WEATHER), turn("A hat.", check=check)]
    with bridged(turns, profile="deepseek", seal_keys=["the bridge's own secret"]) as entrance:
        agent = Agent(model(entrance), tools=[weather], model_settings=settings)
        result = await agent.run("Do I need a hat?")
    assert result.output == "A hat."
    assert ("previous_response_id" in entrance.bodies[1]) == store
    thoughts = [
        part
        for message in result.all_messages()
        if isinstance(message, ModelResponse)
        for part in message.parts
        if isinstance(part, ThinkingPart)
    ]
    assert thoughts


async def test_an_error(kind: type[Model]) -> None:
    turns = [turn(Error(400, "No such model.", code="model_not_found"))]
    with (
        bridged(turns, profile="vllm") as entrance,
        pytest.raises(ModelHTTPError, match="No such model") as caught,
    ):
        await Agent(model(entrance, kind)).run("Hi")
    assert caught.value.status_code == 400
