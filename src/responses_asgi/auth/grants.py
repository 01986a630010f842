"""Which credentials the wrapped app has let in of late.

A grant is a record in the component's store, so that all of its processes know it. It is written when the app
has answered a request of the credential, and again once half of its time is over; a refusal withdraws it.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from responses_asgi.stores.records import Record, Records
from responses_asgi.types.json import dumps, loads

__all__ = ["GRANT", "Grants"]

logger = logging.getLogger("responses_asgi")

GRANT = "grant"
"""The kind of these records; each owner has at most one."""

_ID = "app"

REFUSED = frozenset({401, 403})

# How long, and for how many owners, a grant that was written or seen is not looked at again.
SEEN_SECONDS = 60.0
MAX_SEEN = 10_000


class Grants:
    """The grants in a store, each for `ttl` seconds; without a store there are none.

    `now` is the unix time in seconds, for tests.
    """

    def __init__(
        self, store: Records | None, *, ttl: float = 3600.0, now: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._ttl = ttl
        self._now = now
        self._seen: OrderedDict[str, float] = OrderedDict()

    async def granted(self, owner: str) -> bool:
        """Whether the app let this owner in within the time. Raises StoreError when the store fails."""
        return self._store is not None and await self._store.get(GRANT, owner, _ID) is not None

    async def note(self, owner: str, status: int) -> None:
        """Take note of the status of the app's answer to this owner: 2xx grants, 401 and 403 withdraw.

        Never raises: the answer is under way. A withdrawal that cannot be written is logged.
        """
        if self._store is None:
            return
        try:
            if 200 <= status < 300:
                await self._grant(self._store, owner)
            elif status in REFUSED:
                self._seen.pop(owner, None)
                await self._store.delete(GRANT, owner, _ID)
        except Exception as error:
            # Of a user's own store, whatever it raises.
            logger.warning("What the app said about a credential (%s) could not be kept: %s", status, error)

    async def _grant(self, store: Records, owner: str) -> None:
        now = self._now()
        seen = self._seen.get(owner)
        if seen is not None and 0 <= now - seen < min(SEEN_SECONDS, self._ttl / 2):
            return
        record = await store.get(GRANT, owner, _ID)
        if record is None or not 0 <= now - loads(record.data)["at"] < self._ttl / 2:
            data = dumps({"at": now})
            await store.put(Record(kind=GRANT, owner=owner, id=_ID, data=data, ttl=self._ttl))
        self._seen[owner] = now
        self._seen.move_to_end(owner)
        if len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)
