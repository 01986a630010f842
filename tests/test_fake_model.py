"""FakeModel: what a script says is what the OpenAI SDK receives, over both APIs, streamed and whole."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest
from pydantic import BaseModel

from responses_asgi import client, sync_client
from responses_asgi.testing import (
    Citation,
    Error,
    FakeModel,
    Finish,
    ModelRequest,
    Reasoning,
    Refusal,
    Reply,
    ResponsesTurn,
    Scored,
    ToolCall,
    ToolResult,
    Turn,
    Usage,
    assert_valid_chat_stream,
    assert_valid_stream,
)
from tests.loopback import ask, served

JSON = dict[str, Any]

USER: Any = [{"role": "user", "content": "Hi"}]
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}


class Weather(BaseModel):
    city: str
    degrees: int


async def posted(fake: FakeModel, path: str, **body: Any) -> httpx.Response:
    transport = httpx.ASGITransport(fake)
    async with httpx.AsyncClient(transport=transport, base_url="http://fake") as http:
        return await http.post(path, json={"model": "m", **body})


async def chat(fake: FakeModel, **body: Any) -> httpx.Response:
    return await posted(fake, "/v1/chat/completions", **{"messages": USER, **body})


async def response(fake: FakeModel, **body: Any) -> httpx.Response:
    return await posted(fake, "/v1/responses", **{"input": "Hi", **body})


async def heard(said: Any) -> tuple[JSON, JSON]:
    """The completion and the response that a turn becomes; both streams are checked, and tell the same."""
    fake = FakeModel([said] * 4)
    whole = (await chat(fake)).json(), (await response(fake)).json()
    streamed = (
        assert_valid_chat_stream(
            (await chat(fake, stream=True, stream_options={"include_usage": True})).content, usage=True
        ),
        assert_valid_stream((await response(fake, stream=True)).content),
    )
    assert [without_ids(each) for each in whole] == [without_ids(each) for each in streamed]
    return whole


def without_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [without_ids(each) for each in value]
    if not isinstance(value, dict):
        return value
    varying = ("id", "call_id", "created", "created_at", "completed_at")
    return {name: without_ids(each) for name, each in value.items() if name not in varying}


async def test_an_agent_loop_with_a_tool_and_a_rate_limit() -> None:
    fake = FakeModel([Error(429, retry_after=0), ToolCall("weather", {"city": "Oslo"}), "It is sunny."])
    model = client(fake)
    asked = await model.responses.create(model="m", input="Weather in Oslo?")
    (call,) = [item for item in asked.output if item.type == "function_call"]
    assert call.arguments == '{"city":"Oslo"}'
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    said = await model.responses.create(model="m", input=[result], previous_response_id=asked.id)
    assert said.output_text == "It is sunny."
    assert fake.requests[-1].tool_results == [ToolResult(call.call_id, "weather", "sunny")]


async def test_text_comes_in_words() -> None:
    fake = FakeModel(["The fox left."] * 2)
    async with client(fake) as model:
        events = [event async for event in await model.responses.create(model="m", input="Hi", stream=True)]
        deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
        assert deltas == ["The", " fox", " left."]
        chunks = [c async for c in await model.chat.completions.create(model="m", messages=USER, stream=True)]
        assert [c.choices[0].delta.content for c in chunks[1:-1]] == deltas


def test_the_sync_client_reads_both() -> None:
    fake = FakeModel(["one", "two", "three"])
    with sync_client(fake) as model:
        assert model.responses.create(model="m", input="Hi").output_text == "one"
        assert model.chat.completions.create(model="m", messages=USER).choices[0].message.content == "two"
        with model.responses.stream(model="m", input="Hi") as stream:
            assert stream.get_final_response().output_text == "three"


async def test_reasoning_text_and_parallel_calls() -> None:
    calls = [ToolCall("a", {"x": 1}, "call_a"), ToolCall("b", '{"y":', "call_b")]
    completion, answer = await heard([Reasoning("Where?"), "Wait. ", *calls])
    (choice,) = completion["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["reasoning_content"] == "Where?"
    assert choice["message"]["content"] == "Wait. "
    assert [(call["id"], call["function"]) for call in choice["message"]["tool_calls"]] == [
        ("call_a", {"name": "a", "arguments": '{"x":1}'}),
        ("call_b", {"name": "b", "arguments": '{"y":'}),
    ]
    assert [item["type"] for item in answer["output"]] == [
        "reasoning",
        "message",
        "function_call",
        "function_call",
    ]
    assert [item.get("call_id") for item in answer["output"][2:]] == ["call_a", "call_b"]


async def test_a_refusal() -> None:
    completion, answer = await heard(Refusal("I cannot do that."))
    assert completion["choices"][0]["message"]["refusal"] == "I cannot do that."
    assert answer["output"][0]["content"][0] == {"type": "refusal", "refusal": "I cannot do that."}


async def test_structured_output_is_parsed_by_the_sdk() -> None:
    fake = FakeModel([Weather(city="Oslo", degrees=7), {"city": "Rome", "degrees": 21}])
    async with client(fake) as model:
        parsed = await model.responses.parse(model="m", input="Hi", text_format=Weather)
        assert parsed.output_parsed == Weather(city="Oslo", degrees=7)
        completion = await model.chat.completions.parse(model="m", messages=USER, response_format=Weather)
        assert completion.choices[0].message.parsed == Weather(city="Rome", degrees=21)


async def test_citations_and_log_probabilities() -> None:
    said = [Scored("The fox", -0.5, {"A": -1.0}), Citation("https://fox.test", "Fox", 4, 7)]
    completion, answer = await heard(said)
    (choice,) = completion["choices"]
    citation = {"start_index": 4, "end_index": 7, "url": "https://fox.test", "title": "Fox"}
    assert choice["message"]["annotations"] == [{"type": "url_citation", "url_citation": citation}]
    assert [(score["token"], score["logprob"]) for score in choice["logprobs"]["content"]] == [
        ("The", -0.5),
        (" fox", -0.5),
    ]
    part = answer["output"][0]["content"][0]
    assert part["annotations"] == [{"type": "url_citation", **citation}]
    assert part["logprobs"][1]["top_logprobs"] == [{"token": "A", "logprob": -1.0, "bytes": [65]}]


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        ("stop", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
    ],
)
async def test_why_an_answer_ends(reason: Any, status: str, details: Any) -> None:
    completion, answer = await heard(["The fox", Finish(reason)])
    assert completion["choices"][0]["finish_reason"] == reason
    assert (answer["status"], answer["incomplete_details"]) == (status, details)


async def test_usage_is_what_the_script_says_or_counted() -> None:
    completion, answer = await heard(["Hi", Usage(21, 9, cached_tokens=4, reasoning_tokens=5)])
    assert completion["usage"]["prompt_tokens_details"] == {"cached_tokens": 4}
    assert answer["usage"]["output_tokens_details"] == {"reasoning_tokens": 5}
    assert (completion["usage"]["total_tokens"], answer["usage"]["total_tokens"]) == (30, 30)
    counted, _ = await heard("Three words said.")
    assert counted["usage"]["completion_tokens"] == 3
    assert counted["usage"]["prompt_tokens"] > 0


async def test_nothing_said_is_an_answer_too() -> None:
    completion, answer = await heard([])
    assert completion["choices"][0]["message"]["content"] == ""
    assert answer["output"] == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
async def test_an_error_is_an_http_status(status: int, kind: type[openai.APIStatusError]) -> None:
    model = client(FakeModel(Error(status, "Not today.", retry_after=2.5, code="why")), max_retries=0)
    for stream in (False, True):
        with pytest.raises(kind, match="Not today") as caught:
            await model.responses.create(model="m", input="Hi", stream=stream)
        assert caught.value.code == "why"
        assert caught.value.response.headers["retry-after"] == "3"
        assert caught.value.response.headers["retry-after-ms"] == "2500"
        with pytest.raises(kind):
            await model.chat.completions.create(model="m", messages=USER, stream=stream)


async def test_an_error_in_the_middle_is_told_in_the_stream_and_is_a_status_of_a_whole_answer() -> None:
    fake = FakeModel([["The fox", Error(503, "Too many foxes.")]] * 4)
    streamed = assert_valid_stream((await response(fake, stream=True)).content)
    assert streamed["status"] == "failed"
    assert streamed["output"][0]["content"][0]["text"] == "The fox"
    failed = assert_valid_chat_stream((await chat(fake, stream=True)).content)
    assert failed["error"]["message"] == "Too many foxes."
    assert (await chat(fake)).status_code == 503
    assert (await response(fake)).status_code == 503


async def test_several_choices_say_the_same() -> None:
    fake = FakeModel("Hi there.")
    completion = assert_valid_chat_stream((await chat(fake, n=2, stream=True)).content)
    assert [choice["message"]["content"] for choice in completion["choices"]] == ["Hi there."] * 2
    assert len((await chat(fake, n=2)).json()["choices"]) == 2


async def test_requests_read_the_same_over_both() -> None:
    fake = FakeModel()
    tool = {"name": "weather", "parameters": WEATHER}
    image = {"type": "image_url", "image_url": {"url": "data:,"}}
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    await chat(
        fake,
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "Rhyme."}]},
            {"role": "user", "content": [{"type": "text", "text": "Weather?"}, image]},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        ],
        tools=[{"type": "function", "function": tool}],
    )
    await response(
        fake,
        instructions="Be brief.",
        input=[
            {"role": "developer", "content": "Rhyme."},
            {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
            {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
        ],
        tools=[{"type": "function", **tool}],
    )
    assert [request.api for request in fake.requests] == ["chat", "responses"]
    for number, request in enumerate(fake.requests):
        assert request.number == number
        assert request.model == "m"
        assert not request.stream
        assert request.text == "Weather?"
        assert request.instructions == "Be brief.\n\nRhyme."
        assert request.tools == ["weather"]
        assert request.turn == 1
        assert request.tool_results == [ToolResult("c1", "weather", "sunny")]
        assert request.tool_result == "sunny"
        assert request.headers["content-type"] == "application/json"
        assert "Weather?" in repr(request)
    assert fake.requests[1].path == "/v1/responses"
    assert ModelRequest("chat", {"messages": []}).text == ""


async def test_without_a_script_it_says_what_it_was_told() -> None:
    fake = FakeModel()
    assert (await response(fake, input="Anybody there?")).json()["output"][0]["content"][0]["text"] == (
        "Anybody there?"
    )
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    told = [*USER, {"role": "assistant", "tool_calls": [call]}]
    told.append({"role": "tool", "tool_call_id": "c1", "content": "42"})
    assert (await chat(fake, messages=told)).json()["choices"][0]["message"]["content"] == "42"


async def test_a_conversation_is_kept_by_response_id() -> None:
    fake = FakeModel(["one", "two", "three"])
    first = (await response(fake, input="a")).json()
    second = (await response(fake, input=USER, previous_response_id=first["id"])).json()
    await response(fake, previous_response_id=second["id"], input="c")
    said = [(message["role"], message["content"]) for message in fake.requests[-1].messages]
    assert [role for role, _ in said] == ["user", "assistant", "user", "assistant", "user"]
    assert fake.requests[-1].turn == 2
    unknown = await response(fake, previous_response_id="resp_elsewhere")
    assert unknown.status_code == 400
    assert unknown.json()["error"]["code"] == "previous_response_not_found"


async def test_malformed_requests_are_refused_as_by_the_api() -> None:
    fake = FakeModel("Hi")
    wrong = await posted(fake, "/v1/responses", input=[{"role": "nobody", "content": 1}])
    assert wrong.status_code == 400
    assert wrong.json()["error"]["param"].startswith("input[0]")
    assert (await posted(fake, "/v1/chat/completions")).json()["error"]["param"] == "messages"
    for body in (b"{", b"[]"):
        assert (await ask(fake, body=body)).status == 400
    assert fake.requests == []


async def test_models_and_embeddings() -> None:
    async with client(FakeModel(models=["a", "b"])) as model:
        assert [each.id async for each in model.models.list()] == ["a", "b"]
        assert (await model.models.retrieve("b")).id == "b"
        with pytest.raises(openai.NotFoundError, match="'c' does not exist"):
            await model.models.retrieve("c")
        fox, dog, again = (
            await model.embeddings.create(model="e", input=["fox", "dog", "fox"], dimensions=5)
        ).data
        assert fox.embedding == again.embedding != dog.embedding
        assert len(fox.embedding) == 5
        assert sum(value**2 for value in fox.embedding) == pytest.approx(1)
        floats = await model.embeddings.create(model="e", input="fox", dimensions=5, encoding_format="float")
        assert floats.data[0].embedding == pytest.approx(fox.embedding)
        assert floats.usage.total_tokens == 1
        tokens = await model.embeddings.create(model="e", input=[1, 2, 3])
        assert len(tokens.data) == 1
        with pytest.raises(openai.BadRequestError, match="input"):
            await model.embeddings.create(model="e", input=[])


async def test_other_routes_and_websockets_are_not_there() -> None:
    fake = FakeModel("Hi")
    assert (await posted(fake, "/v1/images")).status_code == 404
    with pytest.raises(openai.NotFoundError):
        await client(fake).responses.retrieve("resp_1")
    sent: list[JSON] = []

    async def receive() -> JSON:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await fake({"type": "websocket"}, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_it_takes_part_in_the_lifespan() -> None:
    to_come, sent = ["lifespan.startup", "lifespan.shutdown"], []

    async def receive() -> JSON:
        return {"type": to_come.pop(0)}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await FakeModel()({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_the_request_body_may_arrive_in_pieces() -> None:
    body = json.dumps({"model": "m", "messages": USER}).encode()
    fake = FakeModel("Hi")
    assert (await ask(fake, pieces=[body[:9], body[9:]])).status == 200
    assert fake.requests[0].text == "Hi"


async def test_raw_turns_are_played_byte_for_byte() -> None:
    raw = Turn([b"data: anything\n\n"])
    completed = {"id": "r", "status": "completed", "output": []}
    events = ResponsesTurn([{"type": "response.completed", "response": completed}])
    fake = FakeModel([raw, events, raw])
    assert (await chat(fake, stream=True)).content == b"data: anything\n\ndata: [DONE]\n\n"
    assert (await response(fake)).json() == completed
    misplaced = await response(fake)
    assert misplaced.status_code == 500
    assert "is no answer on /v1/responses" in misplaced.json()["error"]["message"]


async def test_it_runs_on_a_port() -> None:
    async with (
        served(FakeModel(["one", Reply("two")])) as base,
        openai.AsyncOpenAI(base_url=f"{base}/any/prefix", api_key="x") as model,
    ):
        assert (await model.responses.create(model="m", input="Hi")).output_text == "one"
        async with model.responses.stream(model="m", input="Hi") as stream:
            assert (await stream.get_final_response()).output_text == "two"


async def test_ids_are_the_same_in_every_run() -> None:
    said = ToolCall("weather", {"city": "Oslo"})
    (_, first), (_, second) = await heard(said), await heard(said)
    assert first["id"] == second["id"]
    assert first["output"] == second["output"]
