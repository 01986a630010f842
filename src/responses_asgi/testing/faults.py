"""What can go wrong with an answer on its way: faults, which change the events and bytes to be sent.

1. A fault works on what is really sent, whatever API was asked: on the JSON documents of the events (or on
   the one document of a whole answer) or on the bytes. Several are applied in order.
2. `Cut` and `Stall` also stand inside an answer, between what the model says.
3. Events are counted from 0, `[DONE]` among them.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from responses_asgi.errors import APIError
from responses_asgi.testing.pace import Clock
from responses_asgi.types.events import TERMINAL_EVENTS
from responses_asgi.types.json import JSON, dumps, loads

__all__ = [
    "CRLF",
    "BrokenOff",
    "Cut",
    "DropIds",
    "Edit",
    "ErrorEvent",
    "Fault",
    "Frame",
    "Malformed",
    "NoFinish",
    "RepeatFinish",
    "ReuseIndex",
    "Split",
    "Stall",
]


class BrokenOff(Exception):
    """The answer ends here; `clean`: as if it were complete, else the connection is lost."""

    def __init__(self, *, clean: bool) -> None:
        super().__init__("the answer was cut off")
        self.clean = clean


@dataclass(frozen=True, slots=True)
class Frame:
    """One event before it becomes bytes; or, with `whole`, the one document that is the answer."""

    data: bytes
    event: str = ""
    whole: bool = False

    @property
    def document(self) -> JSON | None:
        """The decoded data; None for what is no JSON object, such as `[DONE]`."""
        try:
            document = loads(self.data)
        except ValueError:
            return None
        return document if isinstance(document, dict) else None

    def holding(self, document: JSON) -> Frame:
        """The same with another document."""
        return replace(self, data=dumps(document))

    def encode(self) -> bytes:
        if self.whole:
            return self.data
        name = f"event: {self.event}\n".encode() if self.event else b""
        return name + b"data: " + self.data + b"\n\n"


Frames: TypeAlias = AsyncGenerator[Frame]
Body: TypeAlias = AsyncGenerator[bytes]


class Fault:
    """Base of all faults, and of your own: override one of the two, which are async generators."""

    def frames(self, frames: Frames, clock: Clock) -> AsyncGenerator[Frame]:
        """The events to send in place of these."""
        return frames

    def body(self, body: Body, clock: Clock) -> AsyncGenerator[bytes]:
        """The messages to send in place of these."""
        return body


@dataclass(frozen=True, slots=True)
class Cut(Fault):
    """The connection is lost after `at` bytes of the body; inside an answer: at this place.

    `clean`: the body ends as if it were complete, which is what a proxy makes of a lost connection.
    """

    at: int = 0
    clean: bool = False

    async def body(self, body: Body, clock: Clock) -> AsyncGenerator[bytes]:
        left = self.at
        async for message in body:
            if len(message) > left:
                if left:
                    yield message[:left]
                break
            left -= len(message)
            yield message
        raise BrokenOff(clean=self.clean)


@dataclass(frozen=True, slots=True)
class Stall(Fault):
    """Nothing comes for `seconds` (for ever) before event `at`; inside an answer: at this place."""

    seconds: float = math.inf
    at: int = 0

    async def frames(self, frames: Frames, clock: Clock) -> AsyncGenerator[Frame]:
        number = 0
        async for frame in frames:
            if number == self.at:
                await clock.sleep(self.seconds)
            number += 1
            yield frame


@dataclass(frozen=True, slots=True)
class ErrorEvent(Fault):
    """In the place of event `at` the server says an error, and ends the body.

    No `response.failed` follows. An `Error` inside an answer is told as the API documents it.
    """

    at: int = 0
    message: str = "The server is overloaded."
    code: str = "server_is_overloaded"

    async def frames(self, frames: Frames, clock: Clock) -> AsyncGenerator[Frame]:
        error = APIError(self.message, status=503, code=self.code)
        number = 0
        async for frame in frames:
            if number < self.at:
                number += 1
                yield frame
                continue
            if frame.event:
                told = {**error.error_object(), "type": "error", "sequence_number": number, **error.body()}
                yield Frame(dumps(told), "error")
            else:
                yield Frame(dumps(error.body()), whole=frame.whole)
            return


@dataclass(frozen=True, slots=True)
class Edit(Fault):
    """Change every document: `change(document, number)` returns it, another one, a list of them, or None.

    A document may be changed in place; None leaves its event out. `[DONE]` is not shown.

    >>> Edit(lambda document, number: None if number == 2 else document)  # doctest: +ELLIPSIS
    Edit(...)
    """

    change: Callable[[JSON, int], JSON | Sequence[JSON] | None]

    async def frames(self, frames: Frames, clock: Clock) -> AsyncGenerator[Frame]:
        number = 0
        async for frame in frames:
            document = frame.document
            if document is None:
                yield frame
            else:
                changed = self.change(document, number)
                for each in [changed] if isinstance(changed, dict) else changed or ():
                    yield frame.holding(each)
            number += 1


@dataclass(frozen=True, slots=True)
class Malformed(Fault):
    """The JSON of event `at` is only its first half."""

    at: int = 0

    async def frames(self, frames: Frames, clock: Clock) -> AsyncGenerator[Frame]:
        number = 0
        async for frame in frames:
            half = frame.data[: len(frame.data) // 2]
            yield replace(frame, data=half) if number == self.at else frame
            number += 1


@dataclass(frozen=True, slots=True)
class NoFinish(Fault):
    """The answer never says that it is finished: no finish_reason, no terminal event, no `[DONE]`.

    `marker`: `[DONE]` is said nevertheless.
    """

    marker: bool = False

    async def frames(self, frames: Frames, clock: Clock) -> AsyncGenerator[Frame]:
        async for frame in frames:
            document = frame.document
            if document is None:
                if self.marker:
                    yield frame
            elif frame.whole:
                yield frame.holding(_unfinished(document))
            elif document.get("type") not in TERMINAL_EVENTS and not _finishes(document):
                yield frame


@dataclass(frozen=True, slots=True)
class RepeatFinish(Fault):
    """The answer says twice that it is finished."""

    async def frames(self, frames: Frames, clock: Clock) -> AsyncGenerator[Frame]:
        async for frame in frames:
            yield frame
            document = frame.document or {}
            if document.get("type") in TERMINAL_EVENTS or (_finishes(document) and not frame.whole):
                yield frame


@dataclass(frozen=True, slots=True)
class ReuseIndex(Fault):
    """All tool calls have the index 0; on Responses all items have."""

    async def frames(self, frames: Frames, clock: Clock) -> AsyncGenerator[Frame]:
        async for frame in frames:
            document = frame.document
            yield frame if document is None else frame.holding(_set(document, {"output_index": 0}, index=0))


@dataclass(frozen=True, slots=True)
class DropIds(Fault):
    """Tool calls have no id; on Responses neither have items, nor events the id of their item."""

    async def frames(self, frames: Frames, clock: Clock) -> AsyncGenerator[Frame]:
        async for frame in frames:
            document = frame.document
            yield frame if document is None else frame.holding(_without_ids(document))


@dataclass(frozen=True, slots=True)
class Split(Fault):
    """The body comes in messages of `size` bytes, whatever they cut: legal, and a test for decoders."""

    size: int = 1

    async def body(self, body: Body, clock: Clock) -> AsyncGenerator[bytes]:
        async for message in body:
            for start in range(0, len(message), self.size):
                yield message[start : start + self.size]


@dataclass(frozen=True, slots=True)
class CRLF(Fault):
    """Lines end with CR LF: legal, and rare."""

    async def body(self, body: Body, clock: Clock) -> AsyncGenerator[bytes]:
        async for message in body:
            yield message.replace(b"\n", b"\r\n")


def _finishes(document: JSON) -> bool:
    return any(choice.get("finish_reason") for choice in document.get("choices") or ())


def _unfinished(document: JSON) -> JSON:
    """A whole answer that is not over."""
    if "choices" not in document:
        return {**document, "status": "in_progress"}
    return {**document, "choices": [{**choice, "finish_reason": None} for choice in document["choices"]]}


def _set(document: JSON, values: JSON, *, index: int) -> JSON:
    """The document with these values where it has them, and with this index in its tool calls."""
    for choice in document.get("choices") or ():
        for call in (choice.get("delta") or {}).get("tool_calls") or ():
            call["index"] = index
    return {**document, **{name: value for name, value in values.items() if name in document}}


def _without_ids(value: Any) -> Any:
    """A copy without the ids of calls and items."""
    if isinstance(value, list):
        return [_without_ids(each) for each in value]
    if not isinstance(value, dict):
        return value
    dropped = {"item_id", "call_id"}
    if value.get("object") not in ("response", "chat.completion", "chat.completion.chunk"):
        dropped.add("id")
    return {name: _without_ids(each) for name, each in value.items() if name not in dropped}
