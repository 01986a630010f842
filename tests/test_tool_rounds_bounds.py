"""Rounds of tools at their bounds and beyond, with upstreams that fail and clients that leave in between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from responses_asgi import ChatCompletionsMiddleware, Hosted, ResponsesMiddleware, Upstream
from responses_asgi.errors import UpstreamError
from responses_asgi.exchange import Options
from responses_asgi.exchange.interceptors import Interception, ToolRun
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.testing import assert_valid_chat_stream, assert_valid_stream
from responses_asgi.translate.rounds import HostedResult
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.answers import ToolCall
from tests.asgi_driver import post
from tests.loopback import until
from tests.tool_rounds import CALLED, NAME, PATHS, Add, Model, Sums, ask, body_of, bridge

every = pytest.mark.parametrize("client", ["responses", "chat"])
over = pytest.mark.parametrize("spoken", ["responses", "chat"])
streamed = pytest.mark.parametrize("stream", [True, False])


def calls(count: int) -> list[ToolCall]:
    return [ToolCall(NAME, {"a": n, "b": n}, call_id=f"call_{n}") for n in range(count)]


# What the client demands


@over
@pytest.mark.parametrize(
    "choice",
    [
        "required",
        {"type": "function", "name": NAME},
        {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": NAME}]},
    ],
)
async def test_a_tool_choice_is_met_once(spoken: str, choice: Any) -> None:
    model = Model(CALLED, CALLED, "5")
    exchange = await ask(bridge("responses", spoken, model, Sums()), "responses", tool_choice=choice)
    assert exchange.json["tool_choice"] == choice
    first, *later = [request.get("tool_choice") for request in model.asked]
    assert first not in (None, "auto")
    for each in later:
        assert each == "auto" or each["mode"] == "auto"


@pytest.mark.parametrize(("rounds", "choices"), [(1, [None]), (2, [None, "none"]), (3, [None, None, "none"])])
async def test_the_last_round_has_to_be_an_answer(rounds: int, choices: list[Any]) -> None:
    model = Model(*[CALLED] * 4)
    exchange = await ask(bridge("responses", "chat", model, Sums(rounds=rounds)), "responses", stream=True)
    assert_valid_stream(exchange.body)
    assert [request.get("tool_choice") for request in model.asked] == choices


@pytest.mark.parametrize("client", ["responses", "chat"])
@pytest.mark.parametrize("others", [True, False])
async def test_what_may_not_be_called_is_not_run(client: str, others: bool) -> None:
    """Some servers leave out `tool_choice`, and some models call what they were told not to."""
    model, hosted = Model(CALLED, "Well then."), Sums(always=True)
    local = {"name": "local", "parameters": {"type": "object"}}
    allowed: JSON = {"mode": "auto", "tools": [{"type": "function", "name": "local"}]}
    if client == "responses":
        tools = [{"type": "function", **local}]
    else:
        tools = [{"type": "function", "function": local}]
        allowed = {"allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": local}]}}
    choice = {"type": "allowed_tools", **allowed} if others else "none"
    exchange = await ask(bridge(client, "chat", model, hosted), client, tools=tools, tool_choice=choice)
    assert exchange.status == 200, exchange.body
    assert b"Well then." in exchange.body
    assert hosted.tool.calls == []
    assert "is not to be called" in model.asked[1]["messages"][-1]["content"]


@pytest.mark.parametrize(("count", "made"), [(1, 1), (2, 2), (3, 2)])
async def test_max_tool_calls_is_heeded_and_no_loss(count: int, made: int) -> None:
    model, hosted = Model(calls(count), "Enough."), Sums()
    app = bridge("responses", "chat", model, hosted, options=Options(strict=True))
    exchange = await ask(app, "responses", max_tool_calls=2)
    assert exchange.status == 200, exchange.body
    assert len(hosted.tool.calls) == made
    assert exchange.json["max_tool_calls"] == 2
    told = [message["content"] for message in model.asked[1]["messages"] if message["role"] == "tool"]
    assert len([text for text in told if "The limit of tool calls" in text]) == count - made


@pytest.mark.parametrize(
    ("settings", "said", "most"),
    [({}, {}, 3), ({"concurrency": 2}, {}, 2), ({}, {"parallel_tool_calls": False}, 1)],
)
async def test_so_many_calls_run_at_once(settings: JSON, said: JSON, most: int) -> None:
    running, seen = 0, 0

    async def count(arguments: JSON) -> HostedResult:
        nonlocal running, seen
        running += 1
        seen = max(seen, running)
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1
        return HostedResult("ok")

    model, hosted = Model(calls(3), "ok"), Sums(Add(run=count), **settings)
    exchange = await ask(bridge("responses", "chat", model, hosted), "responses", **said)
    assert exchange.json["status"] == "completed"
    assert seen == most


async def test_the_time_of_the_model_is_not_that_of_tools() -> None:
    class Slow(Model):
        async def __call__(self, request: JSON) -> AsyncIterator[Any]:
            await asyncio.sleep(0.4)
            async for piece in super().__call__(request):
                yield piece

    model, hosted = Slow(CALLED, CALLED, "5"), Sums(seconds=0.3)
    exchange = await ask(bridge("responses", "chat", model, hosted), "responses")
    assert [item.get("output") for item in exchange.json["output"][1:3]] == ["5", "5"]


async def test_the_time_of_all_calls_is_one() -> None:
    async def half(arguments: JSON) -> HostedResult:
        await asyncio.sleep(0.2)
        return HostedResult("slow")

    model = Model(*[CALLED] * 5, "ok")
    hosted = Sums(Add(run=half), seconds=0.3)
    exchange = await ask(bridge("responses", "chat", model, hosted), "responses")
    statuses = [item["status"] for item in exchange.json["output"][1:-1]]
    assert statuses[-1] == "failed"
    assert statuses.index("failed") < 3


@over
@streamed
async def test_a_response_tells_what_the_client_asked_and_not_what_the_upstream_was(
    spoken: str, stream: bool
) -> None:
    """Also after the last round, which the upstream is asked otherwise."""
    model = Model(*[CALLED] * 2)
    app = bridge("responses", spoken, model, Sums(always=True, rounds=2))
    body = {name: value for name, value in body_of("responses", stream=stream).items() if name != "tools"}
    exchange = await post(app, body, path=PATHS["responses"]).run()
    assert model.asked[1]["tool_choice"] == "none"
    response = assert_valid_stream(exchange.body) if stream else exchange.json
    told = (response["tools"], response["tool_choice"], response["max_tool_calls"])
    assert told == ([], "auto", None)
    assert b'"sums__add"' not in exchange.body


@over
async def test_functions_of_ours_are_not_strict(spoken: str) -> None:
    """Responses takes functions as strict unless told otherwise, and refuses most schemas as such."""

    def add(a: int, b: int = 3) -> int:
        return a + b

    model = Model("5")
    local = {"type": "function", "name": "local", "parameters": {"type": "object"}, "strict": True}
    await ask(bridge("responses", spoken, model, Hosted(tools=[add])), "responses", tools=[local])
    sent = [tool.get("function") or tool for tool in model.asked[0]["tools"]]
    assert {tool["name"]: tool.get("strict") for tool in sent} == {
        "local": True,
        "tools__add": False if spoken == "responses" else None,
    }


# Failures between the first byte and the last


async def _broken(stream: bool, how: str, client: str, spoken: str) -> tuple[Any, Sums, Model]:
    class Failing(Model):
        async def __call__(self, request: JSON) -> AsyncIterator[Any]:
            if self.asked and how == "at once":
                self.asked.append(request)
                raise UpstreamError("no power", status=503)
            async for piece in super().__call__(request):
                yield piece
            if len(self.asked) == 2:
                raise UpstreamError("no power", status=503)

    model, hosted = Failing(CALLED, "It is"), Sums(always=True)
    return await ask(bridge(client, spoken, model, hosted), client, stream=stream), hosted, model


@every
@over
@streamed
@pytest.mark.parametrize("how", ["at once", "after a word"])
async def test_an_upstream_that_fails_in_the_second_round(
    client: str, spoken: str, stream: bool, how: str
) -> None:
    exchange, hosted, model = await _broken(stream, how, client, spoken)
    assert len(model.asked) == 2
    assert len(hosted.tool.calls) == 1
    if not stream:
        error = exchange.json.get("error")
        assert "no power" in error["message"]
        assert exchange.status == (503 if "status" not in exchange.json else 200)
    elif client == "responses":
        response = assert_valid_stream(exchange.body)
        assert response["status"] == "failed"
        assert response["output"][1]["output"] == "5"
    else:
        assert b"no power" in exchange.body
        assert b"[DONE]" not in exchange.body


@streamed
async def test_a_hook_that_fails_before_the_second_round(stream: bool) -> None:
    def hook(body: JSON, headers: dict[str, str], context: Any) -> None:
        if len(body["messages"]) > 1:
            raise RuntimeError("a mistake of the operator")

    app = bridge("responses", "chat", Model(CALLED), Sums(), record={"before_upstream": hook})
    exchange = post(app, body_of("responses", stream=stream), path=PATHS["responses"])
    with pytest.raises(RuntimeError, match="mistake"):
        await exchange.run()
    if stream:
        assert assert_valid_stream(exchange.body)["status"] == "failed"
    else:
        assert exchange.status == 500
    assert b"mistake" not in exchange.body


async def test_what_tools_have_done_is_not_done_again_by_another_upstream() -> None:
    class Fails(Model):
        async def __call__(self, request: JSON) -> AsyncIterator[Any]:
            if self.asked:
                raise UpstreamError("no power", status=503)
            async for piece in super().__call__(request):
                yield piece

    other, hosted = Model("never asked"), Sums()
    exchange = await ask(bridge("responses", "chat", Fails(CALLED), hosted, others=[other]), "responses")
    assert exchange.status == 503
    assert (len(hosted.tool.calls), other.asked) == (1, [])


async def test_an_upstream_that_fails_before_any_tool_gives_way() -> None:
    async def fails(request: JSON) -> AsyncIterator[Any]:
        raise UpstreamError("no power", status=503)
        yield

    other, hosted = Model(CALLED, "5"), Sums()
    exchange = await ask(bridge("responses", "chat", fails, hosted, others=[other]), "responses")
    assert exchange.json["status"] == "completed"
    assert len(hosted.tool.calls) == 1


@streamed
async def test_a_client_that_leaves_in_the_second_round(stream: bool) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    class Endless(Model):
        async def __call__(self, request: JSON) -> AsyncIterator[Any]:
            if not self.asked:
                async for piece in super().__call__(request):
                    yield piece
                return
            try:
                begun.set()
                yield "It"
                await asyncio.sleep(3600)
            finally:
                ended.set()

    app = bridge("responses", "chat", Endless(CALLED), Sums())
    exchange = post(app, body_of("responses", stream=stream), path=PATHS["responses"]).start()
    await asyncio.wait_for(begun.wait(), 30)
    exchange.left.set()
    await asyncio.wait_for(ended.wait(), 30)
    await exchange.end()


async def test_a_client_that_leaves_may_leave_tools_running() -> None:
    """As upstream calls do then, with `cancel_json=False` and an answer that is not streamed."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait(arguments: JSON) -> HostedResult:
        begun.set()
        await go_on.wait()
        return HostedResult("5")

    model = Model(CALLED, "It is 5.")
    app = bridge("responses", "chat", model, Sums(Add(run=wait)), options=Options(cancel_json=False))
    exchange = post(app, body_of("responses", stream=False), path=PATHS["responses"]).start()
    await asyncio.wait_for(begun.wait(), 30)
    exchange.left.set()
    await asyncio.sleep(0.05)
    go_on.set()
    await exchange.end()
    assert len(model.asked) == 2


