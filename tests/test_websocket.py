"""Turns over a WebSocket: events, continuation, warm-up, errors, as the OpenAI SDK and Codex use them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from openai import AsyncOpenAI

from responses_asgi import Gateway, ResponsesMiddleware, Upstream
from responses_asgi.testing import Error, FakeModel, Finish, Reasoning, ToolCall
from responses_asgi.types.asgi import Receive, Scope, Send
from responses_asgi.types.json import JSON
from tests.loopback import Recorder, reply, served
from tests.websocket_driver import (
    Talk,
    answering,
    bridged,
    heard_by,
    talking,
    text_of,
    types,
)

TOOL = {"type": "function", "name": "shell", "parameters": {"type": "object"}, "strict": False}


async def test_a_turn_is_the_events_of_a_stream() -> None:
    async with bridged(FakeModel("Hello you.")) as talk:
        await talk.begin(stream=True, stream_options={"include_obfuscation": False})
        events = await talk.turn()
    assert types(events)[:2] == ["response.created", "response.in_progress"]
    assert "response.output_text.delta" in types(events)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert not any("stream_id" in event for event in events)
    assert text_of(events[-1]["response"]) == "Hello you."


async def test_the_upstream_is_posted_to_with_the_headers_of_the_handshake() -> None:
    seen: list[Scope] = []
    fake = FakeModel("Hi.")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await fake(scope, receive, send)

    headers = {"authorization": "Bearer theirs", "x-tenant": "acme", "openai-beta": "responses_websockets=1"}
    async with (
        served(ResponsesMiddleware(app)) as url,
        talking(url, "/v1/responses?a=b", additional_headers=headers) as talk,
    ):
        await talk.create()
    scope = seen[0]
    assert (scope["type"], scope["method"], scope["path"]) == ("http", "POST", "/v1/chat/completions")
    assert (scope["scheme"], scope["query_string"]) == ("http", b"a=b")
    got = {name.decode(): value.decode() for name, value in scope["headers"]}
    assert (got["authorization"], got["x-tenant"]) == ("Bearer theirs", "acme")
    assert not {"upgrade", "connection", "openai-beta"} & got.keys()
    assert not any(name.startswith("sec-websocket") for name in got)
    assert fake.requests[0].body["stream"] is True


# Continuation


@pytest.mark.parametrize("store", ["memory", None])
async def test_the_latest_response_is_continued_without_being_stored(store: str | None) -> None:
    fake = FakeModel([[Reasoning("Hm."), "one"], "two", "three", "four"])
    async with bridged(fake, store=store) as talk:
        first = await talk.create(input="a", instructions="Be brief.")
        second = await talk.create(input="b", previous_response_id=first["id"])
        assert (second["previous_response_id"], second["store"]) == (first["id"], False)
        assert heard_by(fake) == [("user", "a"), ("assistant", "one"), ("user", "b")]
        third = await talk.create(input="c", previous_response_id=second["id"])
        assert [content for _, content in heard_by(fake)] == ["a", "one", "b", "two", "c"]
        error = (await talk.refused(previous_response_id=first["id"]))["error"]
        assert (error["code"], error["param"]) == ("previous_response_not_found", "previous_response_id")
        assert "the latest one of each lane" in error["message"]
        # That failure was none of the latest response.
        await talk.create(input="d", previous_response_id=third["id"])
    assert len(heard_by(fake)) == 7


async def test_older_responses_are_continued_only_if_they_are_stored() -> None:
    fake = FakeModel(["one", "two", "three", "four"])
    async with bridged(fake) as talk:
        kept = await talk.create(input="a", store=True)
        left = await talk.create(input="b", previous_response_id=kept["id"])
        again = await talk.create(input="c", previous_response_id=kept["id"], store=True)
        assert [content for _, content in heard_by(fake)] == ["a", "one", "c"]
        # A stored response is the latest one, so that the one before it is gone.
        assert (await talk.refused(previous_response_id=left["id"]))["status"] == 400
        await talk.create(input="d", previous_response_id=again["id"])
    assert [content for _, content in heard_by(fake)] == ["a", "one", "c", "three", "d"]


async def test_what_is_stored_of_a_turn_after_one_that_is_not_stands_alone() -> None:
    fake = FakeModel(["one", "two", "three"])
    async with served(ResponsesMiddleware(Upstream.asgi(fake))) as url:
        async with talking(url, additional_headers={"authorization": "Bearer k"}) as talk:
            first = await talk.create(input="a")
            second = await talk.create(input="b", previous_response_id=first["id"], store=True)
            assert (second["store"], second["previous_response_id"]) == (True, first["id"])
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:
            third = await client.responses.create(model="m", input="c", previous_response_id=second["id"])
            items = await client.responses.input_items.list(second["id"], order="asc")
    assert third.output_text == "three"
    assert [content for _, content in heard_by(fake)] == ["a", "one", "b", "two", "c"]
    assert len(items.data) == 3


async def test_a_stored_response_of_a_post_is_continued_and_one_of_another_socket_is_not() -> None:
    fake = FakeModel(["one", "two", "three"])
    headers = {"authorization": "Bearer k"}
    async with (
        served(ResponsesMiddleware(Upstream.asgi(fake))) as url,
        AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client,
        talking(url, additional_headers=headers) as talk,
        talking(url, additional_headers=headers) as other,
    ):
        posted = await client.responses.create(model="m", input="a")
        second = await talk.create(input="b", previous_response_id=posted.id)
        assert [content for _, content in heard_by(fake)] == ["a", "one", "b"]
        third = await talk.create(input="c", previous_response_id=second["id"])
        assert [content for _, content in heard_by(fake)] == ["a", "one", "b", "two", "c"]
        frame = await other.refused(previous_response_id=third["id"])
    assert frame["error"]["code"] == "previous_response_not_found"


@pytest.mark.parametrize("failure", ["refused", "failed"])
async def test_a_failed_continuation_evicts_the_response(failure: str) -> None:
    turns = {"refused": Error(500), "failed": ["tw", Error()]}
    fake = FakeModel(["one", turns[failure], "three"])
    async with bridged(fake) as talk:
        first = await talk.create(input="a")
        await talk.begin(input="b", previous_response_id=first["id"])
        last = (await talk.turn())[-1]
        assert last["type"] == ("error" if failure == "refused" else "response.failed")
        frame = await talk.refused(input="b", previous_response_id=first["id"])
        assert frame["error"]["code"] == "previous_response_not_found"
        # The whole conversation is sent anew.
        assert text_of(await talk.create(input="a and b")) == "three"


async def test_an_incomplete_response_is_continued() -> None:
    fake = FakeModel([["on", Finish("length")], "two"])
    async with bridged(fake) as talk:
        first = await talk.create(input="a")
        assert first["status"] == "incomplete"
        await talk.create(input="b", previous_response_id=first["id"])
    assert [content for _, content in heard_by(fake)] == ["a", "on", "b"]


async def test_a_request_that_is_not_valid_evicts_what_it_refers_to() -> None:
    async with bridged(FakeModel(["one", "two"])) as talk:
        first = await talk.create(input="a")
        frame = await talk.refused(previous_response_id=first["id"], temperature="hot")
        assert (frame["status"], frame["error"]["param"]) == (400, "temperature")
        frame = await talk.refused(previous_response_id=first["id"])
        assert frame["error"]["code"] == "previous_response_not_found"


async def test_what_is_remembered_is_bounded() -> None:
    from responses_asgi.websocket import WebSocketLimits

    async with bridged(FakeModel(), websocket=WebSocketLimits(max_history_bytes=4_000)) as talk:
        first = await talk.create(input="a")
        second = await talk.create(input="b" * 2_000, previous_response_id=first["id"])
        frame = await talk.refused(previous_response_id=second["id"])
        assert frame["error"]["code"] == "previous_response_not_found"


# Warm-up


async def test_a_warm_up_asks_nobody_and_is_continued() -> None:
    fake = FakeModel(["one", "two"])
    async with bridged(fake) as talk:
        await talk.begin(generate=False, input="system", instructions="Not inherited.", tools=[TOOL])
        events = await talk.turn()
        assert types(events) == ["response.created", "response.in_progress", "response.completed"]
        warm = events[-1]["response"]
        assert (warm["output"], warm["status"], warm["usage"]["total_tokens"]) == ([], "completed", 0)
        assert warm["instructions"] == "Not inherited."
        assert fake.requests == []
        first = await talk.create(input="a", previous_response_id=warm["id"])
        assert heard_by(fake) == [("user", "system"), ("user", "a")]
        assert "tools" not in fake.requests[0].body
        # At any point, and with nothing to add.
        await talk.begin(generate=False, input=[], previous_response_id=first["id"])
        warm = (await talk.turn())[-1]["response"]
        assert warm["previous_response_id"] == first["id"]
        await talk.create(input="b", previous_response_id=warm["id"])
        assert [content for _, content in heard_by(fake)] == ["system", "a", "one", "b"]
    assert len(fake.requests) == 2


async def test_a_warm_up_is_refused_for_what_would_be_refused() -> None:
    fake = FakeModel()
    gateway = Gateway({"house": Upstream.asgi(fake)})
    async with served(gateway) as url, talking(url) as talk:
        assert (await talk.refused(generate=False, model="other"))["error"]["code"] == "model_not_found"
        frame = await talk.refused(generate=False, model="house", previous_response_id="resp_x")
        assert frame["error"]["code"] == "previous_response_not_found"
        assert (await talk.refused(generate="no", model="house"))["error"]["param"] == "generate"
        frame = await talk.refused(model="house", input=None)
        assert frame["error"]["param"] == "input"
        warm = await talk.create(model="house", input=None, prompt_cache_options={"prewarm": True})
        assert warm["output"] == []
        frame = await talk.refused(model="house", input=None, previous_response_id=warm["id"])
        assert (frame["status"], frame["error"]["param"]) == (400, "input")
    assert fake.requests == []


async def test_a_stored_warm_up_is_found_by_everyone() -> None:
    fake = FakeModel("one")
    async with served(ResponsesMiddleware(Upstream.asgi(fake))) as url:
        async with talking(url, additional_headers={"authorization": "Bearer k"}) as talk:
            warm = await talk.create(generate=False, input="system", store=True)
            assert warm["store"] is True
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="k") as client:
            assert (await client.responses.retrieve(warm["id"])).output == []
            await client.responses.create(model="m", input="a", previous_response_id=warm["id"])
    assert heard_by(fake) == [("user", "system"), ("user", "a")]


# Errors


async def test_errors_are_frames_with_a_status_and_leave_the_socket_usable() -> None:
    fake = FakeModel([Error(429, code="rate_limit_exceeded"), "Hi."])
    async with bridged(fake) as talk:
        frame = await talk.refused()
        assert (frame["status"], frame["error"]["code"]) == (429, "rate_limit_exceeded")
        frame = await talk.refused(background=True)
        assert (frame["status"], frame["error"]["param"]) == (400, "background")
        frame = await talk.refused(input=3, stream_id="a")
        assert (frame["status"], frame["error"]["param"], frame["stream_id"]) == (400, "input", "a")
        frame = await talk.refused(conversation="conv_nowhere")
        assert frame["status"] in (400, 404)
        assert text_of(await talk.create(background=False)) == "Hi."


async def test_retry_headers_are_told_in_the_error() -> None:
    async def limited(request: Any, send: Send) -> None:
        headers = [("retry-after", "7"), ("x-request-id", "req_1"), ("set-cookie", "a=b")]
        await reply(send, {"error": {"message": "later"}}, status=503, headers=headers)

    async with bridged(Recorder(limited)) as talk:
        frame = await talk.refused()
    assert frame["status"] == 503
    assert frame["error"]["headers"] == {"retry-after": "7", "x-request-id": "req_1"}


async def test_a_failure_in_the_middle_is_told_by_events() -> None:
    async with bridged(FakeModel([["Hel", Error()], "Hi."])) as talk:
        await talk.begin()
        events = await talk.turn()
        assert types(events)[-2:] == ["error", "response.failed"]
        assert "status" not in events[-2]
        assert text_of(await talk.create()) == "Hi."


async def test_an_exception_of_the_app_is_told_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError("secret")

    async def impatient(scope: Scope, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    for app in (broken, impatient):
        caplog.clear()
        async with bridged(app) as talk:
            for _ in range(2):
                frame = await talk.refused()
                assert (frame["status"], frame["error"]["code"]) == (500, "server_error")
                assert "secret" not in frame["error"]["message"]
        assert "A turn on a WebSocket failed" in caplog.text


async def test_a_failure_of_ours_before_the_upstream_is_asked_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def hook(body: JSON, headers: dict[str, str], context: Any) -> None:
        raise ZeroDivisionError("secret")

    async with bridged(Upstream.asgi(FakeModel("Hi."), before_upstream=hook)) as talk:
        assert (await talk.refused())["status"] == 500
        assert (await talk.create(generate=False))["output"] == []
    assert "ZeroDivisionError" in caplog.text


async def test_fallbacks_are_taken() -> None:
    first, second = FakeModel([Error(503)] * 2), FakeModel(["Hi.", "Ho."])
    gateway = Gateway({"m": [Upstream.asgi(first), Upstream.asgi(second)]})
    async with served(gateway) as url, talking(url) as talk:
        response = await talk.create(input="a")
        await talk.create(input="b", previous_response_id=response["id"])
    assert [content for _, content in heard_by(second)] == ["a", "Hi.", "b"]


# Whole sessions


async def codex_session(talk: Talk, fake: FakeModel) -> None:
    """What Codex says: a warm-up, a turn, the output of its tool; everything with `store: false`."""
    settings: JSON = {
        "model": "gpt-5.5",
        "stream": True,
        "store": False,
        "tools": [TOOL],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "thread_1",
        "client_metadata": {"thread": "1"},
    }
    system = {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "system"}]}
    prompt = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "list files"}]}
    warm = await talk.create(**settings, generate=False, input=[system])
    turn = await talk.create(**settings, previous_response_id=warm["id"], input=[prompt])
    call = next(item for item in turn["output"] if item["type"] == "function_call")
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "a.txt"}
    last = await talk.create(**settings, previous_response_id=turn["id"], input=[output])
    assert text_of(last) == "There is a.txt."
    messages = fake.requests[-1].messages
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool"]
    assert messages[2]["tool_calls"][0]["id"] == messages[3]["tool_call_id"] == call["call_id"]
    assert len(fake.requests) == 2
    assert all(request.body["tools"] for request in fake.requests)


CODEX_TURNS = [[Reasoning("Look."), ToolCall("shell", {"command": ["ls"]})], "There is a.txt."]


@pytest.mark.parametrize("ws", ["websockets", "websockets-sansio", "wsproto"])
async def test_codex_has_a_session(ws: str) -> None:
    fake = FakeModel(CODEX_TURNS)
    async with bridged(fake, server={"ws": ws}) as talk:
        await codex_session(talk, fake)


async def test_codex_has_a_session_without_a_store() -> None:
    fake = FakeModel(CODEX_TURNS)
    async with bridged(fake, store=None) as talk:
        await codex_session(talk, fake)


async def test_the_openai_sdk_connects() -> None:
    fake = FakeModel(["one", "two", ToolCall("shell", {})])
    async with (
        served(ResponsesMiddleware(Upstream.asgi(fake))) as url,
        AsyncOpenAI(base_url=f"{url}/v1", api_key="k") as client,
        client.responses.connect() as connection,
    ):

        async def turn(**body: Any) -> Any:
            await connection.response.create(model="m", **body)
            async for event in connection:
                if event.type in ("response.completed", "error"):
                    return event
            return None

        first = await turn(input="a", store=False)
        second = await turn(input="b", previous_response_id=first.response.id, stream_id="lane")
        assert (second.response.output_text, second.stream_id) == ("two", "lane")
        third = await turn(input="c", previous_response_id=second.response.id)
        assert third.response.output[0].name == "shell"
        failed = await turn(input="d", previous_response_id="resp_nowhere")
        assert (failed.status, failed.error.code) == (400, "previous_response_not_found")
    assert [content for _, content in heard_by(fake)] == ["a", "one", "b", "two", "c"]


async def test_the_openai_sdk_is_answered_a_steer() -> None:
    async def slow(request: JSON) -> Any:
        yield "Hel"
        await asyncio.sleep(0.05)
        yield "lo."

    async with (
        served(ResponsesMiddleware(answering(slow))) as url,
        AsyncOpenAI(base_url=f"{url}/v1", api_key="k") as client,
        client.responses.connect() as connection,
    ):
        await connection.response.create(model="m", input="a", stream_id="left")
        created = await connection.recv()
        assert created.type == "response.created"
        await connection.response.steer(input="b", previous_response_id=created.response.id)
        events = [event async for event in until_completed(connection)]
        steer = next(event for event in events if event.type == "response.steer.failed")
        assert (steer.error.code, steer.steer.input) == ("steering_not_supported", "b")
        assert steer.stream_id == "left"


async def until_completed(connection: Any) -> Any:
    async for event in connection:
        yield event
        if event.type == "response.completed":
            return


async def test_a_client_may_say_that_it_has_read_a_response() -> None:
    """Some versions of Codex do after a compaction, and hear nothing of it."""
    async with bridged(FakeModel(["one", "two"])) as talk:
        first = await talk.create(input="a")
        await talk.say({"type": "response.processed", "response_id": first["id"]})
        assert text_of(await talk.create(input="b", previous_response_id=first["id"])) == "two"
