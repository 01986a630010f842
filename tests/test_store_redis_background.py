"""Event logs and leases in Redis against real servers: what they promise beyond the rules of every store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
import redis
from redis.asyncio import Redis

from responses_asgi.errors import StoreError, VersionConflictError
from responses_asgi.stores.background import BackgroundStore
from responses_asgi.stores.event_log import LoggedEvent, LogPage
from responses_asgi.stores.redis import RedisStore, tail
from responses_asgi.stores.redis.keys import log_keys
from responses_asgi.stores.redis.scripts import Script
from tests.background_rules import EventLogRules, LeaseRules, events, follow
from tests.loopback import until
from tests.redis_server import (
    RedisServer,
    free_port,
    keys_of,
    losing_one_answer,
    opened,
    redis_server,
    subject_of,
)
from tests.store_rules import Subject

TTL_RULE = EventLogRules.test_the_store_has_a_ttl_for_logs_that_are_not_written_any_more.__name__


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def plain(server: RedisServer) -> Iterator[redis.Redis]:
    """An ordinary client, to look at what lies in an emptied Redis."""
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
        yield client


@pytest.fixture
async def store(server: RedisServer, plain: redis.Redis) -> AsyncIterator[RedisStore]:
    async with opened(server.url) as store:
        yield store


@pytest.fixture
async def subject(
    server: RedisServer, plain: redis.Redis, request: pytest.FixtureRequest
) -> AsyncIterator[Subject]:
    async with subject_of(server, short=request.function.__name__ == TTL_RULE) as subject:
        yield subject


class TestEventLogRules(EventLogRules):
    """The rules of every store."""


class TestLeaseRules(LeaseRules):
    """The rules of every store."""


def test_the_store_is_one_for_background_work() -> None:
    assert isinstance(RedisStore("redis://localhost"), BackgroundStore)


class TestLogs:
    async def test_the_last_sequence_number_names_the_entry_of_a_stream(
        self, store: RedisStore, plain: redis.Redis
    ) -> None:
        await store.events.append("resp_1", 1, events(0))
        await store.events.append("resp_1", 1, events(1, 3, 7), ended=True)
        (stream,) = (key for key in keys_of(plain) if plain.type(key) == b"stream")
        assert [name for name, _ in plain.xrange(stream)] == [b"1-0", b"1-7", b"2-0"]
        with pytest.raises(redis.ResponseError, match="equal or smaller"):
            plain.xadd(stream, {"d": "late"}, id="1-8")

    async def test_who_takes_over_while_a_part_is_packed_anew_shuts_the_writer_out(
        self, store: RedisStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of the writer's events some are there already, so that it asks twice: the other comes between."""
        await store.events.append("resp_1", 1, events(0, 1))
        run, asked = store._redis.run, 0

        async def run_after_another(script: Script, keys: Sequence[bytes], *values: bytes | int) -> object:
            nonlocal asked
            asked += 1
            if asked == 2:
                await run(script, keys, 100_000, "2 0 0 0 0", b"")
            return await run(script, keys, *values)

        monkeypatch.setattr(store._redis, "run", run_after_another)
        with pytest.raises(VersionConflictError):
            await store.events.append("resp_1", 1, events(1, 2, 3))
        assert asked == 2
        assert await store.events.read("resp_1") == LogPage(events(0, 1), False)

    async def test_logs_that_are_written_at_once_are_one_command(
        self, store: RedisStore, plain: redis.Redis
    ) -> None:
        ids = [f"resp_{number}" for number in range(50)]
        await store.events.append("resp_7", 5)
        plain.config_resetstat()
        appended = await asyncio.gather(
            *(store.events.append(id, 1, events(0, n), ended=n == 9) for n, id in enumerate(ids, 1)),
            return_exceptions=True,
        )
        assert plain.info("commandstats")["cmdstat_evalsha"]["calls"] == 1
        # Each has its own answer.
        assert isinstance(appended.pop(7), VersionConflictError)
        assert appended == [*range(1, 8), *range(9, 51)]
        assert await store.events.read("resp_7") == LogPage([], False)
        assert await store.events.read("resp_8") == LogPage(events(0, 9), True)

    async def test_much_that_is_written_at_once_is_several_commands(
        self, store: RedisStore, plain: redis.Redis
    ) -> None:
        big = [LoggedEvent(0, b"x" * 600_000)]
        plain.config_resetstat()
        await asyncio.gather(*(store.events.append(f"resp_{n}", 1, big) for n in range(3)))
        await asyncio.gather(*(store.events.append(f"resp_{n}", 1) for n in range(101)))
        assert plain.info("commandstats")["cmdstat_evalsha"]["calls"] == 3 + 2

    async def test_what_was_appended_is_done_before_the_store_closes(
        self, server: RedisServer, store: RedisStore
    ) -> None:
        async with opened(server.url) as writing:
            given_up = asyncio.create_task(writing.events.append("resp_1", 1, events(0)))
            appending = asyncio.create_task(writing.events.append("resp_2", 1, events(0)))
            await asyncio.sleep(0)
            given_up.cancel()
            await writing.aclose()
            assert await appending == 0
        assert await store.events.read("resp_1") is None
        assert await store.events.read("resp_2") == LogPage(events(0), False)

    async def test_a_page_does_not_read_all_of_a_long_log(
        self, store: RedisStore, plain: redis.Redis
    ) -> None:
        for first in range(0, 1000, 10):
            await store.events.append("resp_1", 1, events(*range(first, first + 10)))
        plain.config_resetstat()
        assert await store.events.read("resp_1", after=4, limit=30) == LogPage(events(*range(5, 35)), False)
        assert plain.info("commandstats")["cmdstat_xrange"]["calls"] == 1

    async def test_a_log_expires_as_a_whole(self, store: RedisStore, plain: redis.Redis) -> None:
        await store.events.append("resp_1", 1, events(0))
        assert [plain.ttl(key) > 29 * 24 * 3600 for key in keys_of(plain)] == [True, True]
        await store.events.expire("resp_1", seconds=100)
        assert [plain.ttl(key) <= 100 for key in keys_of(plain)] == [True, True]

    async def test_all_who_wait_in_a_loop_share_one_connection(
        self, server: RedisServer, store: RedisStore, plain: redis.Redis
    ) -> None:
        async with opened(server.url, max_connections=2) as reading:
            for number in range(40):
                await store.events.append(f"resp_{number}", 1)
            before = len(plain.client_list())
            readers = [asyncio.create_task(follow(reading.events, f"resp_{n % 40}")) for n in range(200)]
            await until(lambda: len(plain.pubsub_channels()) == 40)
            assert len(plain.client_list()) <= before + 3
            for number in range(40):
                await store.events.append(f"resp_{number}", 1, events(0), ended=True)
            assert await asyncio.gather(*readers) == [[0]] * 200

    async def test_readers_of_one_log_read_it_together(
        self, server: RedisServer, store: RedisStore, plain: redis.Redis
    ) -> None:
        def reads() -> int:
            calls: int = plain.info("commandstats").get("cmdstat_xrange", {}).get("calls", 0)
            return calls

        async with opened(server.url) as reading:
            await store.events.append("resp_1", 1, events(0))
            plain.config_resetstat()
            readers = [asyncio.create_task(follow(reading.events, "resp_1")) for _ in range(100)]
            await until(plain.pubsub_channels)
            await asyncio.sleep(0.05)
            for number in range(1, 6):
                await store.events.append("resp_1", 1, events(number), ended=number == 5)
            assert await asyncio.gather(*readers) == [[0, 1, 2, 3, 4, 5]] * 100
        assert reads() < 50

    async def test_channels_are_left_when_nobody_waits(
        self, store: RedisStore, plain: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tail, "SWEEP_SECONDS", 0.05)
        monkeypatch.setattr(tail, "KEPT_SECONDS", 0.0)
        for id in ("resp_1", "resp_2"):
            await store.events.append(id, 1)
        waiting = asyncio.create_task(store.events.read("resp_1", wait=30))
        assert await store.events.read("resp_2", wait=0.05) == LogPage([], False)
        await until(lambda: len(plain.pubsub_channels()) == 1)
        await store.events.append("resp_1", 1, events(0), ended=True)
        assert await waiting == LogPage(events(0), True)
        await until(lambda: plain.pubsub_channels() == [])
        assert await store.events.read("resp_2", wait=0.05) == LogPage([], False)

    async def test_without_channels_the_log_is_looked_at(
        self, server: RedisServer, store: RedisStore
    ) -> None:
        class Silent(Redis):
            @property
            def pubsub(self) -> None:  # type: ignore[override]  # as a cluster's client of redis-py 7
                raise AttributeError

        client = Silent.from_url(server.url)
        async with opened(None, client=client) as reading:
            await store.events.append("resp_1", 1)
            reader = asyncio.create_task(follow(reading.events, "resp_1"))
            for number in range(5):
                await asyncio.sleep(0.02)
                await store.events.append("resp_1", 1, events(number), ended=number == 4)
            assert await reader == [0, 1, 2, 3, 4]
        await client.aclose()

    @pytest.mark.parametrize("decode", [False, True])
    async def test_a_client_of_the_users_own(
        self, server: RedisServer, store: RedisStore, decode: bool
    ) -> None:
        client = Redis.from_url(server.url, decode_responses=decode)
        async with opened(None, client=client) as reading:
            await reading.events.append("resp_1", 1)
            reader = asyncio.create_task(follow(reading.events, "resp_1"))
            await asyncio.sleep(0.05)
            await store.events.append("resp_1", 1, events(0), ended=True)
            assert await asyncio.wait_for(reader, 4) == [0]
        await client.aclose()

    async def test_who_waits_while_the_store_is_closed_goes_on(
        self, server: RedisServer, store: RedisStore, plain: redis.Redis
    ) -> None:
        async with opened(server.url) as reading:
            await store.events.append("resp_1", 1)
            reader = asyncio.create_task(follow(reading.events, "resp_1"))
            await until(plain.pubsub_channels)
            await reading.aclose()
            await store.events.append("resp_1", 1, events(0), ended=True)
            assert await asyncio.wait_for(reader, 10) == [0]

    async def test_who_waits_for_a_confirmation_while_the_store_is_closed_goes_on(
        self, server: RedisServer, store: RedisStore, plain: redis.Redis
    ) -> None:
        async with opened(server.url) as reading:
            for turns in range(0, 30, 3):
                id = f"resp_{turns}"
                await store.events.append(id, 1)
                reader = asyncio.create_task(follow(reading.events, id))
                for _ in range(turns):
                    await asyncio.sleep(0)
                await reading.aclose()
                await store.events.append(id, 1, events(0), ended=True)
                assert await asyncio.wait_for(reader, 30) == [0]

    async def test_what_a_loop_has_written_it_does_not_read(
        self, store: RedisStore, plain: redis.Redis
    ) -> None:
        await store.events.append("resp_1", 1)
        readers = [asyncio.create_task(follow(store.events, "resp_1")) for _ in range(3)]
        for number in range(2):
            await store.events.append("resp_1", 1, events(number))
            await asyncio.sleep(0.1)
        plain.config_resetstat()
        for number in range(2, 50):
            await store.events.append("resp_1", 1, events(number), ended=number == 49)
            await asyncio.sleep(0)
        assert await asyncio.gather(*readers) == [[*range(50)]] * 3
        assert plain.info("commandstats").get("cmdstat_xrange", {}).get("calls", 0) < 10

    async def test_what_another_writes_in_place_of_a_failing_append_is_told(
        self, server: RedisServer, store: RedisStore, plain: redis.Redis
    ) -> None:
        """Redis tells of the other's event while ours, of the same number, is on its way."""
        await store.events.append("resp_1", 1, events(0))
        reader = asyncio.create_task(follow(store.events, "resp_1"))
        await until(plain.pubsub_channels)
        await asyncio.sleep(0.1)
        (listening,) = store.events._tails.values()
        async with opened(server.url) as other:

            async def fail() -> None:
                with listening.writing(log_keys(store.events._prefix, "resp_1"), LogPage(events(1), False)):
                    await other.events.append("resp_1", 2, events(1))
                    await asyncio.sleep(0.1)
                    raise VersionConflictError

            with pytest.raises(VersionConflictError):
                await fail()
            await other.events.append("resp_1", 2, events(2), ended=True)
        assert await asyncio.wait_for(reader, 4) == [0, 1, 2]


