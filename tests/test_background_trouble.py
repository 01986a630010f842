"""Stores that fail, hang and come back while responses are made; leases that are lost; clocks that jump."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from responses_asgi import MemoryStore, SQLiteStore, StoreError
from responses_asgi.background import Background, BackgroundLimits
from responses_asgi.background.insist import insist
from responses_asgi.background.job import Job
from responses_asgi.background.keeping import CANCEL, KIND, Keeping, ResponseRecord, lease_name
from responses_asgi.background.log_outlet import LogSink
from responses_asgi.background.takeover import take_over
from responses_asgi.background.watch import Watch
from responses_asgi.background.worker import Worker
from responses_asgi.errors import VersionConflictError
from responses_asgi.exchange.refusals import BrokenOffError
from responses_asgi.history import State
from responses_asgi.owners import Owners
from responses_asgi.stores.background import BackgroundStore
from responses_asgi.stores.event_log import LoggedEvent
from responses_asgi.stores.records import Record
from responses_asgi.types.events import StreamEvent
from tests.background_driver import (
    LEASE,
    WORDS,
    Model,
    Service,
    assert_whole,
    events_of,
    eventually,
    output_text,
    serving,
    text_of,
)
from tests.loopback import until
from tests.state_driver import owner_of
from tests.troubled_store import Troubled


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def store() -> Troubled:
    return Troubled(MemoryStore())


async def is_tidy(store: Troubled) -> bool:
    """Whether no lease is left."""
    return await store.leases.count(KIND) == 0


async def has_said(service: Service, id: str, text: str, store: BackgroundStore) -> None:
    async def said() -> bool:
        page = await store.events.read(id)
        return page is not None and text.encode() in b"".join(event.data for event in page.events)

    await eventually(said)


# Away, and back within the lease


async def test_a_store_that_is_away_for_a_moment_costs_nothing(model: Model, store: Troubled) -> None:
    async with serving(model, store, limits={"lease": 20}) as service:
        await model.let(3)
        created = await service.create()
        reading = asyncio.create_task(service.events(created["id"]))
        await has_said(service, created["id"], WORDS[2], store.inner)
        store.away()
        await model.let()
        for method, path, body in (
            ("GET", f"/responses/{created['id']}", b""),
            ("POST", "/responses", {"model": "m", "input": "Hi", "background": True}),
            ("GET", f"/responses/{created['id']}/input_items", b""),
        ):
            got = await service.ask(method, path, body)
            assert (got.status, got.code) == (503, "store_unavailable")
            assert got.headers["retry-after"] == "1"
        await asyncio.sleep(0.3)
        store.back()
        response = await service.ended(created["id"])
        assert (response["status"], output_text(response)) == ("completed", "".join(WORDS))
        # Its reader was not sent away.
        assert assert_whole(await reading) == response
        assert (await service.create())["status"] == "queued"


@pytest.mark.parametrize("name", ["put", "append", "claim", "get"])
async def test_what_cannot_be_begun_is_refused_and_leaves_nothing(
    name: str, model: Model, store: Troubled
) -> None:
    async with serving(model, store) as service:
        store.away(name)
        body = {"model": "m", "input": "Hi", "background": True, "previous_response_id": "resp_1"}
        got = await service.ask(
            "POST", "/responses", body if name == "get" else {**body, "previous_response_id": None}
        )
        assert got.status == 503
        store.back()
        await eventually(lambda: is_tidy(store))
        assert model.requests == []


@pytest.mark.parametrize("name", ["put", "append", "release", "renew"])
async def test_answers_that_are_lost_are_asked_for_again(name: str, model: Model, store: Troubled) -> None:
    """What was asked is carried out, but the answer does not come: doing it twice must be no harm."""
    async with serving(model, store, limits={"lease": 20}) as service:
        await model.let(3)
        created = await service.create()
        await has_said(service, created["id"], WORDS[2], store.inner)
        store.lost = {name}
        store.away(name)
        await model.let()
        await asyncio.sleep(0.3)
        store.lost = set()
        store.back()
        response = await service.ended(created["id"])
        assert (response["status"], output_text(response)) == ("completed", "".join(WORDS))
        assert text_of(await service.events(created["id"])) == "".join(WORDS)


async def test_a_file_that_is_locked_for_a_while(model: Model, tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "state.db", busy_timeout=0.2)
    async with serving(model, store, limits={"lease": 20}) as service:
        await model.let(2)
        created = await service.create()
        await has_said(service, created["id"], WORDS[1], store)
        with sqlite3.connect(tmp_path / "state.db", isolation_level=None) as other:
            other.execute("BEGIN EXCLUSIVE")
            await model.let()
            body = {"model": "m", "input": "Hi", "background": True}
            assert (await service.ask("POST", "/responses", body)).status == 503
            assert (await service.get(created["id"]))["status"] == "in_progress"
            other.execute("COMMIT")
        assert (await service.ended(created["id"]))["status"] == "completed"
        assert_whole(await service.events(created["id"]))


async def test_a_model_is_held_back_while_much_waits_to_be_logged(store: Troubled) -> None:
    model = Model(["word "] * 2_000, free=True)
    async with serving(model, store, limits={"lease": 20, "flush": 0.0}) as service:
        created = await service.create()
        await eventually(lambda: logged(store, created["id"], 100))
        store.away("append")
        await asyncio.sleep(0.3)
        store.back()
        response = await service.ended(created["id"])
        assert output_text(response) == "word " * 2_000
        events = await service.events(created["id"])
        assert assert_whole(events) == response


async def logged(store: Troubled, id: str, events: int) -> bool:
    page = await store.inner.events.read(id)
    return page is not None and len(page.events) >= min(events, 1000)


# Away for longer than the lease


async def test_what_a_worker_cannot_keep_for_a_lease_is_given_up(
    model: Model, store: Troubled, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(model, store) as service:
        await model.let(3)
        created = await service.create()
        await has_said(service, created["id"], WORDS[2], store.inner)
        store.away()
        await until(lambda: model.ended, LEASE + 10)
        store.back()
        response = await service.ended(created["id"])
        assert (response["status"], output_text(response)) == ("failed", "".join(WORDS[:3]))
        assert assert_whole(await service.events(created["id"])) == response
        assert "could not be renewed" in caplog.text
        # It goes on as if nothing had been.
        await model.let()
        again = await service.create()
        assert (await service.ended(again["id"]))["status"] == "completed"
        await eventually(lambda: is_tidy(store))


async def test_a_store_that_hangs_is_given_up_too(model: Model, store: Troubled) -> None:
    async with serving(model, store) as service:
        await model.let(3)
        created = await service.create()
        await has_said(service, created["id"], WORDS[2], store.inner)
        store.trouble = dict.fromkeys(("put", "append", "renew", "list", "expired"))
        await until(lambda: model.ended, LEASE * 2 + 10)
        store.back()
        assert (await service.ended(created["id"]))["status"] == "failed"
        assert_whole(await service.events(created["id"]))


async def test_calls_that_hang_do_not_stop_renewals(model: Model, store: Troubled) -> None:
    async with serving(model, store) as service:
        created = await service.create()
        store.trouble = dict.fromkeys(("list", "expired", "expire"))
        await asyncio.sleep(LEASE * 2.5)
        store.back()
        await model.let()
        response = await service.ended(created["id"])
        assert (response["status"], output_text(response)) == ("completed", "".join(WORDS))


async def test_whatever_a_store_raises_work_is_looked_after(
    model: Model, store: Troubled, caplog: pytest.LogCaptureFixture
) -> None:
    """A user's own store has bugs of its own."""
    async with serving(model, store) as service:
        created = await service.create()
        store.trouble = dict.fromkeys(("list", "expired"), LookupError("a bug"))
        await asyncio.sleep(LEASE * 1.5)
        traced = [record for record in caplog.records if "background work could not be" in record.message]
        assert len(traced) == 2
        assert all(record.exc_info for record in traced)
        store.back()
        stored = await service.cancel(created["id"])
        assert stored["status"] == "cancelled"