class Raising(Interception):
    """Fails around each call of a tool."""

    @contextmanager
    def tool(self, run: ToolRun) -> Iterator[None]:
        raise RuntimeError("a mistake of ours")
        yield


class Interceptor:
    async def begin(self, asked: Any, upstream: Any) -> Interception:
        return Raising()


async def test_what_fails_around_a_call_breaks_no_stream() -> None:
    model = Model(CALLED, "Sorry.")
    app = bridge("responses", "chat", model, Sums(), interceptors=[Interceptor()])
    exchange = await ask(app, "responses", stream=True)
    response = assert_valid_stream(exchange.body)
    assert response["status"] == "completed"
    assert response["output"][1]["status"] == "failed"
    assert model.asked[1]["messages"][-1]["content"] == "The tool could not be run."


# Approvals


async def question(app: Any, store: MemoryStore) -> tuple[str, JSON]:
    """A response that asks, and the answer that agrees."""
    first = (await ask(app, "responses")).json
    asked = first["output"][-1]
    assert asked["type"] == "mcp_approval_request"
    return first["id"], {
        "type": "mcp_approval_response",
        "approval_request_id": asked["id"],
        "approve": True,
    }


@streamed
async def test_a_client_that_leaves_while_an_approved_call_runs(stream: bool) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def wait(arguments: JSON) -> HostedResult:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            cancelled.set()
        raise AssertionError

    store, model = MemoryStore(), Model(CALLED)
    app = bridge("responses", "chat", model, Sums(Add(approval=True, run=wait)), store)
    before, agreed = await question(app, store)
    body = body_of("responses", stream=stream, input=[agreed], previous_response_id=before)
    exchange = post(app, body, path=PATHS["responses"]).start()
    await asyncio.wait_for(begun.wait(), 30)
    exchange.left.set()
    await asyncio.wait_for(cancelled.wait(), 30)
    await exchange.end()
    assert len(model.asked) == 1


