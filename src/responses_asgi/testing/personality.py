"""A Chat server's own ways: what a profile says it does not understand, and how it says an answer.

1. The requests that such a server refuses follow from its profile alone, so that a new profile has a double.
2. How it answers is a row of `HABITS`; servers without a row answer as OpenAI does, with `reasoning_content`.
3. Only Chat has personalities: a Responses server is asked and answers in OpenAI's way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from responses_asgi.errors import InvalidRequestError
from responses_asgi.profiles import Profile
from responses_asgi.types.json import JSON

__all__ = ["HABITS", "Habits", "Personality"]

ReasoningForm = Literal["reasoning_content", "reasoning", "details", "thinking", "think_tags"]


@dataclass(frozen=True, slots=True)
class Habits:
    """How a server says an answer.

    - `reasoning`: the field of a delta, OpenRouter's field and details, parts of the content, or tags in it.
    - `usage`: in a chunk of its own, in the one with finish_reason, or in `x_groq` of that.
    - `whole_calls`: the arguments of a call come in one chunk.
    - `opening`: a first chunk that says nothing.
    """

    reasoning: ReasoningForm = "reasoning_content"
    usage: Literal["own", "finish", "x_groq"] = "own"
    whole_calls: bool = False
    opening: JSON = field(default_factory=dict, hash=False)


# Profile -> habits, each as in recorded streams of these servers.
HABITS: dict[str, Habits] = {
    "azure": Habits(opening={"choices": [], "prompt_filter_results": []}),
    "cerebras": Habits("reasoning"),
    "deepseek": Habits(usage="finish"),
    "gemini": Habits(whole_calls=True),
    "groq": Habits("reasoning", usage="x_groq", whole_calls=True),
    "mistral": Habits("thinking", usage="finish", whole_calls=True),
    "ollama": Habits("reasoning", whole_calls=True),
    "openrouter": Habits("details", usage="finish"),
    "perplexity": Habits("think_tags", usage="finish"),
    "together": Habits("think_tags", usage="finish"),
    "vercel-gateway": Habits("details", usage="finish"),
    "vllm": Habits("reasoning"),
    "xai": Habits(whole_calls=True),
    "zai": Habits(usage="finish", whole_calls=True),
}


OPENING_TAG, CLOSING_TAG = "<think>\n", "\n</think>\n\n"


class Personality:
    """The server of one profile. An instance per answer rewrites its chunks."""

    def __init__(self, profile: Profile) -> None:
        self.habits = HABITS.get(profile.name, Habits())
        self._profile = profile
        self._thinking = False
        self._held: JSON | None = None

    def call_id(self, made: str) -> str:
        """The id of a new call, in the length that the server uses."""
        length = self._profile.call_id_length
        return made if length is None else made.removeprefix("call_").rjust(length, "0")[-length:]

    def chunks(self, chunk: JSON) -> Iterator[JSON]:
        """The chunks that the server sends for one of OpenAI's; a finish is held until the usage comes."""
        choices = chunk["choices"]
        if not choices:
            yield self._with_usage(chunk)
            return
        if choices[0]["delta"].get("role") and self.habits.opening:
            yield {**chunk, **self.habits.opening}
        said = {**chunk, "choices": [{**choice, "delta": self._delta(choice["delta"])} for choice in choices]}
        self._thinking = "reasoning_content" in choices[0]["delta"]
        if choices[0]["finish_reason"] and self.habits.usage != "own":
            self._held = said
        else:
            yield said

    def document(self, completion: JSON) -> JSON:
        """The whole answer as the server gives it."""
        for choice in completion["choices"]:
            message = choice["message"]
            text = message.get("reasoning_content")
            if text is None:
                continue
            content = message["content"]
            said = {name: value for name, value in message.items() if name != "reasoning_content"}
            said |= _REASONING[self.habits.reasoning](text)
            if self.habits.reasoning == "think_tags":
                said["content"] = f"{OPENING_TAG}{text}{CLOSING_TAG}{content or ''}"
            elif self.habits.reasoning == "thinking":
                said["content"] += [{"type": "text", "text": content}] if content else []
            choice["message"] = said
        return completion

    def _with_usage(self, chunk: JSON) -> JSON:
        """The usage where the server tells it."""
        held, self._held = self._held, None
        if held is None:
            return chunk
        if self.habits.usage == "x_groq":
            return {**held, "x_groq": {"usage": chunk["usage"]}}
        return {**held, "usage": chunk["usage"]}

    def _delta(self, delta: JSON) -> JSON:
        """The delta with reasoning in the server's form; tags are closed before anything else is said."""
        text = delta.get("reasoning_content")
        if text is not None:
            rest = {name: value for name, value in delta.items() if name != "reasoning_content"}
            if self.habits.reasoning == "think_tags":
                return {**rest, "content": text if self._thinking else OPENING_TAG + text}
            return {**rest, **_REASONING[self.habits.reasoning](text)}
        if self._thinking and self.habits.reasoning == "think_tags":
            return {**delta, "content": CLOSING_TAG + (delta.get("content") or "")}
        return delta

    def refuse(self, body: JSON) -> None:
        """Raise InvalidRequestError for what the server does not understand, as such servers do."""
        for what, param in self._complaints(body):
            raise InvalidRequestError(f"{self._profile.name}: {what}", param=param)

    def _complaints(self, body: JSON) -> Iterator[tuple[str, str]]:
        profile = self._profile
        for name in sorted(profile.withheld & body.keys()):
            yield "Extra inputs are not permitted", name
        if body.get("stream_options") and not profile.stream_usage:
            yield "Extra inputs are not permitted", "stream_options"
        form = body.get("response_format")
        if isinstance(form, dict) and form.get("type") == "json_schema" and not profile.json_schema:
            yield "This response_format type is unavailable now", "response_format"
        for number, tool in enumerate(body.get("tools") or ()):
            if "strict" in (tool.get("function") or ()) and not profile.strict_tools:
                yield "Extra inputs are not permitted", f"tools[{number}].function.strict"
        for number, message in enumerate(body["messages"]):
            before = body["messages"][number - 1]["role"] if number else None
            for what, field_name in self._about_message(message, before):
                yield what, f"messages[{number}].{field_name}"

    def _about_message(self, message: JSON, before: str | None) -> Iterator[tuple[str, str]]:
        profile, role, calls = self._profile, message["role"], message.get("tool_calls") or ()
        if role == "developer" and not profile.developer_role:
            yield "unknown variant `developer`, expected `system`, `user`, `assistant` or `tool`", "role"
        if role == "system" and before is not None and profile.merge_system:
            yield "System message must be at the beginning", "role"
        if role == "user" and before == "tool" and not profile.user_after_tool:
            yield "Unexpected role 'user' after role 'tool'", "role"
        if calls and profile.reasoning_required and profile.reasoning_field not in message:
            yield f"Missing `{profile.reasoning_field}` in a message with tool calls", "tool_calls"
        for call in calls:
            if profile.call_id_length not in (None, len(str(call.get("id")))):
                yield f"Tool call id must have {profile.call_id_length} characters", "tool_calls"


# Form of reasoning -> the fields of a delta that say it.
_REASONING: dict[ReasoningForm, Callable[[str], JSON]] = {
    "reasoning_content": lambda text: {"reasoning_content": text},
    "reasoning": lambda text: {"reasoning": text},
    "details": lambda text: {
        "reasoning": text,
        "reasoning_details": [{"type": "reasoning.text", "text": text, "index": 0}],
    },
    "think_tags": lambda text: {},
    "thinking": lambda text: {
        "content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]
    },
}
