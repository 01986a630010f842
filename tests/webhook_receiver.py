"""A receiver of webhooks that verifies with the OpenAI SDK, as its users do; what the tests send to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from openai import OpenAI

from responses_asgi.stores.records import Record, Records
from responses_asgi.types.json import JSON
from responses_asgi.webhooks import Webhook, Webhooks
from tests.loopback import Received, Recorder, reply, served

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_SECRET = "a secret that is about to be replaced"

OPENAI = OpenAI(api_key="sk-none")

Answer = tuple[int, Sequence[tuple[str, str]]] | int


class Receiver:
    """Verifies what it is sent, and answers as told: `answers` in turn, then 200."""

    def __init__(self, *answers: Answer, secret: str = SECRET, seconds: float = 0.0) -> None:
        self.events: list[Any] = []
        self.recorder = Recorder(self._answer)
        self.running = self.most_running = 0
        self.url = ""
        self._answers = list(answers)
        self._secret = secret
        self._seconds = seconds

    @property
    def requests(self) -> list[Received]:
        return self.recorder.requests

    @property
    def ids(self) -> list[str]:
        """The webhook-id of every request, in order."""
        return [request.headers["webhook-id"] for request in self.requests]

    @asynccontextmanager
    async def running_at(self, path: str = "/hooks/t0ken?k=v") -> AsyncIterator[Receiver]:
        async with served(self.recorder) as url:
            self.url = url + path
            yield self

    async def _answer(self, request: Received, send: Any) -> None:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            self.events.append(OPENAI.webhooks.unwrap(request.body, request.headers, secret=self._secret))
            await asyncio.sleep(self._seconds)
        finally:
            self.running -= 1
        answer = self._answers.pop(0) if self._answers else 200
        status, headers = (answer, ()) if isinstance(answer, int) else answer
        await reply(send, b"said by the\nreceiver\x00", status, headers)


def hook(receiver: Receiver | str, *secrets: str, **settings: Any) -> Webhook:
    """A webhook for a receiver on loopback."""
    url = receiver if isinstance(receiver, str) else receiver.url
    return Webhook(url, secrets or [SECRET], allow_private=True, **settings)


def webhooks(store: Records, *hooks: Webhook, **settings: Any) -> Webhooks:
    """Webhooks that are tried again, and looked for, within a moment."""
    return Webhooks(store, hooks, **{"retries": (0.01, 0.01), "sweep": 0.05, **settings})


def ended(id: str = "resp_1", status: str = "completed", **more: Any) -> JSON:
    """A response object."""
    return {"id": id, "object": "response", "status": status, "output": [], **more}


async def waiting(store: Records) -> Sequence[Record]:
    """What is to be delivered."""
    return await store.list("webhook", "outbox", parent="waiting", limit=1000)


async def settled(store: Records, *, left: int = 0, seconds: float = 60.0) -> None:
    """Wait until nothing is to be delivered, or only so many."""
    await _until(lambda found: len(found) <= left, store, seconds)


async def noted(store: Records, status: int) -> JSON:
    """Wait until the one that is to be delivered says that its last attempt was answered like this."""
    found = await _until(lambda found: told(found[0])["status"] == status, store, 10.0)
    return told(found[0])


async def _until(
    condition: Callable[[Sequence[Record]], bool], store: Records, seconds: float
) -> Sequence[Record]:
    async with asyncio.timeout(seconds):
        while not condition(found := await waiting(store)):  # noqa: ASYNC110 - the store has no event to set
            await asyncio.sleep(0.01)
    return found


def told(record: Record) -> JSON:
    """What a record of the outbox says."""
    said: JSON = json.loads(record.data)
    return said


class Clock:
    """A time that goes on with the real one, and can be moved."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.moved = 0.0

    def __call__(self) -> float:
        return self._now() + self.moved
