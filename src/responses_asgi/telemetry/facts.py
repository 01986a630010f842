"""What all telemetry tells of an exchange, read once from the request and from what became of it.

No content and no credential is among it: names, figures and codes only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from responses_asgi.exchange import Ended
from responses_asgi.exchange.attempt import Asked
from responses_asgi.owners import issued_to
from responses_asgi.telemetry.labels import encodable
from responses_asgi.translate.usage import responses_usage
from responses_asgi.types.asgi import Scope
from responses_asgi.upstreams.upstream import Upstream

__all__ = ["Facts", "Tokens", "address_of", "facts_of", "model_of", "site_of"]

_FACTS = "facts"

MAX_NAME_CHARS = 128
"""So much is told of a name that a client has made up."""


class Tokens(NamedTuple):
    """The figures of an answer: `cached` are part of `input`, `reasoning` of `output`."""

    input: int
    output: int
    cached: int
    reasoning: int


class Facts(NamedTuple):
    """What is told of an exchange that is over.

    `client` is None for who was not let in, whatever it asked for. `who` is the id of an issued key, or else
    the owner, a hash; None without either. `error` is a code. `upstream` is the profile of the upstream that
    was asked last, `model` what the client has asked for, and `answered_by` the model that the answer names.
    """

    client: str | None
    model: str
    stream: bool
    who: str | None
    address: str | None
    upstream: str | None
    answered_by: str | None
    response_id: str | None
    finish_reasons: Sequence[str]
    tokens: Tokens | None
    status: int
    outcome: str
    error: str | None


def facts_of(asked: Asked, ended: Ended) -> Facts:
    """The facts of an exchange, found once for all that ask."""
    known: Facts | None = ended.state.get(_FACTS)
    if known is None:
        known = ended.state[_FACTS] = _facts(asked, ended)
    return known


def _facts(asked: Asked, ended: Ended) -> Facts:
    answer = ended.answer
    named, id = answer.get("model"), answer.get("id")
    return Facts(
        client=asked.client,
        model=model_of(asked),
        stream=bool(asked.body.get("stream")),
        who=issued_to(asked.scope) or asked.owner or None,
        address=address_of(asked.scope),
        upstream=ended.upstream.profile.name if ended.upstream else None,
        answered_by=_short(named) if isinstance(named, str) else None,
        response_id=_short(id) if isinstance(id, str) else None,
        finish_reasons=[*_finish_reasons(answer)],
        tokens=_tokens(answer.get("usage")),
        status=ended.status,
        outcome=ended.outcome,
        error=None if ended.error is None else _short(ended.error.code or str(ended.error.status)),
    )


def model_of(asked: Asked) -> str:
    """The model that the client asks for; "" where it names none."""
    return _short(str(asked.body.get("model") or ""))


def address_of(scope: Scope) -> str | None:
    """The client's address, as the server tells it."""
    client = scope.get("client")
    return str(client[0]) if client else None


def site_of(upstream: Upstream) -> str | None:
    """Scheme, host and port of an upstream that is a server elsewhere."""
    site: str | None = getattr(upstream.app, "site", None)
    return site


def _short(name: str) -> str:
    return encodable(name[:MAX_NAME_CHARS])


def _finish_reasons(answer: Mapping[str, Any]) -> Iterator[str]:
    """Of each choice of a completion; of a response its status, or what it is incomplete for."""
    if "choices" in answer:
        for choice in answer["choices"]:
            if choice.get("finish_reason"):
                yield str(choice["finish_reason"])
    elif answer.get("status"):
        details = answer.get("incomplete_details") or {}
        yield str(details.get("reason") or answer["status"])


def _tokens(usage: object) -> Tokens | None:
    figures: Any = usage
    try:
        return _figures(figures)
    except (KeyError, TypeError):
        figures = responses_usage(usage)
        return None if figures is None else _figures(figures)


def _figures(usage: Mapping[str, Any]) -> Tokens:
    """Those of Responses usage. Raises KeyError or TypeError for any other."""
    return Tokens(
        usage["input_tokens"],
        usage["output_tokens"],
        usage["input_tokens_details"]["cached_tokens"],
        usage["output_tokens_details"]["reasoning_tokens"],
    )