async def test_a_stream_whose_store_stays_away_is_broken_off(model: Model, store: Troubled) -> None:
    """So that its reader comes back, and takes what it has for no end."""
    async with serving(model, store, keep_alive=0.1) as service:
        await model.let(2)
        created = await service.create()
        await has_said(service, created["id"], WORDS[1], store.inner)
        asked = service.asking("GET", f"/responses/{created['id']}", query="stream=true")
        await until(lambda: asked.got.pieces)
        store.away("read")
        got = await asked.result()
        assert isinstance(got.raised, BrokenOffError)
        assert not got.ended
        store.back()
        seen = events_of(got)
        await model.let()
        assert_whole([*seen, *await service.events(created["id"], seen[-1]["sequence_number"])])


async def test_a_stream_whose_events_are_forgotten_is_broken_off(model: Model, store: Troubled) -> None:
    async with serving(model, store, keep_alive=0.05) as service:
        created = await service.create()
        asked = service.asking("GET", f"/responses/{created['id']}", query="stream=true")
        await until(lambda: asked.got.pieces)
        await store.inner.events.expire(created["id"], seconds=0)
        got = await asked.result()
        assert isinstance(got.raised, BrokenOffError)
        await model.let()


async def test_silence_is_filled_and_a_client_that_leaves_ends_nothing(model: Model, store: Troubled) -> None:
    async with serving(model, store, keep_alive=0.05) as service:
        asked = service.asking(
            "POST", "/responses", {"model": "m", "input": "Hi", "background": True, "stream": True}
        )
        await until(lambda: b": keep-alive" in asked.got.body)
        asked.leave()
        got = await asked.result()
        assert got.raised is None
        assert not got.ended
        await model.let()
        response = await service.ended(events_of(got)[0]["response"]["id"])
        assert response["status"] == "completed"


