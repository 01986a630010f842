"""Which approvals were used: a call that a person has agreed to is made at most once.

A turn may be continued several times, and clients send again what seems to have failed. So the first request
that brings an approval takes it, in one step of the store, before anything is run; no other one gets it.
"""

from __future__ import annotations

from collections.abc import Iterable

from responses_asgi.errors import VersionConflictError
from responses_asgi.history.items import is_name, is_unguessable
from responses_asgi.stores.records import Record, Records

__all__ = ["APPROVAL", "KEPT_SECONDS", "Approvals"]

APPROVAL = "approval"
"""The kind of these records; their id is that of the approval request."""

KEPT_SECONDS = 30 * 24 * 3600.0
"""For so long it is known at least that an approval was used. What was asked may be kept longer, because its
time begins anew whenever its turn is continued."""


class Approvals:
    """The approvals of one owner's calls; `ttl`: seconds that turns are kept, None: the store's default."""

    def __init__(self, store: Records, owner: str, *, ttl: float | None = None) -> None:
        self._store = store
        self._owner = owner
        self._ttl = max(ttl or 0.0, KEPT_SECONDS)

    async def take(self, id: str) -> bool:
        """Use the approval of the request with this id; False: it was used already.

        Without a credential, an id that clients can guess may be anybody's, so that it is not kept. Raises
        StoreError when the store cannot be asked: then nothing may be run.
        """
        if not self._is_known_by(id):
            return True
        used = Record(kind=APPROVAL, owner=self._owner, id=id, data=b"", ttl=self._ttl)
        try:
            await self._store.put(used, version=0)
        except VersionConflictError:
            return False
        return True

    async def give_back(self, ids: Iterable[str]) -> None:
        """What was taken for a request that is not run after all can be taken again."""
        kept = [id for id in ids if self._is_known_by(id)]
        if kept:
            await self._store.delete(APPROVAL, self._owner, *kept)

    def _is_known_by(self, id: str) -> bool:
        return is_name(id) and bool(self._owner or is_unguessable(id))
