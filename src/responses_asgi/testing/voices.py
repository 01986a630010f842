"""One answer on its way out, in one of the two APIs: chunks in, events of the stream or the document out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from responses_asgi.errors import APIError
from responses_asgi.profiles import PROFILES
from responses_asgi.testing.faults import Frame
from responses_asgi.testing.personality import Personality
from responses_asgi.translate.chat_snapshot import fold_chunks
from responses_asgi.translate.responses_to_chat import ResponsesToChat
from responses_asgi.translate.translator import NewId
from responses_asgi.types.events import DONE, Event
from responses_asgi.types.json import JSON, dumps

__all__ = ["ChatVoice", "ResponsesVoice", "Voice"]


class Voice(Protocol):
    """How one API says an answer."""

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
    """Says chunks in the way of a server, `n` times where several choices were asked for."""

    def __init__(self, body: JSON, personality: Personality) -> None:
        self._personality = personality
        self._choices = body.get("n") or 1
        self._usage_asked = bool((body.get("stream_options") or {}).get("include_usage"))
        self._chunks: list[JSON] = []

    def start(self) -> list[Frame]:
        return []

    def feed(self, chunk: JSON) -> list[Frame]:
        choices = [{**choice, "index": n} for choice in chunk["choices"] for n in range(self._choices)]
        chunk = {**chunk, "choices": choices}
        self._chunks.append(chunk)
        return self._frames(self._personality.chunks(chunk))

    def end(self) -> list[Frame]:
        return [Frame(DONE)]

    def fail(self, error: APIError) -> list[Frame]:
        return [Frame(dumps(error.body()))]

    def document(self) -> Frame:
        return Frame(dumps(self._personality.document(fold_chunks(self._chunks))), whole=True)

    def _frames(self, chunks: Iterable[JSON]) -> list[Frame]:
        """OpenAI's usage comes only if it was asked for, and is then null in all chunks but the last."""
        if self._personality.habits.usage == "own":
            if self._usage_asked:
                chunks = [{"usage": None, **chunk} for chunk in chunks]
            else:
                chunks = [chunk for chunk in chunks if not chunk.get("usage")]
        return [Frame(dumps(chunk)) for chunk in chunks]


class ResponsesVoice:
    """Says the events that the package's own machine makes of the chunks.

    `new_id(prefix)` mints ids, `now()` tells the unix time in seconds.
    """

    def __init__(self, body: JSON, new_id: NewId, now: Callable[[], int]) -> None:
        self._machine = ResponsesToChat(body, profile=PROFILES["generic"], new_id=new_id, now=now)

    @property
    def response(self) -> JSON:
        """The whole answer."""
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
