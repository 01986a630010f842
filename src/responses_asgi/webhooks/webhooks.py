"""The webhooks of a service: what the rest of it uses."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from responses_asgi.errors import ConfigurationError
from responses_asgi.stores.records import Records
from responses_asgi.types.json import JSON
from responses_asgi.webhooks.addresses import Resolve, resolve
from responses_asgi.webhooks.deliverer import Deliverer, Pace
from responses_asgi.webhooks.events import event_for
from responses_asgi.webhooks.outbox import DeadLetter, Delivery, Outbox
from responses_asgi.webhooks.sender import Sender
from responses_asgi.webhooks.webhook import Webhook

__all__ = ["RETRIES", "Webhooks"]

_MINUTE, _HOUR = 60.0, 3600.0

RETRIES = (
    *(5.0, 5 * _MINUTE, 30 * _MINUTE),
    *(2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR),
)
"""The pauses between attempts, in seconds, as Standard Webhooks proposes them: ten attempts in three days."""


class Webhooks:
    """Announces ended responses to receivers, at least once, in no promised order.

    - `store`: where the events are kept until they are delivered; what it forgets is not delivered.
    - `hooks`: the receivers, each URL once.
    - `client`: an AsyncClient of httpx or httpx2, HTTP/1.1, in place of an own one: for other certificate
      authorities, or a proxy. It belongs to the event loop it is used in, and stays open.
    - `retries`: the seconds between attempts, each up to a tenth longer by chance; `RETRIES` by default.
      After the last one the event is a dead letter.
    - `timeout`: seconds for a whole attempt, 15 by default.
    - `concurrency`: attempts at once for each receiver, 8 by default.
    - `sweep`: seconds between two looks for what other processes left behind, 30 by default.
    - `drain`: seconds for which events that are due are still delivered at the end, 5 by default.
    - `now`, `resolve`: the unix time, and how names are resolved, for tests.

    An answer of status 2xx is a delivery. 410 makes a dead letter at once; anything else, redirects too, is
    tried again, and a `Retry-After` of up to a day is heeded where it is longer than the pause.

    Raises ConfigurationError for settings that cannot work. Nothing is sent outside of `resource`, of which
    each event loop has its own; what is announced elsewhere is delivered from there.

    >>> from responses_asgi import MemoryStore
    >>> hook = Webhook("https://service.example/openai", ["whsec_c2VjcmV0"])
    >>> Webhooks(MemoryStore(), [hook])
    Webhooks([Webhook('https://service.example/...', events=('response.completed', ...))])
    """

    def __init__(
        self,
        store: Records,
        hooks: Sequence[Webhook],
        *,
        client: Any = None,
        retries: Sequence[float] = RETRIES,
        timeout: float = 15.0,
        concurrency: int = 8,
        sweep: float = 30.0,
        drain: float = 5.0,
        now: Callable[[], float] = time.time,
        resolve: Resolve = resolve,
    ) -> None:
        if len({hook.id for hook in hooks}) != len(hooks):
            raise ConfigurationError("two webhooks have the same URL; give their events and secrets to one")
        for name, value in (("timeout", timeout), ("sweep", sweep), ("concurrency", concurrency)):
            if not 0 < value < math.inf:
                raise ConfigurationError(f"{name} of webhooks is {value!r}, expected a number above 0")
        for name, value in (("drain", drain), *(("retries", pause) for pause in retries)):
            if not 0 <= value < math.inf:
                raise ConfigurationError(f"{name} of webhooks: got {value!r}, expected seconds, 0 or more")
        self._webhooks = tuple(hooks)
        self._outbox = Outbox(store)
        self._client = client
        self._resolve = resolve
        self._pace = Pace(
            retries=tuple(retries),
            timeout=timeout,
            concurrency=concurrency,
            sweep=sweep,
            drain=drain,
            now=now,
        )
        self._deliverers: dict[asyncio.AbstractEventLoop, Deliverer] = {}

    def __repr__(self) -> str:
        return f"Webhooks({[*self._webhooks]!r})"

    async def announce(self, owner: str, response: JSON) -> None:
        """Have the end of a response told to every receiver that wants to know; it is kept when this returns.

        One that has not ended is not told, the same end twice is one event. Raises what the store raises when
        it could not be kept for every receiver: then announce it again.
        """
        now = self._pace.now()
        event = event_for(response, now=now)
        if event is None:
            return
        wanted = [webhook for webhook in self._webhooks if event["type"] in webhook.events]
        adding = (self._outbox.add(owner, event, webhook, now=now) for webhook in wanted)
        failure: BaseException | None = None
        for added in await asyncio.gather(*adding, return_exceptions=True):
            if isinstance(added, BaseException):
                failure = added
            else:
                self._plan(added)
        if failure is not None:
            raise failure

    @asynccontextmanager
    async def resource(self) -> AsyncIterator[Webhooks]:
        """Deliver while this is open, for the running event loop; a resource of `lifespan.Runtime`.

        It uses the store: close it before the store, and after whatever announces.
        """
        if not self._webhooks:
            yield self
            return
        loop = asyncio.get_running_loop()
        pace = self._pace
        sender = Sender(client=self._client, timeout=pace.timeout, now=pace.now, resolve=self._resolve)
        deliverer = Deliverer(self._outbox, self._webhooks, sender, pace)
        self._deliverers[loop] = deliverer
        try:
            yield self
        finally:
            if self._deliverers.get(loop) is deliverer:
                del self._deliverers[loop]
            await deliverer.stop()

    async def dead(self, limit: int = 20, *, after: int | None = None) -> list[DeadLetter]:
        """At most `limit` dead letters, the newest events first; `after`: behind this position.

        Those of all processes that share the store, kept for 30 days. Raises StoreError.
        """
        return await self._outbox.dead(limit=limit, after=after)

    async def retry(self, id: str) -> bool:
        """Deliver a dead letter as if it were new, with the settings of now.

        False when there is none of this id, or its receiver is no longer among these. Raises StoreError.
        """
        known = [webhook.id for webhook in self._webhooks]
        delivery = await self._outbox.revive(id, known, now=self._pace.now())
        self._plan(delivery)
        return delivery is not None

    def _plan(self, delivery: Delivery | None) -> None:
        """Deliver it from this loop; without a deliverer here, another finds it."""
        deliverer = self._deliverers.get(asyncio.get_running_loop())
        if deliverer is not None and delivery is not None:
            deliverer.plan(delivery)
