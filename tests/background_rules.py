"""What the event logs and leases of every store do: one rule, one test, whatever keeps them.

Used as `store_rules` is: a class that inherits `EventLogRules` or `LeaseRules` says in a fixture `subject`
how a store is made; its `store` has `events` and `leases`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from responses_asgi.errors import VersionConflictError
from responses_asgi.stores.background import BackgroundStore
from responses_asgi.stores.event_log import EventLog, LoggedEvent, LogPage
from responses_asgi.stores.leases import Leases
from tests.store_rules import HOSTILE, Subject, in_threads


def events(*numbers: int) -> list[LoggedEvent]:
    return [LoggedEvent(number, f"event {number}".encode()) for number in numbers]


def log_of(subject: Subject) -> EventLog:
    assert isinstance(subject.store, BackgroundStore)
    return subject.store.events


def leases_of(subject: Subject) -> Leases:
    assert isinstance(subject.store, BackgroundStore)
    return subject.store.leases


def other_store(subject: Subject) -> BackgroundStore:
    if subject.again is None:
        pytest.skip("kept within the store object: no other has it")
    other = subject.again()
    assert isinstance(other, BackgroundStore)
    return other


async def follow(log: EventLog, id: str, *, after: int = -1, wait: float = 20.0) -> list[int]:
    """The numbers of all events until the end, read as a client's stream is."""
    numbers: list[int] = []
    while True:
        page = await log.read(id, after=after, wait=wait, limit=50)
        assert page is not None
        assert page.events or page.ended, "nothing came"
        numbers += [event.number for event in page.events]
        if page.ended:
            return numbers
        after = page.events[-1].number


