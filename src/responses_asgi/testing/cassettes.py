"""Cassettes: a real upstream's answers recorded once, and replayed to the same requests ever after.

1. A cassette is a folder of recordings, see `recordings`; each recording there replays as it is.
2. A request that differs from what was recorded is drift: it is refused, and told with the difference.
3. Credentials and identifiers are redacted before anything is kept, and before anything is compared.
"""

from __future__ import annotations

import difflib
import glob
import json
import re
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from responses_asgi.errors import APIError
from responses_asgi.sse import SSEDecoder
from responses_asgi.testing.pace import Clock
from responses_asgi.testing.recordings import Recording, play_recording
from responses_asgi.testing.redaction import Redactor
from responses_asgi.types.asgi import ASGIApp, Message, Receive, Scope, Send
from responses_asgi.types.events import DONE, TERMINAL_EVENTS
from responses_asgi.types.json import JSON, loads
from responses_asgi.upstreams.replies import deny_websocket, send_error, serve_lifespan
from responses_asgi.upstreams.request import RequestBody, while_client_stays

__all__ = ["Recorder", "Replay"]

# The headers of an answer that mean something to a client and nothing about an account.
_KEPT_HEADERS = re.compile(r"content-type|retry-after(-ms)?|x-should-retry|.*ratelimit.*|.*version|.*-ms")
_NEVER_KEPT = re.compile(r"cookie|organization|project|account")

_CREDENTIALS = frozenset({b"authorization", b"api-key", b"x-api-key"})

# Where the provider has its API says nothing about the request.
_ENDPOINT = re.compile(r"/(?:chat/completions|responses|embeddings|models)(?:/.*)?$")

_NO_RETRY = {"x-should-retry": "false"}


class Asked:
    """A request in the form in which it is recorded and compared."""

    def __init__(self, scope: Scope, content: bytes, redactor: Redactor) -> None:
        query = scope["query_string"].decode("latin-1")
        self.method: str = scope["method"]
        self.path = redactor.text(scope["path"] + (f"?{query}" if query else ""))
        self.body: JSON | None = None
        self.note: str | None = None
        try:
            body = loads(content) if content else None
        except ValueError:
            body = content
        if isinstance(body, dict):
            self.body = redactor.json(body)
            if len(json.dumps(self.body)) < len(json.dumps(body)):
                self.note = "long base64 was cut"
        elif content:
            self.note = "the body is not a JSON object"

    @property
    def endpoint(self) -> str:
        """What is asked, without the provider's prefix and Azure's version."""
        return endpoint_of(self.method, self.path)

    def document(self) -> JSON:
        """The request as it is recorded."""
        note = {"note": self.note} if self.note else {}
        return {"method": self.method, "path": self.path, "body": self.body, **note}


def endpoint_of(method: str, path: str) -> str:
    path, _, query = path.partition("?")
    found = _ENDPOINT.search(path)
    kept = "&".join(each for each in query.split("&") if each and not each.startswith("api-version="))
    return f"{method} {found[0] if found else path}{'?' if kept else ''}{kept}"


