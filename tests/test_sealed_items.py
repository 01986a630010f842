"""What a stateless client carries in `encrypted_content`: reasoning, out and back, and summaries."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from responses_asgi.errors import InvalidRequestError
from responses_asgi.history.sealed import (
    SUMMARY_INTRO,
    is_summary,
    open_items,
    reasoning_seal,
    summary_token,
)
from responses_asgi.loss import Losses
from responses_asgi.middleware import ResponsesMiddleware
from responses_asgi.profiles import PROFILES
from responses_asgi.seal import Seals
from responses_asgi.testing import FakeModel, Reasoning, ToolCall
from responses_asgi.translate.readable_tokens import REASONING, write_token
from responses_asgi.translate.reasoning import open_thought, reasoning_text, seal_details
from responses_asgi.transport import ASGITransport
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.upstream import Upstream
from tests.loopback import served
from tests.machine import STOP, answer, call, calls, delta, translator, whole

KEY, NEWER = "a key of the service", "another key of the service"
INCLUDE = ["reasoning.encrypted_content"]
WEATHER: JSON = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": False}
SIGNED: JSON = {"type": "reasoning.text", "text": "Hm.", "signature": "sig", "index": 0}


def thinks(*, include: bool = True, seals: Seals | None = None, chunks: Any = None, **options: Any) -> JSON:
    """The one reasoning item of an answer to `alice`."""
    chunks = chunks or [
        delta({"reasoning_content": "H"}),
        delta({"reasoning_content": "m."}),
        delta({"content": "a"}),
        STOP,
    ]
    result = answer(
        chunks, {"include": INCLUDE} if include else {}, seal=reasoning_seal(seals, "alice"), **options
    )
    [item] = result.items("reasoning")
    [done] = [
        event["item"]
        for event in result.events
        if event["type"] == "response.output_item.done" and event["item"]["type"] == "reasoning"
    ]
    assert done == item, "the item is done and final in one form"
    return item


def opened(item: JSON, seals: Seals | None, owner: str = "alice") -> tuple[JSON, list[tuple[str, str]]]:
    """The item after its token was opened, behind a user message; and what was lost."""
    losses = Losses()
    hi = {"role": "user", "content": "Hi"}
    same, made = open_items([hi, item], seals, owner, losses)
    assert same is hi
    return made, [(loss.path, loss.action) for loss in losses]


def refused(item: JSON, seals: Seals | None, owner: str = "alice") -> None:
    with pytest.raises(InvalidRequestError) as caught:
        opened(item, seals, owner)
    assert caught.value.code == "invalid_encrypted_content"
    assert caught.value.param == "input[1].encrypted_content"


# Out


def test_without_being_asked_text_is_not_put_into_a_token() -> None:
    assert "encrypted_content" not in thinks(include=False)
    assert "encrypted_content" not in thinks(include=False, seals=Seals([KEY]))


def test_without_keys_the_token_is_readable() -> None:
    item = thinks()
    assert item["encrypted_content"].startswith("rd1.")
    assert open_thought(item["encrypted_content"]) == ("Hm.", [])
    assert item["content"] == [{"type": "reasoning_text", "text": "Hm."}]


def test_with_keys_it_is_sealed_and_opens_in_another_process() -> None:
    item = thinks(seals=Seals([KEY]))
    assert item["encrypted_content"].startswith("sealed1.")
    back, losses = opened(item, Seals([KEY]))
    assert open_thought(back.pop("encrypted_content")) == ("Hm.", [])
    assert back == {name: value for name, value in item.items() if name != "encrypted_content"}
    assert losses == []


@pytest.mark.parametrize("include", [True, False])
def test_signed_details_are_carried_whether_asked_or_not(include: bool) -> None:
    chunks = [delta({"reasoning_details": [SIGNED]}), delta({"content": "a"}), STOP]
    text = "Hm." if include else ""
    readable = thinks(include=include, chunks=chunks)
    assert open_thought(readable["encrypted_content"]) == (text, [SIGNED])
    sealed = thinks(include=include, chunks=chunks, seals=Seals([KEY]))
    assert sealed["encrypted_content"].startswith("sealed1.")
    back, _ = opened(sealed, Seals([KEY]))
    assert open_thought(back["encrypted_content"]) == (text, [SIGNED])


def test_details_after_the_answer_are_sealed_as_an_item_of_their_own() -> None:
    late = {"type": "reasoning.encrypted", "data": "x"}
    chunks = [delta({"content": "a"}), delta({"reasoning_details": [late]}), STOP]
    back, _ = opened(thinks(chunks=chunks, seals=Seals([KEY])), Seals([KEY]))
    assert open_thought(back["encrypted_content"]) == ("", [late])


def test_each_thought_has_its_own_token_and_a_cut_one_too() -> None:
    chunks = [delta({"reasoning": "one"}), calls(call(0, "c", "f", "{}")), delta({"reasoning": "two"})]
    result = answer([*chunks, delta(finish="length")], {"include": INCLUDE}, seal=None)
    items = result.items("reasoning")
    assert [open_thought(item["encrypted_content"]) for item in items] == [("one", []), ("two", [])]
    assert items[1]["status"] == "incomplete"


def test_a_failed_answer_still_gives_what_was_thought() -> None:
    result = answer([delta({"reasoning": "one"})], {"include": INCLUDE}, seal=None)
    assert result.response["status"] == "failed"
    assert open_thought(result.items("reasoning")[0]["encrypted_content"]) == ("one", [])


def test_summaries_and_whole_answers_are_carried_too() -> None:
    summary = [{"type": "reasoning.summary", "summary": "brief", "index": 0}]
    message = {"reasoning_details": summary, "content": "c"}
    item = thinks(chunks=[whole(message)])
    assert item["summary"][0]["text"] == "brief"
    assert open_thought(item["encrypted_content"]) == ("brief", [])


def test_halves_of_characters_are_whole_in_the_token() -> None:
    chunks = [delta({"reasoning": "\ud83d"}), delta({"reasoning": "\ude00"}), delta({"content": "a"}), STOP]
    item = thinks(chunks=chunks, seals=Seals([KEY]))
    back, _ = opened(item, Seals([KEY]))
    assert reasoning_text(back) == item["content"][0]["text"] == "😀"


# Back


def test_the_old_form_of_the_token_is_still_read() -> None:
    assert open_thought(seal_details([SIGNED])) == ("", [SIGNED])
    for foreign in ({}, {"text": "a"}, {"text": 1, "details": []}, {"text": "a", "details": ["b"]}, 5):
        assert open_thought(write_token(REASONING, foreign)) is None


def test_the_text_in_the_token_counts_more_than_the_one_that_is_shown() -> None:
    shown = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "shown"}]}
    assert reasoning_text({**shown, "encrypted_content": seal_details([SIGNED], "carried")}) == "carried"


def test_rotation() -> None:
    item = thinks(seals=Seals([KEY]))
    assert opened(item, Seals([NEWER, KEY]))[1] == []
    for without in (Seals([NEWER]), None):
        back, losses = opened(item, without)
        assert "encrypted_content" not in back
        assert back["content"] == item["content"], "what the client can see is still there"
        assert losses == [("input[1].encrypted_content", "dropped")]


def test_tokens_that_were_changed_or_are_somebody_elses_are_refused() -> None:
    item = thinks(seals=Seals([KEY]))
    token = item["encrypted_content"]
    refused(item, Seals([KEY]), "bob")
    refused(item, Seals([KEY]), "")
    refused({**item, "encrypted_content": token[:-5]}, Seals([KEY]))
    refused({**item, "encrypted_content": token.replace(".", "..", 1)}, Seals([KEY]))
    # A thought is no summary.
    refused({"type": "compaction", "encrypted_content": token}, Seals([KEY]))


@pytest.mark.parametrize(
    "item",
    [
        {"type": "reasoning", "encrypted_content": "gAAAAB", "summary": []},
        {"type": "reasoning", "encrypted_content": None, "summary": []},
        {"type": "reasoning", "encrypted_content": seal_details([SIGNED]), "summary": []},
        {"type": "compaction", "encrypted_content": "gAAAAB"},
        {"type": "agent_message", "encrypted_content": "sealed1.0a1b2c3d.AAAA"},
        {"role": "user", "content": "sealed1.0a1b2c3d.AAAA"},
        {"id": "rs_1"},
    ],
)
def test_what_is_not_ours_stays_as_it_is(item: JSON) -> None:
    back, losses = opened(item, Seals([KEY]))
    assert back is item
    assert losses == []


# Summaries


@pytest.mark.parametrize("seals", [None, Seals([KEY])], ids=["readable", "sealed"])
def test_a_summary_comes_back_as_a_user_message(seals: Seals | None) -> None:
    token = summary_token("They met.", seals, "alice")
    back, losses = opened({"type": "compaction", "id": "cmp_1", "encrypted_content": token}, seals)
    assert back["role"] == "user"
    assert back["content"] == [{"type": "input_text", "text": f"{SUMMARY_INTRO}\n\nThey met."}]
    assert is_summary(back)
    assert losses == []


def test_a_readable_summary_opens_with_keys_as_well() -> None:
    item = {"type": "compaction", "encrypted_content": summary_token("They met.", None, "alice")}
    assert is_summary(opened(item, Seals([KEY]))[0])


@pytest.mark.parametrize("without", [None, Seals([NEWER])])
def test_the_model_is_told_of_a_summary_whose_key_is_gone(without: Seals | None) -> None:
    item = {"type": "compaction", "encrypted_content": summary_token("They met.", Seals([KEY]), "alice")}
    back, losses = opened(item, without)
    assert "can no longer be read" in back["content"][0]["text"]
    assert is_summary(back)
    assert losses == [("input[1].encrypted_content", "dropped")]


def test_a_summary_that_was_changed_or_is_somebody_elses_is_refused() -> None:
    token = summary_token("They met.", Seals([KEY]), "alice")
    refused({"type": "compaction", "encrypted_content": token}, Seals([KEY]), "bob")
    refused({"type": "reasoning", "encrypted_content": token}, Seals([KEY]))
    for changed in ("cs1.", "cs1.???", "cs1.e30", "cs1.WzFd", summary_token("They met.", None, "")[:-2]):
        refused({"type": "compaction", "encrypted_content": changed}, None)


@pytest.mark.parametrize(
    "item",
    [
        {"role": "user", "content": f"{SUMMARY_INTRO} hi"},
        {"role": "user", "content": []},
        {"role": "assistant", "content": [{"type": "output_text", "text": SUMMARY_INTRO}]},
        {"role": "user", "content": [{"type": "input_image", "image_url": "data:"}]},
        {"type": "function_call_output", "output": SUMMARY_INTRO},
    ],
)
def test_what_a_user_says_is_no_summary(item: JSON) -> None:
    assert not is_summary(item)


# There and back


async def turn(body: JSON, fake: FakeModel, seals: Seals | None) -> JSON:
    """One turn of a service that keeps nothing, in front of a server that demands its reasoning back."""
    given = open_items(body["input"], seals, "alice", Losses())
    machine = translator(
        {**body, "input": given}, profile=PROFILES["deepseek"], seal=reasoning_seal(seals, "alice")
    )
    async with httpx.AsyncClient(transport=ASGITransport(fake), base_url="http://model/v1") as client:
        reply = await client.post("/chat/completions", json=machine.request())
    assert reply.status_code == 200, reply.text
    events = [*machine.start(), *machine.feed(reply.json()), *machine.finish(marker=True)]
    assert events[-1].type == "response.completed"
    response: JSON = json.loads(json.dumps(machine.snapshot()))
    return response


# What clients send back of a reasoning item.
Sent = Callable[[JSON], JSON]
CLIENTS: dict[str, Sent] = {
    # Measured: summary, content and token, without the status.
    "Codex": lambda item: {name: value for name, value in item.items() if name != "status"},
    "whole": lambda item: item,
    "token only": lambda item: (
        {name: item[name] for name in ("type", "id", "encrypted_content")} | {"summary": []}
    ),
}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    "seals", [(None, None), (Seals([KEY]), Seals([NEWER, KEY]))], ids=["readable", "sealed"]
)
async def test_a_stateless_client_gives_a_server_its_reasoning_back(
    client: str, seals: tuple[Seals | None, Seals | None]
) -> None:
    fake = FakeModel(
        [
            [Reasoning("They want the weather."), ToolCall("weather", {"city": "Oslo"})],
            [Reasoning("And of Bergen."), "One more.", ToolCall("weather", {"city": "Bergen"})],
            "Sun and rain.",
        ],
        profile="deepseek",
    )
    conversation: list[JSON] = [{"role": "user", "content": "Weather?"}]
    for process in (0, 1, 1):
        body = {"tools": [WEATHER], "store": False, "include": INCLUDE, "input": conversation}
        response = await turn(body, fake, seals[process])
        for item in response["output"]:
            conversation.append(CLIENTS[client](item) if item["type"] == "reasoning" else item)
            if item["type"] == "function_call":
                output = {"type": "function_call_output", "call_id": item["call_id"], "output": "sun"}
                conversation.append(output)
    said = [m for m in fake.requests[-1].messages if m["role"] == "assistant"]
    assert [m.get("reasoning_content") for m in said] == ["They want the weather.", "And of Bergen."]
    assert all(m["tool_calls"] for m in said)
    assert conversation[-1]["content"][0]["text"] == "Sun and rain."


async def test_a_client_whose_key_is_gone_goes_on_without_the_token() -> None:
    fake = FakeModel([[Reasoning("Hm."), ToolCall("weather", {})], "Sun."], profile="deepseek")
    hi = {"role": "user", "content": "Weather?"}
    body: JSON = {"tools": [WEATHER], "include": INCLUDE, "input": [hi]}
    first = await turn(body, fake, Seals([KEY]))
    thought, called = first["output"]
    bare = CLIENTS["token only"](thought)
    output = {"type": "function_call_output", "call_id": called["call_id"], "output": "sun"}
    await turn({**body, "input": [hi, bare, called, output]}, fake, Seals([NEWER]))
    assert fake.requests[-1].messages[1]["reasoning_content"] == "", "the server demands the field"


# Through the middleware


@asynccontextmanager
async def bridged(fake: FakeModel, key: str = "sk-a", **settings: Any) -> AsyncIterator[AsyncOpenAI]:
    """The OpenAI SDK on a real server: a process of its own, as far as state is concerned."""
    bridge = ResponsesMiddleware(Upstream.asgi(fake, profile="deepseek"), store=None, **settings)
    async with served(bridge) as url, AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:
        yield client


async def ask_weather(client: AsyncOpenAI, conversation: list[Any], *, stream: bool) -> list[Any]:
    """The output of one turn of a client that keeps the conversation itself, as it sends it back."""
    body: Any = {"model": "m", "tools": [WEATHER], "store": False, "include": INCLUDE, "input": conversation}
    if stream:
        done = [
            event.item
            async for event in await client.responses.create(**body, stream=True)
            if event.type == "response.output_item.done"
        ]
    else:
        done = (await client.responses.create(**body)).output
    items = [item.to_dict() for item in done]
    return [CLIENTS["Codex"](item) if item["type"] == "reasoning" else item for item in items]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_turn_is_continued_by_another_process_with_a_newer_key(stream: bool) -> None:
    turns: list[Any] = [[Reasoning("Hm."), ToolCall("weather", {"city": "Oslo"})], "Sun.", "Sun."]
    fake = FakeModel(turns, profile="deepseek")
    conversation: list[Any] = [{"role": "user", "content": "Weather?"}]
    async with bridged(fake, seal_keys=[KEY]) as client:
        conversation += await ask_weather(client, conversation, stream=stream)
    thought, called = conversation[1:]
    assert thought["encrypted_content"].startswith("sealed1.")
    conversation.append({"type": "function_call_output", "call_id": called["call_id"], "output": "sun"})
    for item in (thought, {**thought, "content": None}):
        conversation[1] = item
        async with bridged(fake, seal_keys=[NEWER, KEY]) as client:
            await ask_weather(client, conversation, stream=stream)
        assert fake.requests[-1].messages[1]["reasoning_content"] == "Hm."


async def test_clients_are_told_of_tokens_that_do_not_open() -> None:
    fake = FakeModel([[Reasoning("Hm."), "Sun."], "Rain.", "Wind."], profile="deepseek")
    conversation: list[Any] = [{"role": "user", "content": "Weather?"}]
    async with bridged(fake, seal_keys=[KEY]) as client:
        conversation += await ask_weather(client, conversation, stream=False)
        conversation.append({"role": "user", "content": "And now?"})
        changed = [*conversation]
        changed[1] = {**changed[1], "encrypted_content": changed[1]["encrypted_content"][:-4]}
        for asker, given in ((client, changed), (client.with_options(api_key="sk-b"), conversation)):
            with pytest.raises(openai.BadRequestError) as caught:
                await ask_weather(asker, given, stream=True)
            assert caught.value.code == "invalid_encrypted_content"
            assert caught.value.param == "input[1].encrypted_content"
    async with bridged(fake, seal_keys=[NEWER]) as client:
        body: Any = {"model": "m", "store": False, "input": conversation}
        reply = await client.responses.with_raw_response.create(**body)
    assert "input[1].encrypted_content;dropped" in unquote(reply.headers["x-responses-asgi-loss"])
