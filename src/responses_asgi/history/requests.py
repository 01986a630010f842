"""What a request asks of the state, and its body without that.

| client | kept unless it says otherwise | continued by |
| --- | --- | --- |
| Responses | yes | `previous_response_id`, `conversation`, `item_reference` |
| Chat | no, but a turn that continues another one is | the same two as extra fields of its body |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from responses_asgi.errors import InvalidRequestError
from responses_asgi.types.checks import wrong
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.upstream import WireAPI

__all__ = ["STATE_FIELDS", "Detached", "StateRequest", "state_request", "without"]

STATE_FIELDS = ("store", "previous_response_id", "conversation")


class Detached(NamedTuple):
    """What is told of a response that is made in the background before anything of it is made."""

    id: str
    created_at: int


class StateRequest(NamedTuple):
    """`keep`: whether the answer is to be kept by its id; `previous`, `conversation`: what it continues, by
    id; `detached`: what is told already of an answer that is made in the background."""

    keep: bool
    previous: str | None
    conversation: str | None
    detached: Detached | None = None

    def echo(self) -> JSON:
        """What a response tells of it."""
        echo: JSON = {"store": self.keep}
        if self.detached is not None:
            echo |= {**self.detached._asdict(), "background": True}
        if self.previous is not None:
            echo["previous_response_id"] = self.previous
        if self.conversation is not None:
            echo["conversation"] = {"id": self.conversation}
        return echo


def state_request(body: JSON, client: WireAPI, *, detached: Detached | None = None) -> StateRequest:
    """Read the fields of a validated body; Chat validation does not know them.

    Raises InvalidRequestError for values of other types, for two histories at once, and for an answer that is
    made in the background (it is `detached`) and not to be kept.

    >>> state_request({"conversation": {"id": "conv_1"}}, "responses")
    StateRequest(keep=True, previous=None, conversation='conv_1', detached=None)
    """
    previous = body.get("previous_response_id") or None
    if previous is not None and not isinstance(previous, str):
        raise wrong("previous_response_id", "Input should be a valid string", previous)
    conversation = _conversation(body.get("conversation"))
    if previous is not None and conversation is not None:
        raise InvalidRequestError(
            "'previous_response_id' and 'conversation' exclude each other; send one of them.",
            param="previous_response_id",
            code="mutually_exclusive_parameters",
        )
    store = body.get("store")
    keep = (client == "responses" or previous is not None) if store is None else bool(store)
    if detached is not None and not keep:
        raise InvalidRequestError(
            "'background' needs 'store': what nobody waits for must be kept.",
            param="background",
            code="invalid_value",
        )
    return StateRequest(keep, previous, conversation, detached)


def without(body: JSON, names: Mapping[str, Any] | tuple[str, ...]) -> JSON:
    """The body without these fields; itself when it has none of them."""
    for name in names:
        if name in body:
            return {name: value for name, value in body.items() if name not in names}
    return body


def _conversation(given: object) -> str | None:
    if given is None or isinstance(given, str):
        return given or None
    if not isinstance(given, dict):
        raise wrong("conversation", "Input should be a string or an object", given)
    id = given.get("id")
    if not isinstance(id, str) or not id:
        raise wrong("conversation.id", "Input should be a valid string", id)
    return id
