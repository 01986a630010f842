"""Serves a Chat client from a Chat upstream when something has to be done on the way.

The identity translator of Chat Completions: chunks pass as they are but for a renamed model. It puts earlier
turns before the messages, and sees to it that the stream ends legally, whatever the upstream does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from responses_asgi.errors import APIError, UpstreamError, error_from_payload
from responses_asgi.loss import Losses
from responses_asgi.profiles import Profile
from responses_asgi.translate.chat_snapshot import ChatFold, chunks_of
from responses_asgi.translate.messages import chat_messages
from responses_asgi.translate.tool_policy import passed_on
from responses_asgi.translate.translator import History
from responses_asgi.types.events import DONE, Event, StreamEvent
from responses_asgi.types.json import JSON, dumps

__all__ = ["ChatToChat"]

CUT_OFF = "The upstream's answer ended without a finish_reason: it was cut off."

_SYSTEM_ROLES = frozenset({"system", "developer"})


class ChatToChat:
    """The Translator between equals.

    `body` is a validated Chat Completions body, sent on as it is but for `upstream_model`, the model name
    that stands in place of the client's, and for `history`, the items of earlier turns, which become messages
    behind the leading system messages in the way of the `profile`. Its tool policy holds here, too.

    >>> from responses_asgi.profiles import profile_for
    >>> translator = ChatToChat(
    ...     {"model": "house", "messages": []}, profile=profile_for("generic"), upstream_model="qwen3"
    ... )
    >>> translator.request()["model"]
    'qwen3'
    >>> translator.feed({"model": "qwen3", "choices": []})[0].json()["model"]
    'house'
    """

    def __init__(
        self,
        body: JSON,
        *,
        profile: Profile,
        history: History = History(),  # noqa: B008 - immutable
        upstream_model: str | None = None,
    ) -> None:
        self.losses = Losses()
        self.calls = 1
        self.failure: APIError | None = None
        self.response_id = ""
        self._body = passed_on(body, profile=profile, losses=self.losses)
        self._profile = profile
        self._history = history
        self._upstream_model = upstream_model
        self._model = body.get("model") if upstream_model else None
        self._streams = bool(body.get("stream"))
        self._include_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        self._fold = ChatFold()
        self._whole: JSON | None = None
        self._last: JSON = {}

    def request(self, items: Sequence[JSON] = ()) -> JSON:
        """The client's body; the history stands before its messages, `items` behind them."""
        body = {**self._body, "model": self._upstream_model} if self._upstream_model else dict(self._body)
        if self._history.items or items:
            own: list[Any] = body["messages"]
            leading = next(
                (i for i, each in enumerate(own) if each.get("role") not in _SYSTEM_ROLES), len(own)
            )
            before = self._messages(self._history.items)
            body["messages"] = [*own[:leading], *before, *own[leading:], *self._messages(items)]
        return body

    def start(self) -> list[Event]:
        """Nothing: the upstream's first chunk opens the stream."""
        return []

    def feed(self, chunk: JSON, call: int = 0) -> list[Event]:
        """The chunk under the client's name of the model; a whole completion becomes chunks that tell it."""
        if chunk.get("error"):
            self.failure = error_from_payload(chunk)
            return []
        if self._model is not None and "model" in chunk:
            chunk = {**chunk, "model": self._model}
        if self._history.own_id is not None:
            self.response_id = self.response_id or self._history.own_id(str(chunk.get("id") or ""))
            chunk = {**chunk, "id": self.response_id}
        if any("message" in choice for choice in chunk.get("choices") or ()):
            self._whole = chunk
            self.response_id = str(chunk.get("id") or "")
            return self._told(chunks_of(chunk, include_usage=self._include_usage))
        self._fold.take(chunk)
        if not self.response_id:
            self.response_id = str(chunk.get("id") or "")
        self._last = chunk
        return [StreamEvent("", dumps(chunk))]

    def complete(self, call: int = 0) -> bool:
        """Never: usage follows the finish_reason, and `[DONE]` is no chunk."""
        return False

    def finish(self, *, marker: bool) -> list[Event]:
        """`[DONE]`, when the upstream said that all choices are over; otherwise the answer was cut off."""
        if self.failure:
            return self.fail(self.failure)
        closing: list[Event] = []
        if self._whole is None and self._fold.unfinished:
            if not (marker and self._fold.spoken and self._profile.done_completes):
                return self.fail(UpstreamError(CUT_OFF, status=502, code="server_error"))
            self.losses.report("choices[0].finish_reason", "emulated", "none was given, taken as stop")
            frame = {name: value for name, value in self._last.items() if name not in ("choices", "usage")}
            closing = self._told(
                [
                    {**frame, "choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]}
                    for index in self._fold.finish("stop")
                ]
            )
        return [*closing, StreamEvent("", DONE)]

    def fail(self, error: APIError) -> list[Event]:
        """The error chunk; a Chat stream that failed has no `[DONE]`."""
        self.failure = error
        return [StreamEvent("", dumps(error.body()))]

    def snapshot(self) -> JSON:
        """The whole `chat.completion`, or the error body if there was a failure."""
        if self.failure:
            return self.failure.body()
        return self._whole if self._whole is not None else self._fold.completion()

    def _messages(self, items: Sequence[JSON]) -> list[JSON]:
        if not items:
            return []
        return chat_messages({}, [], profile=self._profile, losses=self.losses, history=items)

    def _told(self, chunks: Sequence[JSON]) -> list[Event]:
        return [StreamEvent("", dumps(chunk)) for chunk in chunks] if self._streams else []
