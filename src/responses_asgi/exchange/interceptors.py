"""What stands around every exchange of a component: it may refuse one, and learns what became of it.

1. It is called a few times for an exchange, never for an event: a stream costs it nothing.
2. Those that were given first are outermost: they see what later ones refuse.
3. What is prepared may never be run (a background response that is cancelled in its queue). Nothing that must
   be let go of is held before `active`, but for what ends by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from responses_asgi.errors import APIError
from responses_asgi.exchange.inner_response import internal_error
from responses_asgi.loss import Loss
from responses_asgi.sinks import Header
from responses_asgi.translate.rounds import HostedResult
from responses_asgi.types.asgi import Scope
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.upstream import Upstream, WireAPI

if TYPE_CHECKING:
    from responses_asgi.exchange.attempt import Asked

__all__ = [
    "Ended",
    "Intercepted",
    "Interception",
    "Interceptor",
    "ToolRun",
    "around_tool",
    "intercept",
]

logger = logging.getLogger("responses_asgi")

_current: ContextVar[Sequence[Interception]] = ContextVar("responses_asgi.interceptions", default=())

_NOTHING = nullcontext()


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of an exchange.

    `upstream` is the one that was asked last; None: none was. `answer` is the whole answer in the client's
    API, as far as it came, `timings` are those of `AfterExchange`. `error` is the failure that the client was
    told, or 499 when it left or the request was cancelled; `begun`: whether an answer was told before it.
    `state` is free for interceptors to hand things to each other.
    """

    upstream: Upstream | None = None
    answer: Mapping[str, Any] = field(default_factory=dict)
    losses: Sequence[Loss] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    error: APIError | None = None
    begun: bool = False
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The HTTP status that the client saw; 499 when it saw none."""
        return 200 if self.error is None or (self.begun and self.error.status != 499) else self.error.status

    @property
    def outcome(self) -> str:
        """`completed`, `incomplete`, `failed`, `cancelled` (the client left) or `refused`, unasked upstream.

        >>> Ended(error=APIError("slow down", status=429)).outcome
        'refused'
        """
        if self.error is None:
            said = self.answer.get("status")
            return said if said in ("incomplete", "failed", "cancelled") else "completed"
        if self.error.status == 499:
            return "cancelled"
        return "refused" if self.upstream is None else "failed"


@dataclass(slots=True, kw_only=True)
class ToolRun:
    """One call of a tool that the service runs: `label` names its server, `result` is there at the end."""

    label: str
    name: str
    arguments: JSON
    result: HostedResult | None = None


class Interception:
    """What an interceptor has to do with one exchange; nothing, where a method is not its own.

    `headers` are told with the answer, in place of those of the same names; `upstream_headers` are sent with
    the upstream's request.
    """

    headers: Sequence[Header] = ()
    upstream_headers: Mapping[str, str] = {}

    def active(self) -> AbstractContextManager[object]:
        """Around what is done for the exchange, in the task that does it: to prepare it, and to run it."""
        return nullcontext()

    def tool(self, run: ToolRun) -> AbstractContextManager[object]:
        """Around one call of a tool that the service runs."""
        return nullcontext()

    async def end(self, ended: Ended) -> None:
        """The exchange is over; called once, unless what was prepared is never run."""


class Interceptor(Protocol):
    """What stands around every exchange."""

    async def begin(self, asked: Asked, upstream: Upstream) -> Interception:
        """An exchange begins, for which this upstream is asked first. Raises APIError to refuse it."""

    def refused(self, scope: Scope, client: WireAPI | None, error: APIError) -> None:
        """A request was refused that could not be read, or is for a model that is not there.

        `client` is None where it was refused at the door, whatever it is for.
        """

    async def aclose(self) -> None:
        """Let go of what is held for the running event loop."""


class Intercepted:
    """One exchange's interceptions, as one. `ended`: what becomes of it; None: it was not run."""

    __slots__ = (
        "_active",
        "_all",
        "ended",
    )

    def __init__(self, all_of_it: Sequence[Interception]) -> None:
        self.ended: Ended | None = None
        self._all = all_of_it
        # Most have nothing there, and it is asked for twice in an exchange.
        self._active = (
            [each for each in all_of_it if type(each).active is not Interception.active] if all_of_it else []
        )

    def __bool__(self) -> bool:
        """Whether anything stands around this exchange."""
        return bool(self._all)

    @property
    def headers(self) -> list[Header]:
        """What is told with the answer."""
        return [header for each in self._all for header in each.headers]

    @property
    def upstream_headers(self) -> dict[str, str]:
        """What is sent with the upstream's request."""
        return {name: value for each in self._all for name, value in each.upstream_headers.items()}

    @property
    def surrounds(self) -> bool:
        """Whether there is anything to do around the exchange: to stand there, or to hide what stands around
        another one that this one is made in."""
        return bool(self._all or _current.get())

    def active(self) -> AbstractContextManager[None]:
        """Around what is done for the exchange."""
        return self._activated() if self.surrounds else _NOTHING

    @contextmanager
    def _activated(self) -> Iterator[None]:
        before = _current.set(self._all)
        try:
            with ExitStack() as stack:
                for each in self._active:
                    stack.enter_context(each.active())
                yield
        finally:
            _current.reset(before)

    async def end(self, error: BaseException | None = None) -> None:
        """Tell all that it is over, the inner ones first; what they raise is logged.

        `error` is what ended it, where no attempt has told.
        """
        if not self._all:
            return
        ended = self.ended or Ended()
        if error is not None and ended.error is None:
            ended = replace(ended, error=error if isinstance(error, APIError) else internal_error())
        for each in reversed(self._all):
            try:
                await each.end(ended)
            except Exception:
                logger.exception("%s failed at the end of an exchange", type(each).__name__)


@contextmanager
def around_tool(run: ToolRun) -> Iterator[None]:
    """Around one call of a tool, for the exchange that is active."""
    with ExitStack() as stack:
        for each in _current.get():
            stack.enter_context(each.tool(run))
        yield


async def intercept(interceptors: Sequence[Interceptor], asked: Asked, upstream: Upstream) -> Intercepted:
    """Begin an exchange. Raises APIError when one refuses it, after those before it were told."""
    begun: list[Interception] = []
    try:
        for interceptor in interceptors:
            begun += [await interceptor.begin(asked, upstream)]
    except BaseException as error:
        await Intercepted(begun).end(error)
        raise
    return Intercepted(begun)