class EventLogRules:
    """All rules of the `EventLog` protocol."""

    async def test_what_was_appended_is_read_in_order(self, subject: Subject) -> None:
        log = log_of(subject)
        assert await log.append("resp_1", 1, events(0, 1)) == 1
        assert await log.append("resp_1", 1, events(2)) == 2
        page = await log.read("resp_1")
        assert page == LogPage(events(0, 1, 2), False)
        assert all(isinstance(event.data, bytes) for event in page.events)

    async def test_reading_goes_on_behind_a_number(self, subject: Subject) -> None:
        log = log_of(subject)
        await log.append("resp_1", 1, events(*range(10)))
        assert await log.read("resp_1", after=7) == LogPage(events(8, 9), False)
        assert await log.read("resp_1", after=2, limit=3) == LogPage(events(3, 4, 5), False)
        assert await log.read("resp_1", after=9) == LogPage([], False)
        assert await log.read("resp_1", after=10**30) == LogPage([], False)
        assert await log.read("resp_1", after=-(10**30), limit=0) == LogPage(events(0), False)

    async def test_a_log_that_is_not_there(self, subject: Subject) -> None:
        log = log_of(subject)
        await log.append("resp_1", 1, events(0))
        assert await log.read("resp_2") is None
        assert await log.read("resp_2", wait=30.0) is None

    async def test_an_empty_log_is_there(self, subject: Subject) -> None:
        log = log_of(subject)
        assert await log.append("resp_1", 1) == -1
        assert await log.read("resp_1") == LogPage([], False)

    async def test_an_ended_log_says_so_behind_its_last_event(self, subject: Subject) -> None:
        log = log_of(subject)
        await log.append("resp_1", 1, events(0, 1))
        await log.append("resp_1", 1, events(2), ended=True)
        assert await log.read("resp_1", limit=2) == LogPage(events(0, 1), False)
        assert await log.read("resp_1", limit=3) == LogPage(events(0, 1, 2), True)
        assert await log.read("resp_1", after=1) == LogPage(events(2), True)
        assert await log.read("resp_1", after=2, wait=30.0) == LogPage([], True)

    async def test_a_log_can_end_without_another_event(self, subject: Subject) -> None:
        log = log_of(subject)
        await log.append("resp_1", 1, events(0))
        assert await log.append("resp_1", 1, ended=True) == 0
        assert await log.read("resp_1") == LogPage(events(0), True)

    async def test_nothing_follows_the_end(self, subject: Subject) -> None:
        log = log_of(subject)
        await log.append("resp_1", 1, events(0), ended=True)
        for epoch in (1, 2):
            with pytest.raises(VersionConflictError):
                await log.append("resp_1", epoch, events(1))
        assert await log.read("resp_1") == LogPage(events(0), True)

    async def test_an_append_can_be_repeated(self, subject: Subject) -> None:
        log = log_of(subject)
        await log.append("resp_1", 1, events(0, 1))
        assert await log.append("resp_1", 1, events(0, 1)) == 1
        assert await log.append("resp_1", 1, events(1, 2, 3), ended=True) == 3
        assert await log.append("resp_1", 1, events(1, 2, 3), ended=True) == 3
        assert await log.read("resp_1") == LogPage(events(0, 1, 2, 3), True)

    async def test_numbers_may_be_left_out(self, subject: Subject) -> None:
        log = log_of(subject)
        await log.append("resp_1", 1, events(3, 7))
        await log.append("resp_1", 1, events(20))
        assert await log.read("resp_1", after=4) == LogPage(events(7, 20), False)

    async def test_numbers_that_do_not_grow_are_a_mistake(self, subject: Subject) -> None:
        log = log_of(subject)
        for numbers in ((1, 0), (0, 0), (-1,)):
            with pytest.raises(ValueError, match="growing numbers"):
                await log.append("resp_1", 1, events(*numbers))
        assert await log.read("resp_1") is None

    async def test_a_higher_epoch_shuts_out_the_lower_ones(self, subject: Subject) -> None:
        log = log_of(subject)
        await log.append("resp_1", 0, events(0))
        await log.append("resp_1", 3, events(0))
        assert await log.append("resp_1", 5) == 0, "no event is needed"
        for stale in (events(1), []):
            with pytest.raises(VersionConflictError):
                await log.append("resp_1", 3, stale, ended=True)
        await log.append("resp_1", 5, events(1), ended=True)
        assert await log.read("resp_1") == LogPage(events(0, 1), True)

    async def test_epochs_are_of_a_log(self, subject: Subject) -> None:
        log = log_of(subject)
        await log.append("resp_1", 9, events(0))
        await log.append("resp_2", 1, events(0))
        assert await log.read("resp_2") == LogPage(events(0), False)

    async def test_the_middle_of_what_was_written_together(self, subject: Subject) -> None:
        """Pages that begin and end within what one append has written."""
        log = log_of(subject)
        for first in range(0, 30, 10):
            await log.append("resp_1", 1, events(*range(first, first + 10)), ended=first == 20)
        for after in range(-1, 30):
            for limit in (1, 7, 10, 11, 21, 50):
                page = await log.read("resp_1", after=after, limit=limit)
                wanted = [*range(after + 1, min(30, after + 1 + limit))]
                assert page == LogPage(events(*wanted), not wanted or wanted[-1] == 29)

    async def test_who_is_shut_out_writes_no_part_of_what_is_new(self, subject: Subject) -> None:
        log = log_of(subject)
        await log.append("resp_1", 1, events(0, 1, 2))
        await log.append("resp_1", 2)
        with pytest.raises(VersionConflictError):
            await log.append("resp_1", 1, events(1, 2, 3, 4))
        assert await log.read("resp_1", after=1) == LogPage(events(2), False)
        assert await log.append("resp_1", 2, events(1, 2, 3, 4), ended=True) == 4
        with pytest.raises(VersionConflictError):
            await log.append("resp_1", 2, events(3, 4, 5))
        assert await log.read("resp_1", after=1) == LogPage(events(2, 3, 4), True)

    async def test_ids_and_data_are_only_data(self, subject: Subject) -> None:
        log = log_of(subject)
        for n, id in enumerate(HOSTILE):
            await log.append(id, 1, [LoggedEvent(n, bytes(range(256)) * n)])
        for n, id in enumerate(HOSTILE):
            assert await log.read(id) == LogPage([LoggedEvent(n, bytes(range(256)) * n)], False)

    async def test_big_events_and_many(self, subject: Subject) -> None:
        log = log_of(subject)
        big = LoggedEvent(0, bytes(range(256)) * (subject.largest // 256))
        await log.append("big", 1, [big], ended=True)
        assert await log.read("big") == LogPage([big], True)
        await log.append("many", 1, events(*range(3000)), ended=True)
        assert await follow(log, "many") == [*range(3000)]

    async def test_a_log_is_forgotten_when_that_was_said(self, subject: Subject) -> None:
        log, second = log_of(subject), subject.second
        for id in ("short", "long", "now"):
            await log.append(id, 1, events(0), ended=True)
        await log.expire("short", seconds=2 * second)
        await log.expire("now", seconds=0)
        await log.expire("none", seconds=10)
        assert await log.read("now") is None
        assert await log.read("short")
        await subject.wait(3 * second)
        assert await log.read("short") is None
        assert await log.read("long") == LogPage(events(0), True)

    async def test_a_forgotten_log_begins_anew(self, subject: Subject) -> None:
        log = log_of(subject)
        await log.append("resp_1", 7, events(0, 1), ended=True)
        await log.expire("resp_1", seconds=0)
        assert await log.append("resp_1", 2, events(0)) == 0
        assert await log.read("resp_1") == LogPage(events(0), False)

    async def test_the_store_has_a_ttl_for_logs_that_are_not_written_any_more(self, subject: Subject) -> None:
        log = log_of(subject)
        await log.append("resp_1", 1, events(0))
        await subject.wait(subject.store_ttl * 0.6)
        await log.append("resp_1", 1, events(1))
        await subject.wait(subject.store_ttl * 0.6)
        assert await log.read("resp_1") == LogPage(events(0, 1), False)
        await subject.wait(subject.store_ttl * 0.6)
        assert await log.read("resp_1") is None

    async def test_one_who_waits_is_told_of_what_comes(self, subject: Subject) -> None:
        log = log_of(subject)
        await log.append("resp_1", 1, events(0))
        waiting = asyncio.ensure_future(log.read("resp_1", after=0, wait=30.0))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await log.append("another", 1, events(1))
        await log.append("resp_1", 1, events(1, 2))
        assert await asyncio.wait_for(waiting, 10) == LogPage(events(1, 2), False)

    async def test_one_who_waits_is_told_of_the_end(self, subject: Subject) -> None:
        log = log_of(subject)
        await log.append("resp_1", 1, events(0))
        waiting = asyncio.ensure_future(log.read("resp_1", after=0, wait=30.0))
        await asyncio.sleep(0.05)
        await log.append("resp_1", 1, ended=True)
        assert await asyncio.wait_for(waiting, 10) == LogPage([], True)

    async def test_one_who_waits_reads_no_more_than_was_asked_for(self, subject: Subject) -> None:
        log = log_of(subject)
        await log.append("resp_1", 1)
        waiting = asyncio.ensure_future(log.read("resp_1", limit=2, wait=30.0))
        await asyncio.sleep(0.05)
        await log.append("resp_1", 1, events(0, 1, 2), ended=True)
        assert await asyncio.wait_for(waiting, 10) == LogPage(events(0, 1), False)

    async def test_one_who_has_read_too_far_waits(self, subject: Subject) -> None:
        """As one whose `starting_after` is made up."""
        log = log_of(subject)
        await log.append("resp_1", 1)
        waiting = asyncio.ensure_future(log.read("resp_1", after=5, wait=30.0))
        for number in range(6):
            await log.append("resp_1", 1, events(number))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await log.append("resp_1", 1, events(6, 9))
        page = await asyncio.wait_for(waiting, 10)
        assert page == LogPage(events(6, 9), False)

    async def test_one_who_waits_in_vain_is_told_nothing(self, subject: Subject) -> None:
        log = log_of(subject)
        await log.append("resp_1", 1, events(0))
        begun = time.monotonic()
        assert await log.read("resp_1", after=0, wait=0.1) == LogPage([], False)
        assert time.monotonic() - begun >= 0.09

    async def test_one_who_waits_may_leave(self, subject: Subject) -> None:
        log = log_of(subject)
        await log.append("resp_1", 1, events(0))
        readers = [asyncio.ensure_future(log.read("resp_1", after=0, wait=30.0)) for _ in range(4)]
        await asyncio.sleep(0.05)
        for reader in readers[::2]:
            reader.cancel()
        await log.append("resp_1", 1, events(1), ended=True)
        outcomes = await asyncio.gather(*readers, return_exceptions=True)
        assert isinstance(outcomes[0], asyncio.CancelledError)
        assert outcomes[1::2] == [LogPage(events(1), True)] * 2

    async def test_readers_of_a_running_log_miss_nothing_and_read_nothing_twice(
        self, subject: Subject
    ) -> None:
        log = log_of(subject)
        await log.append("resp_1", 1, events(0))

        async def write() -> None:
            for number in range(1, 300):
                await log.append("resp_1", 1, events(number), ended=number == 299)
                if number % 7 == 0:
                    await asyncio.sleep(0.001)

        async def late(start: float, after: int) -> list[int]:
            await asyncio.sleep(start)
            return await follow(log, "resp_1", after=after)

        readers = [late(0.002 * n, after=-1 + 10 * (n % 3)) for n in range(20)]
        *found, _ = await asyncio.gather(*readers, write())
        for n, numbers in enumerate(found):
            assert numbers == [*range(10 * (n % 3), 300)]

    async def test_readers_of_another_store_follow(self, subject: Subject) -> None:
        log, other = log_of(subject), other_store(subject)
        await log.append("resp_1", 1, events(0))
        await log.append("resp_2", 1, events(0))

        async def write() -> None:
            for number in range(1, 200):
                await log.append("resp_1", 1, events(number), ended=number == 199)
                await log.append("resp_2", 1, events(number))
                if number % 20 == 0:
                    await asyncio.sleep(0.02)

        *found, _ = await asyncio.gather(
            *(follow(other.events, "resp_1") for _ in range(5)), follow(log, "resp_1"), write()
        )
        assert found == [[*range(200)]] * 6
        assert await other.events.read("resp_2", after=198) == LogPage(events(199), False)
        await other.aclose()

    async def test_a_writer_that_was_taken_over_from_is_shut_out_everywhere(self, subject: Subject) -> None:
        log, other = log_of(subject), other_store(subject)
        await log.append("resp_1", 1, events(0, 1))
        reader = asyncio.ensure_future(follow(log, "resp_1"))
        last = await other.events.append("resp_1", 2)
        with pytest.raises(VersionConflictError):
            await log.append("resp_1", 1, events(2))
        await other.events.append("resp_1", 2, events(last + 1), ended=True)
        assert await asyncio.wait_for(reader, 20) == [0, 1, 2]
        await other.aclose()

    def test_readers_in_several_threads_and_loops(self, subject: Subject) -> None:
        log = log_of(subject)

        async def begin() -> None:
            await log.append("resp_1", 1)
            await subject.store.aclose()

        async def write() -> None:
            for number in range(100):
                await log.append("resp_1", 1, events(number), ended=number == 99)
                await asyncio.sleep(0.001)
            await subject.store.aclose()

        async def read() -> None:
            assert await follow(log, "resp_1") == [*range(100)]
            await subject.store.aclose()

        asyncio.run(begin())
        in_threads(write, read, read, read)

    async def test_many_readers_and_many_logs(self, subject: Subject) -> None:
        log = log_of(subject)
        ids = [f"resp_{n}" for n in range(50)]
        await asyncio.gather(*(log.append(id, 1) for id in ids))
        readers = [asyncio.ensure_future(follow(log, ids[n % 50])) for n in range(1000)]
        for start in range(0, 30, 10):
            batch = events(*range(start, start + 10))
            await asyncio.gather(*(log.append(id, 1, batch, ended=start == 20) for id in ids))
        assert await asyncio.gather(*readers) == [[*range(30)]] * 1000


class LeaseRules:
    """All rules of the `Leases` protocol."""

    async def test_what_is_held_is_not_claimed_by_another(self, subject: Subject) -> None:
        leases = leases_of(subject)
        epoch = await leases.claim("response", "1", seconds=10 * subject.second)
        assert isinstance(epoch, int)
        assert epoch > 0
        assert await leases.claim("response", "1", seconds=10) is None

    async def test_leases_are_of_a_kind_and_an_id(self, subject: Subject) -> None:
        leases = leases_of(subject)
        places = [("response", "1"), ("response", "2"), ("webhook", "1")]
        epochs = [await leases.claim(kind, id, seconds=50) for kind, id in places]
        assert None not in epochs
        assert len({*epochs}) == 3
        for kind, id in places[1:]:
            assert not await leases.renew(kind, id, epochs[0] or 0, seconds=50)
            assert not await leases.release(kind, id, epochs[0] or 0)
        assert [await leases.count(kind) for kind in ("response", "webhook", "none")] == [2, 1, 0]

    async def test_a_lease_ends_with_its_time(self, subject: Subject) -> None:
        leases, second = leases_of(subject), subject.second
        first = await leases.claim("response", "1", seconds=2 * second)
        await subject.wait(1 * second)
        assert await leases.expired("response") == []
        await subject.wait(1.5 * second)
        assert await leases.expired("response") == ["1"]
        assert await leases.expired("webhook") == []
        second_epoch = await leases.claim("response", "1", seconds=50)
        assert first is not None
        assert second_epoch is not None
        assert second_epoch > first
        assert await leases.expired("response") == []
        assert not await leases.renew("response", "1", first, seconds=50)
        assert not await leases.release("response", "1", first)
        assert await leases.claim("response", "1", seconds=50) is None

    async def test_renewing_prolongs(self, subject: Subject) -> None:
        leases, second = leases_of(subject), subject.second
        epoch = await leases.claim("response", "1", seconds=2 * second) or 0
        for _ in range(3):
            await subject.wait(1.2 * second)
            assert await leases.renew("response", "1", epoch, seconds=2 * second)
        assert await leases.claim("response", "1", seconds=10) is None

    async def test_a_late_renewal_counts_unless_another_has_claimed(self, subject: Subject) -> None:
        leases, second = leases_of(subject), subject.second
        epoch = await leases.claim("response", "1", seconds=second) or 0
        await subject.wait(2 * second)
        assert await leases.renew("response", "1", epoch, seconds=50)
        assert await leases.expired("response") == []
        assert await leases.claim("response", "1", seconds=50) is None

    async def test_what_was_released_is_free_and_not_left_behind(self, subject: Subject) -> None:
        leases, second = leases_of(subject), subject.second
        first = await leases.claim("response", "1", seconds=second) or 0
        assert await leases.release("response", "1", first)
        assert not await leases.release("response", "1", first)
        assert not await leases.renew("response", "1", first, seconds=50)
        assert await leases.count("response") == 0
        await subject.wait(2 * second)
        assert await leases.expired("response") == []
        again = await leases.claim("response", "1", seconds=50)
        assert again is not None
        assert again > first, "epochs grow over releases too"

    async def test_the_longest_expired_come_first(self, subject: Subject) -> None:
        leases, second = leases_of(subject), subject.second
        for id, seconds in (("b", 2), ("a", 1), ("late", 50), ("c", 3)):
            await leases.claim("response", id, seconds=seconds * second)
        await subject.wait(4 * second)
        assert await leases.expired("response") == ["a", "b", "c"]
        assert await leases.expired("response", limit=2) == ["a", "b"]
        assert await leases.expired("response", limit=0) == []
        assert await leases.count("response") == 4

    async def test_ids_are_only_data(self, subject: Subject) -> None:
        leases = leases_of(subject)
        epochs = [await leases.claim(f"kind {id}", id, seconds=0.0) or 0 for id in HOSTILE]
        assert sorted({*epochs}) == epochs
        for id, epoch in zip(HOSTILE, epochs, strict=True):
            assert await leases.expired(f"kind {id}") == [id]
            assert await leases.renew(f"kind {id}", id, epoch, seconds=50)
            assert await leases.release(f"kind {id}", id, epoch)

    async def test_of_many_that_claim_one_wins(self, subject: Subject) -> None:
        leases = leases_of(subject)
        claims = await asyncio.gather(*(leases.claim("response", "1", seconds=50) for _ in range(50)))
        assert sum(claim is not None for claim in claims) == 1

    def test_of_many_threads_that_claim_one_wins_each(self, subject: Subject) -> None:
        leases = leases_of(subject)
        won: list[int] = []

        def worker() -> Callable[[], Coroutine[Any, Any, None]]:
            async def work() -> None:
                claims: Sequence[int | None] = await asyncio.gather(
                    *(leases.claim("response", str(n), seconds=50) for n in range(50))
                )
                won.extend(claim for claim in claims if claim is not None)
                await subject.store.aclose()

            return work

        in_threads(*(worker() for _ in range(4)))
        assert len(won) == len({*won}) == 50

    async def test_another_store_sees_the_same_leases(self, subject: Subject) -> None:
        leases, other = leases_of(subject), other_store(subject)
        epoch = await leases.claim("response", "1", seconds=subject.second) or 0
        assert await other.leases.claim("response", "1", seconds=50) is None
        await subject.wait(2 * subject.second)
        assert await other.leases.expired("response") == ["1"]
        taken = await other.leases.claim("response", "1", seconds=50)
        assert taken is not None
        assert taken > epoch
        assert not await leases.renew("response", "1", epoch, seconds=50)
        await other.aclose()
