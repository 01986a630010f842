"""Serves a Responses client whose conversation is compacted on the way: a summary first, then the answer.

1. What the upstream says first is the summary. The client is told nothing of it but a compaction item, whose
   `encrypted_content` holds it.
2. Where a compaction is all that was asked for, that ends the response. Otherwise the upstream is asked
   again, about the shorter conversation, and what it says follows the item: one lifecycle, usage summed.
3. Without a summary there is no answer: the response fails.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from responses_asgi.errors import APIError, UpstreamError
from responses_asgi.loss import Losses
from responses_asgi.translate.response_writer import ResponseWriter
from responses_asgi.translate.rounds import OPENING, HostedCall, HostedResult, Staged
from responses_asgi.translate.translator import Translator
from responses_asgi.translate.usage import summed
from responses_asgi.types.events import TERMINAL_EVENTS, Event
from responses_asgi.types.json import JSON

__all__ = ["Compacting", "summary_of"]

# What the terminal event tells of the upstream that wrote the summary.
_OF_UPSTREAM = ("model", "service_tier", "usage")


class Compacting:
    """The Translator of a request that is compacted first; it is `Staged`.

    `summarizing` is the Translator of the question for a summary, `writer` writes the client's response, and
    `seal(summary)` makes the `encrypted_content`. With `goes_on`, the answer follows: `finish` then leaves
    it `summarized`, until `proceed` is given the Translator that asks for the answer.
    """

    def __init__(
        self, summarizing: Translator, writer: ResponseWriter, *, seal: Callable[[str], str], goes_on: bool
    ) -> None:
        self.losses = Losses()
        self.calls = 1
        self.summary: str | None = None
        self._inner = summarizing
        self._writer = writer
        self._seal = seal
        self._then = goes_on
        self._answering = False
        self._passed_over = 0
        self._item: JSON = {}
        self._usage: JSON | None = None
        self._failure: APIError | None = None
        self._ended: JSON | None = None

    @property
    def response_id(self) -> str:
        """The id of the response."""
        return str(self._writer.response["id"])

    @property
    def failure(self) -> APIError | None:
        """Why there is no summary, or the error that the upstream reported."""
        return self._failure or self._inner.failure

    @property
    def summarized(self) -> bool:
        """Whether the summary is there, and the answer has yet to be asked for."""
        return self.summary is not None and self._then and not self._answering and self._failure is None

    def request(self, items: Sequence[JSON] = ()) -> JSON:
        """The upstream's request: for the summary, and after `proceed` for the answer.

        Neither is the client's own, so that the paths of what it loses would mean nothing to the client.
        """
        body = self._inner.request(items)
        self._passed_over = len(self._inner.losses)
        return body

    def start(self) -> list[Event]:
        """The opening events; once."""
        self._inner.start()
        self._writer.start()
        return self._writer.take()

    def feed(self, chunk: JSON, call: int = 0) -> list[Event]:
        """Nothing while the summary is written, then the events that the answer's chunk becomes."""
        return self._passed(self._inner.feed(chunk))

    def complete(self, call: int = 0) -> bool:
        """Whether the upstream has said the last word of this call."""
        return self._inner.complete()

    def finish(self, *, marker: bool) -> list[Event]:
        """The compaction item, and the end of the response unless the answer has yet to come."""
        events = self._passed(self._inner.finish(marker=marker))
        return events if self._answering else self._compacted()

    def proceed(self, answering: Translator) -> None:
        """Go on with the Translator of the answer, whose request has the summary in it."""
        self._answering = True
        self._inner = answering
        self._tell(answering.start())

    def fail(self, error: APIError) -> list[Event]:
        """Close what is open, then say the error and the failed terminal event."""
        self._failure = error
        if self._answering:
            return self._passed(self._inner.fail(error))
        self._writer.response["usage"] = self._usage
        self._writer.fail(error)
        return self._writer.take()

    def snapshot(self) -> JSON:
        """The response as it is; whole after the terminal event."""
        if self._ended is not None or not self._answering:
            return self._ended or self._writer.response
        return self._whole(self._inner.snapshot())

    # What it is as Staged: the summary, then what the answer's own Translator is

    @property
    def paused(self) -> bool:
        """Whether something is to be done before the upstream is asked again."""
        return self.summarized or (self._staged is not None and self._staged.paused)

    @property
    def pending(self) -> list[HostedCall]:
        """The calls of hosted tools that are to be run."""
        return self._staged.pending if self._staged else []

    @property
    def goes_on(self) -> bool:
        """Whether the upstream is to be asked again, once all pending calls are settled."""
        return self._staged is not None and self._staged.goes_on

    def settle(self, call: HostedCall, result: HostedResult) -> list[Event]:
        """Tell what came of a pending call."""
        return self._passed(self._rounds.settle(call, result))

    def sight(self, call: HostedCall, seen: JSON) -> list[Event]:
        """Tell what can be seen of the result of a pending call."""
        return self._passed(self._rounds.sight(call, seen))

    def next_round(self) -> None:
        """Begin the next upstream call with what was said and answered."""
        self._rounds.next_round()

    def end(self) -> list[Event]:
        """Close what never got a result, and say the terminal event."""
        return self._passed(self._rounds.end())

    @property
    def _rounds(self) -> Staged:
        assert self._staged is not None
        return self._staged

    @property
    def _staged(self) -> Staged | None:
        inner = self._inner
        return inner if self._answering and isinstance(inner, Staged) else None

    # Events

    def _compacted(self) -> list[Event]:
        answer = self._inner.snapshot()
        self._usage = answer.get("usage")
        failure = self._inner.failure
        try:
            if failure is None:
                self.summary = summary_of(answer, self.losses)
        except UpstreamError as error:
            failure = error
        if failure is not None or self.summary is None:
            return self.fail(failure or UpstreamError("The upstream wrote no summary.", status=502))
        writer = self._writer
        item: JSON = {"id": writer.new_id("cmp_"), "type": "compaction", "encrypted_content": ""}
        index = writer.open_item(item)
        self._item = {**item, "encrypted_content": self._seal(self.summary)}
        writer.close_item(index, self._item)
        if not self._then:
            writer.response |= {name: answer[name] for name in _OF_UPSTREAM if name in answer}
            writer.complete()
        return writer.take()

    def _passed(self, events: Sequence[Event]) -> list[Event]:
        self._merge()
        if self._answering:
            self._tell(events)
        return self._writer.take()

    def _tell(self, events: Sequence[Event]) -> None:
        """Say these events of the answer behind those of the compaction."""
        for event in events:
            told = event.json()
            kind, index = str(told.pop("type")), told.get("output_index")
            del told["sequence_number"]
            if kind in OPENING:
                continue
            if kind in TERMINAL_EVENTS:
                told["response"] = self._ended = self._whole(told["response"])
            elif isinstance(index, int):
                told["output_index"] = index + 1
            self._writer.say(kind, told)

    def _whole(self, response: JSON) -> JSON:
        """The answer as the response that the client was told of."""
        same = {name: self._writer.response[name] for name in ("id", "created_at")}
        output = [self._item, *response["output"]]
        return {**response, **same, "output": output, "usage": summed([self._usage, response.get("usage")])}

    def _merge(self) -> None:
        for loss in self._inner.losses[self._passed_over :]:
            self.losses.report(*loss)


def summary_of(answer: JSON, losses: Losses) -> str:
    """What the model wrote; a summary that the token limit cut is better than none, and is reported.

    Raises UpstreamError when it wrote none.
    """
    parts = [
        part
        for item in answer["output"]
        if item.get("type") == "message"
        for part in item.get("content") or ()
    ]
    text = "".join(part["text"] for part in parts if part.get("type") == "output_text").strip()
    reason = (answer.get("incomplete_details") or {}).get("reason")
    if not text or reason == "content_filter":
        refusal = "".join(part["refusal"] for part in parts if part.get("type") == "refusal")
        why = refusal or reason or answer.get("status")
        raise UpstreamError(f"The model wrote no summary of the conversation: {why}.", status=502)
    if reason:
        losses.report("output", "clamped", f"the summary was cut: {reason}")
    return text
