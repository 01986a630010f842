"""The latest responses of one connection, which are kept nowhere else.

1. A client may continue the latest response of its connection even where nothing is stored: with
   `store: false`, and without any store. Of a connection with several lanes it is the latest one of each.
2. What is stored, here or by the upstream, is found there and not remembered twice.
3. It is bounded: when there is too much, the oldest is forgotten, and a client sends all of it again.
Source: https://developers.openai.com/api/docs/guides/websocket-mode
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from responses_asgi.history.items import Entry, replayed
from responses_asgi.history.misses import too_long

__all__ = ["Recent", "Remembered"]


class Remembered(NamedTuple):
    """A response with all that came before it: its id, the items, and about how many bytes these are."""

    id: str
    entries: Sequence[Entry]
    size: int

    def replayed(self, max_items: int) -> list[Entry]:
        """The items as the model is given them again. Raises InvalidRequestError when there are more."""
        if len(self.entries) > max_items:
            raise too_long("previous_response_id", max_items)
        return replayed(self.entries)


class Recent:
    """What one connection remembers, at most `max_bytes` of it.

    >>> recent = Recent(max_bytes=100)
    >>> recent.remember("", Remembered("resp_1", [], 60))
    >>> recent.remember("left", Remembered("resp_2", [], 60))
    >>> recent.find("resp_1") is None, recent.find("resp_2") is None
    (True, False)
    """

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lanes: dict[str, Remembered] = {}
        self._bytes = 0

    def find(self, id: str | None) -> Remembered | None:
        """The response with this id, of whichever lane; None when it is not remembered."""
        return next((known for known in self._lanes.values() if known.id == id), None)

    def remember(self, lane: str, response: Remembered | None) -> None:
        """Remember this as the latest response of a lane; None: the latest one is kept elsewhere."""
        self._drop(lane)
        if response is None or response.size > self._max_bytes:
            return
        self._lanes[lane] = response
        self._bytes += response.size
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._lanes)))

    def forget(self, id: str | None) -> None:
        """Forget the response with this id: it has been continued without success."""
        for lane in [lane for lane, known in self._lanes.items() if known.id == id]:
            self._drop(lane)

    def _drop(self, lane: str) -> None:
        known = self._lanes.pop(lane, None)
        if known is not None:
            self._bytes -= known.size
