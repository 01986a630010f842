"""Top-level fields of a Chat answer: carried in the form of a response, or reported."""

from __future__ import annotations

from typing import Any

import pytest

from responses_asgi.loss import Losses
from responses_asgi.translate.answer_fields import CHAT_SERVICE_TIERS, RESERVED, carry_fields, chat_fields

JSON = dict[str, Any]

VERDICT = {"type": "moderation_result", "model": "m", "flagged": False, "categories": {}}
FLAGGED = {**VERDICT, "flagged": True}


def carried(chunk: JSON) -> tuple[JSON, JSON, list[tuple[str, str]]]:
    """What ends up in the response and in the extras, and the losses."""
    response: JSON = {"id": "resp_1", "service_tier": "auto", "text": {}}
    extras: JSON = {}
    losses = Losses()
    carry_fields(chunk, response=response, extras=extras, losses=losses)
    return response, extras, [(loss.path, loss.action) for loss in losses]


def side(*results: JSON) -> JSON:
    return {"type": "moderation_results", "model": "m", "results": list(results)}


def test_a_servers_own_fields_are_carried_and_padding_is_not() -> None:
    _, extras, losses = carried({"id": "c", "citations": ["u"], "obfuscation": "xx", "nothing": None})
    assert extras == {"citations": ["u"]}
    assert losses == []


@pytest.mark.parametrize("name", sorted(RESERVED | {"text"}))
def test_a_name_that_a_response_uses_otherwise_is_reported(name: str) -> None:
    response, extras, losses = carried({name: ["x"]})
    assert extras == {}
    assert response["text"] == {}
    assert losses == [(name, "dropped")]


def test_a_service_tier_is_carried_if_a_response_can_say_it() -> None:
    assert carried({"service_tier": "flex"})[0]["service_tier"] == "flex"
    response, _, losses = carried({"service_tier": "on_demand"})
    assert response["service_tier"] == "auto"
    assert losses == [("service_tier", "dropped")]


def test_moderation_becomes_one_result_per_side() -> None:
    bare = {name: value for name, value in FLAGGED.items() if name not in ("type", "model")}
    _, extras, losses = carried({"moderation": {"input": side(VERDICT), "output": side(bare)}})
    assert extras["moderation"] == {"input": VERDICT, "output": FLAGGED}
    assert losses == []


def test_of_several_moderation_results_the_flagged_one_counts() -> None:
    error = {"type": "error", "code": "c", "message": "m"}
    _, extras, losses = carried({"moderation": {"input": side(VERDICT, FLAGGED), "output": error}})
    assert extras["moderation"] == {"input": FLAGGED, "output": error}
    assert losses == [("moderation", "clamped")]


@pytest.mark.parametrize(
    "moderation",
    [
        "bad",
        {},
        {"input": side(VERDICT)},
        {"input": side(), "output": side(VERDICT)},
        {"input": 1, "output": 2},
    ],
)
def test_moderation_in_another_form_is_reported(moderation: Any) -> None:
    _, extras, losses = carried({"moderation": moderation})
    assert extras == {}
    assert losses == [("moderation", "dropped")]


# Back: from a response to a Chat answer


def chat_answer(response: JSON) -> tuple[JSON, list[tuple[str, str]]]:
    losses = Losses()
    return chat_fields(response, losses=losses), [(loss.path, loss.action) for loss in losses]


def test_a_response_gives_its_servers_own_fields_and_keeps_its_state() -> None:
    response = {"id": "r", "status": "completed", "store": True, "citations": ["u"], "mood": None}
    assert chat_answer(response) == ({"citations": ["u"]}, [])


@pytest.mark.parametrize("tier", sorted(CHAT_SERVICE_TIERS))
def test_a_service_tier_of_both_protocols_is_carried(tier: str) -> None:
    assert chat_answer({"service_tier": tier}) == ({"service_tier": tier}, [])


@pytest.mark.parametrize("tier", ["ultrafast", "provisioned", ["flex"]])
def test_a_service_tier_that_chat_does_not_know_is_reported(tier: Any) -> None:
    assert chat_answer({"service_tier": tier}) == ({}, [("service_tier", "dropped")])


@pytest.mark.parametrize("name", ["choices", "created"])
def test_a_name_that_a_chat_answer_uses_otherwise_is_reported(name: str) -> None:
    assert chat_answer({name: [1]}) == ({}, [(name, "dropped")])


def test_moderation_there_and_back() -> None:
    error = {"type": "error", "code": "c", "message": "m"}
    moderation = {"input": VERDICT, "output": error}
    chat, losses = chat_answer({"moderation": moderation})
    assert (chat, losses) == ({"moderation": {"input": side(VERDICT), "output": error}}, [])
    assert carried(chat)[1] == {"moderation": moderation}


@pytest.mark.parametrize("moderation", ["flagged", {"input": VERDICT}])
def test_moderation_in_no_known_form_is_not_said(moderation: Any) -> None:
    assert chat_answer({"moderation": moderation}) == ({}, [("moderation", "dropped")])