async def test_an_approved_call_is_made_once_whatever_upstreams_do() -> None:
    async def fails(request: JSON) -> AsyncIterator[Any]:
        raise UpstreamError("no power", status=503)
        yield

    store, other = MemoryStore(), Model("never asked")
    hosted = Sums(Add(approval=True))
    before, agreed = await question(bridge("responses", "chat", Model(CALLED), hosted, store), store)
    app = bridge("responses", "chat", fails, hosted, store, others=[other])
    exchange = await ask(app, "responses", input=[agreed], previous_response_id=before)
    assert exchange.status == 503
    assert (len(hosted.tool.calls), other.asked) == (1, [])


async def test_an_approved_call_of_a_tool_that_is_gone() -> None:
    store, hosted = MemoryStore(), Sums(Add(approval=True))
    before, agreed = await question(bridge("responses", "chat", Model(CALLED), hosted, store), store)
    model = Model("Sorry.")
    hosted.tool.name = "other"
    app = bridge("responses", "chat", model, hosted, store)
    exchange = await ask(app, "responses", stream=True, input=[agreed], previous_response_id=before)
    response = assert_valid_stream(exchange.body)
    assert response["output"][0]["status"] == "failed"
    assert model.asked[0]["messages"][-1]["content"] == "There is no such tool any more."


