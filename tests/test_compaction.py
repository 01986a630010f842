"""Turns that compact their conversation: `compaction_trigger` as Codex sends it, and `context_management`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from responses_asgi import MemoryStore, ResponsesMiddleware, Upstream
from responses_asgi.history.compaction import SUMMARY_REQUEST, shortened
from responses_asgi.history.sealed import SUMMARY_INTRO, open_items, summary_token
from responses_asgi.hosted import Hosted
from responses_asgi.loss import LOSS_HEADER, Losses
from responses_asgi.seal import Seals
from responses_asgi.testing import (
    Error,
    FakeModel,
    Finish,
    Reasoning,
    Refusal,
    ToolCall,
    Usage,
    assert_valid_stream,
)
from responses_asgi.translate.compacting import Compacting
from responses_asgi.translate.response_writer import ResponseWriter
from responses_asgi.transport import ASGITransport
from responses_asgi.types.json import JSON
from tests.background_driver import eventually
from tests.loopback import until
from tests.machine import STOP, delta, translator
from tests.websocket_driver import bridged as socket_to

TRIGGER: JSON = {"type": "compaction_trigger"}
TOLD = f"{SUMMARY_INTRO}\n\nOslo."
TALK: list[JSON] = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": "Weather?"},
    {"type": "reasoning", "id": "rs_1", "summary": []},
    {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "sun"},
    {"role": "assistant", "content": "Sunny."},
]
LONG = "word " * 1000
MANAGED: list[JSON] = [{"type": "compaction", "compact_threshold": 1000}]


class Client:
    """A client of a bridge in front of a scripted model."""

    def __init__(self, http: httpx.AsyncClient, fake: FakeModel) -> None:
        self.http = http
        self.fake = fake
        self.lost: list[str] = []

    async def post(self, given: Any, *, status: int = 200, **body: Any) -> JSON:
        """The response; of a stream, which must be legal, the last one."""
        reply = await self.http.post("/v1/responses", json={"model": "m", "input": given, **body})
        assert reply.status_code == status, reply.text
        self.lost = list(filter(None, reply.headers.get(LOSS_HEADER, "").split(", ")))
        if reply.headers["content-type"].startswith("text/event-stream"):
            return assert_valid_stream(reply.text)
        document: JSON = reply.json()
        return document

    def told(self, number: int = -1) -> list[tuple[str, Any]]:
        """The messages that the model was given."""
        return [(m["role"], m.get("content")) for m in self.fake.requests[number].messages]


@asynccontextmanager
async def client_of(*turns: Any, **settings: Any) -> AsyncIterator[Client]:
    fake = FakeModel(list(turns))
    app = ResponsesMiddleware(Upstream.asgi(fake, profile="deepseek"), **settings)
    async with httpx.AsyncClient(transport=ASGITransport(app), base_url="http://bridge") as http:
        yield Client(http, fake)


def kinds(response: JSON) -> list[str]:
    return [item["type"] for item in response["output"]]


# A compaction that the client asks for


@pytest.mark.parametrize("stream", [True, False])
async def test_a_trigger_is_answered_by_a_compaction_item(stream: bool) -> None:
    turn = [Reasoning("Hm."), "Oslo.", Usage(90, 5, cached_tokens=70)]
    async with client_of(turn, "It rains.") as client:
        made = await client.post([*TALK, TRIGGER], stream=stream, store=False)
        assert (made["status"], made["model"], kinds(made)) == ("completed", "m", ["compaction"])
        assert made["output"][0].keys() == {"id", "type", "encrypted_content"}
        assert made["output"][0]["id"].startswith("cmp_")
        assert (made["usage"]["total_tokens"], made["usage"]["input_tokens_details"]["cached_tokens"]) == (
            95,
            70,
        )
        assert made["tool_choice"] == "auto", "what the summary is asked with is not the client's"
        asked = client.fake.requests[0]
        assert asked.stream is stream
        assert asked.text == SUMMARY_REQUEST
        assert [role for role, _ in client.told()] == [
            "system",
            "user",
            "assistant",
            "tool",
            "assistant",
            "user",
        ]
        # Codex goes on with the messages of the user, the item, and what comes then.
        kept = [item for item in TALK if "role" in item and item["role"] != "assistant"]
        await client.post([*kept, *made["output"], {"role": "user", "content": "And now?"}], store=False)
        assert client.told() == [
            ("system", "Be brief."),
            ("user", "Weather?"),
            ("user", TOLD),
            ("user", "And now?"),
        ]


async def test_the_events_of_a_compaction() -> None:
    async with client_of("Oslo.") as client:
        body = {"model": "m", "input": [*TALK, TRIGGER], "stream": True}
        reply = await client.http.post("/v1/responses", json=body)
    types = [line.removeprefix("event: ") for line in reply.text.splitlines() if line.startswith("event: ")]
    assert types == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.output_item.done",
        "response.completed",
    ]


async def test_everything_before_a_trigger_may_be_stored() -> None:
    async with client_of("one", "Oslo.", "two", "three", store=MemoryStore()) as client:
        first = await client.post("a")
        made = await client.post([TRIGGER], previous_response_id=first["id"], stream=True)
        assert (kinds(made), made["previous_response_id"], made["store"]) == (
            ["compaction"],
            first["id"],
            True,
        )
        assert client.told()[:-1] == [("user", "a"), ("assistant", "one")]
        again = (await client.http.get(f"/v1/responses/{made['id']}")).json()
        assert again == made
        second = await client.post("b", previous_response_id=made["id"])
        assert client.told() == [("user", "a"), ("user", TOLD), ("user", "b")]
        await client.post("c", previous_response_id=second["id"])
        assert client.told()[2:] == [("user", "b"), ("assistant", "two"), ("user", "c")]


async def test_a_conversation_is_compacted() -> None:
    async with client_of("one", "Oslo.", "two", store=MemoryStore()) as client:
        conversation = (await client.http.post("/v1/conversations", json={})).json()["id"]
        await client.post("a", conversation=conversation)
        await client.post([TRIGGER], conversation=conversation)
        await client.post("b", conversation=conversation)
        assert client.told() == [("user", "a"), ("user", TOLD), ("user", "b")]


@pytest.mark.parametrize("store", ["memory", None])
async def test_a_compaction_on_a_socket(store: str | None) -> None:
    fake = FakeModel(["one", "Oslo.", "two"])
    async with socket_to(fake, store=store) as talk:
        first = await talk.create(input="a")
        made = await talk.create(input=[TRIGGER], previous_response_id=first["id"])
        assert kinds(made) == ["compaction"]
        await talk.create(input="b", previous_response_id=made["id"])
    said = [(message["role"], message["content"]) for message in fake.requests[-1].messages]
    assert said == [("user", "a"), ("user", TOLD), ("user", "b")]


async def test_a_compaction_in_the_background() -> None:
    async with client_of("Oslo.", store=MemoryStore()) as client:
        queued = await client.post([*TALK, TRIGGER], background=True)
        assert queued["status"] == "queued"

        async def response() -> JSON:
            read: JSON = (await client.http.get(f"/v1/responses/{queued['id']}")).json()
            return read

        async def ended() -> bool:
            return (await response())["status"] not in ("queued", "in_progress")

        await eventually(ended)
        made = await response()
        assert (made["status"], kinds(made)) == ("completed", ["compaction"])
        log = await client.http.get(f"/v1/responses/{queued['id']}", params={"stream": "true"})
        assert_valid_stream(log.text)


async def test_a_sealed_compaction_is_for_its_owner() -> None:
    async with client_of("Oslo.", seal_keys=["a key of the service"]) as client:
        client.http.headers["authorization"] = "Bearer mine"
        made = await client.post([*TALK, TRIGGER])
        assert made["output"][0]["encrypted_content"].startswith("sealed1.")
        client.http.headers["authorization"] = "Bearer theirs"
        error = (await client.post([*made["output"], *TALK], status=400))["error"]
        assert error["code"] == "invalid_encrypted_content"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("turn", "why"),
    [
        (Refusal("I will not."), "I will not."),
        (["Os", Finish("content_filter")], "content_filter"),
        ("", "completed"),
        ([], "completed"),
    ],
)
async def test_without_a_summary_the_response_fails(turn: Any, why: str, stream: bool) -> None:
    async with client_of(turn) as client:
        made = await client.post([*TALK, TRIGGER], stream=stream, status=200 if stream else 502)
        assert made["error"]["message"] == f"The model wrote no summary of the conversation: {why}."
        assert not stream or (made["status"], made["output"]) == ("failed", [])


async def test_a_compaction_that_came_to_nothing_tells_what_it_took() -> None:
    async with client_of([Usage(90, 5)]) as client:
        made = await client.post([*TALK, TRIGGER], stream=True)
        assert (made["status"], made["usage"]["total_tokens"]) == ("failed", 95)


async def test_an_upstream_that_fails_fails_the_compaction() -> None:
    async with client_of(Error(status=429, code="rate_limit_exceeded"), ["Os", Finish("error")]) as client:
        made = await client.post([*TALK, TRIGGER], stream=True, status=429)
        assert made["error"]["code"] == "rate_limit_exceeded"
        made = await client.post([*TALK, TRIGGER], stream=True)
        assert (made["status"], made["output"]) == ("failed", [])


async def test_a_summary_that_was_cut_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "responses_asgi")
    async with client_of(["Os", Finish("length")]) as client:
        made = await client.post([*TALK, TRIGGER], max_output_tokens=16)
        assert (made["status"], kinds(made)) == ("completed", ["compaction"])
        await until(lambda: "the summary was cut: max_output_tokens" in caplog.text)
        assert client.fake.requests[0].body["max_tokens"] == 16


@pytest.mark.parametrize(
    ("given", "param"),
    [([TRIGGER], "input[0]"), ([TRIGGER, {"role": "user", "content": "Hi"}], "input[0].type")],
)
async def test_a_trigger_ends_the_input_and_has_something_before_it(given: list[JSON], param: str) -> None:
    async with client_of() as client:
        assert (await client.post(given, status=400))["error"]["param"] == param


async def test_an_upstream_that_speaks_responses_compacts_by_itself() -> None:
    asked: list[JSON] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.append(json.loads((await receive())["body"]))
        item = {"id": "cmp_1", "type": "compaction", "encrypted_content": "opaque"}
        response = {"id": "resp_1", "object": "response", "status": "completed", "output": [item]}
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(response).encode()})

    for store in (None, MemoryStore()):
        bridge = ResponsesMiddleware(Upstream.asgi(app, api="responses"), store=store)
        async with httpx.AsyncClient(transport=ASGITransport(bridge), base_url="http://bridge") as http:
            body = {"model": "m", "input": [*TALK, TRIGGER], "context_management": MANAGED}
            made = (await http.post("/v1/responses", json=body)).json()
            assert made["output"][0]["encrypted_content"] == "opaque"
            assert asked[-1]["input"][-1] == TRIGGER
            assert asked[-1]["context_management"] == MANAGED
    body = {"model": "m", "input": "And?", "previous_response_id": made["id"]}
    async with httpx.AsyncClient(transport=ASGITransport(bridge), base_url="http://bridge") as http:
        assert (await http.post("/v1/responses", json=body)).status_code == 200
    assert TRIGGER not in asked[-1]["input"], "what was honoured is not asked for again"
    assert [item for item in asked[-1]["input"] if item.get("type") == "compaction"]


# A compaction from a threshold on


@pytest.mark.parametrize("stream", [True, False])
async def test_a_conversation_over_the_threshold_is_compacted_first(stream: bool) -> None:
    summary, answer = ["Oslo.", Usage(2000, 5)], [Reasoning("Hm."), "Yes.", Usage(30, 2)]
    said: list[JSON] = [*TALK, {"role": "assistant", "content": LONG}, {"role": "user", "content": "Sure?"}]
    async with client_of(summary, answer, "Bye.", "Bye.", store=MemoryStore()) as client:
        asked: JSON = {"context_management": MANAGED, "stream": stream, "max_output_tokens": 50}
        made = await client.post(said, tool_choice="none", **asked)
        assert kinds(made) == ["compaction", "reasoning", "message"]
        assert made["usage"]["total_tokens"] == 2037
        assert (made["max_output_tokens"], made["tool_choice"]) == (50, "none")
        assert client.lost == ["context_management;emulated"]
        first, second = client.fake.requests
        assert (first.text, first.stream, "max_tokens" in first.body) == (SUMMARY_REQUEST, stream, False)
        assert (second.stream, second.body["max_tokens"]) == (stream, 50)
        kept = [("system", "Be brief."), ("user", "Weather?")]
        assert client.told() == [*kept, ("user", TOLD), ("user", "Sure?")]
        # A client that carries everything carries what the item stands for, too.
        await client.post([*said, *made["output"], {"role": "user", "content": "Bye"}], **asked)
        end = [("user", "Sure?"), ("user", TOLD), ("assistant", "Yes."), ("user", "Bye")]
        assert client.told() == [*kept, *end]
        assert len(client.fake.requests) == 3, "it is short now"
        await client.post("Bye", previous_response_id=made["id"], **asked)
        assert client.told() == [*kept, *end]


async def test_below_the_threshold_nothing_is_compacted() -> None:
    async with client_of("Yes.", "Yes.") as client:
        assert kinds(await client.post(TALK, context_management=MANAGED)) == ["message"]
        assert client.lost == ["context_management;emulated"]
        assert kinds(await client.post("Hi", context_management=MANAGED, strict=True)) == ["message"]


async def test_what_is_kept_anyway_is_not_compacted() -> None:
    said = [{"role": "user", "content": LONG}, {"role": "assistant", "content": "Oh."}]
    async with client_of("Yes.") as client:
        assert kinds(await client.post(said, context_management=MANAGED)) == ["message"]
        assert client.lost == ["context_management;emulated", "context_management;clamped"]


async def test_other_entries_are_told_as_lost() -> None:
    entries = [{"type": "forgetting"}, {"type": "compaction"}]
    async with client_of("Yes.") as client:
        await client.post("Hi", context_management=entries)
        assert client.lost == ["context_management[0];dropped", "context_management[1];dropped"]
        error = await client.post(
            "Hi", context_management=[{**MANAGED[0], "compact_threshold": 5}], status=400
        )
        assert error["error"]["param"] == "context_management[0].compact_threshold"
        error = await client.post("Hi", context_management=["compaction"], status=400)
        assert error["error"]["param"] == "context_management[0]"
        assert "_" not in error["error"]["message"].replace("context_management", "")


async def test_an_answer_that_fails_after_the_compaction() -> None:
    said = [*TALK, {"role": "assistant", "content": LONG}]
    failures = [Error(status=503), ["Ye", Finish("error")], Refusal("No.")]
    for failure in failures[:2]:
        async with client_of("Oslo.", failure) as client:
            made = await client.post(said, context_management=MANAGED, stream=True)
            assert (made["status"], made["output"][0]["type"]) == ("failed", "compaction")
    async with client_of(Refusal("No.")) as client:
        made = await client.post(said, context_management=MANAGED, stream=True)
        assert (made["status"], made["output"]) == ("failed", [])


def search(query: str) -> str:
    """Searches."""
    return f"{query}: fine"


async def test_tools_of_the_service_are_run_after_a_compaction() -> None:
    turns = ["Oslo.", ToolCall("tools__search", {"query": "weather"}), "Fine."]
    said = [
        {"role": "user", "content": "Weather?"},
        {
            "type": "mcp_call",
            "id": "mcp_1",
            "server_label": "tools",
            "name": "search",
            "arguments": "{}",
            "output": LONG,
        },
        {"role": "user", "content": "And now?"},
    ]
    async with client_of(*turns, hosted=Hosted(tools=[search])) as client:
        made = await client.post(said, context_management=MANAGED, stream=True)
        assert kinds(made) == ["compaction", "mcp_call", "message"]
        assert made["output"][1]["output"] == "weather: fine"
        assert ("tool", LONG) in client.told(0), "the summary is made of results, too"
        assert client.told(1) == [("user", "Weather?"), ("user", TOLD), ("user", "And now?")]
        assert client.told(2)[-1] == ("tool", "weather: fine")


async def test_a_call_that_is_being_decided_is_not_summarized() -> None:
    said: list[JSON] = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": LONG},
        {
            "type": "mcp_approval_request",
            "id": "mcpr_1",
            "server_label": "tools",
            "name": "search",
            "arguments": "{}",
        },
        {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": False},
    ]
    async with client_of("As you like.", hosted=Hosted(tools=[search])) as client:
        assert kinds(await client.post(said, context_management=MANAGED)) == ["message"]
        assert "context_management;clamped" in client.lost


def test_the_response_while_its_answer_is_made() -> None:
    first, second = translator(), translator()
    writer = ResponseWriter(
        {"id": "resp_1", "created_at": 1}, dialect="openai", new_id=lambda prefix: prefix, now=lambda: 2
    )
    compacting = Compacting(first, writer, seal=str.upper, goes_on=True)
    compacting.start()
    compacting.feed(delta({"content": "Oslo."}))
    compacting.feed(STOP)
    assert not compacting.paused
    compacting.finish(marker=True)
    assert (compacting.paused, compacting.summarized, compacting.pending) == (True, True, [])
    compacting.proceed(second)
    compacting.feed(delta({"content": "Y"}))
    assert (compacting.paused, compacting.goes_on, compacting.complete()) == (False, False, False)
    assert compacting.snapshot()["output"][0]["encrypted_content"] == "OSLO."
    assert (compacting.snapshot()["id"], compacting.response_id) == ("resp_1", "resp_1")


async def test_a_client_that_leaves_between_summary_and_answer() -> None:
    gone = asyncio.Event()
    asked = 0

    async def model(request: JSON) -> AsyncIterator[str]:
        nonlocal asked
        asked += 1
        if asked == 1:
            yield "Oslo."
            return
        try:
            yield "Y"
            await asyncio.Event().wait()
        finally:
            gone.set()

    bridge = ResponsesMiddleware(Upstream.handler(model))
    said = [*TALK, {"role": "assistant", "content": LONG}]
    async with httpx.AsyncClient(transport=ASGITransport(bridge), base_url="http://bridge") as http:
        body = {"model": "m", "input": said, "stream": True, "context_management": MANAGED}
        async with http.stream("POST", "/v1/responses", json=body) as reply:
            async for line in reply.aiter_lines():
                if "output_text.delta" in line:
                    break
        async with asyncio.timeout(30):
            await gone.wait()
    assert asked == 2


# What a summary stands for


def covered(history: list[JSON], given: list[JSON], **options: Any) -> tuple[list[JSON], list[JSON]]:
    losses = Losses()
    opened = [open_items(items, None, "", losses) for items in (history, given)]
    return shortened(opened[0], opened[1], [*history, *given], **options)


def test_a_summary_stands_for_what_is_before_it() -> None:
    summary = {"type": "compaction", "encrypted_content": summary_token("Oslo.", None, "")}
    user, said = {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}
    tools: JSON = {"type": "additional_tools", "tools": []}
    told = open_items([summary], None, "", Losses())[0]
    assert covered([user, said], [said]) == ([user, said], [said])
    assert covered([user, said, summary, said], [user, said]) == ([user, told, said], [user, said])
    assert covered([user, said, summary], [said, tools, summary, said]) == ([user], [tools, told, said])
    assert covered([said], [said, summary, said], blank=True) == ([], [tools, told, said])


def test_what_nobody_can_read_any_more_stands_for_nothing() -> None:
    lost = {
        "type": "compaction",
        "encrypted_content": summary_token("Oslo.", Seals(["a key that is gone"]), ""),
    }
    foreign = {"type": "compaction", "encrypted_content": "theirs"}
    said = {"role": "assistant", "content": "b"}
    for summary in (lost, foreign):
        history, _ = covered([said, summary], [])
        assert history[0] == said


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(("each", "compacted"), [(10, False), (300, True)])
async def test_the_host_counts_the_tokens_if_it_can(each: int, compacted: bool, is_async: bool) -> None:
    """By estimate, the conversation would be compacted in the first case, and not in the second."""
    counted: list[JSON] = []

    def count(body: JSON) -> int:
        counted.append(body)
        return each * len(body["input"])

    async def count_later(body: JSON) -> int:
        await asyncio.sleep(0)
        return count(body)

    said = [{"role": "assistant", "content": "Hm." if compacted else LONG}] * 5
    turns = ["Oslo.", "Sunny."] if compacted else ["Sunny."]
    async with client_of(*turns, count_tokens=count_later if is_async else count) as client:
        response = await client.post([*said, {"role": "user", "content": "?"}], context_management=MANAGED)
        assert [item["type"] for item in response["output"]] == (
            ["compaction", "message"] if compacted else ["message"]
        )
    assert counted[0]["model"] == "m"
    assert len(counted[0]["input"]) == 6


async def test_the_loss_says_whether_tokens_are_estimated(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "responses_asgi")
    for settings in ({}, {"count_tokens": lambda body: 1}):
        async with client_of("Hi.", **settings) as client:
            await client.post("Hi", context_management=MANAGED)
    told = [each.getMessage() for each in caplog.records if "context_management" in each.getMessage()]
    assert ["estimated" in each for each in told] == [True, False]
