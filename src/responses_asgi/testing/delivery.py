"""One answer of the test double: what is said, at its pace, with its faults, as ASGI messages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from random import Random

from responses_asgi.errors import APIError
from responses_asgi.testing.faults import BrokenOff, Fault, Frame
from responses_asgi.testing.pace import Clock, Pace, fragments
from responses_asgi.testing.voices import Voice
from responses_asgi.types.asgi import Send
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.answers import Piece, Usage
from responses_asgi.upstreams.completion import ChunkWriter

__all__ = ["Delivery"]

_STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
]
_JSON_HEADERS = [(b"content-type", b"application/json")]

_ROLE: JSON = {
    "choices": [
        {"index": 0, "delta": {"role": "assistant", "content": "", "refusal": None}, "finish_reason": None}
    ]
}


class Delivery:
    """Says the pieces of one reply.

    `whole_calls`: the arguments of a call are not cut. `prompt_tokens` is what the usage tells of the request
    where there is no Usage among the pieces.
    """

    def __init__(
        self,
        pieces: AsyncGenerator[Piece],
        *,
        faults: Sequence[Fault],
        voice: Voice,
        writer: ChunkWriter,
        pace: Pace,
        clock: Clock,
        random: Random,
        whole_calls: bool,
        prompt_tokens: int,
    ) -> None:
        self._pieces = pieces
        self._faults = faults
        self._voice = voice
        self._writer = writer
        self._pace = pace
        self._clock = clock
        self._random = random
        self._whole_calls = whole_calls
        self._prompt_tokens = prompt_tokens
        self._started = False

    async def run(self, send: Send, *, stream: bool) -> None:
        """Send the answer. Raises APIError while it has not begun, for it is then an HTTP status."""
        async with AsyncExitStack() as stack:
            frames = self._stream() if stream else self._whole()
            await stack.enter_async_context(aclosing(frames))
            for fault in self._faults:
                frames = await stack.enter_async_context(aclosing(fault.frames(frames, self._clock)))
            body = await stack.enter_async_context(aclosing(_encoded(frames)))
            for fault in self._faults:
                body = await stack.enter_async_context(aclosing(fault.body(body, self._clock)))
            try:
                async for message in body:
                    await self._send(send, message, stream=stream)
            except BrokenOff as cut:
                await self._send(send, b"", stream=stream)
                if not cut.clean:
                    return
            await self._send(send, b"", stream=stream, more=False)

    async def _send(self, send: Send, message: bytes, *, stream: bool, more: bool = True) -> None:
        if not self._started:
            self._started = True
            headers = _STREAM_HEADERS if stream else _JSON_HEADERS
            await send({"type": "http.response.start", "status": 200, "headers": headers})
        if message or not more:
            await send({"type": "http.response.body", "body": message, "more_body": more})

    async def _stream(self) -> AsyncGenerator[Frame]:
        begun = False
        try:
            async with aclosing(self._chunks()) as chunks:
                async for chunk in chunks:
                    frames = (
                        self._voice.feed(chunk) if begun else [*self._voice.start(), *self._voice.feed(chunk)]
                    )
                    begun = True
                    for frame in frames:
                        yield frame
            last = self._voice.end()
        except APIError as error:
            if not begun:
                raise
            last = self._voice.fail(error)
        for frame in last:
            yield frame

    async def _whole(self) -> AsyncGenerator[Frame]:
        self._voice.start()
        async with aclosing(self._chunks()) as chunks:
            async for chunk in chunks:
                self._voice.feed(chunk)
        self._voice.end()
        yield self._voice.document()

    async def _chunks(self) -> AsyncGenerator[JSON]:
        """The chunks of the answer, each when it is due."""
        writer, waits, tokens = self._writer, self._pace.waits(self._random), 0
        counted = begun = False
        async with aclosing(self._pieces) as pieces:
            async for piece in pieces:
                if not begun:
                    begun = True
                    yield writer.feed(_ROLE)[0]
                counted |= isinstance(piece, Usage)
                for whole in writer.feed(piece):
                    for chunk in fragments(whole, self._pace, whole_calls=self._whole_calls):
                        tokens += 1
                        if wait := next(waits):
                            await self._clock.sleep(wait)
                        yield chunk
        if not begun:
            yield writer.feed(_ROLE)[0]
        if not counted:
            writer.feed(Usage(self._prompt_tokens, tokens))
        for chunk in writer.end():
            yield chunk


async def _encoded(frames: AsyncGenerator[Frame]) -> AsyncGenerator[bytes]:
    async for frame in frames:
        yield frame.encode()
