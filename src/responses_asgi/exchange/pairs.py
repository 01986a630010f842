"""What differs between the APIs at this boundary, as tables: by client, by upstream, and for each pair."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from os import urandom
from typing import NamedTuple, TypeAlias

from responses_asgi.exchange.options import Options
from responses_asgi.translate.chat_to_chat import ChatToChat
from responses_asgi.translate.chat_to_responses import ChatToResponses, Recall
from responses_asgi.translate.response_endings import is_response
from responses_asgi.translate.responses_to_chat import ResponsesToChat
from responses_asgi.translate.responses_to_responses import ResponsesToResponses
from responses_asgi.translate.translator import History, NewId, Translator
from responses_asgi.types.chat import validate_chat_request
from responses_asgi.types.json import JSON
from responses_asgi.types.responses import validate_request
from responses_asgi.upstreams.upstream import Upstream, WireAPI

__all__ = ["ClientSide", "MakeTranslator", "Pair", "Past", "UpstreamSide", "new_id", "pair_of"]


def new_id(prefix: str) -> str:
    """An id that nobody has had: the prefix and 128 random bits."""
    return prefix + urandom(16).hex()


class Past(NamedTuple):
    """What a translator is given of what came before, and for what comes after."""

    history: History = History()
    recall: Recall | None = None
    new_id: NewId = new_id
    seal: Callable[[JSON], str] | None = None


MakeTranslator: TypeAlias = Callable[[JSON, Upstream, Options, Past], Translator]
"""`(body, upstream, options, past) -> translator`; `body` is validated."""


class ClientSide(NamedTuple):
    """How a client's requests are checked, and who says the `[DONE]` of its streams."""

    validate: Callable[..., JSON]
    """`(body, *, model_required) -> body`; raises InvalidRequestError."""

    adds_done: Callable[[Options], bool]
    """Whether the sink adds it; otherwise it is the translator's own last event, or there is none."""


class UpstreamSide(NamedTuple):
    """How a whole answer of an upstream is told from other JSON, and what it is called."""

    is_answer: Callable[[JSON], bool]
    name: str
    lack: str


@dataclass(frozen=True, slots=True)
class Pair:
    """One client API over one upstream API."""

    client_api: WireAPI
    spoken: WireAPI
    """What the upstream is asked in."""

    client: ClientSide
    upstream: UpstreamSide
    translator: MakeTranslator

    equal: bool = field(init=False)
    """Whether nothing is translated; the answer then has the upstream's own id, not known before it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "equal", self.client_api == self.spoken)


CLIENTS: dict[WireAPI, ClientSide] = {
    "responses": ClientSide(validate_request, lambda options: options.dialect == "openresponses"),
    "chat": ClientSide(validate_chat_request, lambda options: False),
}

UPSTREAMS: dict[WireAPI, UpstreamSide] = {
    "chat": UpstreamSide(lambda document: bool(document.get("choices")), "chat completion", "choices"),
    "responses": UpstreamSide(is_response, "response", "output"),
}


def _responses_to_chat(body: JSON, upstream: Upstream, options: Options, past: Past) -> Translator:
    return ResponsesToChat(
        body,
        profile=upstream.profile,
        new_id=past.new_id,
        now=_now,
        dialect=options.dialect,
        upstream_model=upstream.model,
        history=past.history,
        seal=past.seal,
        reasoning_as_summary=options.reasoning_as_summary,
    )


def _chat_to_responses(body: JSON, upstream: Upstream, options: Options, past: Past) -> Translator:
    return ChatToResponses(
        body,
        profile=upstream.profile,
        new_id=past.new_id,
        now=_now,
        recall=past.recall,
        reasoning_field=options.reasoning_field,
        upstream_model=upstream.model,
        history=past.history,
    )


def _responses_to_responses(body: JSON, upstream: Upstream, options: Options, past: Past) -> Translator:
    return ResponsesToResponses(
        body,
        new_id=past.new_id,
        now=_now,
        dialect=options.dialect,
        profile=upstream.profile,
        upstream_model=upstream.model,
        history=past.history,
    )


def _chat_to_chat(body: JSON, upstream: Upstream, options: Options, past: Past) -> Translator:
    return ChatToChat(body, profile=upstream.profile, history=past.history, upstream_model=upstream.model)


_TRANSLATORS: dict[tuple[WireAPI, WireAPI], MakeTranslator] = {
    ("responses", "chat"): _responses_to_chat,
    ("chat", "responses"): _chat_to_responses,
    ("responses", "responses"): _responses_to_responses,
    ("chat", "chat"): _chat_to_chat,
}

_PAIRS = {
    (client, spoken): Pair(client, spoken, CLIENTS[client], UPSTREAMS[spoken], translator)
    for (client, spoken), translator in _TRANSLATORS.items()
}


def pair_of(client: WireAPI, upstream: Upstream) -> Pair:
    """The pair of this client API and what this upstream speaks, which is the client's own if it can."""
    return _PAIRS[client, upstream.spoken_to(client)]


def _now() -> int:
    return int(time.time())
