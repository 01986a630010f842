"""What a script can say beside a handler's pieces: citations, scores, errors, structured output."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from pydantic import BaseModel

from responses_asgi.errors import APIError
from responses_asgi.types.json import JSON, dumps
from responses_asgi.upstreams.answers import Finish, Piece, Reasoning, Refusal, ToolCall, Usage

__all__ = [
    "SAYABLE",
    "Citation",
    "Error",
    "Finish",
    "Reasoning",
    "Refusal",
    "Say",
    "Scored",
    "ToolCall",
    "Usage",
    "piece_of",
    "words",
]

# A word with the space before it: about what models call a token.
_WORD = re.compile(r"\s*\S+\s*\Z|\s*\S+|\s+")


class Citation(NamedTuple):
    """A web page that the text before it cites; `start` and `end` count its characters."""

    url: str
    title: str = ""
    start: int = 0
    end: int = 0


class Scored(NamedTuple):
    """Text with log probabilities: each word is a token with this one; `top` are other tokens and theirs."""

    text: str
    logprob: float = -0.1
    top: Mapping[str, float] = {}


class Error(APIError):
    """An error of the model server; in a function turn it can be raised.

    Before anything was said it is an HTTP `status` with OpenAI's error body; `retry_after` (seconds) becomes
    the headers `retry-after` and `retry-after-ms`. After that it is told inside the stream.

    >>> Error(429, retry_after=0.5).headers
    {'retry-after': '1', 'retry-after-ms': '500'}
    """

    def __init__(
        self,
        status: int = 500,
        message: str = "The model has failed.",
        *,
        type: str | None = None,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        waits: dict[str, str] = {}
        if retry_after is not None:
            # Clients take a wait of 0 for none that was named.
            waits = {
                "retry-after": str(math.ceil(retry_after)),
                "retry-after-ms": str(max(1, round(retry_after * 1000))),
            }
        super().__init__(
            message, status=status, type=type, param=param, code=code, headers={**waits, **(headers or {})}
        )


Say: TypeAlias = "Piece | Citation | Scored | APIError | BaseModel"
"""One thing that the model says. A mapping or pydantic object is structured output, said as JSON."""

SAYABLE = (str, Reasoning, Refusal, ToolCall, Usage, Finish, Citation, Scored, APIError, Mapping, BaseModel)


def piece_of(said: Say) -> Piece:
    """The piece of a handler's answer, or the raw chunk, that this is. Raises an APIError that is said."""
    match said:
        case APIError():
            raise said
        case BaseModel():
            return said.model_dump_json()
        case Mapping():
            return dumps(dict(said)).decode()
        case Citation():
            return _chunk({"annotations": [_annotation(said)]})
        case Scored():
            return _chunk({"content": said.text}, logprobs={"content": _scores(said), "refusal": None})
    return said


def words(text: str) -> Iterator[str]:
    """The words of a text, each with the space before it.

    >>> list(words("The fox left. "))
    ['The', ' fox', ' left. ']
    """
    return (found[0] for found in _WORD.finditer(text))


def _chunk(delta: JSON, **choice: Any) -> JSON:
    return {"choices": [{"index": 0, "delta": delta, **choice, "finish_reason": None}]}


def _annotation(citation: Citation) -> JSON:
    place = {"start_index": citation.start, "end_index": citation.end}
    return {"type": "url_citation", "url_citation": {**place, "url": citation.url, "title": citation.title}}


def _scores(scored: Scored) -> list[JSON]:
    others = [_score(token, logprob) for token, logprob in scored.top.items()]
    return [{**_score(word, scored.logprob), "top_logprobs": others} for word in words(scored.text)]


def _score(token: str, logprob: float) -> JSON:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}
