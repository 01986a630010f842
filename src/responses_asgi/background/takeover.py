"""What a worker left behind: whoever finds its lease expired ends its response, or begins it again."""

from __future__ import annotations

import logging
import time

from responses_asgi.background.again import MOST_ATTEMPTS, Again, Prepare, is_unsaid
from responses_asgi.background.ending import CANCELLED, ENDED, LOST, end_response, logged_events
from responses_asgi.background.job import Job
from responses_asgi.background.keeping import CANCEL, JOB, Held, Keeping, ResponseRecord
from responses_asgi.background.worker import Worker
from responses_asgi.errors import APIError, StoreError
from responses_asgi.history.requests import Detached
from responses_asgi.history.responses import RESPONSE, StoredResponse

__all__ = ["take_over"]

logger = logging.getLogger("responses_asgi")


async def take_over(keeping: Keeping, worker: Worker, lease: str, prepare: Prepare | None) -> None:
    """See to a response whose worker is gone; nothing, when somebody else does already. Raises StoreError."""
    id, _, owner = lease.partition(" ")
    held_until = time.monotonic() + keeping.limits.lease
    held = await keeping.claim(owner, id)
    if held is None:
        return
    store = keeping.store
    error: APIError = CANCELLED if await store.get(CANCEL, "", id) else LOST
    if keeping.limits.rerun and prepare is not None and error is LOST:
        try:
            if await _begin_again(keeping, worker, held, prepare, held_until):
                return
        except StoreError:
            raise
        except APIError as refused:
            # That there is no room here is nobody's fault.
            error = LOST if refused.status == 429 else refused
    response = await end_response(keeping, held, error)
    if response is not None:
        logger.warning("the worker of the background response %s is gone: %s", id, response["status"])
    await keeping.tell_end(held, response)
    await keeping.let_go(held)


async def _begin_again(
    keeping: Keeping, worker: Worker, held: Held, prepare: Prepare, held_until: float
) -> bool:
    """Begin the response again, if nothing was said of it and its request is kept; whether it was begun.

    Raises APIError for a request that can no longer be made.
    """
    store = keeping.store
    request, record = await store.get(JOB, "", held.id), await store.get(RESPONSE, held.owner, held.id)
    if request is None or record is None or (again := Again(request)).attempts >= MOST_ATTEMPTS:
        return False
    # From now on the worker that was thought to be gone can write nothing more.
    await keeping.log.append(held.id, held.epoch)
    response = StoredResponse.of(record).response
    if response["status"] in ENDED or not is_unsaid(await logged_events(keeping.log, held.id)):
        return False
    with worker.place(len(request.data)):
        await store.put(again.record())
        tries = await prepare(again.request, held.owner, Detached(held.id, response["created_at"]))
        written = ResponseRecord(store, record.version)
        job = Job.of(keeping, held, tries, written, held_until=held_until)
        job.waited = response["status"] == "queued"
        worker.start(job)
    logger.warning("the worker of the background response %s is gone; it is begun again", held.id)
    return True