class TestFailures:
    async def test_restarted_while_somebody_waits(self) -> None:
        with redis_server(persistent=True) as server:
            async with opened(server.url) as store, opened(server.url) as reading:
                await store.events.append("resp_1", 1, events(0))
                waiting = asyncio.create_task(reading.events.read("resp_1", after=0, wait=60))
                await asyncio.sleep(0.1)
                await asyncio.to_thread(server.stop)
                with pytest.raises(StoreError, match="cannot be reached"):
                    await asyncio.wait_for(waiting, 20)
                with pytest.raises(StoreError, match="cannot be reached"):
                    await reading.events.read("resp_1", after=0, wait=60)
                await asyncio.to_thread(server.start)
                reader = asyncio.create_task(follow(reading.events, "resp_1"))
                for number in range(5):
                    await store.events.append("resp_1", 1, events(number), ended=number == 4)
                    await asyncio.sleep(0.01)
                assert await asyncio.wait_for(reader, 20) == [0, 1, 2, 3, 4]

    async def test_a_lost_connection_is_made_anew(self, store: RedisStore, plain: redis.Redis) -> None:
        await store.events.append("resp_1", 1)
        reader = asyncio.create_task(follow(store.events, "resp_1"))
        for number in range(20):
            await until(plain.pubsub_channels)
            if number % 3 == 0:
                plain.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            await store.events.append("resp_1", 1, events(number), ended=number == 19)
        assert await asyncio.wait_for(reader, 20) == [*range(20)]

    async def test_without_the_right_to_channels(self) -> None:
        rules = "on >pepper ~* resetchannels +@all"
        with redis_server("--user", "clerk", *rules.split()) as server:
            async with opened(f"redis://clerk:pepper@127.0.0.1:{server.port}") as store:
                for _ in range(2):
                    with pytest.raises(StoreError):
                        await store.events.append("resp_1", 1, events(0))
                assert await store.events.read("resp_1") is None
                async with opened(server.url) as allowed:
                    await allowed.events.append("resp_1", 1)
                for _ in range(2):
                    with pytest.raises(StoreError, match="refuses the credentials"):
                        await store.events.read("resp_1", wait=30)

    async def test_the_rights_that_are_enough(self) -> None:
        rules = (
            "on >pepper ~shop:* resetchannels &shop:* +@read +@write +@scripting +@connection +@pubsub +time"
        )
        with redis_server("--user", "clerk", *rules.split()) as server:
            async with opened(f"redis://clerk:pepper@127.0.0.1:{server.port}", prefix="shop") as store:
                assert await store.leases.claim("response", "1", seconds=10)
                await store.events.append("resp_1", 1)
                reader = asyncio.create_task(follow(store.events, "resp_1"))
                await store.events.append("resp_1", 1, events(0), ended=True)
                assert await reader == [0]


