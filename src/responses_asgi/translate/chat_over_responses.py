"""Serves a Chat client by way of a Responses translator: two translators, one behind the other.

The outer one makes Chat of Responses events; the inner one makes these, over whatever upstream and in as many
rounds as it takes.
"""

from __future__ import annotations

from collections.abc import Sequence

from responses_asgi.errors import APIError
from responses_asgi.loss import Losses
from responses_asgi.translate.chat_to_responses import ChatToResponses
from responses_asgi.translate.hosted_kinds import HOSTED_KINDS
from responses_asgi.translate.progress import Progress
from responses_asgi.translate.rounds import HostedCall, HostedResult, Rounds
from responses_asgi.translate.to_chat_stream import CALLS
from responses_asgi.types.events import TERMINAL_EVENTS, Event
from responses_asgi.types.json import JSON

__all__ = ["ChatOverResponses"]

# Items of what tools of the service were called for: the next turn has to know of them.
_RAN = frozenset(
    {"mcp_call", *(name for kind in HOSTED_KINDS.values() for name in (kind.call, kind.output) if name)}
)
_KEPT = frozenset({"message", "reasoning", *_RAN, *CALLS})


class ChatOverResponses:
    """The Translator of a Chat client whose service runs tools: `outer` over `inner`.

    It is `Staged` as the inner one is. With `progress` the client is told of calls, as reasoning.
    """

    def __init__(self, outer: ChatToResponses, inner: Rounds, *, progress: bool = False) -> None:
        self.losses = Losses()
        self.calls = 1
        self.pending = inner.pending
        self._outer = outer
        self._inner = inner
        self._progress = Progress() if progress else None

    @property
    def response_id(self) -> str:
        """The id of the completion."""
        return self._outer.response_id

    @property
    def failure(self) -> APIError | None:
        """The error that the upstream reported."""
        return self._inner.failure or self._outer.failure

    @property
    def paused(self) -> bool:
        """Whether calls are pending."""
        return self._inner.paused

    @property
    def goes_on(self) -> bool:
        """Whether the upstream is to be asked again."""
        return self._inner.goes_on

    def request(self, items: Sequence[JSON] = ()) -> JSON:
        """The upstream's request."""
        body = self._inner.request(items)
        self._merge()
        return body

    def start(self) -> list[Event]:
        """The opening chunks."""
        return [*self._outer.start(), *self._through(self._inner.start())]

    def feed(self, chunk: JSON, call: int = 0) -> list[Event]:
        """The chunks that one upstream chunk becomes."""
        return self._through(self._inner.feed(chunk))

    def complete(self, call: int = 0) -> bool:
        """Whether the upstream has said the last word of this round."""
        return self._inner.complete()

    def finish(self, *, marker: bool) -> list[Event]:
        """The end of a round, or of the answer."""
        return self._through(self._inner.finish(marker=marker))

    def fail(self, error: APIError) -> list[Event]:
        """The error chunk."""
        self._inner.fail(error)
        return self._outer.fail(error)

    def settle(self, call: HostedCall, result: HostedResult) -> list[Event]:
        """Take what came of a call, which a Chat client is not shown."""
        return self._through(self._inner.settle(call, result))

    def sight(self, call: HostedCall, seen: JSON) -> list[Event]:
        """Take what can be seen of a result, which a Chat client is not shown."""
        return self._through(self._inner.sight(call, seen))

    def next_round(self) -> None:
        """Begin the next upstream call."""
        self._inner.next_round()

    def end(self) -> list[Event]:
        """The end of the answer."""
        return self._through(self._inner.end())

    def snapshot(self) -> JSON:
        """The whole `chat.completion`, or the error body if there was a failure."""
        return self._outer.snapshot()

    def remembered(self) -> dict[str, list[JSON]]:
        """Items by the id of the client's call they stand beside: what tools of the service were called for
        in the same answer, and the reasoning, which Chat cannot carry to the next turn."""
        items = [item for item in self._inner.snapshot().get("output") or () if item.get("type") in _KEPT]
        if not any(item["type"] in _RAN or item.get("encrypted_content") for item in items):
            return {}
        return {str(item["call_id"]): items for item in items if item.get("type") in CALLS}

    def _through(self, events: Sequence[Event]) -> list[Event]:
        said: list[Event] = []
        for event in events:
            for told in self._progress.told(event.json()) if self._progress else (event.json(),):
                said += self._outer.feed(told)
            if event.type in TERMINAL_EVENTS and self._outer.failure is None:
                said += self._outer.finish(marker=True)
        self._merge()
        return said

    def _merge(self) -> None:
        for loss in (*self._outer.losses, *self._inner.losses):
            self.losses.report(loss.path, loss.action, loss.reason)
