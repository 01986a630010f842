"""Who works on what: a worker holds a lease while it lives, and what it leaves behind is found.

A lease is held until it is released or its time is over. Each has an epoch, a number above those of all
leases before it: writers name theirs, so that one who has lost the lease without noticing is shut out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["Leases"]


class Leases(Protocol):
    """Leases by kind and id. Every method raises StoreError when the store cannot be asked, and may be called
    from any event loop. Time is the store's own: workers need no common clock."""

    async def claim(self, kind: str, id: str, *, seconds: float) -> int | None:
        """Hold this from now on for so many seconds; the epoch, None while somebody holds it."""

    async def renew(self, kind: str, id: str, epoch: int, *, seconds: float) -> bool:
        """Hold it for so many seconds from now, even if its time was over; False when it is lost: somebody
        else has claimed it, or it was released."""

    async def release(self, kind: str, id: str, epoch: int) -> bool:
        """Hold it no longer, the work is done; False when it was lost before."""

    async def expired(self, kind: str, *, limit: int = 100) -> Sequence[str]:
        """Ids whose time is over and that nobody has released or claimed since, the longest expired first."""

    async def count(self, kind: str) -> int:
        """How many were claimed and not released."""
