"""What is to be delivered, kept in the component's store, so that any process can go on with it.

1. A delivery is one record: one event for one webhook. It is there from before the end is announced until the
   receiver has taken it, and is a dead letter when its last attempt has failed.
2. Before each attempt it is put off by the time the attempt may take, by a put of the version that was read.
   So one process at a time works on it, and what a dying process leaves behind is due again by itself. That
   is all that a lease would do, for half the calls, and any store will do. The clocks of the processes must
   agree to within some seconds; if not, an event may come twice.
3. Records hold neither secrets nor URLs. Where to, and how it is signed, is the configuration's, now.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import asdict, dataclass, fields, replace

from responses_asgi.errors import VersionConflictError
from responses_asgi.stores.records import Record, Records
from responses_asgi.types.json import JSON, dumps, loads
from responses_asgi.webhooks.webhook import Webhook

__all__ = ["WEBHOOK", "DeadLetter", "Delivery", "Outbox"]

WEBHOOK = "webhook"
"""The kind of these records."""

# Their owner, which no client's is: these are 64 characters or none.
_OWNER = "outbox"

# Their parents: what is to be delivered, and what could not be.
_WAITING = "waiting"
_DEAD = "dead"

# Seconds that a delivery is kept beyond the time it is due, should no process run, and that a dead letter is.
WAITING_SECONDS = 7 * 24 * 3600.0
DEAD_SECONDS = 30 * 24 * 3600.0

PAGE = 100
"""How many records are read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one webhook.

    - `webhook`, `site`: the id of the webhook, and where it leads, for people. `owner`: whose response it is.
    - `event`: the type; `event_id`: sent as webhook-id; `body`: what is posted, the same at each attempt.
    - `due`: when the next attempt is to be made, unix seconds. `attempts`: how many were begun.
    - `status`, `error`: how the last attempt ended.
    """

    webhook: str
    site: str
    owner: str
    event: str
    event_id: str
    response_id: str
    body: str
    due: float
    attempts: int = 0
    status: int | None = None
    error: str = ""

    @property
    def id(self) -> str:
        """The id of its record."""
        return f"{self.event_id}.{self.webhook}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event that a webhook did not take, and will not be sent again unless it is asked for.

    - `id`: for `Webhooks.retry`; `position`: for `after` of `Webhooks.dead`.
    - `site`: scheme, host and port of the webhook's URL.
    - `event`, `event_id`, `response_id`, `owner`: what it tells, of whose response.
    - `attempts`; `status`: the HTTP status of the last one, None without an answer; `error`: what went wrong.
    - `died_at`: unix seconds.
    """

    id: str
    position: int
    site: str
    event: str
    event_id: str
    response_id: str
    owner: str
    attempts: int
    status: int | None
    error: str
    died_at: float


_FIELDS = tuple(field.name for field in fields(Delivery))


class Outbox:
    """The deliveries in a store. Every method raises what the store raises."""

    def __init__(self, store: Records) -> None:
        self._store = store

    async def add(self, owner: str, event: JSON, webhook: Webhook, *, now: float) -> Delivery | None:
        """Keep the event for this webhook, due at once; None when it is there already."""
        delivery = Delivery(
            webhook=webhook.id,
            site=webhook.site,
            owner=owner,
            event=event["type"],
            event_id=event["id"],
            response_id=event["data"]["id"],
            body=dumps(event).decode(),
            due=now,
        )
        return delivery if await self._put(delivery, _WAITING, WAITING_SECONDS, version=0) else None

    async def take(self, id: str, *, now: float, seconds: float) -> tuple[Delivery, int] | None:
        """Begin an attempt that takes at most so many seconds: the delivery, and the version it now has.

        None when it is not due, or no longer there, or somebody else has just taken it.
        """
        record = await self._store.get(WEBHOOK, _OWNER, id)
        if record is None or record.parent != _WAITING:
            return None
        delivery = _delivery(record)
        if delivery.due > now:
            return None
        taken = replace(delivery, due=now + seconds, attempts=delivery.attempts + 1)
        if not await self._put(taken, _WAITING, seconds + WAITING_SECONDS, version=record.version):
            return None
        return taken, record.version + 1

    async def delivered(self, delivery: Delivery) -> None:
        """Forget it."""
        await self._store.delete(WEBHOOK, _OWNER, delivery.id)

    async def put_off(self, delivery: Delivery, version: int, *, now: float) -> bool:
        """Have another attempt made when it is due; False when somebody else has it meanwhile."""
        seconds = max(delivery.due - now, 0.0) + WAITING_SECONDS
        return await self._put(delivery, _WAITING, seconds, version=version)

    async def bury(self, delivery: Delivery, version: int, *, now: float) -> bool:
        """Make it a dead letter; False when somebody else has it meanwhile."""
        return await self._put(replace(delivery, due=now), _DEAD, DEAD_SECONDS, version=version)

    async def due(self, after: int | None, *, now: float) -> tuple[list[Delivery], int | None]:
        """What is due of the next page, and where the page after it begins; None: there is none."""
        page = await self._store.list(WEBHOOK, _OWNER, parent=_WAITING, after=after, limit=PAGE)
        due = [delivery for delivery in map(_delivery, page) if delivery.due <= now]
        return due, page[-1].position if len(page) == PAGE else None

    async def dead(self, *, limit: int, after: int | None) -> list[DeadLetter]:
        """Dead letters, the newest events first."""
        page = await self._store.list(
            WEBHOOK, _OWNER, parent=_DEAD, after=after, limit=limit, descending=True
        )
        return [_letter(record) for record in page]

    async def revive(self, id: str, webhooks: Container[str], *, now: float) -> Delivery | None:
        """Begin anew with a dead letter of one of these webhooks; None when there is none."""
        record = await self._store.get(WEBHOOK, _OWNER, id)
        if record is None or record.parent != _DEAD:
            return None
        delivery = replace(_delivery(record), due=now, attempts=0)
        if delivery.webhook not in webhooks:
            return None
        put = await self._put(delivery, _WAITING, WAITING_SECONDS, version=record.version)
        return delivery if put else None

    async def _put(self, delivery: Delivery, parent: str, seconds: float, *, version: int) -> bool:
        data = dumps(asdict(delivery))
        record = Record(kind=WEBHOOK, owner=_OWNER, id=delivery.id, data=data, parent=parent, ttl=seconds)
        try:
            await self._store.put(record, version=version)
        except VersionConflictError:
            return False
        return True


def _delivery(record: Record) -> Delivery:
    """What a newer release may have put beside is left out: several of them may share a store for a while."""
    data = loads(record.data)
    return Delivery(**{name: data[name] for name in _FIELDS if name in data})


def _letter(record: Record) -> DeadLetter:
    delivery = _delivery(record)
    return DeadLetter(
        id=record.id,
        position=record.position,
        site=delivery.site,
        event=delivery.event,
        event_id=delivery.event_id,
        response_id=delivery.response_id,
        owner=delivery.owner,
        attempts=delivery.attempts,
        status=delivery.status,
        error=delivery.error,
        died_at=delivery.due,
    )
