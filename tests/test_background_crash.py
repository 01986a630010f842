"""A worker dies between any two of its writes: what its client has read is found, once, by those who live.

The store of the doomed worker stops to answer at its nth write, before or after that is carried out. Then
another component over the same store must end what was begun, within the lease.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from responses_asgi import MemoryStore, SQLiteStore, Upstream
from responses_asgi.errors import StoreError
from responses_asgi.stores.background import BackgroundStore
from responses_asgi.testing import Error, FakeModel
from responses_asgi.types.json import JSON
from responses_asgi.webhooks import Webhooks
from tests.background_driver import (
    ENDED,
    LEASE,
    Model,
    Service,
    assert_whole,
    events_of,
    eventually,
    output_text,
    serving,
    text_of,
)
from tests.loopback import Asked

# Beyond the lease: looking for what is lost, and a busy machine.
PATIENCE = LEASE + 10.0

WRITES = frozenset({"put", "delete", "append", "expire", "claim", "renew", "release"})


class Mortal:
    """A store as a process has it that dies at its nth write, `carried_out` or not; None: it lives.

    Renewals of leases are not counted: when they come is a matter of time.
    """

    def __init__(self, store: BackgroundStore, dies_at: int | None, *, carried_out: bool) -> None:
        self.writes: list[str] = []
        self.dead = asyncio.Event()
        self.tag = ""
        self._buried = asyncio.Event()
        self._store = store
        self._dies_at = dies_at
        self._carried_out = carried_out
        self.events = Part(self, store.events)
        self.leases = Part(self, store.leases)
        for name in ("get", "find", "put", "delete", "list"):
            setattr(self, name, self.mortal(name, getattr(store, name)))

    def mortal(self, name: str, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def called(*args: Any, **options: Any) -> Any:
            if self.dead.is_set():
                await self._die()
            if name in WRITES and name != "renew":
                self.writes.append(name)
                if len(self.writes) == self._dies_at:
                    self.dead.set()
                    if self._carried_out:
                        await call(*args, **options)
                    await self._die()
            answer = await call(*args, **options)
            if self.dead.is_set():
                await self._die()
            return answer

        return called

    async def _die(self) -> None:
        await self._buried.wait()
        raise StoreError("This process is dead.", status=410, code="dead")

    def bury(self) -> None:
        """Let go of those who wait for an answer, so that the test can end."""
        self.dead.set()
        self._buried.set()

    async def aclose(self) -> None:
        """The store is others', too."""


class Part:
    """The event logs or the leases of a mortal store."""

    def __init__(self, mortal: Mortal, part: Any) -> None:
        self._mortal = mortal
        self._part = part

    def __getattr__(self, name: str) -> Any:
        return self._mortal.mortal(name, getattr(self._part, name))


class Announced(Webhooks):
    """Webhooks that only note what they are told."""

    def __init__(self) -> None:
        super().__init__(MemoryStore(), [])
        self.told: list[tuple[str, str]] = []

    async def announce(self, owner: str, response: JSON) -> None:
        self.told.append((response["id"], response["status"]))


@asynccontextmanager
async def doomed(
    upstream: Any, store: BackgroundStore, told: Announced, dies_at: int | None, *, carried_out: bool
) -> AsyncIterator[tuple[Service, Mortal]]:
    """A component whose store dies."""
    mortal = Mortal(store, dies_at, carried_out=carried_out)
    async with serving(upstream, mortal, webhooks=told) as service:
        try:
            yield service, mortal
        finally:
            mortal.bury()


Scene = Callable[[Service, asyncio.Event], Awaitable[tuple[JSON, list[JSON]]]]
"""`(service, it is dead) -> what the client knows, and the events it has read`."""


async def over(dead: asyncio.Event, *asked: Asked) -> None:
    """Wait until these are answered, or a moment beyond the death of who should answer them; then leave."""
    dying = asyncio.create_task(dead.wait())
    answered = asyncio.gather(*(one.task for one in asked))
    await asyncio.wait([dying, answered], return_when="FIRST_COMPLETED")
    await asyncio.sleep(0.1)
    dying.cancel()
    for one in asked:
        one.leave()


async def an_end(service: Service, dead: asyncio.Event) -> tuple[JSON, list[JSON]]:
    """A client creates a stream and reads it."""
    conversation = (await service.ask("POST", "/conversations", {})).json()["id"]
    body = {"model": "m", "input": "Hi", "background": True, "stream": True, "conversation": conversation}
    asked = service.asking("POST", "/responses", body)
    await over(dead, asked)
    return {"conversation": conversation}, events_of(asked.got)


