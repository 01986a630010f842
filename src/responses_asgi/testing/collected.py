"""Any stream of either API, collected: its events, and the answer that they tell."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

from responses_asgi.sse import SSEDecoder
from responses_asgi.translate.chat_snapshot import fold_chunks
from responses_asgi.translate.snapshot import fold
from responses_asgi.types.events import DONE
from responses_asgi.types.json import JSON, loads
from responses_asgi.upstreams.answers import ToolCall
from responses_asgi.upstreams.upstream import WireAPI

__all__ = ["Collected", "collect"]


@dataclass(frozen=True)
class Collected:
    """A collected stream. `events` are its events or chunks in order; `[DONE]` is not one of them."""

    events: list[JSON]

    @property
    def api(self) -> WireAPI:
        """Which API the stream is of."""
        return "responses" if any("type" in event for event in self.events) else "chat"

    @cached_property
    def answer(self) -> JSON:
        """The response object, or the completion, as far as the events tell it; {} when they tell none."""
        return fold(self.events) if self.api == "responses" else fold_chunks(self.events)

    @property
    def text(self) -> str:
        """The text of the answer; of several choices that of the first."""
        return self._said("output_text", "content")

    @property
    def refusal(self) -> str:
        return self._said("refusal", "refusal")

    @property
    def reasoning(self) -> str:
        """The reasoning, or what there is of it in summaries."""
        if self.api == "chat":
            return self._said("", "reasoning_content") or self._said("", "reasoning")
        return self._said("reasoning_text", "") or self._said("summary_text", "")

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The calls of functions and custom tools; the arguments are text."""
        if self.api == "responses":
            items = self.answer.get("output") or ()
            calls = [item for item in items if item.get("type") in ("function_call", "custom_tool_call")]
            return [ToolCall(c["name"], c.get("arguments", c.get("input")), c["call_id"]) for c in calls]
        calls = [(call, call[call["type"]]) for call in self._message.get("tool_calls") or ()]
        return [ToolCall(c["name"], c.get("arguments", c.get("input")), call["id"]) for call, c in calls]

    @property
    def usage(self) -> JSON | None:
        """The usage as the stream told it."""
        return self.answer.get("usage")

    @property
    def finish(self) -> str | None:
        """How the answer ended: the status of a response, the finish_reason of a completion."""
        choices = self.answer.get("choices") or [{}]
        told: str | None = (
            self.answer.get("status") if self.api == "responses" else choices[0].get("finish_reason")
        )
        return told

    @property
    def error(self) -> JSON | None:
        """The error that the stream told."""
        told = [event for event in self.events if event.get("type") == "error"]
        error: JSON | None = self.answer.get("error") or (told[0].get("error") or told[0] if told else None)
        return error

    @property
    def _message(self) -> JSON:
        message: JSON = (self.answer.get("choices") or [{}])[0].get("message") or {}
        return message

    def _said(self, part: str, field: str) -> str:
        if self.api == "chat":
            return self._message.get(field) or ""
        parts = [
            each
            for item in self.answer.get("output") or ()
            for each in (*(item.get("summary") or ()), *(item.get("content") or ()))
        ]
        return "".join(
            each.get("text") or each.get("refusal") or "" for each in parts if each["type"] == part
        )


@overload
def collect(stream: bytes | str | Iterable[Any]) -> Collected: ...
@overload
def collect(stream: AsyncIterable[Any]) -> Awaitable[Collected]: ...
def collect(stream: Any) -> Collected | Awaitable[Collected]:
    """Collect a stream of Responses events or Chat chunks; `await` it where the stream is asynchronous.

    `stream`: what the OpenAI SDK or another client iterates over (pydantic objects, dicts, this package's
    events), SSE text as `bytes` or `str`, whole or in pieces cut anywhere, or a streamed response of httpx or
    httpx2. It need not be legal or whole: use `assert_valid_stream` to check that.

    >>> collect('data: {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}').text
    'Hi'
    """
    if isinstance(stream, bytes | str):
        stream = [stream]
    elif hasattr(stream, "aiter_bytes"):  # a response of httpx; one that was read can be both
        stream = stream.iter_bytes() if hasattr(stream.stream, "__iter__") else stream.aiter_bytes()
    if isinstance(stream, AsyncIterable):
        return _collect(stream)
    reader = _Reader()
    for each in stream:
        reader.take(each)
    return reader.end()


async def _collect(stream: AsyncIterable[Any]) -> Collected:
    reader = _Reader()
    async for each in stream:
        reader.take(each)
    return reader.end()


class _Reader:
    def __init__(self) -> None:
        self._events: list[JSON] = []
        self._sse = SSEDecoder()

    def take(self, element: Any) -> None:
        if isinstance(element, bytes | str):
            data = element.encode("utf-8", "surrogatepass") if isinstance(element, str) else element
            self._decoded(self._sse.feed(data))
        elif isinstance(element, dict):
            self._events.append(element)
        elif hasattr(element, "model_dump"):
            self._events.append(element.model_dump(mode="json", exclude_unset=True))
        elif element.data != DONE:
            self._events.append(element.json())

    def end(self) -> Collected:
        self._decoded(self._sse.flush())
        return Collected(self._events)

    def _decoded(self, events: Iterable[Any]) -> None:
        for _, data in events:
            try:
                event = loads(data)
            except ValueError:  # [DONE], and what broke off
                continue
            if isinstance(event, dict):
                self._events.append(event)
