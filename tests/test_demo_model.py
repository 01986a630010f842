"""The built-in model of `serve`: it behaves as a model would, and says that it is none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from responses_asgi import Upstream, client
from responses_asgi.config.demo import demo, example
from responses_asgi.testing import assert_valid_stream
from responses_asgi.types.json import JSON
from tests.loopback import ask

USER: JSON = {"role": "user", "content": "What is the weather in Oslo?"}


def tool(name: str, **properties: Any) -> Any:
    parameters = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("responses_asgi.config.demo.PAUSE", 0)


async def said(*messages: JSON, **fields: Any) -> Any:
    asked: Any = {"model": "demo", "messages": [*messages] or [USER], **fields}
    return (await client(Upstream.handler(demo)).chat.completions.create(**asked)).choices[0]


async def test_it_says_what_it_is_and_what_it_heard() -> None:
    choice = await said()
    assert "not a model" in choice.message.content
    assert "'What is the weather in Oslo?'" in choice.message.content
    assert "do not really think" in choice.message.reasoning_content


async def test_it_calls_the_tool_that_the_question_names_else_the_first() -> None:
    tools = [tool("clock"), tool("weather", city={"type": "string"}, unit={"enum": ["C", "F"]})]
    [call] = (await said(tools=tools)).message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == (
        "weather",
        {"city": "example", "unit": "C"},
    )
    [call] = (await said({"role": "user", "content": "Hi"}, tools=tools)).message.tool_calls
    assert call.function.name == "clock"


async def test_it_obeys_a_tool_choice() -> None:
    tools = [tool("clock"), tool("weather")]
    named = {"type": "function", "function": {"name": "clock"}}
    choice = await said(tools=tools, tool_choice=named)
    assert choice.message.tool_calls[0].function.name == "clock"
    assert choice.finish_reason == "tool_calls"
    assert (await said(tools=tools, tool_choice="none")).message.tool_calls is None


async def test_it_tells_what_a_tool_answered() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    turns = [USER, {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "call_1"}]
    turns[-1]["content"] = [{"type": "text", "text": "Sunny"}]
    assert (await said(*turns, tools=[tool("weather")])).message.content == "The tool answered: Sunny"


async def test_it_keeps_to_a_limit_and_to_json() -> None:
    short = await said(max_tokens=3)
    assert short.finish_reason == "length"
    assert len(short.message.content.split()) == 3
    schema = {"type": "object", "properties": {"color": {"const": "blue"}, "sizes": {"type": "array"}}}
    format = {"type": "json_schema", "json_schema": {"name": "hat", "schema": schema}}
    assert json.loads((await said(response_format=format)).message.content) == {
        "color": "blue",
        "sizes": ["example"],
    }
    said_back = (await said(response_format={"type": "json_object"})).message.content
    assert json.loads(said_back) == {"demo": True, "you_said": USER["content"]}


async def test_its_streams_are_legal() -> None:
    from responses_asgi import ResponsesMiddleware

    got = await ask(
        ResponsesMiddleware(Upstream.handler(demo)),
        "/v1/responses",
        {"model": "m", "input": "Hi", "stream": True},
    )
    response = assert_valid_stream(got.body)
    assert response["usage"]["output_tokens"] > 10


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": ["integer", "null"]}, 1),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"default": 7, "type": "integer"}, 7),
        ({"anyOf": [{"type": "number"}, {"type": "string"}]}, 1),
        ({"$ref": "#/$defs/hat", "$defs": {"hat": {"enum": ["straw"]}}}, "straw"),
        ({"$ref": "#/$defs/gone/deep", "$defs": {"gone": 5}}, "example"),
        ({"$ref": "elsewhere.json"}, "example"),
        ({"properties": {"a": {}}}, {"a": "example"}),
        ({"type": []}, "example"),
    ],
)
def test_an_example_of_a_schema(schema: JSON, value: Any) -> None:
    assert example(schema) == value


def test_an_example_of_a_schema_that_contains_itself_ends() -> None:
    tree = {"type": "object", "properties": {"left": {"$ref": "#"}}}
    text = json.dumps(example(tree))
    assert text.startswith('{"left": {"left": ')
    assert text.count("left") < 10
