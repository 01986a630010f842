"""`POST /responses/input_tokens` and `/responses/compact`: who counts, and what is an estimate."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responses_asgi.errors import APIError
from responses_asgi.exchange.options import Options
from responses_asgi.translate.token_estimate import estimate_tokens
from responses_asgi.types.json import JSON
from tests.examples import examples
from tests.state_driver import OTHER_KEY, Kept, Model, answered, users

PATH = "/v1/responses/input_tokens"


async def test_sdk_is_given_an_estimate_that_says_so() -> None:
    kept = Kept()
    async with kept.client() as client:
        raw = await client.responses.input_tokens.with_raw_response.count(
            model="m", input="Tell me a story about a lighthouse.", instructions="Be brief."
        )
    counted = raw.parse()
    assert counted.object == "response.input_tokens"
    assert 10 <= counted.input_tokens <= 30
    assert counted.to_dict()["estimated"] is True
    assert raw.headers["x-responses-asgi-loss"] == "input_tokens;emulated"


async def test_the_loss_header_can_be_switched_off() -> None:
    kept = Kept(options=Options(loss_header=False))
    got = await kept.ask("POST", PATH, {"model": "m", "input": "Hi"})
    assert got.json()["estimated"] is True
    assert "x-responses-asgi-loss" not in got.headers


async def test_files_are_told_not_to_be_estimated() -> None:
    part = {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}
    got = await Kept().ask("POST", PATH, {"model": "m", "input": [{"role": "user", "content": [part]}]})
    assert got.headers["x-responses-asgi-loss"] == "input_tokens;emulated, input;dropped"


async def test_the_whole_history_is_counted_by_the_operators_function() -> None:
    seen: list[JSON] = []

    def count(body: JSON) -> int:
        seen.append(body)
        return 1234

    kept = Kept(count_tokens=count)
    first = await kept.response("Hi", "Hello")
    async with kept.client() as client:
        raw = await client.responses.input_tokens.with_raw_response.count(
            model="m", input="And now?", previous_response_id=first["id"], truncation="auto"
        )
    assert raw.parse().to_dict() == {"object": "response.input_tokens", "input_tokens": 1234}
    assert "x-responses-asgi-loss" not in raw.headers
    body = seen[0]
    assert [item.get("role") for item in body["input"]] == ["user", "assistant", "user"]
    assert body["input"][-1]["content"] == "And now?"
    assert (body["model"], body["truncation"]) == ("m", "auto")
    assert not body.keys() & {"previous_response_id", "store", "stream"}


async def test_a_conversation_is_counted_and_not_changed() -> None:
    bodies: list[JSON] = []

    async def count(body: JSON) -> int:
        bodies.append(body)
        return len(body["input"])

    kept = Kept(count_tokens=count)
    made = await kept.ask("POST", "/v1/conversations", {"items": users(3)})
    id = made.json()["id"]
    own = [{"role": "user", "content": "And now?"}]
    got = await kept.ask("POST", PATH, {"model": "m", "input": own, "conversation": {"id": id}})
    assert got.json()["input_tokens"] == 4
    assert len((await kept.ask("GET", f"/v1/conversations/{id}/items")).json()["data"]) == 3


async def test_losses_of_the_history_are_told() -> None:
    kept = Kept(count_tokens=lambda body: len(body["input"]))
    first = await kept.response(users(1))
    reference = {"type": "item_reference", "id": "msg_0000"}
    body = {"model": "m", "input": [reference], "previous_response_id": first["id"]}
    got = await kept.ask("POST", PATH, body)
    assert (got.json()["input_tokens"], got.headers["x-responses-asgi-loss"]) == (2, "input[0];emulated")


async def test_instructions_alone_are_counted() -> None:
    upstream = Model({"object": "response.input_tokens", "input_tokens": 7})
    got = await Kept(ask_tokens=upstream).ask("POST", PATH, {"model": "m", "instructions": "Be brief."})
    assert got.json()["input_tokens"] == 7
    assert upstream.asked == [{"model": "m", "instructions": "Be brief."}]


async def test_an_upstream_that_has_the_endpoint_is_asked() -> None:
    upstream = Model({"object": "response.input_tokens", "input_tokens": 77})
    kept = Kept(ask_tokens=upstream)
    got = await kept.ask("POST", PATH, {"model": "m", "input": "Hi"})
    assert got.json() == {"object": "response.input_tokens", "input_tokens": 77}
    assert upstream.asked[0]["model"] == "m"


@pytest.mark.parametrize(
    "answer", [*(APIError("no such path", status=status) for status in (404, 405, 501)), {"detail": "what?"}]
)
async def test_an_upstream_without_it_makes_an_estimate(answer: Any) -> None:
    got = await Kept(ask_tokens=Model(answer)).ask("POST", PATH, {"model": "m", "input": "Hi"})
    assert got.json()["estimated"] is True


async def test_other_errors_of_the_upstream_are_told() -> None:
    kept = Kept(ask_tokens=Model(APIError("slow down", status=429, headers={"retry-after": "7"})))
    got = await kept.ask("POST", PATH, {"model": "m", "input": "Hi"})
    assert (got.status, got.code, got.headers["retry-after"]) == (429, "rate_limit_exceeded", "7")


async def test_a_function_that_counts_nothing_is_the_operators_mistake() -> None:
    got = await Kept(count_tokens=lambda body: "many").ask("POST", PATH, {"model": "m", "input": "Hi"})
    assert (got.status, got.code) == (500, "server_error")
    assert isinstance(got.raised, TypeError)
    assert "count_tokens" in str(got.raised)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "m"}, "input"),
        ({"model": "m", "input": 5}, "input"),
        ({"model": "m", "input": [{"role": "king", "content": "Hi"}]}, "input[0].role"),
        ({"model": "m", "input": "Hi", "previous_response_id": "resp_unknown"}, "previous_response_id"),
        ({"model": "m", "input": "Hi", "tools": [{"type": "function"}]}, "tools[0].name"),
    ],
)
async def test_mistakes_in_what_is_to_be_counted(body: JSON, param: str) -> None:
    got = await Kept().ask("POST", PATH, body)
    assert (got.status, got.json()["error"]["param"]) == (400, param)


async def test_another_owners_response_is_not_counted() -> None:
    kept = Kept()
    theirs = await kept.response(key=OTHER_KEY)
    got = await kept.ask("POST", PATH, {"model": "m", "input": "Hi", "previous_response_id": theirs["id"]})
    assert (got.status, got.code) == (400, "previous_response_not_found")


@pytest.mark.parametrize(
    ("body", "least", "most"),
    [
        ({"input": "The quick brown fox jumps over the lazy dog."}, 10, 20),
        ({"input": "灯台の話をしてください。"}, 8, 20),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "detail": "low"}]}]}, 85, 95),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, 765, 775),
        (
            {
                "input": [
                    {
                        "type": "function_call_output",
                        "call_id": "c",
                        "output": [{"type": "input_image"}, {"type": "input_text", "text": "seen"}],
                    }
                ]
            },
            765,
            775,
        ),
        (
            {"input": [], "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}]},
            10,
            25,
        ),
        ({"instructions": "word " * 1000}, 1000, 1500),
        ({}, 0, 0),
    ],
)
def test_estimates_are_of_the_right_size(body: JSON, least: int, most: int) -> None:
    assert least <= estimate_tokens(body).tokens <= most


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["content", "output", "text", "type"]), inner)
    ),
    max_leaves=20,
)


@examples(40)
@given(st.lists(st.dictionaries(st.sampled_from(["role", "content", "output", "arguments"]), JSON_VALUES)))
def test_estimates_take_items_of_any_shape(items: list[JSON]) -> None:
    estimate = estimate_tokens({"input": items})
    assert estimate.tokens >= 4 * len(items)
    longer = estimate_tokens({"input": [*items, {"content": "four"}]})
    assert longer.tokens > estimate.tokens


async def test_sdk_compacts_a_conversation() -> None:
    kept = Kept()
    kept.model.answer = answered("resp_upstream", "They greeted each other.")
    first = await kept.response("Hi", "Hello")
    async with kept.client() as client:
        compacted = await client.responses.compact(
            model="m", input="And now?", previous_response_id=first["id"]
        )
    assert compacted.object == "response.compaction"
    assert compacted.output[-1].type == "compaction"
    assert [item.get("role") for item in kept.model.asked[0]["input"][:3]] == ["user", "assistant", "user"]


async def test_losses_of_a_compaction_are_told() -> None:
    kept = Kept()
    kept.model.answer = answered("resp_upstream", "They greeted each other.")
    got = await kept.ask("POST", "/v1/responses/compact", {"model": "m", "input": "Hi", "temperature": 0.5})
    assert got.headers["x-responses-asgi-loss"] == "temperature;dropped"


async def test_errors_of_the_upstream_reach_who_compacts() -> None:
    kept = Kept()
    kept.model.answer = APIError("no", status=401)
    got = await kept.ask("POST", "/v1/responses/compact", {"model": "m", "input": "Hi"})
    assert (got.status, got.code) == (401, "invalid_api_key")