@over
async def test_a_background_response_is_accepted_before_its_approved_call_is_run(spoken: Any) -> None:
    go_on = asyncio.Event()

    async def wait(arguments: JSON) -> HostedResult:
        await go_on.wait()
        return HostedResult("5")

    model, hosted = Model(CALLED, "It is 5."), Sums(Add(approval=True, run=wait))
    component = ResponsesMiddleware(
        Upstream.handler(model, api=spoken),
        hosted=hosted,  # type: ignore[arg-type]  # what an exchange needs of it
        store=MemoryStore(),
    )

    async def send(body: JSON) -> Any:
        return await post(component, body, path="/v1/responses").run()

    first = (await send(body_of("responses", stream=False))).json
    agreed = {
        "type": "mcp_approval_response",
        "approval_request_id": first["output"][-1]["id"],
        "approve": True,
    }
    more = {"input": [agreed], "previous_response_id": first["id"], "background": True}
    created = (await send(body_of("responses", stream=False, **more))).json
    assert created["status"] in ("queued", "in_progress")
    go_on.set()
    await until(lambda: len(model.asked) == 2, 30)
    await component.aclose()


def agreeing(**said: Any) -> list[JSON]:
    """What a client that carries its items sends, with changes to the question or the answer."""
    question = {"type": "mcp_approval_request", "id": "mcpr_1", "server_label": "sums", "name": "add"}
    answer = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}
    for each in (question, answer):
        each |= {name: said[name] for name in said if name in each or name == "arguments"}
    return [question, answer]


