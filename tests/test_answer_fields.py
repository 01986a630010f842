"""Top-level fields of a Chat answer: carried in the form of a response, or reported."""

from __future__ import annotations

from typing import Any

import pytest

from responses_asgi.loss import Losses
from responses_asgi.translate.answer_fields import RESERVED, carry_fields

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
