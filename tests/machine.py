"""Drives the pure machine in tests: chunks in; events, response and losses out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from responses_asgi.loss import Losses
from responses_asgi.profiles import PROFILES, Profile
from responses_asgi.testing import assert_valid_stream
from responses_asgi.translate.responses_to_chat import ResponsesToChat
from responses_asgi.translate.snapshot import fold
from responses_asgi.translate.translator import Dialect
from responses_asgi.types.json import JSON

GENERIC = PROFILES["generic"]
TAGGED = replace(GENERIC, think_tags=True)


@dataclass
class Answer:
    """What the machine made of an upstream's answer; checked for legality when it is made."""

    events: list[JSON]
    response: JSON
    losses: Losses

    @property
    def types(self) -> list[str]:
        """Event types without the `response.` in front."""
        return [event["type"].removeprefix("response.") for event in self.events]

    def items(self, type: str) -> list[JSON]:
        return [item for item in self.response["output"] if item["type"] == type]

    @property
    def text(self) -> str:
        return self._texts("message", "content", "text")

    @property
    def reasoning(self) -> str:
        return self._texts("reasoning", "content", "text")

    @property
    def summary(self) -> str:
        return self._texts("reasoning", "summary", "text")

    @property
    def calls(self) -> list[tuple[str, str]]:
        return [(item["name"], item["arguments"]) for item in self.items("function_call")]

    def _texts(self, type: str, home: str, field: str) -> str:
        return "".join(part.get(field, "") for item in self.items(type) for part in item.get(home, ()))


def translator(
    body: JSON | None = None, *, profile: Profile = GENERIC, dialect: Dialect = "openai", **options: Any
) -> ResponsesToChat:
    """A translator with counted ids and a standing clock."""
    counts: dict[str, int] = defaultdict(int)

    def new_id(prefix: str) -> str:
        counts[prefix] += 1
        return f"{prefix}{counts[prefix]}"

    body = {"model": "m", "input": "Hi", **(body or {})}
    return ResponsesToChat(
        body, profile=profile, new_id=new_id, now=lambda: 1_700_000_000, dialect=dialect, **options
    )


def answer(
    chunks: Iterable[JSON], body: JSON | None = None, *, marker: bool = True, **options: Any
) -> Answer:
    """Feed the chunks as an exchange does; the stream must be legal and fold to the snapshot."""
    machine = translator(body, **options)
    events = machine.start()
    for chunk in chunks:
        events += machine.feed(chunk)
        if machine.failure:
            break
    events += machine.fail(machine.failure) if machine.failure else machine.finish(marker=marker)
    decoded = [event.json() for event in events]
    dialect = options.get("dialect", "openai")
    assert_valid_stream(decoded, dialect=dialect)
    assert fold(decoded) == machine.snapshot()
    return Answer(decoded, machine.snapshot(), machine.losses)


def delta(fields: JSON | None = None, finish: str | None = None, **choice: Any) -> JSON:
    """One streamed chunk."""
    choice = {"index": 0, "delta": fields or {}, "finish_reason": finish, **choice}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]}


def call(
    index: int | None = None, id: str | None = None, name: str | None = None, arguments: Any = None
) -> JSON:
    """One tool-call fragment; what is None is left out."""
    function = {"name": name, "arguments": arguments}
    fragment = {"index": index, "id": id, "function": {k: v for k, v in function.items() if v is not None}}
    return {name: value for name, value in fragment.items() if value is not None}


def calls(*fragments: JSON) -> JSON:
    """One chunk with these tool-call fragments."""
    return delta({"tool_calls": list(fragments)})


def whole(message: JSON, finish: str | None = "stop", **fields: Any) -> JSON:
    """One whole Chat answer."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice], **fields}


STOP = delta(finish="stop")
