"""Webhooks from end to end: announced, signed, delivered over HTTP, tried again, given up, taken up anew."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
from openai import InvalidWebhookSignatureError

from responses_asgi.errors import ConfigurationError, StoreError
from responses_asgi.lifespan import Runtime
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.stores.records import Records
from responses_asgi.stores.redis import RedisStore
from responses_asgi.stores.sqlite import SQLiteStore
from responses_asgi.webhooks import RETRIES, Webhook, Webhooks
from responses_asgi.webhooks.deliverer import Pace
from responses_asgi.webhooks.events import EVENTS, event_for
from responses_asgi.webhooks.signature import signed_headers
from tests.loopback import until, unused_url
from tests.redis_server import redis_server
from tests.webhook_receiver import (
    OLD_SECRET,
    OPENAI,
    SECRET,
    Clock,
    Receiver,
    ended,
    hook,
    noted,
    settled,
    told,
    waiting,
    webhooks,
)


class FailingStore(MemoryStore):
    """Fails at what is named, like a store that went away; `error` is what it raises."""

    def __init__(self, *names: str, error: Exception | None = None) -> None:
        super().__init__()
        self.failing = set(names)
        self.failed: list[str] = []
        self._error = error or StoreError("The store is gone.")

    def __getattribute__(self, name: str) -> Any:
        if name in ("put", "get", "list", "delete") and name in self.failing:
            self.failed.append(name)
            raise self._error
        return super().__getattribute__(name)


# What is told


@pytest.mark.parametrize("status", ["completed", "failed", "incomplete", "cancelled"])
async def test_an_ended_response_is_told_and_the_sdk_verifies_it(status: str) -> None:
    store = MemoryStore()
    async with Receiver().running_at() as receiver:
        subject = webhooks(store, hook(receiver))
        async with subject.resource():
            await subject.announce("alice", ended(status=status, completed_at=1_800_000_000))
            await settled(store)
    (event,), (request,) = receiver.events, receiver.requests
    assert event.type == f"response.{status}"
    assert (event.object, event.created_at, event.data.id) == ("event", 1_800_000_000, "resp_1")
    assert event.id == request.headers["webhook-id"]
    assert event.id.startswith("evt_")
    assert (request.method, request.path, request.query) == ("POST", "/hooks/t0ken", "k=v")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["host"] in receiver.url


@pytest.mark.parametrize("status", ["queued", "in_progress", None])
async def test_a_response_that_has_not_ended_is_not_told(status: Any) -> None:
    store = MemoryStore()
    await webhooks(store, hook("https://x.example")).announce("", ended(status=status))
    assert await waiting(store) == []


async def test_receivers_are_told_what_they_asked_for() -> None:
    store = MemoryStore()
    one, other = hook("https://one.example", events=["response.failed"]), hook("https://two.example")
    subject = webhooks(store, one, other)
    await subject.announce("", ended(status="completed"))
    await subject.announce("", ended(status="failed"))
    found = [(told(record)["site"], told(record)["event"]) for record in await waiting(store)]
    assert found == [
        ("https://two.example", "response.completed"),
        ("https://one.example", "response.failed"),
        ("https://two.example", "response.failed"),
    ]


async def test_the_same_end_is_one_event_whoever_announces_it() -> None:
    store = MemoryStore()
    for subject in (webhooks(store, hook("https://x.example")) for _ in range(2)):
        await subject.announce("alice", ended())
    assert len(await waiting(store)) == 1
    first, again = event_for(ended(), now=1), event_for(ended(), now=2)
    assert first is not None
    assert again is not None
    assert first["id"] == again["id"]
    assert event_for(ended("resp_2"), now=1) != first


# Signatures


async def test_a_secret_can_be_replaced_while_both_are_in_use() -> None:
    store = MemoryStore()
    async with Receiver().running_at() as new, Receiver(secret=OLD_SECRET).running_at() as old:
        both = (OLD_SECRET, SECRET)
        subject = webhooks(store, hook(new, *both), hook(old, *both))
        async with subject.resource():
            await subject.announce("", ended())
            await settled(store)
    assert len(new.events) == len(old.events) == 1
    signatures = new.requests[0].headers["webhook-signature"].split(" ")
    assert [signature[:3] for signature in signatures] == ["v1,", "v1,"]


@pytest.mark.parametrize(
    "change",
    [
        {"body": b'{"type":"response.completed","data":{"id":"resp_2"}}'},
        {"webhook-id": "evt_2"},
        {"webhook-timestamp": str(int(time.time()) - 100)},
        {"webhook-timestamp": str(int(time.time()) - 301)},
        {"secret": "another"},
    ],
    ids=["body", "id", "time", "too old", "secret"],
)
def test_a_receiver_sees_what_was_changed(change: dict[str, Any]) -> None:
    body = b'{"type":"response.completed","data":{"id":"resp_1"}}'
    headers = signed_headers("evt_1", body, [b"key"], now=time.time())
    assert OPENAI.webhooks.unwrap(body, headers, secret="key").type == "response.completed"
    changed = {**headers, **{name: value for name, value in change.items() if name in headers}}
    with pytest.raises(InvalidWebhookSignatureError):
        OPENAI.webhooks.unwrap(change.get("body", body), changed, secret=change.get("secret", "key"))


async def test_an_event_signed_too_long_ago_is_refused() -> None:
    body = b"{}"
    headers = signed_headers("evt_1", body, [b"key"], now=time.time() - 301)
    with pytest.raises(InvalidWebhookSignatureError, match="too old"):
        OPENAI.webhooks.unwrap(body, headers, secret="key")


# Tried again


async def test_what_was_not_taken_comes_again_signed_anew_with_the_same_id() -> None:
    store, clock = MemoryStore(), Clock(time.time)
    async with Receiver(500, 302).running_at() as receiver:
        subject = webhooks(store, hook(receiver), retries=(60, 120), now=clock)
        async with subject.resource():
            await subject.announce("", ended())
            for status, seconds in ((500, 70.0), (302, 140.0)):
                await noted(store, status)
                clock.moved += seconds
            await settled(store)
    times = [int(request.headers["webhook-timestamp"]) for request in receiver.requests]
    assert times[1] - times[0] >= 70
    assert times[2] - times[1] >= 140
    assert len(set(receiver.ids)) == 1
    assert len({request.body for request in receiver.requests}) == 1
    assert len({request.headers["webhook-signature"] for request in receiver.requests}) == 3
    assert await subject.dead() == []


async def test_after_the_last_attempt_it_is_a_dead_letter_which_can_be_sent_anew() -> None:
    store = MemoryStore()
    async with Receiver(500, 302, 404).running_at() as receiver:
        subject = webhooks(store, hook(receiver))
        async with subject.resource():
            await subject.announce("alice", ended(status="failed"))
            await settled(store)
            (letter,) = await subject.dead()
            assert (letter.event, letter.response_id, letter.owner) == ("response.failed", "resp_1", "alice")
            assert (letter.attempts, letter.status) == (3, 404)
            assert letter.error == "HTTP 404 said by the receiver?"
            assert letter.site == receiver.url.split("/hooks")[0]
            assert letter.died_at == pytest.approx(time.time(), abs=60)
            assert len(receiver.events) == 3

            assert await subject.retry(letter.id)
            await settled(store)
            assert not await subject.retry(letter.id)
            assert not await subject.retry("evt_none")
            await until(lambda: len(receiver.events) == 4)
    assert await subject.dead() == []
    assert len(set(receiver.ids)) == 1


async def test_a_receiver_that_wants_no_more_is_not_asked_again() -> None:
    store = MemoryStore()
    async with Receiver(410).running_at() as receiver:
        subject = webhooks(store, hook(receiver))
        async with subject.resource():
            await subject.announce("", ended())
            await settled(store)
    (letter,) = await subject.dead()
    assert (letter.attempts, letter.status, len(receiver.events)) == (1, 410, 1)


async def test_dead_letters_are_paged_and_those_of_others_cannot_be_sent() -> None:
    store = MemoryStore()
    subject = webhooks(store, hook(unused_url()), retries=())
    async with subject.resource():
        for n in range(5):
            await subject.announce("", ended(f"resp_{n}"))
        await settled(store)
    first = await subject.dead(2)
    rest = await subject.dead(10, after=first[-1].position)
    assert sorted(letter.response_id for letter in first + rest) == [f"resp_{n}" for n in range(5)]
    assert [letter.status for letter in first] == [None, None]
    assert all(letter.error.startswith("ConnectError") for letter in first)
    assert not await webhooks(store, hook("https://other.example")).retry(first[0].id)
    # Without a resource it is put back all the same, for whoever finds it.
    assert await subject.retry(first[0].id)
    assert [record.id for record in await waiting(store)] == [first[0].id]


async def test_a_receiver_that_asks_for_time_is_given_it() -> None:
    store = MemoryStore()
    async with Receiver((429, [("retry-after", "3600")]), 200).running_at() as receiver:
        subject = webhooks(store, hook(receiver))
        async with subject.resource():
            await subject.announce("", ended())
            delivery = await noted(store, 429)
    assert delivery["due"] == pytest.approx(time.time() + 3600, abs=60)
    assert delivery["attempts"] == 1


def test_the_pauses() -> None:
    pace = Pace(retries=RETRIES, timeout=15, concurrency=8, sweep=30, drain=5)
    pauses = [pace.pause(attempts, None) for attempts in range(1, 11)]
    for pause, least in zip(pauses, RETRIES, strict=False):
        assert pause is not None
        assert least <= pause <= least * 1.1
    assert pauses[9] is None
    assert sum(RETRIES) == pytest.approx(75 * 3600 + 35 * 60 + 5)
    assert pace.pause(1, 100.0) == 100.0
    assert pace.pause(2, 1.0) >= 300  # type: ignore[operator]  # not None, as above
    assert pace.pause(1, float("inf")) == 24 * 3600


async def test_a_receiver_that_does_not_answer_is_not_waited_for() -> None:
    store = MemoryStore()
    async with Receiver(seconds=30).running_at() as receiver:
        subject = webhooks(store, hook(receiver), timeout=0.2, retries=())
        async with subject.resource():
            await subject.announce("", ended())
            await settled(store)
        (letter,) = await subject.dead()
    assert letter.error == "no answer within 0.2 seconds"


async def test_of_a_long_answer_only_the_beginning_is_read() -> None:
    store, sent, left = MemoryStore(), 0, asyncio.Event()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 500 Oh\r\n\r\n")
        with suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(b"x" * 100_000)
                sent += 100_000
                await writer.drain()
        writer.close()
        left.set()

    server = await asyncio.start_server(endless, "127.0.0.1", 0)
    async with server:
        subject = webhooks(store, hook("http://{}:{}".format(*server.sockets[0].getsockname())), retries=())
        async with subject.resource():
            await subject.announce("", ended())
            await settled(store)
            await asyncio.wait_for(left.wait(), 10)
    (letter,) = await subject.dead()
    assert letter.status == 500
    assert len(letter.error) == 200
    # What the two ends of the connection hold, at most.
    assert sent < 50_000_000


# Restarts, several processes


async def test_what_is_due_is_delivered_after_a_restart(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "state.db")
    async with Receiver().running_at() as receiver:
        before = webhooks(store, hook(unused_url() + "/gone"), hook(receiver))
        await before.announce("alice", ended())
        await store.aclose()

        store = SQLiteStore(tmp_path / "state.db")
        after = webhooks(store, hook(receiver))
        async with after.resource():
            await settled(store, left=1)
        # The other's receiver is not this one's business: whoever knows it finds it there.
        (left,) = await waiting(store)
        assert told(left)["attempts"] == 0
        await store.aclose()
    assert len(receiver.events) == 1


async def test_what_a_dying_process_was_delivering_comes_again(tmp_path: Path) -> None:
    store, clock = SQLiteStore(tmp_path / "state.db"), Clock(time.time)
    async with Receiver(seconds=30).running_at() as receiver:
        dying = webhooks(store, hook(receiver), drain=0.0)
        async with dying.resource():
            await dying.announce("", ended())
            await until(lambda: receiver.events)
        receiver._seconds = 0.0
        living = webhooks(store, hook(receiver), now=clock)
        async with living.resource():
            await asyncio.sleep(0.2)
            assert len(receiver.events) == 1
            clock.moved = 60.0
            await settled(store)
    assert len(receiver.events) == 2
    assert len(set(receiver.ids)) == 1
    await store.aclose()


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
async def test_two_deliverers_of_one_store_double_nothing(kind: str, tmp_path: Path) -> None:
    with redis_server() if kind == "redis" else nullcontext() as server:
        stores: list[Records] = [
            RedisStore(server.url) if server else SQLiteStore(tmp_path / "state.db") for _ in range(2)
        ]
        async with Receiver(*[500] * 20, seconds=0.01).running_at() as receiver:
            one, other = (webhooks(store, hook(receiver), sweep=0.01) for store in stores)
            async with one.resource(), other.resource():
                await asyncio.gather(*(one.announce("", ended(f"resp_{n}")) for n in range(40)))
                await settled(stores[0])
        await asyncio.gather(*(store.aclose() for store in stores))
    assert len(set(receiver.ids)) == 40
    assert len(receiver.ids) == 60


async def test_every_loop_delivers_what_it_announces() -> None:
    store = MemoryStore()
    async with Receiver().running_at() as receiver:
        subject = webhooks(store, hook(receiver))

        async def elsewhere(id: str) -> None:
            async with subject.resource():
                await subject.announce("", ended(id))
                await settled(store)

        await asyncio.gather(*(asyncio.to_thread(asyncio.run, elsewhere(f"resp_{n}")) for n in range(3)))
    assert len(set(receiver.ids)) == 3


# Many


async def test_a_burst_is_delivered_a_few_at_a_time() -> None:
    store = MemoryStore()
    async with Receiver(seconds=0.01).running_at() as receiver:
        subject = webhooks(store, hook(receiver), concurrency=5)
        async with subject.resource():
            await asyncio.gather(*(subject.announce("", ended(f"resp_{n}")) for n in range(200)))
            await settled(store, seconds=60)
    assert len(receiver.ids) == len(set(receiver.ids)) == 200
    assert 1 < receiver.most_running <= 5


async def test_what_is_not_held_in_mind_is_found_in_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("responses_asgi.webhooks.deliverer.MAX_PLANNED", 3)
    monkeypatch.setattr("responses_asgi.webhooks.outbox.PAGE", 7)
    store = MemoryStore()
    async with Receiver().running_at() as receiver:
        subject = webhooks(store, hook(receiver), sweep=0.01)
        async with subject.resource():
            for n in range(30):
                await subject.announce("", ended(f"resp_{n}"))
            await settled(store)
    assert len(receiver.ids) == len(set(receiver.ids)) == 30


async def test_a_receiver_that_hangs_delays_no_other() -> None:
    store = MemoryStore()
    async with Receiver(seconds=30).running_at() as hanging, Receiver().running_at() as other:
        subject = webhooks(store, hook(hanging), hook(other), concurrency=2, drain=0.0)
        async with subject.resource():
            for n in range(10):
                await subject.announce("", ended(f"resp_{n}"))
            await until(lambda: len(other.events) == 10)
        assert hanging.most_running == 2


# Start and stop


async def test_what_was_announced_last_is_delivered_before_the_end() -> None:
    store = MemoryStore()
    async with Receiver(seconds=0.05).running_at() as receiver:
        subject = webhooks(store, hook(receiver), concurrency=1)
        runtime = Runtime([subject.resource])
        await runtime.start()
        for n in range(3):
            await subject.announce("", ended(f"resp_{n}"))
        await runtime.aclose()
        assert len(receiver.events) == 3
    assert await waiting(store) == []


async def test_the_end_is_not_put_off_by_a_receiver_that_hangs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    store = MemoryStore()
    async with Receiver(seconds=30).running_at() as receiver:
        subject = webhooks(store, hook(receiver), drain=0.05)
        async with asyncio.timeout(10):
            async with subject.resource():
                await subject.announce("", ended())
                await until(lambda: receiver.events)
    assert "Stopped with 1 webhook deliveries to be made" in caplog.text
    assert len(await waiting(store)) == 1


async def test_a_loop_that_ends_is_no_failure() -> None:
    store = MemoryStore()
    async with Receiver(seconds=30).running_at() as receiver:
        subject = webhooks(store, hook(receiver))

        async def forgotten() -> None:
            await Runtime([subject.resource]).start()
            await subject.announce("", ended())
            await until(lambda: receiver.events)

        await asyncio.wait_for(asyncio.to_thread(asyncio.run, forgotten()), 10)
    assert len(await waiting(store)) == 1


async def test_two_components_may_share_them() -> None:
    store = MemoryStore()
    async with Receiver().running_at() as receiver:
        subject = webhooks(store, hook(receiver))
        first, second = subject.resource(), subject.resource()
        await first.__aenter__()
        await second.__aenter__()
        await first.__aexit__(None, None, None)
        await subject.announce("", ended())
        await settled(store)
        await second.__aexit__(None, None, None)
    assert len(receiver.events) == 1


async def test_without_receivers_nothing_is_done() -> None:
    store = FailingStore("get", "put", "list")
    subject = webhooks(store)
    async with subject.resource():
        await subject.announce("", ended())
        await asyncio.sleep(0.1)
    assert store.failed == []


# Stores that fail


@pytest.mark.parametrize("error", [StoreError("The store is gone."), RuntimeError("a bug of the user's")])
async def test_an_event_that_cannot_be_kept_is_told_to_whoever_announces_it(error: Exception) -> None:
    subject = webhooks(FailingStore("put", error=error), hook("https://x.example/t0ken"))
    with pytest.raises(type(error), match=str(error)):
        await subject.announce("", ended())


@pytest.mark.parametrize("name", ["get", "put", "delete", "list"])
async def test_deliveries_go_on_when_the_store_is_back(name: str, caplog: pytest.LogCaptureFixture) -> None:
    store, clock = FailingStore(), Clock(time.time)
    async with Receiver().running_at() as receiver:
        subject = webhooks(store, hook(receiver), now=clock)
        await subject.announce("", ended())
        store.failing = {name}
        async with subject.resource():
            await until(lambda: store.failed)
            await asyncio.sleep(0.1)
            store.failing = set()
            clock.moved = 60.0
            await settled(store)
    # At least once: what was delivered and could not be noted comes again.
    assert len(receiver.events) == (2 if name == "delete" else 1)
    assert len(set(receiver.ids)) == 1
    assert "store" in caplog.text


async def test_what_another_has_meanwhile_is_left_to_it() -> None:
    store, clock = MemoryStore(), Clock(time.time)
    async with Receiver(500, 500, seconds=0.3).running_at() as receiver:
        for retries in ((60.0,), ()):
            subject = webhooks(store, hook(receiver), retries=retries, now=clock)
            async with subject.resource():
                await subject.announce("", ended(f"resp_{len(retries)}"))
                await until(lambda: receiver.running)
                record = (await waiting(store))[-1]
                await store.put(record)
                await asyncio.sleep(0.6)
    for record in await waiting(store):
        assert (record.version, told(record)["status"]) == (3, None)
    assert await subject.dead() == []


# Settings, secrets


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"timeout": 0}, "timeout of webhooks is 0"),
        ({"sweep": float("inf")}, "sweep of webhooks is inf"),
        ({"concurrency": -1}, "concurrency of webhooks is -1"),
        ({"retries": [1, -1]}, "retries of webhooks: got -1"),
        ({"drain": float("nan")}, "drain of webhooks: got nan"),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Webhooks(MemoryStore(), [], **settings)


def test_a_url_is_named_once() -> None:
    with pytest.raises(ConfigurationError, match="two webhooks have the same URL"):
        webhooks(MemoryStore(), hook("https://x.example/a"), hook("https://x.example/a", OLD_SECRET))
    webhooks(MemoryStore(), hook("https://x.example/a"), hook("https://x.example/b"))


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_secrets_and_urls_are_shown_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "responses_asgi")
    store = SQLiteStore(tmp_path / "state.db")
    async with Receiver(500, 503, 410).running_at() as receiver:
        subject = webhooks(store, hook(receiver, SECRET, OLD_SECRET))
        async with subject.resource():
            await subject.announce("", ended())
            await subject.announce("", ended("resp_2"))
            await settled(store)
        letters = await subject.dead()
    await store.aclose()
    files = contents(tmp_path)
    shown = f"{subject!r} {letters!r} {caplog.text} {files!r}"
    assert "was given up" in shown
    assert "again in" in shown
    assert "was delivered" in shown
    for secret in (SECRET, SECRET.removeprefix("whsec_"), OLD_SECRET, "t0ken"):
        assert secret not in shown


def test_all_events_are_the_default() -> None:
    subject = Webhook("https://x.example", [SECRET])
    assert tuple(subject.events) == EVENTS
    assert len(EVENTS) == 4
