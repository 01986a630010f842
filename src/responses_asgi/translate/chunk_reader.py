"""The bytes of an upstream's event stream, as they come -> the chunks or events in it."""

from __future__ import annotations

from typing import TypeAlias

from responses_asgi.errors import UpstreamError
from responses_asgi.sse import ServerSentEvent, SSEDecoder
from responses_asgi.translate.repeats import Repeats, Texts
from responses_asgi.types.events import DONE
from responses_asgi.types.json import JSON, loads

__all__ = ["Chunk", "ChunkReader"]

Chunk: TypeAlias = JSON | Texts
"""A chunk, or, as the text in it, one that repeats the chunk before it in all else, or several of these."""

_SAYS_NOTHING = frozenset({b"", b"null", b"[]"})
_CHUNK_NAMES = frozenset({None, "message", "error"})


class ChunkReader:
    """Reads the chunks out of an event stream, up to the `[DONE]` that ends it.

    `begun` tells that there was an event at all. `failure` is set by an event that should be a chunk and is
    not a JSON object, or is larger than `max_event_bytes`; the chunks before it are still returned, and none
    after it. What says nothing is read over: null, empty lists, and events of a name of their own that hold
    no object, by which servers keep connections alive. A list stands for the chunks in it. An event of the
    Responses API that has its type only in the event line is given it.

    With `repeats`, what is the chunk or event before it again but for its text is returned as that text.
    """

    __slots__ = (
        "_kept",
        "_max",
        "_repeats",
        "_sse",
        "begun",
        "done",
        "failure",
    )

    def __init__(self, *, max_event_bytes: int, repeats: bool = False) -> None:
        self.begun = False
        self.done = False
        self.failure: UpstreamError | None = None
        self._max = max_event_bytes
        self._sse = SSEDecoder(max_event_bytes=max_event_bytes)
        self._kept = self._sse.kept
        self._repeats = Repeats() if repeats else None

    def read(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes."""
        shape = None if self._repeats is None else self._repeats.last
        if shape is not None and not self._kept and len(data) <= self._max:
            # Nearly all of a long answer: events that are whole, since they end as the last one did.
            texts = shape.texts(data)
            if texts is not None:
                return [texts]
        try:
            whole = self._sse.whole(data)
            if shape is not None and whole is not data and len(whole) <= self._max:
                texts = shape.texts(whole)
                if texts is not None:
                    return [texts]
            events = self._sse.events(whole)
        except UpstreamError as error:
            self.failure = error
            return []
        return self._chunks(events)

    def flush(self) -> list[Chunk]:
        """The chunk in an event that the end of the body left open; nothing if the cut went through it."""
        chunks = self._chunks(self._sse.flush())
        self.failure = None
        return chunks

    def _chunks(self, events: list[ServerSentEvent]) -> list[Chunk]:
        chunks: list[Chunk] = []
        repeats = self._repeats
        for name, data in events:
            self.begun = True
            if repeats is not None:
                text = None if repeats.last is None else repeats.last.text(name, data)
                again = repeats.known(name, data) if text is None else text
                if again is not None:
                    chunks.append(again)
                    continue
            if not data.startswith(b"{"):
                data = data.strip()  # noqa: PLW2901 - the same data
                # FastAPI's ServerSentEvent(data="[DONE]") is quoted on the wire; some servers write [done].
                if data.strip(b'"').upper() == DONE:
                    self.done = True
                    break
                if data in _SAYS_NOTHING or (name not in _CHUNK_NAMES and not data.startswith(b"{")):
                    continue
            try:
                chunk = loads(data)
            except ValueError:
                if b"\n" in data.strip() and name != "error":
                    # Lines that are events of their own, without the empty lines between them.
                    chunks += self._chunks([ServerSentEvent(name, line) for line in data.splitlines()])
                    if self.done or self.failure:
                        break
                    continue
                chunk = data.decode("utf-8", "replace")
            if isinstance(chunk, list) and name != "error" and all(isinstance(one, dict) for one in chunk):
                chunks += chunk
                if repeats is not None:
                    repeats.forget()
                continue
            if name == "error" and not (isinstance(chunk, dict) and chunk.get("error")):
                chunk = {"error": chunk}
            if not isinstance(chunk, dict):
                message = f"The upstream sent an event that is not a JSON object: {_excerpt(data)}"
                self.failure = UpstreamError(message, status=502)
                break
            if name is not None and name.startswith("response.") and "type" not in chunk:
                chunk["type"] = name
            if repeats is not None:
                repeats.learn(data, chunk, name)
            chunks.append(chunk)
        return chunks


def _excerpt(data: bytes) -> str:
    return repr(data[:80].decode("utf-8", "replace"))