async def test_a_cancellation_that_comes_too_late_for_the_store(model: Model, store: Troubled) -> None:
    """The worker is gone, and its lease lasts: whoever cancels is told to come again."""
    async with serving(model, store, limits={"lease": 0.3}) as service:
        created = await service.create()
        owner = await owner_of("sk-mine")
        worker = next(iter(background_of(service)._workers.values()))
        worker.lose(worker.jobs[created["id"]])
        store.away("expired")

        async def is_held() -> bool:
            name = lease_name(owner, created["id"])
            return await store.leases.claim(KIND, name, seconds=60) is not None

        await eventually(is_held)
        got = await service.ask("POST", f"/responses/{created['id']}/cancel")
        assert got.status == 503
        assert "could not be cancelled in time" in got.json()["error"]["message"]


def background_of(service: Service) -> Background:
    background = service.app._background  # type: ignore[attr-defined]
    assert isinstance(background, Background)
    return background


async def test_health_when_the_store_cannot_tell(model: Model, store: Troubled) -> None:
    async with serving(model, store) as service:
        await service.create()
        assert await background_of(service).health() == {"running": 1, "queued": 0, "leases": 1}
        store.away("count")
        assert (await background_of(service).health())["leases"] is None
        await model.let()


# Leases that are lost


async def test_a_worker_that_was_asleep_finds_its_response_ended(
    model: Model, store: Troubled, caplog: pytest.LogCaptureFixture
) -> None:
    """Others have taken it over: what it still writes changes nothing."""
    async with AsyncExitStack() as stack:
        sleeper = await stack.enter_async_context(serving(model, store))
        await model.let(2)
        created = await sleeper.create()
        await has_said(sleeper, created["id"], WORDS[1], store.inner)
        store.trouble = {"renew": None}
        other = await stack.enter_async_context(serving(Model(), store.inner))
        await other.create()
        response = await other.ended(created["id"])
        assert response["status"] == "failed"
        events = await other.events(created["id"])
        store.back()
        await model.let()
        await until(lambda: model.ended)
        await asyncio.sleep(0.2)
        assert await other.get(created["id"]) == response
        assert await other.events(created["id"]) == events
        assert_whole(events)


async def test_a_clock_that_jumps_costs_nobody_a_lease(caplog: pytest.LogCaptureFixture) -> None:
    """A machine that slept: every lease looks expired, until those who live have renewed theirs."""
    store = Troubled(MemoryStore())
    keeping = Keeping(State(store, owners=Owners()), store, BackgroundLimits(lease=0.4, poll=0.02))
    shift = 0.0
    watch = Watch(Worker(keeping), keeping, now=lambda: time.time() + shift)
    task = asyncio.create_task(watch.run())
    try:
        await asyncio.sleep(0.05)
        shift = 3600.0
        # Another worker's, which will be renewed in a moment.
        epoch = await store.leases.claim(KIND, "resp_1 owner", seconds=0.001)
        assert epoch is not None
        await asyncio.sleep(0.1)
        assert await store.leases.renew(KIND, "resp_1 owner", epoch, seconds=0.5)
        assert "the clock has jumped" in caplog.text
        # And then it is gone.
        await eventually(lambda: is_tidy(store))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


# The parts


