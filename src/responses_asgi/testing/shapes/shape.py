"""One class of behaviour of Chat servers: what a server sends, and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from responses_asgi.testing.scripted import Turn
from responses_asgi.types.json import JSON

__all__ = [
    "FIGURES",
    "FOX",
    "FOX_ANSWER",
    "FOX_TEXT",
    "USAGE",
    "Answer",
    "Figures",
    "Shape",
    "call",
    "chunk",
    "ending",
    "last_usage",
    "texts",
]


class Figures(NamedTuple):
    """The five usage figures of a response."""

    input: int
    cached: int
    output: int
    reasoning: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an answer means, however it was sent.

    `calls` are (name, arguments). `status` is `completed`, `incomplete:<reason>`, `failed`, or
    `http:<status>` when the answer must be an HTTP error. `error` is part of the error message. `items` are
    the types of the output items in order; None where only the contents matter.
    """

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    usage: Figures | None = None
    status: str = "completed"
    error: str = ""
    items: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A named chunk sequence with its meaning.

    `says` is the behaviour in one line. `turn` is played by `FakeModel`. `profile` is the profile under
    which it means `answer`. `streamed_only` marks what a whole answer cannot show. `tools` are the names of
    custom tools that the request declares; the functions in `answer.calls` are declared as well.
    """

    name: str
    says: str
    turn: Turn
    answer: Answer
    profile: str = "generic"
    streamed_only: bool = False
    custom_tools: tuple[str, ...] = ()

    def request(self, *, stream: bool) -> JSON:
        """A Responses request that this shape can answer; its model is the shape's name."""
        functions = dict.fromkeys(name for name, _ in self.answer.calls if name not in self.custom_tools)
        tools: list[JSON] = [{"type": "function", "name": name, "parameters": None} for name in functions]
        tools += [{"type": "custom", "name": name} for name in self.custom_tools]
        body: JSON = {"model": self.name, "input": "Go on.", "stream": stream}
        return {**body, "tools": tools} if tools else body


FIGURES = Figures(input=21, cached=4, output=9, reasoning=5, total=30)
USAGE: JSON = {
    "prompt_tokens": 21,
    "completion_tokens": 9,
    "total_tokens": 30,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 5},
}

# The sentence that most shapes say.
FOX = ("The fox ", "left ", "at dawn.")
FOX_TEXT = "".join(FOX)
FOX_ANSWER = Answer(text=FOX_TEXT, usage=FIGURES, items=("message",))


def chunk(delta: JSON | None = None, finish: str | None = None, *, index: int = 0, **top: Any) -> JSON:
    """One `chat.completion.chunk` with one choice; `top` are further fields of the chunk."""
    return {
        "id": "chatcmpl-7",
        "object": "chat.completion.chunk",
        "created": 1_760_000_000,
        "model": "scripted-1",
        "choices": [{"index": index, "delta": delta or {}, "finish_reason": finish}],
        **top,
    }


def texts(*pieces: str, field: str = "content") -> list[JSON | bytes]:
    """One chunk per piece of text."""
    return [chunk({field: piece}) for piece in pieces]


def last_usage(usage: JSON | None = USAGE) -> JSON:
    """The usage chunk without choices that OpenAI sends last."""
    return {**chunk(), "choices": [], "usage": usage}


def ending(finish: str = "stop") -> list[JSON | bytes]:
    """The finish chunk, then the usage chunk."""
    return [chunk({}, finish), last_usage()]


def call(
    index: int | None,
    arguments: Any = None,
    *,
    id: str | None = None,
    name: str | None = None,
    **more: Any,
) -> JSON:
    """One entry of `delta.tool_calls`; what is None is left out."""
    function = {"name": name, "arguments": arguments}
    entry: JSON = {"index": index, "id": id, "type": "function" if id else None, **more}
    entry["function"] = {key: value for key, value in function.items() if value is not None}
    return {key: value for key, value in entry.items() if value is not None}
