"""FakeModel as the Chat servers that the profiles describe: what they refuse, and how they answer."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from responses_asgi import PROFILES, ResponsesMiddleware, Upstream, client
from responses_asgi.testing import FakeModel, Finish, Reasoning, ToolCall, Usage, assert_valid_stream
from responses_asgi.testing.personality import HABITS
from tests.loopback import ask

JSON = dict[str, Any]

USER = {"role": "user", "content": "Hi"}
SAID = [
    Reasoning("Think hard."),
    "The fox left.",
    ToolCall("a", {"x": 1}),
    ToolCall("b", {"y": 2}),
    Usage(21, 9, cached_tokens=4, reasoning_tokens=5),
]
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TURN: list[JSON] = [
    USER,
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "1"},
]


async def chunks(profile: str, *said: Any, **body: Any) -> list[JSON]:
    fake = FakeModel([list(said or SAID)], profile=profile)
    got = await ask(fake, body={"model": "m", "messages": [USER], "stream": True, **body})
    *events, done = got.body.decode().removesuffix("\n\n").split("\n\n")
    assert done == "data: [DONE]"
    return [json.loads(event.removeprefix("data: ")) for event in events]


def said(chunks: list[JSON], field: str) -> str:
    """The text of one field of the deltas."""
    texts = [choice["delta"].get(field) for chunk in chunks for choice in chunk["choices"]]
    return "".join(text for text in texts if isinstance(text, str))


@pytest.mark.parametrize("profile", sorted(PROFILES))
@pytest.mark.parametrize("stream", [True, False])
async def test_the_bridge_understands_every_personality(profile: str, stream: bool) -> None:
    fake = FakeModel([SAID], profile=profile)
    bridge = ResponsesMiddleware(Upstream.asgi(fake, profile=profile))
    tool = {"type": "function", "name": "a", "parameters": {}, "strict": True}
    schema = {"type": "json_schema", "name": "n", "schema": {}}
    body = {
        "model": "m",
        "instructions": "Be brief.",
        "input": [{"role": "developer", "content": "Rhyme."}, USER],
        "tools": [tool, {**tool, "name": "b"}],
        "text": {"format": schema, "verbosity": "low"},
        "safety_identifier": "s",
        "metadata": {"a": "b"},
        "stream": stream,
    }
    got = await ask(bridge, "/v1/responses", body)
    assert got.status == 200, got.json()
    answer = assert_valid_stream(got.body) if stream else got.json()
    reasoning, message, *calls = answer["output"]
    assert "".join(part["text"] for part in reasoning["content"]).strip() == "Think hard."
    assert message["content"][0]["text"].strip() == "The fox left."
    assert [(call["name"], call["arguments"]) for call in calls] == [("a", '{"x":1}'), ("b", '{"y":2}')]
    if not (stream and not PROFILES[profile].stream_usage and HABITS[profile].usage == "own"):
        assert answer["usage"]["total_tokens"] == 30


async def test_where_reasoning_is_said() -> None:
    assert said(await chunks("deepseek"), "reasoning_content") == "Think hard."
    assert said(await chunks("vllm"), "reasoning") == "Think hard."
    tagged = said(await chunks("together"), "content")
    assert tagged == "<think>\nThink hard.\n</think>\n\nThe fox left."
    cut = await chunks("together", Reasoning("Think"), Finish("length"))
    assert said(cut, "content") == "<think>\nThink\n</think>\n\n"
    details = [c["choices"][0]["delta"].get("reasoning_details") for c in await chunks("openrouter")]
    assert [each[0]["text"] for each in details if each] == ["Think", " hard."]
    parts = [c["choices"][0]["delta"].get("content") for c in await chunks("mistral")]
    assert [p[0]["thinking"][0]["text"] for p in parts if isinstance(p, list)] == ["Think", " hard."]


async def test_where_usage_is_said() -> None:
    asked = {"stream_options": {"include_usage": True}}
    own = await chunks("openai", **asked)
    assert (own[-1]["choices"], own[-1]["usage"]["total_tokens"]) == ([], 30)
    assert all(chunk["usage"] is None for chunk in own[:-1])
    assert not any("usage" in chunk for chunk in await chunks("openai"))
    finish = (await chunks("deepseek"))[-1]
    assert finish["choices"][0]["finish_reason"] == "tool_calls"
    assert finish["usage"]["total_tokens"] == 30
    assert (await chunks("groq"))[-1]["x_groq"]["usage"]["total_tokens"] == 30


async def test_how_calls_are_said() -> None:
    fragments = [c["choices"][0]["delta"].get("tool_calls") for c in await chunks("mistral")]
    assert [(call["id"], call["function"]["arguments"]) for (call,) in filter(None, fragments)] == [
        ("000000002", '{"x":1}'),
        ("000000003", '{"y":2}'),
    ]
    assert (await chunks("azure"))[0]["prompt_filter_results"] == []


async def test_whole_answers() -> None:
    async def message(profile: str, *said: Any) -> JSON:
        got = await ask(
            FakeModel([list(said or SAID)], profile=profile), body={"messages": [USER], "model": "m"}
        )
        whole: JSON = got.json()["choices"][0]["message"]
        return whole

    assert (await message("deepseek"))["reasoning_content"] == "Think hard."
    assert (await message("ollama"))["reasoning"] == "Think hard."
    assert (await message("perplexity"))["content"] == "<think>\nThink hard.\n</think>\n\nThe fox left."
    assert [part["type"] for part in (await message("mistral"))["content"]] == ["thinking", "text"]
    assert [part["type"] for part in (await message("mistral", Reasoning("Hm")))["content"]] == ["thinking"]
    assert (await message("mistral", "Hi"))["content"] == "Hi"


@pytest.mark.parametrize(
    ("profile", "body", "param"),
    [
        ("vllm", {"metadata": {}}, "metadata"),
        ("mistral", {"stream_options": {"include_usage": True}}, "stream_options"),
        (
            "deepseek",
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}},
            "response_format",
        ),
        (
            "moonshot",
            {"tools": [{"type": "function", "function": {"name": "f", "strict": True}}]},
            "tools[0].function.strict",
        ),
        ("generic", {"messages": [{"role": "developer", "content": "x"}, USER]}, "messages[0].role"),
        ("llamacpp", {"messages": [USER, {"role": "system", "content": "x"}]}, "messages[1].role"),
        ("mistral", {"messages": [*TURN, USER]}, "messages[1].tool_calls"),
        ("deepseek", {"messages": TURN}, "messages[1].tool_calls"),
    ],
)
async def test_what_a_server_refuses(profile: str, body: JSON, param: str) -> None:
    fake = FakeModel("Hi", profile=profile)
    whole: Any = {"model": "m", "messages": [USER], **body}
    async with client(fake, max_retries=0) as sdk:
        with pytest.raises(openai.BadRequestError) as caught:
            await sdk.chat.completions.create(**whole)
    assert caught.value.param == param
    assert len(fake.requests) == 1
    assert (await ask(FakeModel("Hi"), body=whole)).status == 200


async def test_a_user_after_a_tool_is_refused_where_a_profile_says_so() -> None:
    short = [USER, {**TURN[1], "tool_calls": [{**CALL, "id": "abcdefghi"}]}, {**TURN[2]}, USER]
    got = await ask(FakeModel("Hi", profile="mistral"), body={"model": "m", "messages": short})
    assert got.json()["error"]["param"] == "messages[3].role"


async def test_responses_clients_are_answered_alike_by_all() -> None:
    for profile in ("openai", "mistral"):
        got = await ask(
            FakeModel([SAID], profile=profile), "/v1/responses", {"model": "m", "input": "Hi", "metadata": {}}
        )
        assert [item["type"] for item in got.json()["output"]][:2] == ["reasoning", "message"]


async def test_a_response_format_of_another_kind_is_no_failure() -> None:
    got = await ask(FakeModel("Hi"), "/v1/responses", {"model": "m", "input": "Hi", "response_format": [1]})
    assert got.status == 200