async def test_insisting_ends_with_the_time(caplog: pytest.LogCaptureFixture) -> None:
    tries: list[int] = []

    async def fail() -> None:
        tries.append(1)
        raise StoreError("Away.")

    with pytest.raises(StoreError, match="Away"):
        await insist(fail, seconds=0.2, doing="try it")
    assert len(tries) > 2
    assert [record.getMessage() for record in caplog.records] == [
        "It was not possible to try it, which is tried again: Away."
    ]


@pytest.mark.parametrize("error", [VersionConflictError(), StoreError("Too large.", status=413)])
async def test_what_will_not_pass_is_not_tried_again(error: StoreError) -> None:
    tries: list[int] = []

    async def fail() -> None:
        tries.append(1)
        raise error

    with pytest.raises(type(error)):
        await insist(fail, seconds=10, doing="try it")
    assert tries == [1]


async def test_a_record_is_changed_by_who_has_seen_it_last() -> None:
    store = Troubled(MemoryStore())
    mine, theirs = ResponseRecord(store), ResponseRecord(store)
    record = Record(kind="response", owner="", id="resp_1", data=b"1")
    await mine.put(record)
    with pytest.raises(VersionConflictError):
        await theirs.put(Record(kind="response", owner="", id="resp_1", data=b"2"))
    # One's own, whose answer was lost, is no conflict.
    second = Record(kind="response", owner="", id="resp_1", data=b"3")
    store.lost, store.trouble = {"put"}, {"put": StoreError("Lost.")}
    with pytest.raises(StoreError, match="Lost"):
        await mine.put(second)
    store.lost, store.trouble = set(), {}
    await mine.put(second)
    assert mine.version == 2
    await store.delete("response", "", "resp_1")
    with pytest.raises(VersionConflictError):
        await mine.put(record)


async def test_events_that_the_store_has_lost_end_the_response() -> None:
    """After a restart of a store that keeps not all: what would follow has a gap before it."""
    inner = MemoryStore()
    store = Troubled(inner)
    keeping = Keeping(State(inner, owners=Owners()), store, BackgroundLimits(lease=5, flush=0))
    held = await keeping.claim("", "resp_1")
    assert held is not None
    await inner.events.append("resp_1", held.epoch, [LoggedEvent(0, b"0"), LoggedEvent(1, b"1")])
    sink = LogSink(keeping, held)
    await sink.write([StreamEvent("response.in_progress", b"{}")])
    await sink.flush()
    await sink.write([StreamEvent("error", b"{}")])
    store.away("append")
    flushing = asyncio.create_task(sink.flush())
    await asyncio.sleep(0.02)
    await inner.events.expire("resp_1", seconds=0)
    store.back()
    with pytest.raises(StoreError, match="lost events") as caught:
        await flushing
    assert caught.value.code == "events_lost"
    sink.stop()


async def test_a_log_that_has_no_room_fails_its_response() -> None:
    store = MemoryStore(max_bytes=400_000)
    async with serving(Model(["x" * 20_000] * 8, free=True), store) as service:
        created = await service.create()
        response = await service.ended(created["id"])
        assert (response["status"], response["error"]["code"]) == ("failed", "server_error")
        # The log has no room for its end, either; the stream is then made of what is kept.

        async def is_whole() -> bool:
            got = await service.ask("GET", f"/responses/{created['id']}", query="stream=true")
            return got.ended and got.raised is None

        await eventually(is_whole)
        assert assert_whole(await service.events(created["id"]))["error"] == response["error"]


async def test_an_answer_that_is_too_large_to_be_kept_fails_without_its_output(store: Troubled) -> None:
    store.largest = 5_000
    async with serving(Model(["x" * 3_000] * 2, free=True), store) as service:
        created = await service.create()
        response = await service.ended(created["id"])
        assert (response["status"], response["output"]) == ("failed", [])
        assert response["error"]["message"] == "Too large."
        # Who has followed it has seen what was said.
        assert text_of(await service.events(created["id"])) == "x" * 6_000


async def test_a_lease_that_is_lost_while_its_response_waits(model: Model, store: Troubled) -> None:
    async with serving(model, store, limits={"running": 1}) as service:
        first, waiting = [await service.create() for _ in range(2)]
        name = lease_name(await owner_of("sk-mine"), waiting["id"])
        # As after a pause that was longer than the lease.
        (worker,) = background_of(service)._workers.values()
        held = worker.jobs[waiting["id"]].held
        assert await store.leases.release(KIND, name, held.epoch)
        assert await store.leases.claim(KIND, name, seconds=0.1)
        response = await service.ended(waiting["id"])
        assert (response["status"], response["error"]["code"]) == ("failed", "server_error")
        assert_whole(await service.events(waiting["id"]))
        await model.let()
        assert (await service.ended(first["id"]))["status"] == "completed"
        assert len(model.requests) == 1


