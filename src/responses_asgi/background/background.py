"""What a component does in the background: it accepts requests, answers for them, and ends what it must.

1. A response is accepted once it is kept as queued, its lease is claimed and its log begun: from then on any
   process can show, stream or cancel it, and whoever finds it abandoned ends it.
2. It is made in a task of its own, which knows nothing of the request's context variables.
3. A worker that has lost a lease writes nothing any more: its epoch is shut out.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

from responses_asgi.background.job import CANCELLED, KIND, Job, Keeping
from responses_asgi.background.limits import BackgroundLimits
from responses_asgi.background.log_outlet import LogOutlet, LogSink
from responses_asgi.background.tail import send_log
from responses_asgi.background.watch import CANCEL, JOB, Announce, Watch
from responses_asgi.background.worker import Worker
from responses_asgi.errors import StoreError
from responses_asgi.exchange.run import Tries
from responses_asgi.history import State
from responses_asgi.history.responses import StoredResponse
from responses_asgi.lifespan import Runtime
from responses_asgi.stores.background import BackgroundStore
from responses_asgi.stores.records import Record
from responses_asgi.types.asgi import Receive, Send
from responses_asgi.types.json import JSON, dumps
from responses_asgi.upstreams.replies import send_json

__all__ = ["Background", "BackgroundLimits"]

logger = logging.getLogger("responses_asgi")

_OVER = frozenset({"completed", "failed", "incomplete", "cancelled"})


class Background:
    """The background work of one component, in each event loop that it serves.

    `state` is what the responses are kept in, over `store`. `announce` is told the responses that have ended;
    None: nobody. `keep_alive` and `done` are those of the streams that show logs.
    """

    def __init__(
        self,
        state: State,
        store: BackgroundStore,
        *,
        limits: BackgroundLimits | None = None,
        announce: Announce | None = None,
        keep_alive: float = 15.0,
        done: bool = False,
    ) -> None:
        self._state = state
        self._store = store
        self.limits = limits or BackgroundLimits()
        self._announce = announce
        self._keep_alive = keep_alive
        self._done = done
        self._workers: WeakKeyDictionary[asyncio.AbstractEventLoop, Worker] = WeakKeyDictionary()
        self._runtime = Runtime([self._working])

    async def start(self) -> None:
        """Look after the store from now on, in the running event loop; the first request begins it, too."""
        await self._runtime.start()

    async def aclose(self) -> None:
        """Begin nothing any more; running responses have `drain` seconds, then they fail."""
        await self._runtime.aclose()

    @asynccontextmanager
    async def _working(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        keeping = Keeping(self._state, self._store, self.limits)
        worker = self._workers[loop] = Worker(keeping, self._announce)
        watch = Watch(worker, keeping, self._announce)
        watching = loop.create_task(watch.run())
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
        jobs = [job for worker in self._workers.values() for job in worker.jobs.values()]
        running = sum(job.running for job in jobs)
        try:
            leases: int | None = await self._store.leases.count(KIND)
        except StoreError:
            leases = None
        return {"running": running, "queued": len(jobs) - running, "leases": leases}

    async def accept(self, tries: Tries, receive: Receive, send: Send, *, stream: bool) -> None:
        """Begin a prepared request, and answer with the queued response or, with `stream`, with its events.

        Raises APIError when there is no room (429), or when the store cannot be asked (503).
        """
        await self.start()
        job = await self._begin(tries)
        if stream:
            await self.stream(job.id, receive, send, after=-1)
        else:
            stored = await self._state.kept.responses.load(job.owner, job.id)
            await send_json(send, stored.response if stored else {"id": job.id, "status": "queued"})

    async def stream(self, id: str, receive: Receive, send: Send, *, after: int) -> bool:
        """Answer with the events of a background response whose number is above `after`, until its end.

        False, and nothing is answered, when they are not kept any longer. Raises StoreError.
        """
        return await send_log(
            self._store.events,
            id,
            receive,
            send,
            after=after,
            keep_alive=self._keep_alive,
            done=self._done,
        )

    async def cancel(self, owner: str, stored: StoredResponse) -> JSON:
        """End a background response of this owner, wherever it is made; the response as it is then.

        One that has ended is given as it is. Raises StoreError.
        """
        if stored.response.get("status") in _OVER:
            return stored.response
        id = stored.id
        flag = Record(kind=CANCEL, owner="", id=id, data=b"{}", ttl=max(self.limits.lease * 4, 60.0))
        await self._store.put(flag)
        worker = self._workers.get(asyncio.get_running_loop())
        if worker is not None and (job := worker.jobs.get(id)):
            job.end(CANCELLED)
        deadline = time.monotonic() + self.limits.lease + 2 * self.limits.poll
        after = -1
        while time.monotonic() < deadline:
            page = await self._store.events.read(id, after=after, wait=self.limits.poll)
            if page is None or page.ended:
                break
            after = page.events[-1].number if page.events else after
        # The log ends a moment before the status is kept.
        while time.monotonic() < deadline:
            now = await self._state.kept.responses.load(owner, id)
            if now is None or now.response.get("status") in _OVER:
                return now.response if now else stored.response
            await asyncio.sleep(min(0.05, self.limits.poll))
        raise StoreError("The response could not be cancelled in time; try again.")

    async def _begin(self, tries: Tries) -> Job:
        worker = self._workers[asyncio.get_running_loop()]
        attempt = tries.first
        owner, id = attempt.asked.owner, str(attempt.asked.response_id)
        worker.check_room()
        epoch = await self._store.leases.claim(KIND, id, seconds=self.limits.lease)
        if epoch is None:
            raise StoreError("The response could not be begun; try again.")
        note = Record(kind=JOB, owner="", id=id, data=dumps({"owner": owner}))
        await self._store.put(note)
        await self._store.events.append(id, epoch)
        queued = {**attempt.translator.snapshot(), "status": "queued"}
        if not await attempt.turn.keep(queued):
            raise StoreError("The response could not be kept, and so not be begun; try again.")
        sink = LogSink(self._store.events, id, epoch, flush_seconds=self.limits.flush)
        job = Job(owner=owner, id=id, epoch=epoch, tries=tries, outlet=LogOutlet(sink), sink=sink)
        worker.start(job)
        return job
