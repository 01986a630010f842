"""The settings of one component, checked when it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from responses_asgi.errors import ConfigurationError
from responses_asgi.types.events import Dialect

__all__ = ["Options"]

_MIB = 1024 * 1024

# Fields of a Chat message that hold something else.
_CHAT_FIELDS = frozenset(
    {"", "annotations", "audio", "content", "function_call", "refusal", "role", "tool_calls"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a component treats its clients, the same for every request. Sizes are bytes, times seconds.

    - `dialect`: `"openai"`, or `"openresponses"` for the names and the `[DONE]` of the Open Responses
      specification.
    - `strict`: whether a field that a translation would have to drop is refused with a 400.
    - `loss_header`: whether losses are told in the header `x-responses-asgi-loss`.
    - `max_body_bytes`: the largest request body, after decompression; more is a 413.
    - `max_depth`: how deeply the JSON of a request may be nested.
    - `max_answer_bytes`: the largest answer that is not streamed, and the largest event of a stream.
    - `keep_alive`: the silence after which a stream gets a comment; 0 for never.
    - `cancel_json`: whether an upstream is cancelled when the client of an answer that is not streamed has
      left, as it always is for streams.
    - `finish_unattended`: whether an answer that is to be kept is finished although its client has left.
    - `reasoning_as_summary`: whether reasoning that a Chat upstream gives as it is is told as a summary where
      the client asks for one (`reasoning.summary`). Many clients show nothing but summaries.
    - `reasoning_field`: the field of a Chat answer that holds reasoning; None for none.
    - `max_choices`: the most choices (`n`) of a Chat answer; each is an upstream call of its own.
    - `grace`: how long an app that listens to `http.disconnect` has to end by itself before that.

    Raises ConfigurationError when a value cannot work.
    """

    dialect: Dialect = "openai"
    strict: bool = False
    loss_header: bool = True
    max_body_bytes: int = 64 * _MIB
    max_depth: int = 200
    max_answer_bytes: int = 64 * _MIB
    keep_alive: float = 15.0
    cancel_json: bool = True
    finish_unattended: bool = False
    reasoning_as_summary: bool = False
    reasoning_field: str | None = "reasoning_content"
    max_choices: int = 16
    grace: float = 0.2

    def __post_init__(self) -> None:
        if self.dialect not in get_args(Dialect):
            raise ConfigurationError(
                f"dialect must be one of {', '.join(get_args(Dialect))}, got {self.dialect!r}"
            )
        for name in ("max_body_bytes", "max_depth", "max_answer_bytes", "max_choices"):
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"{name} must be above 0, got {getattr(self, name)!r}")
        if self.reasoning_field in _CHAT_FIELDS:
            raise ConfigurationError(f"reasoning_field cannot be {self.reasoning_field!r}")
        for name in ("keep_alive", "grace"):
            if getattr(self, name) < 0:
                raise ConfigurationError(f"{name} must not be negative, got {getattr(self, name)!r}")
