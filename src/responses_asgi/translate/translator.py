"""The Translator: one client request on its way to an upstream of the other protocol, and the answer's way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from responses_asgi.errors import APIError
from responses_asgi.loss import Losses
from responses_asgi.types.events import Event
from responses_asgi.types.json import JSON

__all__ = ["Dialect", "NewId", "Translator"]

Dialect = Literal["openai", "openresponses"]
NewId = Callable[[str], str]


class Translator(Protocol):
    """Made per exchange from the request, the profile, the dialect, `new_id(prefix)` and `now`. Pure.

    The order of calls is `request`, then `start`, `feed` per upstream chunk, and one of `finish` or `fail`.
    """

    losses: Losses
    failure: APIError | None
    """Set by `feed` when the upstream reported an error; the caller then stops reading and calls `fail`."""

    def request(self, items: Sequence[JSON] = ()) -> JSON:
        """The upstream's request body; `items` are appended to the input. Repeatable, no side effect.

        Raises InvalidRequestError for what can be neither carried nor emulated nor left out.
        """

    def start(self) -> list[Event]:
        """The opening events; once, before any chunk."""

    def feed(self, chunk: JSON) -> list[Event]:
        """The events that one upstream chunk (or one whole upstream answer) becomes."""

    def finish(self, *, marker: bool) -> list[Event]:
        """Close what is open and say the terminal event: a success only if the upstream said so.

        `marker` tells that the upstream's own end mark was seen: `[DONE]`, or the end of a whole JSON body.
        """

    def fail(self, error: APIError) -> list[Event]:
        """Close what is open, then say the error and the failed terminal event."""

    def snapshot(self) -> JSON:
        """The whole answer after `finish` or `fail`; equals the fold of all emitted events."""