class TestLeases:
    async def test_epochs_grow_even_when_redis_has_forgotten_all(
        self, store: RedisStore, plain: redis.Redis
    ) -> None:
        first = await store.leases.claim("response", "1", seconds=50)
        plain.flushall()
        await asyncio.sleep(0.005)
        second = await store.leases.claim("response", "1", seconds=50)
        assert first is not None
        assert second is not None
        assert second > first

    async def test_a_claim_that_is_sent_again_after_a_lost_answer_holds(self, server: RedisServer) -> None:
        async with losing_one_answer(server.port) as port, opened(f"redis://127.0.0.1:{port}") as store:
            await store.leases.claim("response", "warm", seconds=50)
            epoch = await store.leases.claim("response", "lost", seconds=50)
            assert epoch is not None
            assert await store.leases.renew("response", "lost", epoch, seconds=50)
            assert await store.leases.claim("response", "lost", seconds=50) is None

    async def test_what_nobody_cares_for_is_forgotten(self, server: RedisServer, plain: redis.Redis) -> None:
        async with opened(server.url, ttl=0.05) as store:
            for number in range(5):
                await store.leases.claim("response", str(number), seconds=0)
            assert len(await store.leases.expired("response")) == 5
            await asyncio.sleep(0.2)
            epoch = await store.leases.claim("response", "new", seconds=50)
            assert await store.leases.count("response") == 1
            assert await store.leases.release("response", "new", epoch or 0)
        assert len(keys_of(plain)) == 1, "the counter"


