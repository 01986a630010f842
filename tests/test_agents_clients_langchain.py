"""LangChain on a model that knows nothing but Chat, by both of the APIs that it speaks."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openai import RateLimitError
from pydantic import BaseModel, SecretStr

from responses_asgi.testing import Error, ModelRequest, Reasoning, Usage
from tests.chat_history import calling, turn
from tests.programs import Entrance, assistants, bridged, outputs

WEATHER = calling("weather", {"city": "Oslo"})
QUESTION = [SystemMessage("Be brief."), HumanMessage("Do I need a hat in Oslo?")]


@tool
def weather(city: str) -> str:
    """What the weather is like."""
    return f"sunny in {city}"


class Warmth(BaseModel):
    """How warm a city is."""

    city: str
    degrees: int


@pytest.fixture(params=[True, False], ids=["responses", "chat"])
def responses(request: pytest.FixtureRequest) -> bool:
    asked: bool = request.param
    return asked


def chat_model(entrance: Entrance, responses: bool = True, **options: Any) -> ChatOpenAI:
    return ChatOpenAI(
        model="some-model",
        base_url=entrance.base_url,
        api_key=SecretStr("key-of-the-client"),
        use_responses_api=responses,
        max_retries=0,
        **options,
    )


def hears_the_tools(request: ModelRequest) -> None:
    assert request.instructions == "Be brief."
    (called,) = assistants(request)
    assert len(called["tool_calls"]) == 2
    assert outputs(request) == ["sunny in Oslo"] * 2


async def test_tool_loop(responses: bool) -> None:
    turns = [turn("Let me ask.", WEATHER, WEATHER), turn("Yes, a hat.", check=hears_the_tools)]
    with bridged(turns, profile="vllm") as entrance:
        model = chat_model(entrance, responses).bind_tools([weather])
        messages: list[Any] = [*QUESTION, await model.ainvoke(QUESTION)]
        calls = messages[-1].tool_calls
        messages += [ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"]) for call in calls]
        answer = await model.ainvoke(messages)
    assert answer.text == "Yes, a hat."
    assert set(entrance.seen) == {"POST /v1/responses" if responses else "POST /v1/chat/completions"}


def test_stream(responses: bool) -> None:
    with bridged([turn("Yes, a hat.", Usage(9, 4))], profile="vllm") as entrance:
        pieces = list(chat_model(entrance, responses, stream_usage=True).stream(QUESTION))
    assert [piece.text for piece in pieces if piece.text] == ["Yes,", " a", " hat."]
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    assert whole.text == "Yes, a hat."
    assert whole.usage_metadata is not None
    assert (whole.usage_metadata["input_tokens"], whole.usage_metadata["output_tokens"]) == (9, 4)


def test_streamed_calls(responses: bool) -> None:
    with bridged([turn(WEATHER, WEATHER)], profile="vllm") as entrance:
        pieces = list(chat_model(entrance, responses).bind_tools([weather]).stream(QUESTION))
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    assert [(call["name"], call["args"]) for call in whole.tool_calls] == [("weather", {"city": "Oslo"})] * 2


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output(responses: bool, method: Any) -> None:
    answer = {"city": "Oslo", "degrees": 21}
    said = turn(answer) if method == "json_schema" else turn(calling("Warmth", answer))
    with bridged([said], profile="vllm") as entrance:
        asked = chat_model(entrance, responses).with_structured_output(Warmth, method=method)
        assert asked.invoke(QUESTION) == Warmth(city="Oslo", degrees=21)


def test_an_image(responses: bool) -> None:
    url = "data:image/png;base64,iVBORw0KGgo="

    def check(request: ModelRequest) -> None:
        assert request.messages[-1]["content"][1]["image_url"]["url"] == url

    content: list[Any] = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    with bridged([turn("A pixel.", check=check)], profile="vllm") as entrance:
        assert chat_model(entrance, responses).invoke([HumanMessage(content)]).text == "A pixel."


@pytest.mark.parametrize("store", [True, False], ids=["by the bridge", "by the client"])
def test_reasoning_is_kept(store: bool) -> None:
    def check(request: ModelRequest) -> None:
        (called,) = assistants(request)
        assert called["reasoning_content"] == "I must ask."

    turns = [turn(Reasoning("I must ask."), WEATHER), turn("A hat.", check=check)]
    with bridged(turns, profile="deepseek", seal_keys=["the bridge's own secret"]) as entrance:
        options: dict[str, Any] = {"use_previous_response_id": True}
        if not store:
            options = {"store": False, "include": ["reasoning.encrypted_content"]}
        model = chat_model(entrance, output_version="responses/v1", **options).bind_tools([weather])
        called = model.invoke(QUESTION)
        (call,) = called.tool_calls
        answer = ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"])
        assert model.invoke([*QUESTION, called, answer]).text == "A hat."
    assert ("previous_response_id" in entrance.bodies[1]) == store


def test_a_second_turn(responses: bool) -> None:
    def check(request: ModelRequest) -> None:
        said = [(message["role"], message["content"]) for message in request.messages]
        assert said == [("user", "I am Ada."), ("assistant", "Hello, Ada."), ("user", "Who am I?")]

    with bridged([turn("Hello, Ada."), turn("Ada.", check=check)], profile="vllm") as entrance:
        model = chat_model(entrance, responses)
        messages: list[Any] = [HumanMessage("I am Ada.")]
        first = model.invoke(messages)
        assert isinstance(first, AIMessage)
        assert model.invoke([*messages, first, HumanMessage("Who am I?")]).text == "Ada."


def test_an_error(responses: bool) -> None:
    with (
        bridged([turn(Error(429, "Slow down."))], profile="vllm") as entrance,
        pytest.raises(RateLimitError, match=r"Slow down\."),
    ):
        chat_model(entrance, responses).invoke(QUESTION)
