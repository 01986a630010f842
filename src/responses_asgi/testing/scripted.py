"""An ASGI app that speaks Chat Completions from a script: it plays given answers, byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from responses_asgi.types.asgi import Receive, Scope, Send
from responses_asgi.types.json import JSON, dumps, loads

__all__ = ["ReceivedRequest", "ScriptedChat", "Turn", "assembled"]

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
            yield chunk if isinstance(chunk, bytes) else b"data: " + dumps(chunk) + end
        if self.done:
            yield b"data: [DONE]" + end

    def _document(self) -> bytes:
        whole = assembled(self.chunks) if self.whole is None else self.whole
        return whole if isinstance(whole, bytes) else dumps(whole)


class ReceivedRequest(NamedTuple):
    """A request that the app was sent."""

    path: str
    headers: dict[str, str]
    body: JSON


class ScriptedChat:
    """Serves `POST .../chat/completions` from a script, in-process or under any ASGI server.

    `turns` is one answer per request, in order, or a mapping from the request's `model` to its answer. A
    request that the script does not know is answered with HTTP 500 and says so. What came in is kept in
    `requests`.

    >>> chunk = {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}
    >>> app = ScriptedChat([Turn([chunk])])
    """

    def __init__(self, turns: Sequence[Turn] | Mapping[str, Turn]) -> None:
        self.turns = turns
        self.requests: list[ReceivedRequest] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            raise NotImplementedError(f"ScriptedChat does not speak {scope['type']}")

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read(receive)
        if scope["method"] != "POST" or not scope["path"].endswith("/chat/completions"):
            turn = _refusal(404, f"There is no {scope['method']} {scope['path']} here.")
            await _play(turn, send, stream=False)
            return
        request = loads(body)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.requests.append(ReceivedRequest(scope["path"], headers, request))
        await _play(self._turn(request), send, stream=bool(request.get("stream")))

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


def assembled(chunks: Sequence[JSON | bytes]) -> JSON:
    """The whole `chat.completion` that well-formed chunks tell; an error chunk is the answer by itself."""
    message: JSON = {"role": "assistant", "content": None}
    calls: dict[int, JSON] = {}
    answer: JSON = {"id": "chatcmpl-scripted", "object": "chat.completion", "created": 0, "model": "scripted"}
    choice: JSON = {"index": 0, "message": message, "finish_reason": None}
    for chunk in chunks:
        if isinstance(chunk, bytes):
            continue
        if chunk.get("error"):
            return {"error": chunk["error"]}
        answer |= {name: chunk[name] for name in ("id", "created", "model", "usage") if chunk.get(name)}
        for said in chunk.get("choices") or ():
            _merge(message, said.get("delta") or {}, calls)
            choice["finish_reason"] = said.get("finish_reason") or choice["finish_reason"]
    if calls:
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
    return {**answer, "choices": [choice]}


def _merge(message: JSON, delta: JSON, calls: dict[int, JSON]) -> None:
    """Add one delta to a message: texts are joined, lists continued, tool calls matched by their index."""
    for name, value in delta.items():
        if name == "tool_calls":
            for piece in value or ():
                call = calls.setdefault(piece["index"], {"type": "function", "function": {"arguments": ""}})
                function = piece.get("function") or {}
                call["id"] = piece.get("id") or call.get("id")
                call["function"]["name"] = function.get("name") or call["function"].get("name")
                call["function"]["arguments"] += function.get("arguments") or ""
        elif name != "role" and isinstance(value, str):
            message[name] = (message.get(name) or "") + value
        elif isinstance(value, list):
            message[name] = [*(message.get(name) or []), *value]


async def _play(turn: Turn, send: Send, *, stream: bool) -> None:
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
