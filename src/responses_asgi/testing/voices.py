"""One answer on its way out, in one of the two APIs: chunks in, events of the stream or the document out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from responses_asgi.errors import APIError
from responses_asgi.profiles import PROFILES
from responses_asgi.testing.faults import Frame
from responses_asgi.testing.model_request import ModelRequest
from responses_asgi.translate.chat_snapshot import fold_chunks
from responses_asgi.translate.responses_to_chat import ResponsesToChat
from responses_asgi.translate.translator import NewId
from responses_asgi.types.events import DONE, Event
from responses_asgi.types.json import JSON, dumps
from responses_asgi.upstreams.upstream import WireAPI

__all__ = ["VOICES", "ChatVoice", "ResponsesVoice", "Voice"]


class Voice(Protocol):
    """How one API says an answer; made of the request, `new_id(prefix)` and `now()` in unix seconds."""

    def start(self) -> list[Frame]:
        """The opening events."""

    def feed(self, chunk: JSON) -> list[Frame]:
        """The events of one Chat chunk."""

    def end(self) -> list[Frame]:
        """The closing events."""

    def fail(self, error: APIError) -> list[Frame]:
        """The closing events of an answer that failed after it had begun."""

    def document(self) -> Frame:
        """The whole answer, after `end`."""


class ChatVoice:
    """Says chunks as they are, `n` times where several choices were asked for."""

    def __init__(self, request: ModelRequest, new_id: NewId, now: Callable[[], int]) -> None:
        self._choices = request.body.get("n") or 1
        self._usage = bool((request.body.get("stream_options") or {}).get("include_usage"))
        self._chunks: list[JSON] = []

    def start(self) -> list[Frame]:
        return []

    def feed(self, chunk: JSON) -> list[Frame]:
        said = [{**c, "index": n} for c in chunk.get("choices") or () for n in range(self._choices)]
        self._chunks.append({**chunk, "choices": said})
        if not said and not self._usage:
            return []
        usage = {"usage": chunk.get("usage")} if self._usage else {}
        return [Frame(dumps({**chunk, "choices": said, **usage}))]

    def end(self) -> list[Frame]:
        return [Frame(DONE)]

    def fail(self, error: APIError) -> list[Frame]:
        return [Frame(dumps(error.body()))]

    def document(self) -> Frame:
        return Frame(dumps(fold_chunks(self._chunks)), whole=True)


class ResponsesVoice:
    """Says the events that the package's own machine makes of the chunks."""

    def __init__(self, request: ModelRequest, new_id: NewId, now: Callable[[], int]) -> None:
        self._machine = ResponsesToChat(request.body, profile=PROFILES["generic"], new_id=new_id, now=now)

    @property
    def response(self) -> JSON:
        return self._machine.snapshot()

    def start(self) -> list[Frame]:
        return _frames(self._machine.start())

    def feed(self, chunk: JSON) -> list[Frame]:
        return _frames(self._machine.feed(chunk))

    def end(self) -> list[Frame]:
        return _frames(self._machine.finish(marker=True))

    def fail(self, error: APIError) -> list[Frame]:
        return _frames(self._machine.fail(error))

    def document(self) -> Frame:
        return Frame(dumps(self._machine.snapshot()), whole=True)


def _frames(events: Iterable[Event]) -> list[Frame]:
    return [Frame(event.data, event.type) for event in events]


VOICES: dict[WireAPI, type[ChatVoice] | type[ResponsesVoice]] = {
    "chat": ChatVoice,
    "responses": ResponsesVoice,
}
