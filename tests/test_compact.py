"""`POST /responses/compact`: what the model is asked, what is kept, and that the result can be sent back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import agents
import httpx
import openai
import pytest
from openai import AsyncOpenAI

from responses_asgi.errors import APIError, InvalidRequestError, UpstreamError
from responses_asgi.history.compaction import SUMMARY_REQUEST
from responses_asgi.history.sealed import SUMMARY_INTRO, open_items
from responses_asgi.history.state import State
from responses_asgi.loss import Losses
from responses_asgi.middleware import ResponsesMiddleware
from responses_asgi.owners import Owners
from responses_asgi.resources.compact import compact
from responses_asgi.seal import Seals
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.testing import FakeModel, Finish, Refusal, Usage
from responses_asgi.transport import ASGITransport
from responses_asgi.types.asgi import Scope
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.upstream import Upstream, WireAPI
from tests.loopback import served

SCOPE: Scope = {"type": "http", "path": "/v1/responses/compact", "headers": []}
IMAGE: JSON = {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"}
CONVERSATION: list[JSON] = [
    {"role": "developer", "content": "Be brief."},
    {"type": "message", "role": "user", "content": "Weather in Oslo?", "id": "msg_mine"},
    {"type": "reasoning", "id": "rs_1", "summary": []},
    {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Oslo"}'},
    {"type": "function_call_output", "call_id": "c1", "output": "sun"},
    {"role": "assistant", "content": [{"type": "output_text", "text": "Sunny."}]},
    {"role": "user", "content": [{"type": "input_text", "text": "And this?"}, IMAGE]},
]


class Service:
    """A service with a state, and a model behind it that is asked without more ado."""

    def __init__(self, *turns: Any, seals: Seals | None = None, store: MemoryStore | None = None) -> None:
        self.fake = FakeModel(turns or "They spoke of Oslo.")
        self.state = State(store, owners=Owners(), seals=seals)
        self.losses = Losses()
        self.scopes: list[Scope] = []

    async def ask(self, scope: Scope, body: JSON) -> JSON:
        self.scopes.append(scope)
        async with httpx.AsyncClient(transport=ASGITransport(self.fake), base_url="http://model") as client:
            reply = await client.post("/v1/responses", json=body)
        if reply.status_code >= 400:
            raise APIError(reply.text, status=reply.status_code)
        answer: JSON = reply.json()
        return answer

    async def compact(self, owner: str = "alice", **body: Any) -> JSON:
        return await compact(
            {"model": "m", **body}, SCOPE, owner, state=self.state, ask=self.ask, losses=self.losses
        )

    def open(self, output: list[JSON], owner: str = "alice") -> list[JSON]:
        return open_items(output, self.state.seals, owner, self.losses)

    @property
    def lost(self) -> list[tuple[str, str]]:
        return [(loss.path, loss.action) for loss in self.losses]

    @property
    def asked(self) -> JSON:
        return self.fake.requests[-1].body


def texts(items: list[JSON]) -> list[str]:
    """The first text of every message."""
    said = [item["content"] for item in items if item.get("type") == "message"]
    return [content if isinstance(content, str) else content[0]["text"] for content in said]


async def test_messages_of_the_user_are_kept_and_the_rest_becomes_a_summary() -> None:
    service = Service()
    made = await service.compact(input=CONVERSATION)
    assert made["object"] == "response.compaction"
    assert made["id"].startswith("resp_")
    assert isinstance(made["created_at"], int)
    *kept, last = made["output"]
    assert [item["role"] for item in kept] == ["developer", "user", "user"]
    assert all(item["type"] == "message" and item["status"] == "completed" for item in kept)
    assert texts(kept) == ["Be brief.", "Weather in Oslo?", "And this?"]
    assert kept[2]["content"][1] == IMAGE
    assert kept[1]["id"] == "msg_mine"
    assert kept[0]["id"].startswith("msg_")
    assert kept[0]["id"] != kept[2]["id"]
    assert last.keys() == {"id", "type", "encrypted_content"}
    assert last["type"] == "compaction"
    assert last["id"].startswith("cmp_")
    assert service.lost == []


async def test_a_trigger_at_the_end_asks_for_the_same() -> None:
    service = Service()
    made = await service.compact(input=[*CONVERSATION, {"type": "compaction_trigger"}])
    assert service.asked["input"][:-1] == CONVERSATION
    assert [item["type"] for item in made["output"]] == ["message", "message", "message", "compaction"]


async def test_the_model_reads_the_conversation_and_is_asked_at_its_end() -> None:
    service = Service()
    await service.compact(input=CONVERSATION, instructions="You are a guide.")
    request = service.fake.requests[-1]
    assert service.scopes == [SCOPE]
    assert service.asked["model"] == "m"
    assert service.asked["instructions"] == "You are a guide."
    assert service.asked["store"] is False
    assert service.asked["tool_choice"] == "none"
    assert service.asked["input"][:-1] == CONVERSATION
    assert request.text == SUMMARY_REQUEST
    assert request.turn == 2, "the call and the answer"


async def test_what_holds_for_the_model_call_is_carried_and_the_rest_is_reported() -> None:
    service = Service()
    tools = [{"type": "function", "name": "weather", "parameters": {}, "strict": False}]
    carried: JSON = {
        "tools": tools,
        "reasoning": {"effort": "low"},
        "prompt_cache_key": "k",
        "prompt_cache_options": {"mode": "auto"},
        "service_tier": "auto",
        "parallel_tool_calls": True,
    }
    left_out: JSON = {
        "image": {"context_compression": "enabled"},
        "stream": True,
        "text": {},
        "include": None,
    }
    await service.compact(input="Hi", **carried, **left_out)
    assert carried.items() <= service.asked.items()
    assert not left_out.keys() & service.asked.keys()
    assert service.lost == [("image", "dropped"), ("stream", "dropped")]


async def test_the_length_of_the_summary_is_limited_by_the_service_or_the_request() -> None:
    service = Service()
    body: JSON = {"model": "m", "input": "Hi"}
    for given, expected in ((body, 500), ({**body, "max_output_tokens": 900}, 900)):
        await compact(given, SCOPE, "", state=service.state, ask=service.ask, max_output_tokens=500)
        assert service.asked["max_output_tokens"] == expected
    await service.compact(input="Hi")
    assert "max_output_tokens" not in service.asked


@pytest.mark.parametrize("seals", [None, Seals(["a key of the service"])], ids=["readable", "sealed"])
async def test_the_result_can_be_sent_back(seals: Seals | None) -> None:
    service = Service(seals=seals)
    made = await service.compact(input=CONVERSATION)
    token = made["output"][-1]["encrypted_content"]
    assert token.startswith("cs1." if seals is None else "sealed1.")
    opened = service.open([*made["output"], {"role": "user", "content": "Go on."}])
    assert texts(opened)[-1] == f"{SUMMARY_INTRO}\n\nThey spoke of Oslo."
    assert [item["role"] for item in opened] == ["developer", "user", "user", "user", "user"]
    if seals:
        with pytest.raises(InvalidRequestError):
            service.open(made["output"], owner="bob")


async def test_a_summary_is_summarized_again() -> None:
    service = Service("The first part.", "Both parts.", seals=Seals(["a key of the service"]))
    first = await service.compact(input="Hi")
    news = {"role": "user", "content": "News."}
    second = await service.compact(input=[*first["output"], news])
    assert texts(service.asked["input"])[:2] == ["Hi", f"{SUMMARY_INTRO}\n\nThe first part."]
    assert [item["type"] for item in second["output"]] == ["message", "message", "compaction"]
    assert texts(second["output"]) == ["Hi", "News."]
    assert second["output"][0] == first["output"][0], "word for word, with its id"
    assert texts(service.open(second["output"]))[-1] == f"{SUMMARY_INTRO}\n\nBoth parts."


async def test_a_summary_that_cannot_be_read_any_longer_is_reported() -> None:
    made = await Service(seals=Seals(["a key of the service"])).compact(input="Hi")
    service = Service()
    await service.compact(input=made["output"])
    assert service.lost == [("input[1].encrypted_content", "dropped")]
    assert "can no longer be read" in texts(service.asked["input"])[1]


async def test_tools_that_came_as_an_item_stay() -> None:
    tools = {"type": "additional_tools", "role": "developer", "id": "at_1", "tools": []}
    service = Service()
    made = await service.compact(input=[tools, {"role": "user", "content": "Hi"}])
    assert made["output"][0] == tools


async def test_usage_is_that_of_the_model() -> None:
    made = await Service(["Short.", Usage(7, 3)]).compact(input="Hi")
    assert made["usage"]["total_tokens"] == 10


async def test_a_stored_chain_is_compacted_whole() -> None:
    service = Service(store=MemoryStore())
    previous: JSON = {}
    for question in ("one", "two"):
        body = {"model": "m", "input": question, **previous}
        turn = await service.state.begin(body, "alice", client="responses", spoken="chat")
        response_id = service.state.new_id("resp_")
        said = {"type": "output_text", "text": f"Answer {question}.", "annotations": []}
        item = {"type": "message", "id": f"msg_{question}", "role": "assistant", "content": [said]}
        answer = {"id": response_id, "object": "response", "status": "completed", "output": [item]}
        assert await turn.keep({**answer, "created_at": 1, "model": "m"})
        previous = {"previous_response_id": response_id}
    made = await service.compact(**previous, input=[])
    assert texts(made["output"]) == ["one", "two"]
    assert texts(service.asked["input"])[:4] == ["one", "Answer one.", "two", "Answer two."]
    made = await service.compact(**previous, input="three")
    assert texts(made["output"]) == ["one", "two", "three"]
    with pytest.raises(InvalidRequestError) as caught:
        await service.compact("bob", **previous)
    assert (caught.value.code, caught.value.param) == ("previous_response_not_found", "previous_response_id")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": None, "input": "Hi"}, "model"),
        ({"model": "", "input": "Hi"}, "model"),
        ({}, "input"),
        ({"input": []}, "input"),
        ({"instructions": "Be brief."}, "input"),
    ],
)
async def test_what_is_missing_is_named(body: JSON, param: str) -> None:
    service = Service()
    with pytest.raises(InvalidRequestError) as caught:
        await service.compact(**body)
    assert (caught.value.status, caught.value.code) == (400, "missing_required_parameter")
    assert caught.value.param == param
    assert service.fake.requests == []


async def test_a_mistake_in_the_input_is_named() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        await Service().compact(input=[{"role": "king", "content": "Hi"}])
    assert caught.value.param == "input[0].role"


@pytest.mark.parametrize(
    ("turn", "why"),
    [
        (Refusal("I will not."), "I will not"),
        ("", "completed"),
        (["Cut", Finish("content_filter")], "content_filter"),
    ],
)
async def test_a_model_that_writes_no_summary(turn: Any, why: str) -> None:
    with pytest.raises(UpstreamError, match=f"wrote no summary of the conversation: {why}") as caught:
        await Service(turn).compact(input="Hi")
    assert caught.value.status == 502


async def test_a_summary_that_was_cut_is_reported() -> None:
    service = Service(["They spoke", Finish("length")])
    made = await service.compact(input="Hi")
    assert texts(service.open(made["output"]))[-1].endswith("They spoke")
    assert service.lost == [("output", "clamped")]


async def test_losses_need_not_be_asked_for() -> None:
    service = Service()
    made = await compact(
        {"model": "m", "input": "Hi", "n": 2}, SCOPE, "", state=service.state, ask=service.ask
    )
    assert len(made["output"]) == 2


# Through the middleware, with the clients that compact


@asynccontextmanager
async def bridged(fake: FakeModel, api: WireAPI = "chat", **settings: Any) -> AsyncIterator[AsyncOpenAI]:
    """The OpenAI SDK on a real server of the middleware, in front of a model that speaks this API."""
    fake.on(text="Stop here and write a summary").say("They spoke of Oslo.")
    bridge = ResponsesMiddleware(Upstream.asgi(fake, api=api, profile="deepseek"), **settings)
    async with served(bridge) as url, AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-a") as client:
        yield client


def spoken(fake: FakeModel) -> list[str]:
    """What the model was told last, without the system."""
    return [str(m["content"]) for m in fake.requests[-1].messages if m["role"] in ("user", "assistant")]


STATES = {
    "readable": lambda: {"store": MemoryStore()},
    "sealed": lambda: {"store": MemoryStore(), "seal_keys": ["a key of the service"]},
    "in front of Responses": lambda: {"store": MemoryStore(), "api": "responses"},
    "without a store": lambda: {"store": None, "seal_keys": ["a key of the service"]},
}


@pytest.mark.parametrize("settings", STATES.values(), ids=STATES)
async def test_the_sdk_compacts_and_goes_on(settings: Callable[[], JSON]) -> None:
    fake = FakeModel(["Rainy.", "Of Oslo.", "Once more."])
    async with bridged(fake, **settings()) as client:
        first = await client.responses.create(model="m", input="Weather in Oslo?")
        if first.store:
            compacted = await client.responses.compact(model="m", previous_response_id=first.id)
        else:
            history: Any = [{"role": "user", "content": "Weather in Oslo?"}, *first.output]
            compacted = await client.responses.compact(model="m", input=history)
        assert compacted.object == "response.compaction"
        assert compacted.usage.output_tokens > 0
        assert [item.type for item in compacted.output] == ["message", "compaction"]
        window: Any = [item.to_dict(warnings=False) for item in compacted.output]
        summary = f"{SUMMARY_INTRO}\n\nThey spoke of Oslo."
        second = await client.responses.create(
            model="m", input=[*window, {"role": "user", "content": "Of what?"}]
        )
        assert second.output_text == "Of Oslo."
        assert spoken(fake) == ["Weather in Oslo?", summary, "Of what?"]
        if second.store:
            await client.responses.create(model="m", input="And?", previous_response_id=second.id)
            assert spoken(fake) == ["Weather in Oslo?", summary, "Of what?", "Of Oslo.", "And?"]


async def test_the_sdk_is_told_what_is_missing() -> None:
    async with bridged(FakeModel("Hi")) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.responses.compact(model=None)
        assert (caught.value.code, caught.value.param) == ("missing_required_parameter", "model")
        with pytest.raises(openai.BadRequestError) as caught:
            await client.responses.compact(model="m", previous_response_id="resp_unknown")
        assert caught.value.code == "previous_response_not_found"


@pytest.mark.parametrize("mode", ["previous_response_id", "input"])
async def test_a_session_of_the_agents_sdk_compacts_itself(mode: Any) -> None:
    fake = FakeModel(["Rainy.", "Of Oslo."])
    async with bridged(fake, store=MemoryStore(), seal_keys=["a key of the service"]) as client:
        session = agents.OpenAIResponsesCompactionSession(
            "s",
            agents.SQLiteSession("s"),
            client=client,
            model="gpt-5.5",
            compaction_mode=mode,
            should_trigger_compaction=lambda context: len(context["session_items"]) == 2,
        )
        agent = agents.Agent(name="a", model=agents.OpenAIResponsesModel("gpt-5.5", client))
        quiet = agents.RunConfig(tracing_disabled=True)
        await agents.Runner.run(agent, "Weather in Oslo?", session=session, run_config=quiet)
        kept = [item.get("type") for item in await session.get_items()]
        assert kept == ["message", "compaction"]
        result = await agents.Runner.run(agent, "Of what?", session=session, run_config=quiet)
    assert result.final_output == "Of Oslo."
    assert spoken(fake) == ["Weather in Oslo?", f"{SUMMARY_INTRO}\n\nThey spoke of Oslo.", "Of what?"]