async def a_cancellation(service: Service, dead: asyncio.Event) -> tuple[JSON, list[JSON]]:
    """The same; after some words another client cancels it."""
    conversation = (await service.ask("POST", "/conversations", {})).json()["id"]
    body = {"model": "m", "input": "Hi", "background": True, "stream": True, "conversation": conversation}
    asked = service.asking("POST", "/responses", body)

    async def has_begun() -> bool:
        return bool(text_of(events_of(asked.got))) or asked.task.done() or dead.is_set()

    await eventually(has_begun)
    others = []
    if events := events_of(asked.got):
        others.append(service.asking("POST", f"/responses/{events[0]['response']['id']}/cancel"))
    await over(dead, asked, *others)
    return {"conversation": conversation, "cancelled": True}, events_of(asked.got)


SCENES: dict[str, tuple[Callable[[], Upstream], Scene]] = {
    "ends": (lambda: Upstream.handler(Model(free=True, pause=0.01)), an_end),
    "is cancelled": (lambda: Upstream.handler(Model(free=True, pause=0.03)), a_cancellation),
    "is refused": (lambda: Upstream.asgi(FakeModel(Error(429))), an_end),
    "breaks off": (lambda: Upstream.asgi(FakeModel(["Hello", Error(500)])), an_end),
}


async def survives(
    scene: str, store: BackgroundStore, dies_at: int | None, *, carried_out: bool
) -> list[str]:
    """Play a scene with a worker that dies; what it had written by then."""
    make, play = SCENES[scene]
    told = Announced()
    async with (
        doomed(make(), store, told, dies_at, carried_out=carried_out) as (service, mortal),
        serving(Model(), store, webhooks=told) as other,
    ):
        known, seen = await play(service, mortal.dead)
        # So that whatever it left behind is looked for.
        await other.create()
        if seen:
            await has_survived(other, known, seen, told)

        async def is_tidy() -> bool:
            return await store.leases.count("response") == 1

        await eventually(is_tidy, PATIENCE)
        return mortal.writes


async def has_survived(other: Service, known: JSON, seen: list[JSON], told: Announced) -> None:
    """What a client has read is there, goes on where it left off, and ends."""
    id = seen[0]["response"]["id"]
    response = await other.ended(id, seconds=PATIENCE)
    assert response["status"] in (ENDED if known.get("cancelled") else ENDED - {"cancelled"})
    whole = [*seen, *await other.events(id, seen[-1]["sequence_number"])]
    last = assert_whole(whole)
    assert last["output"] == response["output"]
    if response["status"] == "cancelled":
        assert (last["status"], last["error"]["code"]) == ("failed", "cancelled")
    else:
        assert last == response
    assert await other.events(id) == whole

    async def is_announced() -> bool:
        return (id, response["status"]) in told.told

    await eventually(is_announced, PATIENCE)
    assert {status for announced, status in told.told if announced == id} == {response["status"]}
    conversation = f"/conversations/{known['conversation']}/items"
    items = (await other.ask("GET", conversation, query="order=asc")).json()["data"]
    said = ["Hi", output_text(response)] if response["status"] in ("completed", "cancelled") else []
    assert [item["content"][0]["text"] for item in items] == [text for text in said if text]


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("scene", SCENES)
async def test_whatever_a_dying_worker_has_written(scene: str, kind: str, tmp_path: Path) -> None:
    number = 0

    def new_store() -> BackgroundStore:
        nonlocal number
        number += 1
        return MemoryStore() if kind == "memory" else SQLiteStore(tmp_path / f"{number}.db")

    store = new_store()
    writes = await survives(scene, store, None, carried_out=True)
    await store.aclose()
    # The first write is the conversation's; the next three are asked for at once.
    assert sorted(writes[1:4]) == ["append", "claim", "put"]
    assert writes[-1] in ("expire", "release")
    at_once = asyncio.Semaphore(12)

    async def dies(dies_at: int, carried_out: bool) -> None:
        async with at_once:
            store = new_store()
            try:
                await survives(scene, store, dies_at, carried_out=carried_out)
            except BaseException as error:
                error.add_note(f"died at write {dies_at} of {writes}, carried out: {carried_out}")
                raise
            finally:
                await store.aclose()

    deaths = [(dies_at, out) for dies_at in range(2, len(writes) + 1) for out in (False, True)]
    async with asyncio.TaskGroup() as group:
        for dies_at, carried_out in deaths:
            group.create_task(dies(dies_at, carried_out))
    print(f"{scene}, {kind}: {len(deaths)} deaths survived")
