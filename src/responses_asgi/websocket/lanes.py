"""When turns begin: one after the other on each lane, the lanes side by side.

A turn runs in a task of its own. Its lane is free when its last word has been said, although the upstream's
app may go on (background tasks): that holds nobody up.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

from responses_asgi.errors import APIError
from responses_asgi.websocket.limits import WebSocketLimits
from responses_asgi.websocket.turn import SocketTurn

__all__ = ["Lanes"]

logger = logging.getLogger("responses_asgi")


class Lanes:
    """The lanes of one socket; `quiet` is called when the last turn that ran is over and none waits."""

    def __init__(self, limits: WebSocketLimits, *, quiet: Callable[[], None]) -> None:
        self._limits = limits
        self._quiet = quiet
        # The first turn of each is the one that runs.
        self._lanes: dict[str, deque[SocketTurn]] = {}
        self._queued = 0
        self._queued_bytes = 0
        self._left = False
        self._running: dict[asyncio.Task[None], SocketTurn] = {}

    @property
    def busy(self) -> bool:
        """Whether any turn runs."""
        return bool(self._lanes)

    def current(self, lane: str) -> SocketTurn | None:
        """The turn that runs on this lane."""
        turns = self._lanes.get(lane)
        return turns[0] if turns else None

    def find(self, response_id: str) -> SocketTurn | None:
        """The running turn whose response has this id."""
        return next((turn for turn in self._current() if turn.response_id == response_id), None)

    def add(self, turn: SocketTurn) -> None:
        """Begin this turn, now or when its lane is free. Raises APIError, 429, when there is too much."""
        create, limits = turn.create, self._limits
        turns = self._lanes.get(create.lane)
        if turns is None:
            if len(self._lanes) >= limits.max_lanes:
                raise _too_many(f"Turns run on {limits.max_lanes} lanes, and no more can; use one of these.")
            self._lanes[create.lane] = deque([turn])
            self._begin(turn)
            return
        if self._queued >= limits.max_queued or self._queued_bytes + create.size > limits.max_queued_bytes:
            raise _too_many(
                f"Too much waits for its turn: at most {limits.max_queued} messages with "
                f"{limits.max_queued_bytes} bytes can; wait for the response that is being told."
            )
        self._queued += 1
        self._queued_bytes += create.size
        turns.append(turn)

    def leave(self) -> None:
        """The client has left: have everything end."""
        self._left = True
        for turn in self._running.values():
            turn.leave()

    def cancel(self) -> None:
        """Cancel what still runs."""
        for task in self._running:
            task.cancel()

    async def ended(self) -> None:
        """Wait until nothing runs any more, background tasks of the upstreams' apps included."""
        while self._running:
            await asyncio.wait(self._running)

    def _current(self) -> Iterator[SocketTurn]:
        return (turns[0] for turns in self._lanes.values())

    def _begin(self, turn: SocketTurn) -> None:
        turn.over = partial(self._next, turn.create.lane)
        task = asyncio.get_running_loop().create_task(turn.run())
        self._running[task] = turn
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        turn = self._running.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("A turn on a WebSocket failed", exc_info=error)
        turn.is_over()

    def _next(self, lane: str) -> None:
        """The turn of this lane is over."""
        turns = self._lanes[lane]
        turns.popleft()
        if turns and not self._left:
            self._queued -= 1
            self._queued_bytes -= turns[0].create.size
            self._begin(turns[0])
            return
        del self._lanes[lane]
        if not self._lanes:
            self._quiet()


def _too_many(message: str) -> APIError:
    return APIError(message, status=429, type="invalid_request_error", code="too_many_requests")
