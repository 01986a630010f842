"""Serves a Chat Completions client from a Responses upstream."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from responses_asgi.errors import APIError, UpstreamError
from responses_asgi.loss import Losses
from responses_asgi.profiles import Profile
from responses_asgi.translate.chat_writer import ChatChoice, ChatWriter
from responses_asgi.translate.response_writer import NewId
from responses_asgi.translate.to_chat_stream import CALLS, ChatStream
from responses_asgi.translate.to_responses_request import to_responses_request
from responses_asgi.translate.translator import History, RepeatingTranslator
from responses_asgi.translate.usage import summed
from responses_asgi.types.events import Event
from responses_asgi.types.json import JSON

__all__ = ["ChatToResponses", "Recall"]

Recall = Callable[[str], Sequence[JSON]]


class ChatToResponses(RepeatingTranslator):
    """The Translator for a Chat client of a Responses upstream.

    `body` is a validated Chat Completions body. `profile` says how the upstream departs from OpenAI's API.
    `recall(call_id)` gives back the items of the answer that made a tool call, for what Chat cannot carry
    (reasoning, item ids); () when they are forgotten. `reasoning_field` names the field of message and delta
    that holds reasoning, None for none. `upstream_model` is sent upstream in place of the client's model.
    `history`: what came before the request.

    With `n` > 1 the upstream is called `calls` times, and `feed` is told which call an event belongs to.

    >>> from responses_asgi.profiles import profile_for
    >>> body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    >>> translator = ChatToResponses(
    ...     body, profile=profile_for("openai"), new_id=lambda prefix: prefix + "1", now=lambda: 0
    ... )
    >>> translator.request()["store"]
    False
    """

    def __init__(
        self,
        body: JSON,
        *,
        profile: Profile,
        new_id: NewId,
        now: Callable[[], int],
        recall: Recall | None = None,
        reasoning_field: str | None = "reasoning_content",
        upstream_model: str | None = None,
        history: History = History(),  # noqa: B008 - immutable
    ) -> None:
        self.losses = Losses()
        self.calls: int = body.get("n") or 1
        self.response_id = new_id("chatcmpl-")
        self._body = body
        self._profile = profile
        self._recall = recall
        self._history = history
        self._upstream_model = upstream_model
        self._failure: APIError | None = None
        options = body.get("stream_options") or {}
        self._writer = ChatWriter(
            completion_id=self.response_id,
            created=now(),
            model=body.get("model") or upstream_model or "",
            include_usage=bool(body.get("stream") and options.get("include_usage")),
            keep_model=bool(upstream_model and body.get("model")),
        )
        legacy = bool(body.get("functions")) and not body.get("tools")
        self._choices: list[ChatChoice] = []
        for index in range(self.calls):
            before = self._choices[-1] if self._choices else None
            self._choices.append(ChatChoice(self._writer, index, legacy=legacy, before=before))
        stop = body.get("stop") or ()
        self._streams = [
            ChatStream(
                self._writer,
                choice,
                losses=self.losses,
                new_id=new_id,
                reasoning_field=reasoning_field,
                stops=[stop] if isinstance(stop, str) else stop,
                single_call=legacy,
            )
            for choice in self._choices
        ]

    @property
    def failure(self) -> APIError | None:
        """The first error that one of the upstream's answers reported."""
        return self._failure

    def complete(self, call: int = 0) -> bool:
        """Whether this call's answer is over, so that nothing more needs to be read."""
        return self._streams[call].complete

    def request(self, items: Sequence[JSON] = ()) -> JSON:
        """The Responses body; its input is preceded by the history, and followed by `items`."""
        body = to_responses_request(
            self._body, profile=self._profile, losses=self.losses, recall=self._recall
        )
        if items or self._history.items:
            body["input"] = [*self._history.items, *body["input"], *items]
        return {**body, "model": self._upstream_model} if self._upstream_model else body

    def start(self) -> list[Event]:
        """Nothing: chunks name the model, which the upstream's first event tells."""
        return []

    def feed(self, chunk: JSON, call: int = 0) -> list[Event]:
        """The chunks of one Responses event, or of one whole response."""
        stream = self._streams[call]
        stream.feed(chunk)
        self._failure = self._failure or stream.failure
        return self._writer.take()

    def repeat(self, text: str, call: int = 0) -> list[Event]:
        """The chunks of the last event with this text in place of its own."""
        running = self._streams[call].running
        if running is None:
            return self._again(text, call)
        running.said.append(text)
        return running.chunks.more(text)

    def repeat_all(self, texts: Sequence[str], call: int = 0) -> list[Event]:
        """The chunks of the last event with one after the other of these texts in place of its own."""
        running = self._streams[call].running
        if running is None:
            return [event for text in texts for event in self._again(text, call)]
        running.said.extend(texts)
        return running.chunks.more_of(texts)

    def _again(self, text: str, call: int) -> list[Event]:
        stream = self._streams[call]
        stream.feed_again(text)
        self._failure = self._failure or stream.failure
        return self._writer.take()

    def finish(self, *, marker: bool) -> list[Event]:
        """The finish chunks, the usage chunk if it was asked for, and `[DONE]`."""
        try:
            for stream in self._streams:
                stream.close()
        except UpstreamError as error:
            self._failure = error
        if self.failure:
            return self.fail(self.failure)
        self._report_encrypted()
        self._writer.usage = self._usage()
        self._writer.end()
        return self._writer.take()

    def fail(self, error: APIError) -> list[Event]:
        """The error chunk; a Chat stream that failed has no `[DONE]`."""
        self._failure = error
        self._writer.usage = self._usage()
        self._writer.fail(error)
        return self._writer.take()

    def _report_encrypted(self) -> None:
        """Encrypted reasoning is not shown; it comes back with the calls it led to, if they are recalled."""
        for items in (stream.items for stream in self._streams):
            if not any(map(_is_encrypted, items)):
                continue
            path = "output.reasoning.encrypted_content"
            if self._recall and any(item.get("type") in CALLS for item in items):
                self.losses.report(path, "emulated", "kept here, and given back with the calls it led to")
            else:
                self.losses.report(path, "dropped", "a Chat answer cannot hold it")

    def _usage(self) -> JSON | None:
        return summed([stream.usage for stream in self._streams])

    def snapshot(self) -> JSON:
        """The whole `chat.completion`, or the error body if there was a failure."""
        return self.failure.body() if self.failure else self._writer.completion(self._choices)

    def remembered(self) -> dict[str, list[JSON]]:
        """Items by the id of the tool call they made: what the next turn gives back through `recall`.

        Only answers that hold more than Chat can carry are remembered.
        """
        kept: dict[str, list[JSON]] = {}
        for stream in self._streams:
            items = stream.items
            if any(item.get("type") == "reasoning" for item in items):
                kept |= {str(item.get("call_id")): items for item in items if item.get("type") in CALLS}
        return kept


def _is_encrypted(item: JSON) -> bool:
    return item.get("type") == "reasoning" and bool(item.get("encrypted_content"))
