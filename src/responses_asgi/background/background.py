"""What a component does in the background: it accepts requests, answers for them, and ends what it must.

1. A response is accepted once its log is begun, it is kept and its lease is claimed: from then on any process
   can show, stream or cancel it, and whoever finds it abandoned ends it.
2. It is made in a task of its own, which knows nothing of the request's context variables.
3. A worker that has lost a lease writes nothing any more: its epoch is shut out of the log, and its version
   of the record is an old one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager, suppress
from weakref import WeakKeyDictionary

from responses_asgi.background.again import Prepare, record_of
from responses_asgi.background.ending import CANCELLED, ENDED
from responses_asgi.background.job import Job
from responses_asgi.background.keeping import CANCEL, KIND, Held, Keeping, ResponseRecord
from responses_asgi.background.limits import BackgroundLimits
from responses_asgi.background.tail import LogStream
from responses_asgi.background.watch import Watch
from responses_asgi.background.worker import Worker
from responses_asgi.errors import StoreError
from responses_asgi.exchange.answer import loss_headers
from responses_asgi.exchange.run import Tries
from responses_asgi.history import State
from responses_asgi.history.responses import RESPONSE, StoredResponse
from responses_asgi.lifespan import Runtime
from responses_asgi.sse import encode
from responses_asgi.stores.background import BackgroundStore
from responses_asgi.stores.event_log import LoggedEvent, LogPage
from responses_asgi.stores.records import Record
from responses_asgi.types.asgi import Receive, Send
from responses_asgi.types.events import QUEUED
from responses_asgi.types.json import JSON, dumps
from responses_asgi.upstreams.replies import send_json
from responses_asgi.webhooks import Webhooks

__all__ = ["Background", "BackgroundLimits"]

# Behind every event of a log.
_END = 2**52

# Below every epoch: a log is begun while its lease is being claimed.
_NOBODY = 0

# Seconds that a flag of a cancelled response is kept at least.
_FLAG_SECONDS = 60.0


class Background:
    """The background work of one component, in each event loop that it serves.

    - `state`: what the responses are kept in, over `store`.
    - `webhooks`: tells of the responses that have ended; None: nobody is told.
    - `keep_alive`, `done`: those of the streams that show logs; `loss_header`: see `Options`.
    - `prepare` is set by the component: prepares requests that are begun again.
    """

    def __init__(
        self,
        state: State,
        store: BackgroundStore,
        *,
        limits: BackgroundLimits | None = None,
        webhooks: Webhooks | None = None,
        keep_alive: float = 15.0,
        done: bool = False,
        loss_header: bool = True,
    ) -> None:
        self.limits = limits or BackgroundLimits()
        self.webhooks = webhooks
        self.prepare: Prepare | None = None
        announce = None if webhooks is None else webhooks.announce
        self._keeping = Keeping(state, store, self.limits, announce)
        self._store = store
        self._keep_alive = keep_alive
        self._done = done
        self._loss_header = loss_header
        self._workers: WeakKeyDictionary[asyncio.AbstractEventLoop, Worker] = WeakKeyDictionary()
        # What ends last announces to what delivers.
        delivering = [] if webhooks is None else [webhooks.resource]
        self._runtime = Runtime([*delivering, self._working])

    async def start(self) -> None:
        """Look after the store from now on, in the running event loop; the first request begins it, too."""
        await self._runtime.start()

    async def aclose(self) -> None:
        """Begin nothing any more; running responses have `drain` seconds, then they fail."""
        await self._runtime.aclose()

    @asynccontextmanager
    async def _working(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        worker = self._workers[loop] = Worker(self._keeping)
        watching = loop.create_task(Watch(worker, self._keeping, prepare=self.prepare).run())
        try:
            yield
        finally:
            self._workers.pop(loop, None)
            await worker.stop()
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def health(self) -> JSON:
        """How much is `running` and `queued` in this process, and how many `leases` there are in all; None
        where the store cannot tell."""
        workers = [*self._workers.values()]
        running = sum(worker.running for worker in workers)
        try:
            leases: int | None = await self._store.leases.count(KIND)
        except StoreError:
            leases = None
        held = sum(len(worker.jobs) for worker in workers)
        return {"running": running, "queued": held - running, "leases": leases}

    async def accept(self, tries: Tries, receive: Receive, send: Send, *, stream: bool) -> None:
        """Begin a prepared request, and answer with the queued response or, with `stream`, with its events.

        Raises APIError when there is no room (429), or when the store cannot be asked (503).
        """
        await self.start()
        translator = tries.first.translator
        headers = [*tries.intercepted.headers, *(loss_headers(translator) if self._loss_header else [])]
        queued = {**translator.snapshot(), "status": "queued"}
        worker = self._workers[asyncio.get_running_loop()]
        opening = _opening(queued)
        with worker.place(len(tries.first.request.body)) as waits:
            job = await self._begin(tries, queued, opening, waits=waits)
            worker.start(job)
        if stream:
            first = LogPage(opening, False)
            await self._stream(job.id).send(receive, send, after=-1, headers=headers, first=first)
        else:
            await send_json(send, queued, headers=headers)

    async def stream(self, id: str, receive: Receive, send: Send, *, after: int) -> bool:
        """Answer with the events of a background response whose number is above `after`, until its end.

        False, and nothing is answered, when they are not kept any longer. Raises StoreError.
        """
        return await self._stream(id).send(receive, send, after=after)

    async def cancel(self, owner: str, stored: StoredResponse) -> JSON:
        """End a background response of this owner, wherever it is made; the response as it is then.

        One that has ended is given as it is. Raises StoreError.
        """
        if stored.response.get("status") in ENDED:
            return stored.response
        id, limits = stored.id, self.limits
        # Should nobody else look for what workers left behind.
        await self.start()
        worker = self._workers.get(asyncio.get_running_loop())
        if worker is not None and (job := worker.jobs.get(id)):
            worker.end(job, CANCELLED)
        else:
            seconds = max(limits.lease * 4, _FLAG_SECONDS)
            await self._store.put(Record(kind=CANCEL, owner="", id=id, data=b"{}", ttl=seconds))
        deadline = time.monotonic() + limits.lease + 4 * limits.poll + 1.0
        while time.monotonic() < deadline:
            # It is kept before its log ends.
            page = await self._keeping.log.read(id, after=_END, wait=limits.poll)
            now = await self._keeping.state.kept.responses.load(owner, id)
            if now is None or now.response.get("status") in ENDED:
                return now.response if now else stored.response
            if page is None or page.ended:
                await asyncio.sleep(min(0.05, limits.poll))
        raise StoreError("The response could not be cancelled in time; try again.")

    async def forget(self, id: str) -> None:
        """Forget the events of a response that was deleted. Raises StoreError."""
        await self._keeping.log.expire(id, seconds=0.0)

    def _stream(self, id: str) -> LogStream:
        patience, log = self.limits.lease, self._keeping.log
        return LogStream(log, id, keep_alive=self._keep_alive, done=self._done, patience=patience)

    async def _begin(self, tries: Tries, queued: JSON, opening: Sequence[LoggedEvent], *, waits: bool) -> Job:
        """Have the response accepted: from now on it is ended by whoever finds it abandoned.

        All is asked for at once, so that a store does it in one go. Nobody knows the id before all is done.
        """
        attempt, store, id = tries.first, self._store, str(queued["id"])
        owner, held_until = attempt.asked.owner, time.monotonic() + self.limits.lease
        # Most begin at once, and need not be told that twice.
        response = queued if waits else {**queued, "status": "in_progress"}
        record = ResponseRecord(store)
        keeping: list[Awaitable[object]] = [
            self._keeping.log.append(id, _NOBODY, opening),
            record.put(attempt.turn.records(response)[0]),
        ]
        # What tools have done must not be done twice, and they may begin before that is logged.
        may_rerun = self.limits.rerun and attempt.tools is None
        if may_rerun and (again := record_of(id, attempt.asked, tries.routes)):
            keeping.append(store.put(again))
        *kept, held = await asyncio.gather(*keeping, self._keeping.claim(owner, id), return_exceptions=True)
        if held is None:
            raise StoreError("The response could not be begun; try again.")
        if isinstance(held, BaseException) and record.version:
            # Nobody would find it.
            with suppress(Exception):
                await store.delete(RESPONSE, owner, id)
        for outcome in (held, *kept):
            if isinstance(outcome, BaseException):
                raise outcome
        assert isinstance(held, Held)
        job = Job.of(self._keeping, held, tries, record, held_until=held_until)
        job.waited, job.logged = waits, opening[-1].number
        return job


def _opening(queued: JSON) -> list[LoggedEvent]:
    """The events that tell that it is queued."""
    data = dumps(queued)
    template = b'{"type":"%b","response":%b,"sequence_number":%d}'
    return [
        LoggedEvent(number, encode(kind, template % (kind.encode(), data, number)))
        for number, kind in enumerate(QUEUED)
    ]
