"""What a store is: records by kind, owner and id.

A store knows nothing of what it keeps: `data` is opaque, and the few fields beside it are what records are
found and ordered by. Every look-up names the owner, so that no store can hand out another's record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Record", "Records"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One thing that is kept.

    - `kind`, `owner`, `id`: its place; together unique. Ids are what clients write, of any length and
      characters; `owner` is "" for clients without a credential.
    - `data`: the content, opaque bytes.
    - `parent`: the id of the record it belongs to, "" for none; records can be listed by it.
    - `names`: other ids of the same kind and owner under which `find` finds it.
    - `ttl`: seconds after which it is forgotten, counted from when it was put or last renewed; None: the
      store's default.
    - `version`: how often it was put, from 1; `position`: a number that grows with each new record of its
      kind and owner, and stays with it. Both are the store's: what is put does not set them.
    """

    kind: str
    owner: str
    id: str
    data: bytes
    parent: str = ""
    names: tuple[str, ...] = ()
    ttl: float | None = None
    version: int = 0
    position: int = 0


class Records(Protocol):
    """A store of records.

    Every method raises StoreError when the store cannot be asked or cannot keep what it is given, and may be
    called from any event loop. What is opened for a loop is opened when it is first used there.
    """

    async def get(self, kind: str, owner: str, id: str, *, renew: bool = False) -> Record | None:
        """The record; None when there is none, or no longer. `renew`: its ttl begins anew."""

    async def find(self, kind: str, owner: str, name: str) -> Record | None:
        """The record that has this name among its `names`; the newest if several have it."""

    async def put(self, *records: Record, version: int | None = None) -> None:
        """Keep the records, all or none; one that is there is replaced and keeps its `position`.

        `version`: only when the stored version of the (one) record is this (0: only when there is none);
        otherwise VersionConflictError is raised and nothing is changed.
        """

    async def delete(self, kind: str, owner: str, *ids: str) -> int:
        """Forget these records and their names; how many there were."""

    async def list(
        self,
        kind: str,
        owner: str,
        *,
        parent: str | None = None,
        after: int | None = None,
        limit: int = 20,
        descending: bool = False,
    ) -> Sequence[Record]:
        """At most `limit` records in the order of their `position`, beginning behind position `after`.

        `parent`: only those that belong to it.
        """

    async def aclose(self) -> None:
        """Close what is open for the running event loop; what is asked later opens it anew."""