@pytest.mark.parametrize(
    ("said", "about"),
    [
        ({"approve": "no"}, "expected true or false"),
        ({"approve": None}, "expected true or false"),
        ({"approval_request_id": None}, "no approval request 'None'"),
        ({"approval_request_id": "mcpr_2"}, "no approval request 'mcpr_2'"),
        ({"id": None}, "no approval request 'mcpr_1'"),
        ({"id": {}}, "no approval request 'mcpr_1'"),
    ],
)
async def test_an_answer_that_is_unclear_runs_nothing(said: JSON, about: str) -> None:
    hosted = Sums(Add(approval=True))
    exchange = await ask(bridge("responses", "chat", Model(), hosted), "responses", input=agreeing(**said))
    assert exchange.status == 400
    assert about in exchange.json["error"]["message"]
    assert exchange.json["error"]["param"] == "input"
    assert hosted.tool.calls == []


@pytest.mark.parametrize("arguments", ['{"a":2,"b":3}', {"a": 2, "b": 3}])
async def test_a_carried_question_is_as_good_as_a_kept_one(arguments: Any) -> None:
    model, hosted = Model("It is 5."), Sums(Add(approval=True))
    app = bridge("responses", "chat", model, hosted)
    exchange = await ask(app, "responses", input=agreeing(arguments=arguments), store=False)
    assert [item["type"] for item in exchange.json["output"]] == ["mcp_list_tools", "mcp_call", "message"]
    assert exchange.json["output"][1]["arguments"] == '{"a":2,"b":3}'


# Clients


async def test_credentials_of_servers_are_not_repeated() -> None:
    tools = [
        {
            "type": "mcp",
            "server_label": "sums",
            "authorization": "secret-token",
            "headers": {"X-Key": "secret-key"},
        }
    ]
    app = bridge("responses", "chat", Model(CALLED, "5"), Sums())
    exchange = await ask(app, "responses", stream=True, tools=tools)
    assert b"secret" not in exchange.body
    hidden = {"authorization": "<redacted>", "headers": None}
    assert assert_valid_stream(exchange.body)["tools"] == [{**tools[0], **hidden}]


@over
async def test_several_choices_are_made_without_tools(spoken: str) -> None:
    model = Model("one", "two")
    exchange = await ask(bridge("chat", spoken, model, Sums(always=True)), "chat", n=2)
    assert exchange.status == 200
    assert not any(request.get("tools") for request in model.asked)
    assert "tools;dropped" in exchange.headers["x-responses-asgi-loss"]
    if spoken == "responses":
        assert len(exchange.json["choices"]) == 2