async def test_a_response_whose_task_never_began_is_found(
    model: Model, store: Troubled, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Worker.start

    def start_and_cancel(worker: Worker, job: Job) -> None:
        start(worker, job)
        assert job.task is not None
        job.task.cancel()

    monkeypatch.setattr(Worker, "start", start_and_cancel)
    async with serving(model, store) as service:
        created = await service.create()
        response = await service.ended(created["id"])
        assert (response["status"], model.requests) == ("failed", [])
        assert (await background_of(service).health())["running"] == 0


async def test_a_service_that_stops_begins_nothing(model: Model, store: Troubled) -> None:
    async with serving(model, store, limits={"drain": 5}) as service:
        await service.create()
        background = background_of(service)
        (worker,) = background._workers.values()
        stopping = asyncio.create_task(worker.stop())
        await asyncio.sleep(0.05)
        got = await service.ask("POST", "/responses", {"model": "m", "input": "Hi", "background": True})
        assert (got.status, got.code) == (503, "server_error")
        await model.let()
        await stopping


async def test_an_id_that_somebody_else_works_on_is_not_begun(
    model: Model, store: Troubled, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(model, store) as service:
        monkeypatch.setattr(State, "new_id", lambda state, prefix: prefix + "same")
        assert (await service.create())["id"] == "resp_same"
        got = await service.ask("POST", "/responses", {"model": "m", "input": "Hi", "background": True})
        assert got.status == 503
        await model.let()
        assert (await service.ended("resp_same"))["status"] == "completed"


async def test_what_somebody_else_sees_to_is_left_to_it(store: Troubled) -> None:
    keeping = Keeping(State(store, owners=Owners()), store, BackgroundLimits())
    assert await store.leases.claim(KIND, "resp_1 owner", seconds=60)
    await take_over(keeping, Worker(keeping), "resp_1 owner", None)
    assert await store.leases.count(KIND) == 1


@pytest.mark.parametrize("error", [LookupError("a bug"), VersionConflictError(), StoreError("Away.")])
async def test_a_response_that_cannot_be_taken_over_is_found_again(
    error: Exception, model: Model, store: Troubled, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "responses_asgi")
    async with serving(model, store) as service:
        created = await service.create()
        (worker,) = background_of(service)._workers.values()
        store.trouble = {"get": error} if not isinstance(error, VersionConflictError) else {"append": error}
        worker.lose(worker.jobs[created["id"]])
        told = (
            "taken over by somebody else" if isinstance(error, VersionConflictError) else "could not be taken"
        )

        async def is_told() -> bool:
            return told in caplog.text

        await eventually(is_told, LEASE * 4 + 10)
        store.back()
        assert (await service.ended(created["id"]))["status"] == "failed"


async def test_a_cancellation_among_many(model: Model, store: Troubled) -> None:
    """Flags of other workers' responses lie before that of ours."""
    async with serving(model, store) as service:
        flags = [Record(kind=CANCEL, owner="", id=f"resp_{n}", data=b"{}", ttl=60.0) for n in range(250)]
        await store.put(*flags)
        created = await service.create()
        await store.put(Record(kind=CANCEL, owner="", id=created["id"], data=b"{}", ttl=60.0))
        assert (await service.ended(created["id"]))["status"] == "cancelled"


@pytest.mark.parametrize("name", ["put", "append"])
async def test_an_end_that_another_has_said_is_left_alone(name: str, model: Model, store: Troubled) -> None:
    async with serving(model, store) as service:
        await model.let(2)
        created = await service.create()
        await has_said(service, created["id"], WORDS[1], store.inner)
        store.trouble = {name: VersionConflictError()}
        cancelling = asyncio.create_task(service.ask("POST", f"/responses/{created['id']}/cancel"))
        await until(lambda: model.ended)
        await asyncio.sleep(0.2)
        store.back()
        # Nobody had said one: it is found when the lease is over.
        got = await cancelling
        assert got.status == 200
        assert got.json()["status"] in ("failed", "cancelled")
        assert_whole(await service.events(created["id"]))
