"""What a handler takes and gives: the request it is handed, and the pieces of the answer it yields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Required, TypeAlias, TypedDict

from responses_asgi.types.json import JSON

__all__ = [
    "ChatRequest",
    "Finish",
    "FinishReason",
    "Piece",
    "Reasoning",
    "Refusal",
    "ResponsesRequest",
    "ToolCall",
    "Usage",
]

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class ChatRequest(TypedDict, total=False):
    """A Chat Completions request as a handler gets it: a plain dict, typed for editors and type checkers.

    The fields that are used most; whatever else the client sent is there too.
    Source: https://platform.openai.com/docs/api-reference/chat/create
    """

    model: str
    messages: Required[list[JSON]]
    stream: bool
    stream_options: JSON | None
    tools: list[JSON]
    tool_choice: str | JSON
    parallel_tool_calls: bool
    response_format: JSON
    temperature: float | None
    top_p: float | None
    max_tokens: int | None
    max_completion_tokens: int | None
    reasoning_effort: str | None
    stop: str | list[str] | None
    seed: int | None
    n: int | None
    user: str
    metadata: dict[str, str] | None


class ResponsesRequest(TypedDict, total=False):
    """A Responses request as a handler with `api="responses"` gets it, in the same way.

    Source: https://platform.openai.com/docs/api-reference/responses/create
    """

    model: str
    input: str | list[JSON]
    instructions: str | None
    stream: bool
    tools: list[JSON]
    tool_choice: str | JSON
    parallel_tool_calls: bool
    text: JSON
    reasoning: JSON | None
    temperature: float | None
    top_p: float | None
    max_output_tokens: int | None
    include: list[str] | None
    store: bool | None
    previous_response_id: str | None
    user: str
    metadata: dict[str, str] | None


class Reasoning(NamedTuple):
    """A piece of the model's reasoning."""

    text: str


class Refusal(NamedTuple):
    """A piece of a refusal."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of one of the client's tools, whole.

    `arguments` is a mapping, or JSON text that is sent as it is; `call_id` is made up when it is None.
    """

    name: str
    arguments: str | Mapping[str, Any]
    call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens that were used; the last one given counts.

    `cached_tokens` are part of `prompt_tokens`, `reasoning_tokens` of `completion_tokens`; `total_tokens` is
    their sum unless given.
    """

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int | None = None
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class Finish(NamedTuple):
    """Why the answer ends; without it `tool_calls` if there were any, else `stop`."""

    reason: FinishReason


Piece: TypeAlias = "str | Reasoning | Refusal | ToolCall | Usage | Finish | Mapping[str, Any]"
"""What a handler may yield; a mapping is a raw chunk of Chat Completions, or a raw Responses event where
the handler speaks that."""
