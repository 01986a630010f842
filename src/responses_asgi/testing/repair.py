"""What a repair of a stream is, whatever its API."""

from __future__ import annotations

from typing import Protocol

from responses_asgi.errors import APIError, UpstreamError
from responses_asgi.types.events import Event
from responses_asgi.types.json import JSON

__all__ = ["Repair", "cut_off"]


class Repair(Protocol):
    """Events go in one by one, legal ones come out at once; nothing is held back for later."""

    def take(self, event: JSON) -> list[Event]:
        """What becomes of the next event."""

    def mark(self) -> list[Event]:
        """What becomes of [DONE]."""

    def finish(self) -> list[Event]:
        """What is still to be said at the end of the stream."""

    def fail(self, error: APIError) -> list[Event]:
        """What is said when the stream breaks; nothing if it has ended."""


def cut_off() -> APIError:
    """The error of a stream that ends without saying how it ends."""
    return UpstreamError("The stream ended before the answer did.", status=502, code="server_error")
