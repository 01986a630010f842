"""Whether anything is left of what was: tasks, sockets, processes, memory."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from tests.chaos.bridge import Bridge, Upstreamer

SECONDS = 30.0

# A connection that is kept for the next request is closed after 4 seconds by the bridge; the one that asks
# `/inside` is open while it asks.
KEPT = 2


@dataclass
class Calm:
    """What a bridge and its upstream have when nothing is asked of them."""

    bridge: Bridge
    upstream: Upstreamer
    tasks: int
    sockets: int

    @classmethod
    def of(cls, bridge: Bridge, upstream: Upstreamer) -> Calm:
        return cls(bridge, upstream, bridge.tasks, bridge.sockets)

    async def returns(self) -> None:
        """Wait until it is as it was; fails the test when it does not come to that."""
        deadline = time.monotonic() + SECONDS
        while left := self._left():
            assert time.monotonic() < deadline, f"{left}\n{self.bridge.log.read_text()[-2000:]}"
            await asyncio.sleep(0.1)

    def _left(self) -> str:
        tasks, sockets, busy = self.bridge.tasks, self.bridge.sockets, len(self.upstream.children)
        if tasks <= self.tasks + KEPT and sockets <= self.sockets + KEPT and not busy:
            return ""
        return (
            f"{tasks} tasks (of {self.tasks}), {sockets} sockets (of {self.sockets}), {busy} upstream calls"
        )
