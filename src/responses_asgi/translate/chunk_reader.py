"""The bytes of an upstream's event stream, as they come -> the chunks or events in it."""

from __future__ import annotations

from responses_asgi.errors import UpstreamError
from responses_asgi.sse import ServerSentEvent, SSEDecoder
from responses_asgi.types.events import DONE
from responses_asgi.types.json import JSON, loads

__all__ = ["ChunkReader"]


class ChunkReader:
    """Reads the chunks out of an event stream, up to the `[DONE]` that ends it.

    `failure` is set by an event that is not a JSON object, or larger than `max_event_bytes`; the chunks
    before it are still returned, and none after it.
    """

    def __init__(self, *, max_event_bytes: int) -> None:
        self.done = False
        self.failure: UpstreamError | None = None
        self._sse = SSEDecoder(max_event_bytes=max_event_bytes)

    def read(self, data: bytes) -> list[JSON]:
        """The chunks that `data` completes."""
        try:
            events = self._sse.feed(data)
        except UpstreamError as error:
            self.failure = error
            return []
        return self._chunks(events)

    def flush(self) -> list[JSON]:
        """The chunk in an event that the end of the body left open; nothing if the cut went through it."""
        chunks = self._chunks(self._sse.flush())
        self.failure = None
        return chunks

    def _chunks(self, events: list[ServerSentEvent]) -> list[JSON]:
        chunks: list[JSON] = []
        for name, data in events:
            if not data.startswith(b"{"):
                data = data.strip()  # noqa: PLW2901 - the same data
                # FastAPI's ServerSentEvent(data="[DONE]") is quoted on the wire.
                if data.strip(b'"') == DONE:
                    self.done = True
                    break
                if not data:
                    continue
            try:
                chunk = loads(data)
            except ValueError:
                chunk = data.decode("utf-8", "replace")
            if name == "error" and not (isinstance(chunk, dict) and chunk.get("error")):
                chunk = {"error": chunk}
            if not isinstance(chunk, dict):
                message = f"The upstream sent an event that is not a JSON object: {_excerpt(data)}"
                self.failure = UpstreamError(message, status=502)
                break
            chunks.append(chunk)
        return chunks


def _excerpt(data: bytes) -> str:
    return repr(data[:80].decode("utf-8", "replace"))