class Replay:
    """An ASGI app that answers each request with the recording of the same request; each answers once.

    Requests are the same when method, endpoint and JSON body are; a recording without a body fits any. Of
    several recordings that fit the first is taken, so that requests may come in another order.

    - `ignore`: fields of the body that do not matter, as `metadata.run`.
    - `timed`: answers take the time that they took, as `clock` tells it (None: real time).
    - `redactor`: takes out of requests what it took out of the recordings.

    Any other request is drift: it is refused with HTTP 400, which no client repeats, and kept in `drift`.

    >>> app = Replay(load_recordings("cassettes/weather"))  # doctest: +SKIP
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        *,
        ignore: Sequence[str] = (),
        timed: bool = False,
        clock: Clock | None = None,
        redactor: Redactor | None = None,
    ) -> None:
        self.unused = list(recordings)
        self.drift: list[str] = []
        self._ignore = [field.split(".") for field in ignore]
        self._timed = timed
        self._clock = clock
        self._redactor = redactor or Redactor()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await serve_lifespan(receive, send)
        elif scope["type"] == "websocket":
            await deny_websocket(receive, send)
        else:
            body = RequestBody(receive)
            await while_client_stays(receive, self._answer(scope, body, send), after=body)

    def problems(self, *, all_used: bool = True) -> list[str]:
        """What was asked and is not recorded and, with `all_used`, what is recorded and was not asked."""
        left = [f"  {each.id}: {_endpoint(each)}" for each in self.unused] if all_used else []
        unused = ["\n".join(["Recorded requests were not made:", *left])] if left else []
        return [*self.drift, *unused]

    async def _answer(self, scope: Scope, body: RequestBody, send: Send) -> None:
        await body.begin()
        asked = Asked(scope, await body.collect(), self._redactor)
        recording = next((each for each in self.unused if self._fits(asked, each)), None)
        if recording is not None:
            self.unused.remove(recording)
            await play_recording(recording, send, timed=self._timed, clock=self._clock)
            return
        self.drift.append(self._difference(asked))
        error = APIError(self.drift[-1], status=400, code="cassette_drift", headers=_NO_RETRY)
        await send_error(send, error)

    def _fits(self, asked: Asked, recording: Recording) -> bool:
        body = recording.request.get("body")
        return asked.endpoint == _endpoint(recording) and (
            body is None or self._compared(asked.body) == self._compared(body)
        )

    def _compared(self, body: JSON | None) -> JSON | None:
        """The body without what does not matter."""
        if not self._ignore or body is None:
            return body
        body = deepcopy(body)
        for path in self._ignore:
            home: Any = body
            for name in path[:-1]:
                home = home.get(name) if isinstance(home, dict) else None
            if isinstance(home, dict):
                home.pop(path[-1], None)
        return body

    def _difference(self, asked: Asked) -> str:
        """How the request differs from the recording that is most like it."""
        if not self.unused:
            return f"Drift: {asked.endpoint} was asked, and no recording is left for it."
        nearest = next((each for each in self.unused if _endpoint(each) == asked.endpoint), self.unused[0])
        diff = difflib.unified_diff(
            [_endpoint(nearest), *_lines(self._compared(nearest.request.get("body")))],
            [asked.endpoint, *_lines(self._compared(asked.body))],
            f"recorded: {nearest.id}",
            "asked now",
            lineterm="",
        )
        return "\n".join(["Drift: the request is not the recorded one.", *diff])


def _endpoint(recording: Recording) -> str:
    return endpoint_of(recording.request.get("method") or "POST", recording.request["path"])


def _lines(body: JSON | None) -> list[str]:
    return json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False).splitlines()


class Recorder:
    """An ASGI app in front of an upstream that records every exchange; `save` writes the cassette.

    - `provider`: who answers, as it is to stand in the recordings.
    - `name`: the beginning of their ids.
    - `source`: where they are from, for people.
    - `time`: a clock in seconds.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        provider: str = "unknown",
        name: str = "recording",
        source: JSON | None = None,
        redactor: Redactor | None = None,
        time: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lost: list[str] = []
        self._app = app
        self._provider = provider
        self._name = name
        self._source = source or {}
        self._redactor = redactor or Redactor()
        self._time = time
        self._exchanges: list[_Exchange] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        for name, value in scope["headers"]:
            if name in _CREDENTIALS:
                self._redactor.learn(value.decode("latin-1").removeprefix("Bearer "))
        # A recording is text.
        headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        scope = {**scope, "headers": [*headers, (b"accept-encoding", b"identity")]}
        exchange = _Exchange(scope, self._time)
        self._exchanges.append(exchange)
        await self._app(scope, exchange.receiving(receive), exchange.sending(send))

    def recordings(self) -> list[Recording]:
        """What was recorded, in the order of the requests. Answers that cannot be kept are told in `lost`."""
        recordings = []
        self.lost.clear()
        for number, exchange in enumerate(self._exchanges, 1):
            try:
                document = self._document(f"{self._name}-{number:03}", exchange)
            except ValueError as error:
                self.lost.append(f"{exchange.scope['method']} {exchange.scope['path']}: {error}")
            else:
                recordings.append(Recording(document))
        return recordings

    def save(self, folder: Path) -> list[Recording]:
        """Write the recordings in place of those of the same name in the folder."""
        recordings = self.recordings()
        for old in folder.glob(f"{glob.escape(self._name)}-[0-9][0-9][0-9].json"):
            old.unlink()
        if recordings:
            folder.mkdir(parents=True, exist_ok=True)
        for recording in recordings:
            recording.save(folder)
        return recordings

    def _document(self, name: str, exchange: _Exchange) -> JSON:
        asked = Asked(exchange.scope, b"".join(exchange.asked), self._redactor)
        redactor, text = self._redactor, exchange.text()
        before = redactor.count
        text = redactor.text(text)
        kept = {n: redactor.text(value) for n, value in exchange.headers.items() if _is_kept(n)}
        replaced = {"redactions": count} if (count := redactor.count - before) else {}
        return {
            "id": name,
            "provider": self._provider,
            "api": "responses" if "/responses" in asked.endpoint else "chat",
            "streaming": kept.get("content-type", "").startswith("text/event-stream"),
            "request": asked.document(),
            "response": {
                "status": exchange.status,
                "headers": kept,
                "body": text,
                "chunk_lengths": exchange.lengths,
                "chunk_times": exchange.times,
                **replaced,
            },
            "source": {**self._source, "interaction": int(name[-3:]) - 1},
            "fidelity": "wire",
            "tags": [],
        }


def _is_kept(header: str) -> bool:
    return _KEPT_HEADERS.fullmatch(header) is not None and _NEVER_KEPT.search(header) is None


class _Exchange:
    """One request and its answer, as they pass by."""

    def __init__(self, scope: Scope, time: Callable[[], float]) -> None:
        self.scope = scope
        self.asked: list[bytes] = []
        self.status = 0
        self.headers: dict[str, str] = {}
        self.lengths: list[int] = []
        self.times: list[float] = []
        self._answered: list[bytes] = []
        self._complete = False
        self._time = time
        self._began = time()

    def receiving(self, receive: Receive) -> Receive:
        async def received() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                self.asked.append(message.get("body", b""))
            return message

        return received

    def sending(self, send: Send) -> Send:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                headers = message.get("headers") or ()
                self.headers = {name.decode().lower(): value.decode("latin-1") for name, value in headers}
            elif message["type"] == "http.response.body":
                if piece := message.get("body", b""):
                    self._answered.append(piece)
                    self.lengths.append(len(piece))
                    self.times.append(round(self._time() - self._began, 4))
                self._complete = not message.get("more_body", False)
            await send(message)

        return sent

    def text(self) -> str:
        """The whole answer. Raises ValueError for one that is not whole, or not text."""
        answer = b"".join(self._answered)
        if not self._complete and not _is_whole_stream(answer):
            raise ValueError("the answer was not read to its end")
        if self.headers.get("content-encoding", "identity") != "identity":
            raise ValueError("the answer is compressed")
        return answer.decode()


def _is_whole_stream(answer: bytes) -> bool:
    """Whether a stream has said its last word, after which clients may stop reading."""
    events = SSEDecoder().feed(answer)
    if not events or events[-1].data == DONE:
        return bool(events)
    try:
        return loads(events[-1].data)["type"] in TERMINAL_EVENTS
    except (ValueError, KeyError, TypeError):
        return False