@over
async def test_a_chat_client_that_is_called_too_keeps_what_the_service_called(spoken: Any) -> None:
    """One turn calls a tool of the service and one of the client; the next turn knows of both."""
    both = [*CALLED, ToolCall("local", {"x": 1}, call_id="call_2")]
    model, hosted = Model(both, "Done."), Sums(always=True)
    component = ChatCompletionsMiddleware(
        Upstream.handler(model, api=spoken),
        hosted=hosted,  # type: ignore[arg-type]  # what an exchange needs of it
        store=MemoryStore(),
    )
    messages: list[JSON] = [{"role": "user", "content": "Both, please."}]
    tools = [{"type": "function", "function": {"name": "local", "parameters": {"type": "object"}}}]
    body = {"model": "m", "messages": messages, "tools": tools}
    first = (await post(component, body, path=PATHS["chat"]).run()).json
    message = first["choices"][0]["message"]
    assert first["choices"][0]["finish_reason"] == "tool_calls"
    assert [call["function"]["name"] for call in message["tool_calls"]] == ["local"]
    answered = [*messages, message, {"role": "tool", "tool_call_id": "call_2", "content": "one"}]
    second = await post(component, {**body, "messages": answered}, path=PATHS["chat"]).run()
    assert second.json["choices"][0]["message"]["content"] == "Done."
    told = json.dumps(model.asked[1])
    assert NAME in told
    results = (
        [item["output"] for item in model.asked[1]["input"] if item.get("type") == "function_call_output"]
        if spoken == "responses"
        else [item["content"] for item in model.asked[1]["messages"] if item["role"] == "tool"]
    )
    assert sorted(results) == ["5", "one"]
    await component.aclose()


@pytest.mark.parametrize("progress", [True, False])
@streamed
async def test_progress_is_told_as_reasoning_when_it_is_asked_for(progress: bool, stream: bool) -> None:
    async def fails(arguments: JSON) -> HostedResult:
        return HostedResult("no", failed=True)

    hosted = Sums(Add(run=fails), always=True, progress=progress)
    exchange = await ask(bridge("chat", "chat", Model(CALLED, "Sorry."), hosted), "chat", stream=stream)
    whole = assert_valid_chat_stream(exchange.body) if stream else exchange.json
    message = whole["choices"][0]["message"]
    assert message["content"] == "Sorry."
    said = 'Calls sums.add: {"a":2,"b":3} It failed.'
    assert message.get("reasoning_content") == (said if progress else None)
    losses = exchange.headers.get("x-responses-asgi-loss", "")
    assert "mcp_call" not in losses or not progress


EARLIER = [
    ({"output": "text"}, "text"),
    ({"error": "an older error"}, "an older error"),
    ({"error": {"type": "mcp_tool_execution_error", "content": [{"type": "text", "text": "no"}]}}, "no"),
    ({"error": {"type": "mcp_protocol_error", "code": 5, "message": "bad"}}, "bad"),
    ({"error": {"type": "other"}}, '{"type":"other"}'),
    ({}, "No result was kept."),
]


@pytest.mark.parametrize("call", [{}, {"id": None}, {"id": 5, "arguments": {"a": 1}, "server_label": None}])
async def test_earlier_calls_may_lack_anything(call: JSON) -> None:
    model = Model("ok")
    items = [{"type": "mcp_call", **call}, {"role": "user", "content": "And?"}]
    exchange = await ask(bridge("responses", "chat", model, Sums()), "responses", input=items)
    assert exchange.status == 200, exchange.body
    assert [message["role"] for message in model.asked[0]["messages"]] == ["assistant", "tool", "user"]


@pytest.mark.parametrize(("fields", "told"), EARLIER)
async def test_earlier_calls_are_told_whatever_came_of_them(fields: JSON, told: str) -> None:
    call = {"type": "mcp_call", "id": "mcp_1", "server_label": "sums", "name": "add", "arguments": "{}"}
    model = Model("ok")
    items = [{"role": "user", "content": "Hi"}, {**call, **fields}, {"role": "user", "content": "And?"}]
    exchange = await ask(bridge("responses", "chat", model, Sums()), "responses", input=items)
    assert exchange.status == 200, exchange.body
    assert model.asked[0]["messages"][2]["content"] == told
