"""A request as the test double got it, with one reading of the conversation for both APIs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from responses_asgi.loss import Losses
from responses_asgi.profiles import PROFILES
from responses_asgi.translate.to_chat_request import to_chat_request
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.upstream import WireAPI

__all__ = ["ModelRequest", "ToolResult"]


class ToolResult(NamedTuple):
    """What a tool gave back: id and name of the call (None: not to be found), and the text of the output."""

    call_id: str
    name: str | None
    output: str


@dataclass(frozen=True)
class ModelRequest:
    """One request that the model was asked.

    - `api`: `"chat"` or `"responses"`; `path`, `headers` (lower-case names), `body`: as they came in.
    - `number`: how many requests came before it.
    - `earlier`: on Responses, the items of the answers before it, when `previous_response_id` names one.

    What follows from these reads the same for both APIs: `messages` are Chat's.
    """

    api: WireAPI
    body: JSON
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    number: int = 0
    earlier: Sequence[JSON] = ()

    @property
    def model(self) -> str:
        """The model that was asked for; "" when none was named."""
        return str(self.body.get("model") or "")

    @property
    def stream(self) -> bool:
        """Whether a stream was asked for."""
        return bool(self.body.get("stream"))

    @cached_property
    def messages(self) -> list[JSON]:
        """The conversation as Chat messages, system messages and instructions included."""
        return list(self.chat.get("messages") or ())

    @cached_property
    def chat(self) -> JSON:
        """The request as a Chat Completions body: of Responses what Chat can carry."""
        if self.api == "chat":
            return self.body
        given = self.body.get("input")
        items = [{"role": "user", "content": given}] if isinstance(given, str) else list(given or ())
        body = {**self.body, "input": [*self.earlier, *items], "previous_response_id": None}
        return to_chat_request(body, profile=PROFILES["openai"], losses=Losses())

    @cached_property
    def tools(self) -> list[str]:
        """The names of the tools that may be called."""
        return [
            str(tool[kind]["name"]) for tool in self.chat.get("tools") or () if (kind := tool["type"]) in tool
        ]

    @property
    def text(self) -> str:
        """The text of the last user message; "" without one."""
        said = [message for message in self.messages if message.get("role") == "user"]
        return _text(said[-1].get("content")) if said else ""

    @property
    def instructions(self) -> str:
        """The system and developer messages, joined with blank lines."""
        texts = [_text(m.get("content")) for m in self.messages if m.get("role") in ("system", "developer")]
        return "\n\n".join(texts)

    @property
    def turn(self) -> int:
        """How many answers of the model the conversation holds; 0 for its first question."""
        return sum(message.get("role") == "assistant" for message in self.messages)

    @property
    def tool_results(self) -> list[ToolResult]:
        """What the tools gave back since the model last spoke."""
        results: list[ToolResult] = []
        names: dict[object, str | None] = {}
        for message in self.messages:
            if message.get("role") == "assistant":
                results = []
                for call in message.get("tool_calls") or ():
                    names[call.get("id")] = (call.get(call.get("type", "function")) or {}).get("name")
            elif message.get("role") == "tool":
                call_id = message.get("tool_call_id")
                results.append(ToolResult(str(call_id), names.get(call_id), _text(message.get("content"))))
        return results

    @property
    def tool_result(self) -> str | None:
        """The output of the last tool that was run; None when the model is not being told one."""
        results = self.tool_results
        return results[-1].output if results else None

    def __repr__(self) -> str:
        return f"<ModelRequest {self.number}: {self.api}, model {self.model!r}, text {self.text!r}>"


def _text(content: object) -> str:
    """The text in a message's content."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""