async def test_a_cluster(tmp_path: Path) -> None:
    with redis_server("--cluster-enabled", "yes", "--cluster-port", str(free_port())) as server:
        with redis.Redis.from_url(server.url) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            await until(lambda: client.cluster("info")["cluster_state"] == "ok", 20)
        async with opened(f"redis://127.0.0.1:{server.port}", cluster=True) as store:
            epoch = await store.leases.claim("response", "1", seconds=50) or 0
            ids = [f"resp_{number}" for number in range(20)]
            await asyncio.gather(*(store.events.append(id, epoch) for id in ids))
            readers = [asyncio.create_task(follow(store.events, id)) for id in ids]
            for number in range(3):
                batch = events(2 * number, 2 * number + 1)
                await asyncio.gather(
                    *(store.events.append(id, epoch, batch, ended=number == 2) for id in ids)
                )
            assert await asyncio.gather(*readers) == [[*range(6)]] * 20
            assert await store.events.read(ids[0], after=2) == LogPage(events(3, 4, 5), True)
            assert await store.leases.release("response", "1", epoch)
        # A client that does not know it, as behind a proxy.
        async with opened(server.url) as store:
            for number in range(2):
                await asyncio.gather(*(store.events.append(f"x_{n}", 1, events(number)) for n in range(9)))
            for n in range(9):
                assert await store.events.read(f"x_{n}") == LogPage(events(0, 1), False)
