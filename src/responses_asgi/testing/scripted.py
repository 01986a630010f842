"""Raw turns of a script: answers in one API, given event by event and sent byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from responses_asgi.translate.chat_snapshot import fold_chunks
from responses_asgi.translate.snapshot import fold
from responses_asgi.types.asgi import Send
from responses_asgi.types.json import JSON, dumps

__all__ = ["ResponsesTurn", "Turn", "play"]

_SSE = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
_JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer of a Chat Completions server, given as it is sent; a turn of a `FakeModel`.

    `chunks` are the events of a streamed answer: a dict becomes `data: <JSON>`, bytes are sent as they are.
    `whole` is the answer to a request without `stream`; None puts it together from the chunks.

    - `done`: end the stream with `data: [DONE]`.
    - `status`, `headers`: of the HTTP response. From 400 on, `whole` is the body whatever was asked for.
    - `newline`: the line end of the SSE text.
    - `pause`: seconds before each message of the body, or an async function of its number (0, 1, 2, ...)
      that is awaited there, so that a test can hold the stream.
    - `block`: send the body in messages of this many bytes; None sends each event in a message of its own.
    - `cut_after`: break the answer off after this many bytes of the body.
    - `raise_before`, `raise_after`: raise this in place of the start, or in place of the end, of the answer.
    """

    chunks: Sequence[JSON | bytes] = ()
    whole: JSON | bytes | None = None
    done: bool = True
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    newline: Literal["\n", "\r\n"] = "\n"
    pause: float | Callable[[int], Awaitable[None]] = 0.0
    block: int | None = None
    cut_after: int | None = None
    raise_before: Exception | None = None
    raise_after: Exception | None = None

    def body(self, *, stream: bool) -> bytes:
        """The bytes of the answer."""
        text = b"".join(self._events()) if stream and self.status < 400 else self._document()
        return text if self.cut_after is None else text[: self.cut_after]

    def messages(self, *, stream: bool) -> Iterator[bytes]:
        """The body in the pieces in which it is sent."""
        if self.block is None and self.cut_after is None and stream and self.status < 400:
            yield from self._events()
            return
        text = self.body(stream=stream)
        size = self.block or len(text) or 1
        for start in range(0, len(text), size):
            yield text[start : start + size]

    def _events(self) -> Iterator[bytes]:
        end = (self.newline * 2).encode()
        for chunk in self.chunks:
            yield chunk if isinstance(chunk, bytes) else self._name(chunk) + b"data: " + dumps(chunk) + end
        if self.done:
            yield b"data: [DONE]" + end

    def _name(self, chunk: JSON) -> bytes:
        """The event line of a chunk."""
        return b""

    def _document(self) -> bytes:
        whole = self._assembled() if self.whole is None else self.whole
        return whole if isinstance(whole, bytes) else dumps(whole)

    def _assembled(self) -> JSON:
        return fold_chunks(chunk for chunk in self.chunks if isinstance(chunk, dict))


@dataclass(frozen=True, slots=True)
class ResponsesTurn(Turn):
    """One answer of a Responses server, given as it is sent; its `chunks` are events.

    As with `Turn`, but the stream does not end with `[DONE]`, and the answer to a request without `stream`
    is the response that the events tell.

    - `event_lines`: give each event an `event:` line with its type.
    """

    done: bool = False
    event_lines: bool = True

    def _name(self, chunk: JSON) -> bytes:
        named = self.event_lines and "type" in chunk
        return f"event: {chunk['type']}{self.newline}".encode() if named else b""

    def _assembled(self) -> JSON:
        return fold(chunk for chunk in self.chunks if isinstance(chunk, dict))


async def play(turn: Turn, send: Send, *, stream: bool) -> None:
    """Send one raw answer."""
    if turn.raise_before:
        raise turn.raise_before
    kind = _SSE if stream and turn.status < 400 else _JSON
    headers = [(n.lower().encode(), v.encode("latin-1")) for n, v in {**kind, **turn.headers}.items()]
    await send({"type": "http.response.start", "status": turn.status, "headers": headers})
    for number, message in enumerate(turn.messages(stream=stream)):
        if callable(turn.pause):
            await turn.pause(number)
        elif turn.pause:
            await asyncio.sleep(turn.pause)
        await send({"type": "http.response.body", "body": message, "more_body": True})
    if turn.raise_after:
        raise turn.raise_after
    if turn.cut_after is None:
        await send({"type": "http.response.body", "body": b"", "more_body": False})
