"""Drives the pure machine of the other direction in tests: events in; chunks, completion and losses out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from responses_asgi.errors import APIError
from responses_asgi.loss import Losses
from responses_asgi.profiles import PROFILES
from responses_asgi.testing import assert_valid_chat_stream
from responses_asgi.translate.chat_snapshot import fold_chunks
from responses_asgi.translate.chat_to_responses import ChatToResponses
from responses_asgi.translate.chunk_reader import ChunkReader
from responses_asgi.types.events import DONE, Event
from responses_asgi.types.json import JSON
from tests.chat_facts import facts_of_choice
from tests.facts import Facts


@dataclass
class ChatAnswer:
    """What the machine made of an upstream's answer; checked for legality when it is made.

    `completion` is the whole answer, or the error body. `said` is the completion of the chunks before an
    error.
    """

    events: list[Event]
    chunks: list[JSON]
    completion: JSON
    losses: Losses
    failure: APIError | None

    @property
    def said(self) -> JSON:
        return fold_chunks(chunk for chunk in self.chunks if "error" not in chunk)

    @property
    def message(self) -> JSON:
        message: JSON = self.completion["choices"][0]["message"]
        return message

    @property
    def facts(self) -> Facts:
        return facts_of_choice(self.completion)

    @property
    def deltas(self) -> list[JSON]:
        return [choice["delta"] for chunk in self.chunks for choice in chunk["choices"]]

    @property
    def reported(self) -> set[str]:
        return {loss.path for loss in self.losses}


def translator(body: JSON | None = None, **options: Any) -> ChatToResponses:
    """A translator with counted ids and a standing clock."""
    counts: dict[str, int] = defaultdict(int)

    def new_id(prefix: str) -> str:
        counts[prefix] += 1
        return f"{prefix}{counts[prefix]}"

    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **(body or {})}
    options.setdefault("profile", PROFILES["openai"])
    return ChatToResponses(body, new_id=new_id, now=lambda: 1_700_000_000, **options)


def answer(
    events: Iterable[JSON | bytes], body: JSON | None = None, *, marker: bool = False, **options: Any
) -> ChatAnswer:
    """Feed the events as an exchange does; the stream must be legal and fold to the snapshot."""
    body = {"stream": True, "stream_options": {"include_usage": True}, **(body or {})}
    machine = translator(body, **options)
    made = machine.start()
    for event in events:
        made += machine.feed(event)
        if machine.failure or machine.complete():
            break
    made += machine.fail(machine.failure) if machine.failure else machine.finish(marker=marker)
    return checked(machine, made, usage=bool((body.get("stream_options") or {}).get("include_usage")))


def checked(machine: ChatToResponses, made: list[Event], *, usage: bool) -> ChatAnswer:
    """The answer of a machine that was told everything."""
    completion = machine.snapshot()
    expected = completion if usage else {name: v for name, v in completion.items() if name != "usage"}
    chunks = [event.json() for event in made if event.data != DONE]
    assert assert_valid_chat_stream(made, usage=usage) == fold_chunks(chunks) == expected
    return ChatAnswer(made, chunks, completion, machine.losses, machine.failure)


def answer_to_bytes(body: bytes, request: JSON, *, block: int = 1 << 20, **options: Any) -> ChatAnswer:
    """Read the SSE text in blocks of this many bytes, and feed what is in it."""
    reader = ChunkReader(max_event_bytes=1 << 24)
    events: list[JSON] = []
    for start in range(0, len(body), block):
        events += reader.read(body[start : start + block])
    events += [] if reader.done else reader.flush()
    assert reader.failure is None
    return answer(events, request, marker=reader.done, **options)
