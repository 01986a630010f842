"""Leases within this process: between the event loops and threads of one program."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["MemoryLeases"]


@dataclass(slots=True)
class _Lease:
    epoch: int
    expires_at: float


class MemoryLeases:
    """The `Leases` of a MemoryStore. As many as are claimed: whoever claims bounds them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._leases: dict[str, dict[str, _Lease]] = {}
        self._last_epoch = 0
        self._lock = threading.Lock()

    async def claim(self, kind: str, id: str, *, seconds: float) -> int | None:
        """Hold this from now on; the epoch, None while somebody holds it."""
        with self._lock:
            now = self._clock()
            of_kind = self._leases.setdefault(kind, {})
            held = of_kind.get(id)
            if held is not None and held.expires_at > now:
                return None
            self._last_epoch += 1
            of_kind[id] = _Lease(self._last_epoch, now + seconds)
            return self._last_epoch

    async def renew(self, kind: str, id: str, epoch: int, *, seconds: float) -> bool:
        """Hold it for so many seconds from now; False when it is lost."""
        with self._lock:
            held = self._held(kind, id, epoch)
            if held is not None:
                held.expires_at = self._clock() + seconds
            return held is not None

    async def release(self, kind: str, id: str, epoch: int) -> bool:
        """Hold it no longer; False when it was lost before."""
        with self._lock:
            held = self._held(kind, id, epoch)
            if held is not None:
                del self._leases[kind][id]
                if not self._leases[kind]:
                    del self._leases[kind]
            return held is not None

    async def expired(self, kind: str, *, limit: int = 100) -> Sequence[str]:
        """Ids whose time is over, the longest expired first."""
        with self._lock:
            now = self._clock()
            of_kind = self._leases.get(kind, {})
            over = sorted((lease.expires_at, id) for id, lease in of_kind.items() if lease.expires_at <= now)
        return [id for _, id in over[: max(limit, 0)]]

    async def count(self, kind: str) -> int:
        """How many were claimed and not released."""
        with self._lock:
            return len(self._leases.get(kind, ()))

    def _held(self, kind: str, id: str, epoch: int) -> _Lease | None:
        held = self._leases.get(kind, {}).get(id)
        return held if held is not None and held.epoch == epoch else None
