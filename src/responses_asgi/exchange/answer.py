"""What the client is told: events as they come or one document at the end, and an error once."""

from __future__ import annotations

import copy
import re
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter

from responses_asgi.errors import APIError
from responses_asgi.exchange.options import Options
from responses_asgi.exchange.outlets import Outlet
from responses_asgi.loss import LOSS_HEADER, header_value
from responses_asgi.sinks import Header, LastingSink, StayingSink
from responses_asgi.translate.chunk_reader import Chunk
from responses_asgi.translate.rounds import Staged
from responses_asgi.translate.translator import RepeatingTranslator, Translator
from responses_asgi.types.events import DONE, Event, StreamEvent
from responses_asgi.types.json import JSON, dumps, loads
from responses_asgi.upstreams.context import ExchangeContext
from responses_asgi.upstreams.own_refusals import told_of_own
from responses_asgi.upstreams.upstream import OnEvent

__all__ = ["Answer", "loss_headers"]

_EXPOSE = b"access-control-expose-headers"

# Failures that another upstream may not have.
_HELD_STATUSES = frozenset({401, 402, 403, 404, 408, 429})


class Answer:
    """The answer of one exchange; after `closed` nothing more is told.

    `open` are the upstream calls of which more is wanted. `own`: the upstream was shown the operator's
    credential, so that what it says about that is no affair of the client's.

    `add_done`: whether a stream ends with a `[DONE]` that the translator does not say. `keep` is called when
    the answer is complete, before the client learns of its end; what it returns is whether everything that
    should be kept is. `hold` tells that there is another upstream to ask: a failure before the first byte
    that is the upstream's own is then not told, but left in `held`. `translating` are the seconds that the
    translation of the request took; `timed`: somebody will ask for `timings`. `upstream_model` is what the
    upstream knows the client's model as, which is not told in errors; None: the same.
    """

    __slots__ = (
        "_begun",
        "_context",
        "_hold",
        "_keep",
        "_on_event",
        "_outlet",
        "_repeat",
        "_repeat_all",
        "_sink",
        "_staged",
        "_timed",
        "_told_losses",
        "_upstream_headers",
        "_upstream_model",
        "began",
        "closed",
        "ended",
        "first_byte",
        "first_chunk",
        "held",
        "open",
        "own",
        "translating",
        "translator",
    )

    def __init__(
        self,
        translator: Translator,
        outlet: Outlet,
        *,
        options: Options,
        context: ExchangeContext,
        add_done: bool = False,
        on_event: OnEvent | None = None,
        keep: Callable[[], Awaitable[bool]] | None = None,
        hold: bool = False,
        translating: float = 0.0,
        timed: bool = True,
        upstream_model: str | None = None,
    ) -> None:
        self.translator = translator
        self.closed = False
        self.own = False
        self.held: APIError | None = None
        self.began = perf_counter()
        self.first_byte: float | None = None
        self.first_chunk: float | None = None
        self.translating = translating
        self.ended: float | None = None
        self._outlet = outlet
        self._context = context
        self._on_event = on_event
        self._keep = keep
        self._hold = hold
        self._timed = timed
        self._begun = False
        self.open = list(range(translator.calls))
        repeating = translator if isinstance(translator, RepeatingTranslator) else None
        self._repeat = None if repeating is None else repeating.repeat
        self._repeat_all = None if repeating is None else repeating.repeat_all
        # To ask a Protocol is an eighth of what a short request costs; what repeats is not staged.
        self._staged = translator if self._repeat is None and isinstance(translator, Staged) else None
        self._told_losses = options.loss_header
        self._upstream_model = upstream_model
        self._upstream_headers: Sequence[Header] = ()
        self._sink = outlet.sink(translator, options, add_done=add_done)

    @property
    def repeats(self) -> bool:
        """Whether `feed` takes chunks that repeat the last one as their text."""
        return self._repeat is not None

    @property
    def started(self) -> bool:
        """Whether an answer that is not closed has told the client anything."""
        return self._sink.started

    @property
    def paused(self) -> bool:
        """Whether the upstream's part of it is over, and something is to be done before it is asked again."""
        return not self.closed and self._staged is not None and self._staged.paused

    @property
    def failed(self) -> bool:
        """Whether the answer is closed by a failure."""
        return self.closed and self.translator.failure is not None

    async def begin(self, headers: Sequence[Header]) -> None:
        """The upstream streams: open the client's stream before its first chunk is there."""
        if self._begun:
            return
        self._headers(headers)
        await self._tell(self._start())
        if self._sink.started:
            self._mark_first_byte()

    async def feed(
        self, chunks: Sequence[Chunk], call: int = 0, *, last: bool = False, marker: bool = False
    ) -> None:
        """Tell what these chunks of one upstream call become, all in one message.

        With `last` the call's stream is over, at its `marker` or without one; whether that is a success the
        translator knows. The answer is complete when all calls are over.
        """
        came = perf_counter() if self._timed else None
        events = [] if self._begun else self._start()
        for chunk in chunks:
            if isinstance(chunk, str):
                assert self._repeat is not None
                events += self._repeat(chunk, call)
            elif isinstance(chunk, tuple):
                assert self._repeat_all is not None
                events += self._repeat_all(chunk, call)
            else:
                events += self.translator.feed(chunk, call)
                if self.translator.failure or self.translator.complete(call):
                    last = True
                    break
        ended = last and self._ends(call, events, marker=marker)
        if came is not None:
            self._translated_since(came)
        if ended:
            await self._end(events)
        elif events:
            await self._sink.write(events)
            if self._on_event:
                self._show(self._on_event, events)

    def _translated_since(self, came: float) -> None:
        if self.first_chunk is None:
            self.first_chunk = came
        self.translating += perf_counter() - came

    def _ends(self, call: int, events: list[Event], *, marker: bool) -> bool:
        """Add what is said at the end of this call to the events; whether it is the end of the answer."""
        translator = self.translator
        if failure := translator.failure:
            events += translator.fail(self._named(failure))
            return True
        if call in self.open:
            self.open.remove(call)
        if self.open and translator.complete(call):
            return False
        events += translator.finish(marker=marker)
        return not self.paused

    async def whole(self, document: JSON, headers: Sequence[Header], *, call: int = 0) -> None:
        """The upstream answered with one document: nothing is told before it is known to be good."""
        if not self._begun:
            self._headers(headers)
        await self.feed([document], call=call, last=True, marker=True)

    async def fail(self, error: APIError, headers: Sequence[Header] | None = None) -> None:
        """Tell the error, unless the answer is closed; `headers` are those of an upstream's error answer."""
        if self.closed:
            return
        if headers is not None:
            self._headers(headers)
        error = self._named(error)
        opening = [] if self._begun else self._start()
        await self._end(opening + self.translator.fail(error), error)

    async def tell(self, events: Sequence[Event]) -> None:
        """Tell events that no upstream call has made."""
        if events and not self.closed:
            await self._tell(list(events))

    async def conclude(self, events: Sequence[Event]) -> None:
        """Tell the last events, which no upstream call has made."""
        if not self.closed:
            await self._end(list(events))

    def resume(self) -> None:
        """The upstream is called again. Another one must not begin anew what tools have done by now."""
        self.open = list(range(self.translator.calls))
        self._hold = False

    def abandon(self, error: APIError) -> None:
        """Nobody waits for the answer: end the translation, for the hooks and for a sink that stays."""
        if not self.closed:
            self._closes()
            if not self._begun:
                self._start()
            unsaid = self.translator.fail(error)
            if isinstance(self._sink, StayingSink):
                self._sink.unsaid = unsaid
        self.stop()

    def stop(self) -> None:
        """Let go of what keeps the stream alive."""
        self._sink.stop()

    def timings(self) -> dict[str, float]:
        """Seconds since the request: `first_chunk` of the upstream and `first_byte` to the client, if there
        were such, and `total`; and those spent with `translation`."""
        timings = {
            "total": (self.ended or perf_counter()) - self.began,
            "translation": self.translating,
        }
        if self.first_chunk is not None:
            timings["first_chunk"] = self.first_chunk - self.began
        if self.first_byte is not None:
            timings["first_byte"] = self.first_byte - self.began
        return timings

    def _closes(self) -> None:
        self.closed = True
        self.open.clear()

    def _named(self, error: APIError) -> APIError:
        """The error as the client is told it: with its own name of the model, and about its own key only."""
        if self.own:
            error = told_of_own(error)
        model, theirs = self._context.request.get("model"), self._upstream_model
        if not (theirs and isinstance(model, str) and model and theirs in error.message):
            return error
        named = copy.copy(error)
        whole = rf"(?<![\w./:@-]){re.escape(theirs)}(?![\w/:@-]|\.\w)"
        named.message = re.sub(whole, lambda _: model, error.message)
        return named

    def _start(self) -> list[Event]:
        self._begun = True
        return self.translator.start()

    def _headers(self, headers: Sequence[Header]) -> None:
        self._upstream_headers = headers
        losses = loss_headers(self.translator) if self._told_losses else []
        self._sink.headers = _exposing(headers) + losses if losses else list(headers)

    async def _end(self, events: list[Event], error: APIError | None = None) -> None:
        """Close the answer: before the first byte a failure is an HTTP status, afterwards an event.

        A failure that the upstream's own answer told, after content, stays inside the response: as an HTTP
        status it would lose the content. `error` is one that came from elsewhere.
        """
        self._closes()
        failure = error or self.translator.failure
        told_inside = self._sink.started or (error is None and self.translator.snapshot().get("output"))
        if failure and not told_inside:
            self._sink.stop()
            self._mark_first_byte()
            failure = self._named(failure)
            if self._hold and _may_differ(failure):
                self.held = failure
            else:
                await self._outlet.refuse(failure, self._sink.headers)
            self.ended = perf_counter()
            return
        if isinstance(self._sink, LastingSink):
            # Only the last event can then be missing of an answer that was kept as complete.
            await self._sink.write(events[:-1])
            await self._sink.flush()
            events = events[-1:]
        if self._keep and not await self._keep():
            self._tell_unkept(events)
        await self._sink.close(events)
        self._mark_first_byte()
        self.ended = perf_counter()
        if self._on_event:
            self._show(self._on_event, events)

    def _tell_unkept(self, events: list[Event]) -> None:
        """The store has failed: the answer says so, in its loss report and in its own `store`."""
        self.translator.losses.report("store", "dropped", "the store could not keep the answer")
        if not self._sink.started:
            self._headers(self._upstream_headers)
        self.translator.snapshot()["store"] = False
        if events and events[-1].type.startswith("response."):
            event = loads(events[-1].data)
            event["response"]["store"] = False
            events[-1] = StreamEvent(events[-1].type, dumps(event))

    async def _tell(self, events: list[Event]) -> None:
        await self._sink.write(events)
        if self._on_event:
            self._show(self._on_event, events)

    def _show(self, on_event: OnEvent, events: list[Event]) -> None:
        """Show the hook what the client has got, so that its exceptions leave no gap; then never again."""
        self._on_event = None
        self._context.response_id = self.translator.response_id
        for event in events:
            if event.data != DONE:
                on_event(event, self._context)
        self._on_event = on_event

    def _mark_first_byte(self) -> None:
        if self.first_byte is None:
            self.first_byte = perf_counter()


def _may_differ(failure: APIError) -> bool:
    """Whether another upstream may do better: not where the request itself is at fault."""
    return failure.status >= 500 or failure.status in _HELD_STATUSES


def loss_headers(translator: Translator) -> list[Header]:
    """What the client is told of losses."""
    if not translator.losses:
        return []
    return [(LOSS_HEADER.encode(), header_value(translator.losses).encode("ascii"))]


def _exposing(headers: Sequence[Header]) -> list[Header]:
    """The headers, with the loss header added to those that CORS lets a page read.

    An upstream's own loss header, of another bridge behind this one, gives way to that of this request.
    """
    exposed = [value for name, value in headers if name == _EXPOSE]
    kept = [header for header in headers if header[0] not in (_EXPOSE, LOSS_HEADER.encode())]
    return [*kept, (_EXPOSE, b", ".join([*exposed, LOSS_HEADER.encode()]))]
