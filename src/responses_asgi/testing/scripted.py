"""ASGI apps that speak Chat Completions or Responses from a script: given answers, byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

from responses_asgi.translate.chat_snapshot import fold_chunks
from responses_asgi.translate.snapshot import fold
from responses_asgi.types.asgi import Receive, Scope, Send
from responses_asgi.types.json import JSON, dumps, loads

__all__ = ["ReceivedRequest", "ResponsesTurn", "ScriptedChat", "ScriptedResponses", "Turn", "play"]

_SSE = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
_JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Turn:
    """One scripted answer to one request.

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
    """One scripted answer of a Responses server; its `chunks` are events.

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


class ReceivedRequest(NamedTuple):
    """A request that the app was sent."""

    path: str
    headers: dict[str, str]
    body: JSON


class _Scripted:
    """An app that answers `POST` at any path with this ending."""

    _path: ClassVar[str]

    def __init__(self, turns: Sequence[Turn] | Mapping[str, Turn]) -> None:
        self.turns = turns
        self.requests: list[ReceivedRequest] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            raise NotImplementedError(f"{type(self).__name__} does not speak {scope['type']}")

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read(receive)
        if scope["method"] != "POST" or not scope["path"].endswith(self._path):
            turn = _refusal(404, f"There is no {scope['method']} {scope['path']} here.")
            await play(turn, send, stream=False)
            return
        request = loads(body)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.requests.append(ReceivedRequest(scope["path"], headers, request))
        await play(self._turn(request), send, stream=bool(request.get("stream")))

    def _turn(self, request: JSON) -> Turn:
        if isinstance(self.turns, Mapping):
            model = request.get("model")
            return self.turns.get(str(model)) or _refusal(500, f"The script knows no model {model!r}.")
        number = len(self.requests)
        if number > len(self.turns):
            return _refusal(
                500, f"The script has {len(self.turns)} answers; this is request number {number}."
            )
        return self.turns[number - 1]


class ScriptedChat(_Scripted):
    """Serves `POST .../chat/completions` from a script, in-process or under any ASGI server.

    `turns` is one answer per request, in order, or a mapping from the request's `model` to its answer. A
    request that the script does not know is answered with HTTP 500 and says so. What came in is kept in
    `requests`.

    >>> chunk = {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}
    >>> app = ScriptedChat([Turn([chunk])])
    """

    _path = "/chat/completions"


class ScriptedResponses(_Scripted):
    """Serves `POST .../responses` from a script, as `ScriptedChat` does for Chat Completions.

    >>> response = {"id": "resp_1", "object": "response", "status": "completed", "output": []}
    >>> app = ScriptedResponses([ResponsesTurn([{"type": "response.completed", "response": response}])])
    """

    _path = "/responses"


async def play(turn: Turn, send: Send, *, stream: bool) -> None:
    """Send one scripted answer."""
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


def _refusal(status: int, message: str) -> Turn:
    return Turn(
        status=status, whole={"error": {"message": message, "type": "scripted", "param": None, "code": None}}
    )


async def _read(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def _live(receive: Receive, send: Send) -> None:
    for event in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{event}.complete"})
