"""A turn with state: what of the request reaches the upstream, what comes before it, and what is kept."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from responses_asgi.errors import StoreError
from responses_asgi.history.pages import Query
from responses_asgi.profiles import profile_for
from responses_asgi.stores.memory import MemoryStore
from tests.history_turns import (
    ANN,
    BOB,
    GONE,
    SEALS,
    FailingStore,
    answered,
    begin,
    called,
    chatted,
    completion,
    refused,
    response,
    said,
    state_of,
    user,
)

OLDEST = Query(order="asc", limit=100)


# What is kept


async def test_a_response_is_kept_with_its_input_unless_the_request_says_no() -> None:
    state = state_of()
    id = await answered(state, said("Hey", "msg_1"), input="Hi", metadata={"a": "b"})
    stored = await state.kept.responses.load(ANN, id)
    assert stored is not None
    assert stored.response["store"] is True
    assert stored.response["output"] == [said("Hey", "msg_1")]
    assert [item["content"] for item in stored.input_items(OLDEST).data] == [
        [{"type": "input_text", "text": "Hi"}]
    ]
    assert await state.kept.responses.load(BOB, id) is None
    assert await state.kept.responses.load("", id) is None

    turn = await begin(state, input="Hi", store=False)
    assert not turn.keeps
    answer = response(state, said("Hey", "msg_2"))
    assert await turn.keep(answer)
    assert await state.kept.responses.load(ANN, answer["id"]) is None
    assert turn.history.echo == {"store": False}


@pytest.mark.parametrize("status", ["failed", "incomplete"])
async def test_answers_that_did_not_end_well_are_kept_too(status: str) -> None:
    state = state_of()
    turn = await begin(state, input="Hi")
    answer = response(state, said("He", "msg_1"), status=status)
    assert await turn.keep(answer)
    stored = await state.kept.responses.load(ANN, answer["id"])
    assert stored is not None
    assert stored.response["status"] == status


async def test_the_answer_of_a_client_that_left_is_kept_as_cancelled() -> None:
    state = state_of()
    turn = await begin(state, input="Hi")
    answer = response(
        state, said("He", "msg_1"), status="failed", error={"code": "client_left"}, completed_at=7
    )
    assert await turn.keep(answer, left=True)
    stored = await state.kept.responses.load(ANN, answer["id"])
    assert stored is not None
    assert stored.response["status"] == "cancelled"
    assert stored.response["output"] == [said("He", "msg_1")]
    assert stored.response["error"] is stored.response["completed_at"] is None


async def test_a_completion_is_kept_when_it_is_asked_for_or_continues_a_turn() -> None:
    state = state_of()
    unasked = await chatted(state, completion("chatcmpl-1"), user("Hi"))
    refused_ = await chatted(state, completion("chatcmpl-2"), user("Hi"), store=False)
    asked = await chatted(state, completion("chatcmpl-3"), user("Hi"), store=True, metadata={"a": "b"})
    continued = await chatted(state, completion("chatcmpl-4"), user("And?"), previous_response_id=asked)
    not_kept = await chatted(state, completion("5"), user("And?"), previous_response_id=asked, store=False)
    load = state.kept.completions.load
    found = [await load(ANN, id) is not None for id in (unasked, refused_, asked, continued, not_kept)]
    assert found == [False, False, True, True, False]
    assert (await state.kept.completions.get(ANN, asked)).object()["metadata"] == {"a": "b"}


async def test_what_is_no_answer_is_not_kept() -> None:
    state = state_of()
    turn = await begin(state, client="chat", messages=[user("Hi")], store=True)
    assert await turn.keep({"error": {"message": "no"}})
    assert await turn.keep({"id": "chatcmpl-1", "choices": []})
    assert (await state.kept.completions.list(ANN, Query())).data == []


async def test_a_completion_without_an_id_cannot_be_kept_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    turn = await begin(state_of(), client="chat", messages=[user("Hi")], store=True)
    with caplog.at_level(logging.WARNING, "responses_asgi"):
        assert not await turn.keep(completion(""))
    assert "no id" in caplog.text


@pytest.mark.parametrize("error", [GONE, RuntimeError("the user's own store")])
async def test_a_failing_store_costs_no_answer_and_is_logged_once_in_a_while(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    store = FailingStore()
    state = state_of(store)
    turn = await begin(state, input="Hi")
    id = await answered(state, said("Hey", "msg_1"), input="Hi")
    store.error = error
    with caplog.at_level(logging.WARNING, "responses_asgi"):
        assert not await turn.keep(response(state))
        assert not await turn.keep(response(state))
        # Nothing of the store is needed to begin here.
        assert (await begin(state, input="Hi")).keeps
    assert len(caplog.records) == 1
    assert str(error) in caplog.text
    with pytest.raises(type(error)):
        await begin(state, input="Hi", previous_response_id=id)
    store.error = None
    assert await turn.keep(response(state))


# What reaches the upstream


async def test_the_upstreams_request_has_no_state_in_it() -> None:
    state = state_of()
    id = await answered(state, said("Hey", "msg_1"), input="Hi")
    turn = await begin(state, input="And?", previous_response_id=id, store=True, temperature=0)
    assert turn.body == {"model": "m", "input": "And?", "temperature": 0}
    assert turn.history.echo == {"store": True, "previous_response_id": id}
    conversation = (await state.kept.conversations.create(ANN))["id"]
    turn = await begin(state, input="Hi", conversation={"id": conversation})
    assert turn.body == {"model": "m", "input": "Hi"}
    assert turn.history.echo == {"store": True, "conversation": {"id": conversation}}


@pytest.mark.parametrize("client", ["responses", "chat"])
async def test_a_request_that_says_nothing_of_state_passes_as_it_is(client: Any) -> None:
    body = {"model": "m", "input": [user("Hi")], "messages": [user("Hi")]}
    turn = await state_of().begin(body, ANN, client=client, spoken="chat")
    assert turn.body is body
    assert list(turn.history.items) == []
    assert turn.losses == []


async def test_a_responses_upstream_keeps_nothing_and_gives_its_reasoning_along() -> None:
    state = state_of()
    turn = await begin(state, input="Hi", spoken="responses", include=["message.output_text.logprobs"])
    assert turn.body["store"] is False
    assert turn.body["include"] == ["message.output_text.logprobs", "reasoning.encrypted_content"]
    again = await begin(state, input="Hi", spoken="responses", include=turn.body["include"])
    assert again.body["include"] == turn.body["include"]


@pytest.mark.parametrize(
    ("profile", "model", "effort", "asked"),
    [
        ("openai", "gpt-5.5", None, True),
        ("openai", "gpt-4o", None, False),
        ("openai", "my-deployment", "low", True),
        ("openai", "gpt-4o", "none", False),
        ("vllm", "gpt-5.5", "low", False),
    ],
)
async def test_encrypted_reasoning_is_asked_for_where_there_is_some(
    profile: str, model: str, effort: str | None, asked: bool
) -> None:
    body = {"model": model, "input": "Hi", **({"reasoning": {"effort": effort}} if effort else {})}
    turn = await state_of().begin(
        body, ANN, client="responses", spoken="responses", profile=profile_for(profile)
    )
    assert ("include" in turn.body) == asked


async def test_background_is_refused_where_the_responses_are_kept_here() -> None:
    error = await refused(state_of(), input="Hi", background=True, spoken="responses")
    assert (error.status, error.param, error.code) == (400, "background", "unsupported_parameter")


async def test_chat_metadata_is_kept_here_and_not_sent() -> None:
    turn = await begin(state_of(), client="chat", messages=[user("Hi")], store=True, metadata={"a": "b"})
    assert turn.body == {"model": "m", "messages": [user("Hi")]}
    assert [(loss.path, loss.action) for loss in turn.losses] == [("metadata", "emulated")]
    over = await begin(
        state_of(), client="chat", spoken="responses", messages=[user("Hi")], store=True, metadata={"a": "b"}
    )
    assert over.body["metadata"] == {"a": "b"}


async def test_instructions_that_stand_in_the_history_are_not_said_twice() -> None:
    state = state_of()
    rule = {"role": "system", "content": "Be brief."}
    parts = {"role": "system", "content": [{"type": "text", "text": "Be brief."}]}
    id = await chatted(state, completion("chatcmpl-1"), rule, user("Hi"), store=True)
    other = {"role": "system", "content": "Be long."}
    turn = await begin(
        state, client="chat", messages=[parts, other, user("Be brief.")], previous_response_id=id
    )
    assert turn.body["messages"] == [other, user("Be brief.")]
    assert [loss.path for loss in turn.losses] == ["messages[0]"]
    await turn.keep(completion("chatcmpl-2"))
    kept = await state.kept.completions.get(ANN, "chatcmpl-2")
    assert list(kept.messages) == [other, user("Be brief.")]


# Conversations


async def test_a_conversation_grows_by_what_is_asked_and_answered() -> None:
    state = state_of()
    conversation = (await state.kept.conversations.create(ANN, [user("First.")]))["id"]
    await answered(state, said("Hey", "msg_1"), input="Hi", conversation=conversation)
    await answered(state, called("c1"), input="Call.", conversation={"id": conversation}, store=False)
    await chatted(state, completion("chatcmpl-1", "Fine."), user("And?"), conversation=conversation)
    turn = await begin(state, input="Last?", conversation=conversation)
    told = [
        item.get("content") if isinstance(item.get("content"), str) else item.get("id")
        for item in turn.history.items
    ]
    assert told == ["First.", "Hi", "msg_1", "Call.", "fc_c1", "And?", "Fine."]
    listed = await state.kept.conversations.list(ANN, conversation, OLDEST)
    assert len({item["id"] for item in listed.data}) == 7
    assert await state.kept.completions.load(ANN, "chatcmpl-1") is None


@pytest.mark.parametrize(
    ("answer", "left", "grows"),
    [
        ({"status": "failed", "output": [said("He", "msg_1")]}, False, False),
        ({"status": "incomplete", "output": [said("He", "msg_1")]}, False, True),
        ({"status": "completed", "output": []}, False, True),
        ({"status": "failed", "output": [said("He", "msg_1")]}, True, True),
        ({"status": "failed", "output": []}, True, False),
    ],
)
async def test_a_conversation_grows_only_by_turns_that_said_something(
    answer: dict[str, Any], left: bool, grows: bool
) -> None:
    state = state_of()
    conversation = (await state.kept.conversations.create(ANN))["id"]
    turn = await begin(state, input="Hi", conversation=conversation)
    assert await turn.keep(response(state, **{"status": "", **answer}) | answer, left=left)
    listed = await state.kept.conversations.list(ANN, conversation, OLDEST)
    assert bool(listed.data) == grows


async def test_a_completion_that_broke_off_before_it_began_does_not_grow_a_conversation() -> None:
    state = state_of()
    conversation = (await state.kept.conversations.create(ANN))["id"]
    await chatted(state, completion("c", "", None), user("Hi"), conversation=conversation)
    assert not (await state.kept.conversations.list(ANN, conversation, OLDEST)).data
    await chatted(state, completion("c", "He", None), user("Hi"), conversation=conversation)
    assert len((await state.kept.conversations.list(ANN, conversation, OLDEST)).data) == 2


async def test_an_unknown_conversation_is_a_404_and_anothers_is_unknown() -> None:
    state = state_of()
    conversation = (await state.kept.conversations.create(ANN))["id"]
    for owner, id in ((ANN, "conv_1"), (BOB, conversation), ("", conversation), (ANN, "c" * 10_000)):
        error = await refused(state, owner, input="Hi", conversation=id)
        assert (error.status, error.code, error.param) == (404, "conversation_not_found", "conversation")
        assert len(error.message) < 300


@pytest.mark.parametrize(
    ("client", "fields", "param"),
    [
        ("responses", {"conversation": {}}, "conversation.id"),
        ("responses", {"conversation": {"id": 5}}, "conversation.id"),
        ("chat", {"conversation": 5}, "conversation"),
        ("chat", {"previous_response_id": 5}, "previous_response_id"),
        ("chat", {"previous_response_id": "resp_1", "conversation": "conv_1"}, "previous_response_id"),
    ],
)
async def test_fields_of_the_wrong_type_are_told(client: str, fields: dict[str, Any], param: str) -> None:
    error = await refused(state_of(), client=client, input="Hi", messages=[user("Hi")], **fields)
    assert (error.status, error.param) == (400, param)


# Item references


async def test_references_are_resolved_from_responses_and_conversations() -> None:
    state = state_of()
    await answered(state, said("Hey", "msg_1"), called("c1"), input=[{**user("Hi"), "id": "msg_in"}])
    await state.kept.conversations.create(ANN, [{**user("There"), "id": "msg_conv"}])
    references = [
        {"type": "item_reference", "id": "msg_in"},
        {"id": "msg_1"},
        {"type": "item_reference", "id": "msg_conv"},
    ]
    turn = await begin(state, input=[*references, called("c2"), user("And?")])
    assert turn.body["input"] == [
        {**user("Hi"), "id": "msg_in"},
        said("Hey", "msg_1"),
        {**user("There"), "id": "msg_conv"},
        called("c2"),
        user("And?"),
    ]
    answer = response(state)
    await turn.keep(answer)
    stored = await state.kept.responses.load(ANN, answer["id"])
    assert stored is not None
    assert [item["id"] for item in stored.input_items(OLDEST).data][:4] == [
        "msg_in",
        "msg_1",
        "msg_conv",
        "fc_c2",
    ]


async def test_a_reference_by_an_id_that_was_made_here_keeps_it() -> None:
    state = state_of()
    id = await answered(state, input="Hi")
    stored = await state.kept.responses.load(ANN, id)
    assert stored is not None
    made = stored.entries[0].id
    turn = await begin(state, input=[{"type": "item_reference", "id": made}])
    assert turn.body["input"] == [{"type": "message", "role": "user", "content": "Hi"}]
    answer = response(state)
    await turn.keep(answer)
    again = await state.kept.responses.load(ANN, answer["id"])
    assert again is not None
    assert again.entries[0].id == made


async def test_a_reference_to_what_is_said_already_adds_nothing() -> None:
    state = state_of()
    id = await answered(state, said("Hey", "msg_1"), input="Hi")
    twice = {"type": "item_reference", "id": "msg_2"}
    turn = await begin(
        state,
        input=[{"type": "item_reference", "id": "msg_1"}, said("Own", "msg_2"), twice, user("And?")],
        previous_response_id=id,
    )
    assert turn.body["input"] == [said("Own", "msg_2"), user("And?")]
    assert [(loss.path, loss.action) for loss in turn.losses] == [
        ("input[0]", "emulated"),
        ("input[2]", "emulated"),
    ]


async def test_an_unknown_reference_names_its_place() -> None:
    state = state_of()
    await answered(state, said("Hey", "msg_1"), input="Hi")
    for owner, id in ((ANN, "msg_9"), (BOB, "msg_1")):
        error = await refused(state, owner, input=[user("Hi"), {"type": "item_reference", "id": id}])
        assert (error.status, error.param, error.code) == (400, "input[1].id", "item_not_found")
    missing = await refused(state, input=[{"type": "item_reference"}])
    assert (missing.param, missing.code) == ("input[0].id", "missing_required_parameter")


@pytest.mark.parametrize("id", ["m" * 513, "m" * 1_000_000, "a\nb", "\ud800"])
async def test_ids_that_nothing_can_be_kept_under_are_refused(id: str) -> None:
    error = await refused(state_of(), input=[user("Hi"), {**user("Hi"), "id": id}])
    assert (error.status, error.param, error.code) == (400, "input[1].id", "invalid_value")
    assert len(error.message) < 300


# What clients carry


async def test_sealed_reasoning_is_opened_for_its_owner_only() -> None:
    state = state_of(seals=SEALS)
    token = SEALS.seal({"text": "Hm.", "details": []}, owner=ANN, purpose="reasoning")
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": token}
    turn = await begin(state, input=[item, user("And?")])
    assert turn.body["input"][0]["encrypted_content"].startswith("rd1.")
    over = await begin(state, input=[item, user("And?")], spoken="responses")
    assert over.body["input"][0] == {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "Hm."}],
    }
    error = await refused(state, BOB, input=[item, user("And?")])
    assert (error.status, error.param) == (400, "input[0].encrypted_content")


async def test_what_is_sealed_stays_sealed_in_the_store_and_is_opened_for_the_next_turn() -> None:
    state = state_of(seals=SEALS)
    token = SEALS.seal({"text": "Hm.", "details": []}, owner=ANN, purpose="reasoning")
    item = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "H"}],
        "status": "completed",
    }
    item["encrypted_content"] = token
    id = await answered(state, said("Hey", "msg_1"), input=[item, user("Hi")])
    stored = await state.kept.responses.load(ANN, id)
    assert stored is not None
    assert stored.input_items(OLDEST).data[0]["encrypted_content"] == token
    turn = await begin(state, input="And?", previous_response_id=id, spoken="responses")
    assert turn.history.items[0] == {"type": "reasoning", "id": "rs_1", "summary": item["summary"]}
    chat = await begin(state, input=[{"id": "rs_1"}])
    assert chat.body["input"][0]["encrypted_content"].startswith("rd1.")
    over = await begin(
        state, client="chat", messages=[user("?")], previous_response_id=id, spoken="responses"
    )
    assert "encrypted_content" not in over.history.items[0]


@pytest.mark.parametrize("client", ["responses", "chat"])
async def test_reasoning_that_the_upstream_cannot_read_is_left_out_with_what_refers_to_it(
    client: Any,
) -> None:
    state = state_of()
    plain = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "Hm."}],
    }
    own = {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "gAAA"}
    for output, told, lost in (
        ([plain, said("Hey", "msg_1"), own], [("message", None), ("reasoning", "rs_2")], True),
        ([own, said("Hey", "msg_1")], [("reasoning", "rs_2"), ("message", "msg_1")], False),
    ):
        id = await answered(state, *output, input=[])
        body = {"model": "gpt-5.5", "input": "?", "messages": [user("?")], "previous_response_id": id}
        turn = await state.begin(body, ANN, client=client, spoken="responses", profile=profile_for("openai"))
        assert [(item["type"], item.get("id")) for item in turn.history.items] == told
        assert [(loss.path, loss.action) for loss in turn.losses] == (
            [("previous_response_id", "dropped")] if lost else []
        )
        other = await state.begin(body, ANN, client=client, spoken="responses", profile=profile_for("vllm"))
        assert list(other.history.items) == output


# Without a store


async def test_without_a_store_a_responses_client_of_a_chat_upstream_is_told_so() -> None:
    state = state_of(None)
    turn = await begin(state, input="Hi", store=True)
    assert turn.body == {"model": "m", "input": "Hi"}
    assert turn.history.echo == {"store": False}
    assert [(loss.path, loss.action) for loss in turn.losses] == [("store", "dropped")]
    assert not turn.keeps
    assert await turn.keep(response(state))
    assert (await begin(state, input="Hi", store=False)).losses == []
    for fields, param, code in (
        ({"previous_response_id": "resp_1"}, "previous_response_id", "previous_response_not_found"),
        ({"conversation": "conv_1"}, "conversation", "unsupported_parameter"),
        ({"input": [user("Hi"), {"id": "msg_1"}]}, "input[1].id", "unsupported_parameter"),
    ):
        error = await refused(state, **{"input": "Hi", **fields})
        assert (error.status, error.param, error.code) == (400, param, code)
        assert 'store="sqlite:///state.db"' in error.message


@pytest.mark.parametrize(
    ("client", "spoken"), [("responses", "responses"), ("chat", "responses"), ("chat", "chat")]
)
async def test_without_a_store_the_upstreams_own_state_passes_untouched(client: Any, spoken: Any) -> None:
    body = {
        "model": "m",
        "input": [{"id": "msg_1"}],
        "messages": [user("Hi")],
        "store": True,
        "previous_response_id": "resp_1",
    }
    turn = await state_of(None).begin(body, ANN, client=client, spoken=spoken)
    assert turn.body is body
    assert turn.history.echo == {}


async def test_without_a_store_sealed_items_are_opened_all_the_same() -> None:
    token = SEALS.seal({"summary": "They met."}, owner=ANN, purpose="compaction")
    turn = await begin(
        state_of(None, seals=SEALS), input=[{"type": "compaction", "encrypted_content": token}]
    )
    assert "They met." in turn.body["input"][0]["content"][0]["text"]


async def test_without_a_store_nothing_can_be_found() -> None:
    with pytest.raises(Exception, match="store=") as raised:
        _ = state_of(None).kept
    assert getattr(raised.value, "status", None) == 404


# Ids


async def test_ids_carry_the_tag_of_the_process() -> None:
    store = MemoryStore()
    state = state_of(store)
    assert state.new_id("resp_").startswith(f"resp_{store.tag}")
    assert len(state.new_id("resp_")) == len("resp_") + 38
    assert len(state.new_id("call_")) == len("call_") + 32
    assert len(state_of(None).new_id("resp_")) == len("resp_") + 32


async def test_a_miss_of_another_process_names_the_cause_and_the_cure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    one, other = state_of(), state_of()
    id = await answered(one, said("Hey", "msg_1"), input="Hi")
    with caplog.at_level(logging.WARNING, "responses_asgi"):
        error = await refused(other, input="And?", previous_response_id=id)
        again = await refused(other, input="And?", conversation=one.new_id("conv_"))
        chat = await refused(
            other, client="chat", messages=[user("?")], previous_response_id=one.new_id("chatcmpl-")
        )
    assert (error.status, error.code, error.param) == (
        400,
        "previous_response_not_found",
        "previous_response_id",
    )
    for miss in (error, again, chat):
        assert "another worker process" in miss.message
        assert 'store="sqlite:///state.db"' in miss.message
    assert len(caplog.records) == 1
    assert id in caplog.text
    gone = await refused(one, input="And?", previous_response_id=one.new_id("resp_"))
    assert "expired" in gone.message
    assert "worker" not in gone.message
    elsewhere = await refused(
        other, input="And?", previous_response_id="resp_0123456789abcdef0123456789abcdef"
    )
    assert "worker" not in elsewhere.message


async def test_a_store_without_a_tag_never_blames_another_process() -> None:
    class Shared(MemoryStore):
        tag = ""  # type: ignore[assignment]  # a store that all processes share has none

    assert (
        "worker"
        not in (
            await refused(state_of(Shared()), input="?", previous_response_id=state_of().new_id("resp_"))
        ).message
    )


async def test_a_store_that_cannot_be_read_is_a_503() -> None:
    store = FailingStore()
    state = state_of(store)
    store.error = GONE
    with pytest.raises(StoreError) as raised:
        await begin(state, input="?", previous_response_id="resp_1")
    assert raised.value.status == 503
