"""The Translator: one request on its way to an upstream, and the answer's way back.

There is one for each pair of APIs, named client first: `responses_to_chat`, `chat_to_responses`,
`responses_to_responses`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from responses_asgi.errors import APIError
from responses_asgi.loss import Losses
from responses_asgi.translate.response_writer import NewId
from responses_asgi.types.events import Dialect, Event
from responses_asgi.types.json import JSON

__all__ = ["Dialect", "History", "NewId", "RepeatingTranslator", "Translator"]


class History(NamedTuple):
    """What came before a request, for translators, which know no state.

    `items` stand before the request's own input. `echo` holds the fields of a response that tell of it
    (`previous_response_id`, `conversation`, `store`); they are in every response object that is told.
    `queued`: that the response was created, and queued, has been told already, as events 0 and 1.
    `own_id(upstream's id)` is the id that clients are told of an answer that is kept; None: the upstream's.
    """

    items: Sequence[JSON] = ()
    echo: Mapping[str, Any] = {}
    queued: bool = False
    own_id: Callable[[str], str] | None = None


class Translator(Protocol):
    """Made per exchange from the request, the profile, the dialect, `new_id(prefix)` and `now`. Pure.

    The order of calls is `request`, then `start`, `feed` per upstream chunk, and one of `finish` or `fail`.
    """

    losses: Losses

    calls: int
    """How many times the upstream is to be asked, each time with the same request. `feed` and `complete`
    are told which of these calls they are about."""

    @property
    def response_id(self) -> str:
        """The id of the answer; known before anything is sent, unless it is the upstream's own."""

    @property
    def failure(self) -> APIError | None:
        """Set by `feed` when the upstream reported an error; the caller then stops and calls `fail`."""

    def request(self, items: Sequence[JSON] = ()) -> JSON:
        """The upstream's request body; `items` are appended to the input. Repeatable, no side effect.

        Raises InvalidRequestError for what can be neither carried nor emulated nor left out.
        """

    def start(self) -> list[Event]:
        """The opening events; once, before any chunk."""

    def feed(self, chunk: JSON, call: int = 0) -> list[Event]:
        """The events that one upstream chunk (or one whole upstream answer) becomes."""

    def complete(self, call: int = 0) -> bool:
        """Whether the upstream has said the last word of this call; the caller then stops reading it.

        Where the protocol's last word may still be followed by something, this is never so.
        """

    def finish(self, *, marker: bool) -> list[Event]:
        """Close what is open and say the terminal event: a success only if the upstream said so.

        `marker` tells that the upstream's own end mark was seen: `[DONE]`, or the end of a whole JSON body.
        """

    def fail(self, error: APIError) -> list[Event]:
        """Close what is open, then say the error and, on Responses, the failed terminal event."""

    def snapshot(self) -> JSON:
        """The whole answer after `finish` or `fail`; equals the fold of all emitted events."""


class RepeatingTranslator(ABC):
    """What a Translator is, too, that need not be shown again what the last chunk of a call has shown."""

    __slots__ = ()

    @abstractmethod
    def repeat(self, text: str, call: int = 0) -> list[Event]:
        """What `feed` returns for the last chunk with this text in place of its own; see `Repeats`."""

    def repeat_all(self, texts: Sequence[str], call: int = 0) -> list[Event]:
        """The same for the last chunk with one after the other of these texts."""
        return [event for text in texts for event in self.repeat(text, call)]
