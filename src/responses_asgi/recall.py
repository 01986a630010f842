"""What the next turn of a Chat conversation needs and Chat cannot carry, kept by the id of a tool call.

Reasoning items and item ids of a Responses upstream are kept here, in this process's memory, and given back
when a client of the same credential sends the tool call again. With several processes, or after a restart,
they are forgotten unless the same process is asked again: the answer is then made without them.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from responses_asgi.types.asgi import Scope
from responses_asgi.types.json import JSON, dumps, loads

__all__ = ["CallMemory", "owner_of"]

_CREDENTIALS = frozenset({b"authorization", b"api-key", b"x-api-key"})


class _Entry(NamedTuple):
    items: bytes
    forgotten_at: float


class CallMemory:
    """Items of answers by owner and call id, the least recently used ones forgotten first.

    At most `max_entries` call ids and `max_bytes` of JSON are kept (an answer with several calls counts once
    for each), each for `seconds` after it was last used. Knows no event loop and may be used from any thread.

    >>> memory = CallMemory()
    >>> memory.keep("owner", {"call_1": [{"type": "reasoning", "id": "rs_1"}]})
    >>> memory.recall("owner", "call_1"), memory.recall("another", "call_1")
    ([{'type': 'reasoning', 'id': 'rs_1'}], [])
    """

    def __init__(
        self,
        *,
        max_entries: int = 10_000,
        max_bytes: int = 64 * 1024 * 1024,
        seconds: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._clock = clock
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def keep(self, owner: str, remembered: Mapping[str, Sequence[JSON]]) -> None:
        """Remember the items of each call id for this owner."""
        if not remembered:
            return
        written = {call_id: dumps(list(items)) for call_id, items in remembered.items()}
        with self._lock:
            now = self._clock()
            for call_id, items in written.items():
                self._forget((owner, call_id))
                self._entries[owner, call_id] = _Entry(items, now + self._seconds)
                self._bytes += len(items)
            self._make_room(now)

    def recall(self, owner: str, call_id: str) -> Sequence[JSON]:
        """The items of the answer that made this call; empty when they are forgotten."""
        key = (owner, call_id)
        with self._lock:
            now = self._clock()
            entry = self._entries.get(key)
            if entry is None or entry.forgotten_at <= now:
                return []
            self._entries[key] = entry._replace(forgotten_at=now + self._seconds)
            self._entries.move_to_end(key)
        items: list[JSON] = loads(entry.items)
        return items

    def _make_room(self, now: float) -> None:
        """The entries are in the order in which they are to be forgotten."""
        while self._entries:
            oldest, entry = next(iter(self._entries.items()))
            full = len(self._entries) > self._max_entries or self._bytes > self._max_bytes
            if not full and entry.forgotten_at > now:
                return
            self._forget(oldest)

    def _forget(self, key: tuple[str, str]) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(entry.items)


def owner_of(scope: Scope) -> str:
    """Whose request this is: a hash of its credentials, "" for a request without any.

    Never of a cookie, which a browser sends for anybody's page.
    """
    found = sorted(
        (name.lower(), value) for name, value in scope.get("headers") or () if name.lower() in _CREDENTIALS
    )
    if not found:
        return ""
    return hashlib.sha256(b"\0".join(part for header in found for part in header)).hexdigest()
