"""The store in Redis against real servers: what it promises beyond the rules that every store obeys."""

from __future__ import annotations

import asyncio
import builtins
import datetime
import ipaddress
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.asyncio import Redis, RedisCluster

from responses_asgi.errors import ConfigurationError, MissingExtraError, StoreError, VersionConflictError
from responses_asgi.stores.records import Record
from responses_asgi.stores.redis import RedisStore
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
from tests.store_rules import RecordRules, Subject, Time


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def plain(server: RedisServer) -> Iterator[redis.Redis]:
    """An ordinary client, to look at what lies in an emptied Redis."""
    client = redis.Redis.from_url(server.url)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
async def store(server: RedisServer, plain: redis.Redis) -> AsyncIterator[RedisStore]:
    async with opened(server.url) as store:
        yield store


def thing(id: str = "resp_1", *, kind: str = "response", owner: str = "anna", **fields: Any) -> Record:
    return Record(kind=kind, owner=owner, id=id, **{"data": b"{}", **fields})


async def refusal(store: RedisStore) -> StoreError:
    """The error of a call that must fail, the same for reading and writing."""
    with pytest.raises(StoreError) as reading:
        await store.get("response", "anna", "resp_1")
    with pytest.raises(StoreError) as writing:
        await store.put(thing())
    assert type(reading.value) is type(writing.value) is StoreError
    assert reading.value.message == writing.value.message
    assert writing.value.__cause__ is not None
    return writing.value


@pytest.fixture
async def subject(
    server: RedisServer, plain: redis.Redis, request: pytest.FixtureRequest
) -> AsyncIterator[Subject]:
    async with subject_of(server, short=request.function.__name__ in vars(Time)) as subject:
        yield subject


class TestRules(RecordRules):
    """The rules of every store."""


class TestKeys:
    async def test_everything_is_below_the_prefix_and_in_one_slot_per_owner(
        self, server: RedisServer, plain: redis.Redis
    ) -> None:
        async with opened(server.url, prefix="shop:eu") as store:
            await store.put(thing(names=("msg_1",), parent="conv_1"), thing("c", kind="conversation"))
        keys = [key.decode() for key in keys_of(plain)]
        assert len(keys) == 9
        (tag,) = {key.split("{")[1].split("}")[0] for key in keys}
        assert all(key.startswith(f"shop:eu:{{{tag}}}:") for key in keys)
        assert tag != "anna"

    async def test_no_key_holds_what_a_client_wrote(self, store: RedisStore, plain: redis.Redis) -> None:
        long = "x" * 1_000_000
        for hostile in ("../../etc/passwd", "a:b{c}\r\nFLUSHALL\r\n*", "\x00", "\ud800", "*", long):
            written = thing(hostile, owner=hostile, names=(f"{hostile}-name",), parent=hostile)
            await store.put(written)
            for found in (
                await store.get("response", hostile, hostile),
                await store.find("response", hostile, f"{hostile}-name"),
                *await store.list("response", hostile, parent=hostile),
            ):
                assert found is not None
                assert (found.id, found.parent, found.names) == (hostile, hostile, written.names)
        assert max(len(key) for key in keys_of(plain)) < 120

    async def test_another_prefix_is_another_store(self, server: RedisServer, store: RedisStore) -> None:
        async with opened(server.url, prefix="other") as other:
            await store.put(thing(names=("msg_1",)))
            assert await other.get("response", "anna", "resp_1") is None
            assert await other.find("response", "anna", "msg_1") is None
            assert await other.list("response", "anna") == []
            assert await other.delete("response", "anna", "resp_1") == 0

    async def test_another_database_is_another_store(self, server: RedisServer, store: RedisStore) -> None:
        async with opened(f"redis://127.0.0.1:{server.port}/3") as other:
            await store.put(thing())
            assert await other.get("response", "anna", "resp_1") is None


class TestTtl:
    async def test_redis_itself_forgets_the_record(self, store: RedisStore, plain: redis.Redis) -> None:
        await store.put(thing(ttl=0.05, names=("msg_1",), parent="conv_1"))
        await until_forgotten(store)
        assert await store.find("response", "anna", "msg_1") is None
        assert await store.list("response", "anna") == await store.list("response", "anna", parent="c") == []
        assert keys_of(plain) == []

    async def test_without_a_ttl_the_stores_own_holds(
        self, server: RedisServer, store: RedisStore, plain: redis.Redis
    ) -> None:
        await store.put(thing())
        assert {plain.ttl(key) for key in keys_of(plain)} <= {30 * 24 * 3600, 30 * 24 * 3600 - 1}
        async with opened(server.url, prefix="short", ttl=0.05) as short:
            await short.put(thing())
            await until_forgotten(short)

    async def test_a_ttl_without_end_is_bounded(self, store: RedisStore, plain: redis.Redis) -> None:
        await store.put(thing(ttl=float("inf")))
        found = await store.get("response", "anna", "resp_1")
        assert found is not None
        assert found.ttl == float("inf")
        assert all(plain.ttl(key) > 99 * 365 * 24 * 3600 for key in keys_of(plain))

    async def test_a_list_lives_as_long_as_the_longest_in_it(
        self, store: RedisStore, plain: redis.Redis
    ) -> None:
        await store.put(thing("long", ttl=1000, names=("n",)), thing("short", ttl=10, names=("n",)))
        lists = [key for key in keys_of(plain) if b":r:response:" not in key]
        assert len(lists) == 4
        assert all(plain.ttl(key) > 900 for key in lists)

    async def test_renewal_counts_from_the_read_and_takes_the_lists_along(
        self, store: RedisStore, plain: redis.Redis
    ) -> None:
        await store.put(thing(ttl=1000, names=("n",), parent="p"))
        for key in keys_of(plain):
            plain.expire(key, 100)
        assert await store.get("response", "anna", "resp_1") is not None
        assert all(plain.ttl(key) <= 100 for key in keys_of(plain))
        assert await store.get("response", "anna", "resp_1", renew=True) is not None
        assert len(keys_of(plain)) == 5
        assert all(plain.ttl(key) > 900 for key in keys_of(plain))
        assert await store.get("response", "anna", "missing", renew=True) is None

    async def test_lists_that_nobody_reads_are_cleared_of_the_dead(
        self, store: RedisStore, plain: redis.Redis
    ) -> None:
        await store.put(thing("kept", names=("n",), parent="p"))
        for number in range(400):
            await store.put(thing(f"resp_{number}", ttl=0.001, names=("n",), parent="p"))
        lists = [key for key in keys_of(plain) if plain.type(key) == b"zset"]
        assert len(lists) == 3
        assert max(plain.zcard(key) for key in lists) < 100
        await asyncio.sleep(0.05)
        assert [record.id for record in await store.list("response", "anna", parent="p")] == ["kept"]
        assert (await found_by(store, "n")) == "kept"
        assert plain.zcard(lists[0]) >= 1

    async def test_what_is_read_past_is_taken_out(self, store: RedisStore, plain: redis.Redis) -> None:
        await store.put(*(thing(f"resp_{number}", names=("n",)) for number in range(5)))
        for key in keys_of(plain, "*:r:response:*"):
            if plain.hget(key, "id") not in (b"resp_0", b"resp_1"):
                plain.delete(key)
        assert (await found_by(store, "n")) == "resp_1"
        newest_first = await store.list("response", "anna", limit=1, descending=True)
        assert [record.id for record in newest_first] == ["resp_1"]
        assert [plain.zcard(key) for key in keys_of(plain, "*:[in]:*")] == [2, 2]

    async def test_a_record_that_came_back_has_left_its_old_lists(
        self, store: RedisStore, plain: redis.Redis
    ) -> None:
        await store.put(thing(names=("old",), parent="old"))
        (key,) = keys_of(plain, "*:r:response:*")
        plain.delete(key)
        await store.put(thing(names=("new",), parent="new"))
        assert await store.find("response", "anna", "old") is None
        assert await store.list("response", "anna", parent="old") == []
        assert (await found_by(store, "new")) == "resp_1"


async def until_forgotten(store: RedisStore) -> None:
    async with asyncio.timeout(10):
        while await store.get("response", "anna", "resp_1") is not None:  # noqa: ASYNC110 - Redis's own clock
            await asyncio.sleep(0.01)


async def found_by(store: RedisStore, name: str) -> str | None:
    found = await store.find("response", "anna", name)
    return found and found.id


class TestOneStep:
    async def test_of_many_writers_one_wins(self, server: RedisServer, store: RedisStore) -> None:
        await store.put(thing())
        async with opened(server.url) as second:
            tries = [each.put(thing(), version=1) for each in (store, second) for _ in range(10)]
            outcomes = await asyncio.gather(*tries, return_exceptions=True)
        assert [type(each) for each in outcomes].count(VersionConflictError) == 19
        found = await store.get("response", "anna", "resp_1")
        assert found is not None
        assert found.version == 2

    async def test_each_method_is_one_command(self, store: RedisStore, plain: redis.Redis) -> None:
        async def everything() -> None:
            await store.put(thing(names=("n",), parent="p"), thing("resp_2"))
            await store.get("response", "anna", "resp_1")
            await store.get("response", "anna", "resp_1", renew=True)
            await store.find("response", "anna", "n")
            await store.list("response", "anna", limit=100)
            await store.delete("response", "anna", "resp_1", "resp_2")

        await everything()  # the scripts are known now
        plain.config_resetstat()
        await everything()
        asked = plain.info("commandstats")
        assert asked["cmdstat_evalsha"]["calls"] == 5
        assert not {"cmdstat_keys", "cmdstat_scan", "cmdstat_eval"} & set(asked)

    async def test_nothing_to_do_asks_nothing(self) -> None:
        store = RedisStore("redis://127.0.0.1:1")
        await store.put()
        assert await store.delete("response", "anna") == 0
        assert await store.list("response", "anna", limit=0) == []
        with pytest.raises(ValueError, match="one record, got 2"):
            await store.put(thing("a"), thing("b"), version=1)

    async def test_a_put_that_is_sent_again_after_a_lost_answer_counts_once(
        self, server: RedisServer
    ) -> None:
        async with losing_one_answer(server.port) as port, opened(f"redis://127.0.0.1:{port}") as store:
            await store.put(thing("warm"))
            await store.put(thing("lost"), version=0)
            found = await store.get("response", "anna", "lost")
        assert found is not None
        assert found.version == 1


class TestFailures:
    async def test_nobody_listens(self, caplog: pytest.LogCaptureFixture) -> None:
        port = free_port()
        async with opened(f"redis://user:hush-hush@127.0.0.1:{port}") as store:
            with caplog.at_level(logging.INFO, "responses_asgi"):
                error = await refusal(store)
        assert error.status == 503
        assert error.headers["retry-after"]
        assert error.message == "The store cannot be reached."
        (record,) = caplog.records
        assert f"Redis at 127.0.0.1:{port}: The store cannot be reached." in record.getMessage()
        assert "hush-hush" not in record.getMessage()

    async def test_restarted_in_the_middle(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        with redis_server() as server:
            async with opened(server.url) as store:
                await asyncio.gather(*(store.put(thing(f"resp_{number}")) for number in range(8)))
                await asyncio.to_thread(server.stop)
                with caplog.at_level(logging.INFO, "responses_asgi"):
                    assert (await refusal(store)).message == "The store cannot be reached."
                    await asyncio.to_thread(server.start)
                    await asyncio.gather(*(store.put(thing(f"resp_{number}")) for number in range(8)))
                assert len(await store.list("response", "anna")) == 8
        said = [record.getMessage() for record in caplog.records]
        assert len(said) == 2
        assert said[1] == f"Redis at 127.0.0.1:{server.port} answers again"

    async def test_restarted_between_two_calls_nobody_notices(self, caplog: pytest.LogCaptureFixture) -> None:
        with redis_server(persistent=True) as server:
            async with opened(server.url) as store:
                await store.put(thing(data=b"before"))
                await asyncio.to_thread(server.stop)
                await asyncio.to_thread(server.start)
                found = await store.get("response", "anna", "resp_1", renew=True)
        assert found is not None
        assert found.data == b"before"
        assert not caplog.records

    async def test_a_server_that_does_not_answer(self) -> None:
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen()
            async with opened(f"redis://127.0.0.1:{deaf.getsockname()[1]}", timeout=0.2) as store:
                error = await refusal(store)
        assert error.message == "The store did not answer within 0.2 seconds."

    async def test_all_connections_busy(self, server: RedisServer, store: RedisStore) -> None:
        """More calls at once than there may be connections wait for their turn."""
        async with opened(server.url, max_connections=2) as narrow:
            await asyncio.gather(*(narrow.put(thing(f"resp_{number}")) for number in range(50)))
            assert len(await narrow.list("response", "anna", limit=100)) == 50

    async def test_passwords_and_users(self) -> None:
        rules = "on >pepper ~shop:* +@read +@write +@scripting +@connection"
        with redis_server("--requirepass", "salt", "--user", "clerk", *rules.split()) as server:
            place = f"127.0.0.1:{server.port}"
            for url in (f"redis://:salt@{place}", f"redis://clerk:pepper@{place}/0"):
                async with opened(url, prefix="shop") as store:
                    await store.put(thing())
            refused = "The store refuses the credentials of this service."
            for url in (f"redis://{place}", f"redis://:sugar@{place}", f"redis://clerk:salt@{place}"):
                async with opened(url, prefix="shop") as store:
                    assert (await refusal(store)).message == refused
            async with opened(f"redis://clerk:pepper@{place}", prefix="elsewhere") as store:
                assert (await refusal(store)).message == refused

    async def test_full(self, plain: redis.Redis) -> None:
        with redis_server("--maxmemory", "8mb", "--maxmemory-policy", "noeviction") as server:
            async with opened(server.url) as store:
                await store.put(thing("small"))
                outcomes = set()
                for number in range(100):
                    pair = thing(f"resp_{number}"), thing(f"big_{number}", data=b"x" * 100_000)
                    outcomes.update(await asyncio.gather(store.put(*pair), return_exceptions=True))
                assert {str(outcome) for outcome in outcomes} == {"None", "The store is full."}
                kept = [record.id for record in await store.list("response", "anna", limit=300)]
                assert len(kept) % 2 == 1, "a put is kept as a whole or not at all"
                assert await store.delete("response", "anna", *kept) == len(kept)
                await store.put(thing())

    async def test_a_replica_takes_no_changes(self, server: RedisServer) -> None:
        with redis_server("--replicaof", "127.0.0.1", str(server.port)) as replica:
            async with opened(replica.url) as store:
                looked_at = redis.Redis.from_url(replica.url)
                await until(lambda: looked_at.info("replication")["master_link_status"] == "up", 20)
                looked_at.close()
                with pytest.raises(StoreError, match="takes no changes"):
                    await store.put(thing())

    async def test_a_foreign_key_in_the_way(self, store: RedisStore, plain: redis.Redis) -> None:
        await store.put(thing())
        for key in keys_of(plain):
            plain.set(key, "not ours")
        assert (await refusal(store)).message == "The store could not do what it was asked."


class TestConnections:
    def test_each_event_loop_has_its_own(self, server: RedisServer, plain: redis.Redis) -> None:
        store = RedisStore(server.url)

        async def put_and_read(id: str) -> int:
            await store.put(thing(id))
            return len(await store.list("response", "anna"))

        assert [asyncio.run(put_and_read(id)) for id in ("a", "b", "c")] == [1, 2, 3]

    async def test_two_loops_at_once(self, server: RedisServer, store: RedisStore) -> None:
        def elsewhere() -> None:
            asyncio.run(store.put(thing("elsewhere")))

        await store.put(thing("here"))
        await asyncio.to_thread(elsewhere)
        assert {record.id for record in await store.list("response", "anna")} == {"here", "elsewhere"}

    async def test_nothing_is_open_before_the_first_call_and_after_the_last(
        self, server: RedisServer, plain: redis.Redis
    ) -> None:
        # Others are connected too; the name tells which connections are this store's.
        def connected() -> int:
            return sum(client["name"] == "counted" for client in plain.client_list())

        store = RedisStore(f"{server.url}?client_name=counted")
        assert connected() == 0
        await asyncio.gather(*(store.put(thing(f"resp_{number}")) for number in range(5)))
        assert connected() > 0
        await store.aclose()
        await store.aclose()
        await until(lambda: connected() == 0)
        assert len(await store.list("response", "anna")) == 5
        await store.aclose()

    @pytest.mark.parametrize("decode", [False, True])
    async def test_a_client_of_the_users_own(
        self, server: RedisServer, plain: redis.Redis, decode: bool
    ) -> None:
        client = Redis.from_url(server.url, decode_responses=decode)
        async with opened(None, client=client) as store:
            await store.put(thing(data=b"\xff\x00"))
            found = await store.get("response", "anna", "resp_1")
        assert found is not None
        assert found.data == b"\xff\x00"
        assert await client.ping(), "it stays open"
        await client.aclose()

    async def test_a_unix_socket(self, tmp_path: Path) -> None:
        with redis_server("--unixsocket", "redis.sock") as server:
            async with opened(f"unix://{server.folder / 'redis.sock'}") as store:
                await store.put(thing())
                assert await store.get("response", "anna", "resp_1") is not None
                await asyncio.to_thread(server.stop)
                assert (await refusal(store)).message == "The store cannot be reached."

    async def test_tls(self, tmp_path: Path) -> None:
        certificate, key = self_signed(tmp_path)
        port = free_port()
        user = ("--user", "clerk", "on", ">pepper", "~*", "+@all")
        options = ("--tls-port", port, "--tls-cert-file", certificate, "--tls-key-file", key)
        with redis_server(*map(str, options), "--tls-auth-clients", "no", *user):
            url = f"rediss://clerk:pepper@127.0.0.1:{port}/0"
            async with opened(f"{url}?ssl_ca_certs={certificate}") as store:
                await store.put(thing())
                assert await store.get("response", "anna", "resp_1") is not None
            async with opened(url) as store:
                assert (await refusal(store)).message == "The store cannot be reached."


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key, as files."""
    x509 = pytest.importorskip("cryptography.x509", reason="cryptography makes the certificate")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(addresses, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, *private))
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisServer]:
    """One node that holds every slot; it refuses commands whose keys lie in several."""
    with redis_server("--cluster-enabled", "yes", "--cluster-port", str(free_port())) as server:
        with redis.Redis.from_url(server.url) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            while client.cluster("info")["cluster_state"] != "ok":
                pass
        yield server


class TestCluster:
    async def test_an_owners_records_lie_together(self, cluster: RedisServer) -> None:
        url = cluster.url.removesuffix("/0")
        async with opened(url, cluster=True) as store:
            for owner in ("anna", "ben", ""):
                await store.put(
                    thing(owner=owner, names=("n",), parent="p"), thing("c", kind="conversation", owner=owner)
                )
                assert await store.get("response", owner, "resp_1", renew=True) is not None
                assert await store.find("response", owner, "n") is not None
                assert len(await store.list("response", owner, parent="p")) == 1
                assert await store.delete("response", owner, "resp_1") == 1
            with pytest.raises(StoreError):
                await store.put(thing(owner="anna"), thing(owner="ben"))

    async def test_a_cluster_client_of_the_users_own(self, cluster: RedisServer) -> None:
        client = RedisCluster(host="127.0.0.1", port=cluster.port)
        async with opened(None, client=client) as store:
            await store.put(thing())
            assert await store.get("response", "anna", "resp_1") is not None
        await client.aclose()

    async def test_a_cluster_that_is_away(self) -> None:
        async with opened("redis://127.0.0.1:1", cluster=True, timeout=2) as store:
            assert (await refusal(store)).message == "The store cannot be reached."


class TestSettings:
    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({}, "either a url or client="),
            ({"url": "redis://a", "client": Redis()}, "either a url or client="),
            ({"url": "http://localhost"}, "redis://, rediss://, unix://; got 'http'"),
            ({"url": "localhost:6379/0"}, "redis://, rediss://, unix://; got 'localhost'"),
            ({"url": ""}, "redis://, rediss://, unix://; got 'none of them'"),
            ({"url": "redis://localhost:port"}, "cannot be read: Port"),
            ({"url": "redis://localhost/first"}, "number of a database; got 'first'"),
            ({"url": "redis://localhost?max_connections=many"}, "cannot be used"),
            ({"url": "redis://localhost?no_such_option=1"}, "cannot be used"),
            ({"url": "redis://localhost", "prefix": "a{b}"}, "without braces"),
            ({"url": "redis://localhost", "ttl": 0}, "ttl=0"),
            ({"url": "redis://localhost", "timeout": 0}, "timeout=0"),
        ],
    )
    def test_what_cannot_work_is_refused(self, options: dict[str, Any], told: str) -> None:
        with pytest.raises(ConfigurationError) as refused:
            RedisStore(**options)
        assert told in str(refused.value)

    def test_without_redis_py_the_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        original = builtins.__import__

        def refuse(name: str, *args: Any, **options: Any) -> Any:
            if name.startswith("redis"):
                raise ImportError(name)
            return original(name, *args, **options)

        monkeypatch.setattr(builtins, "__import__", refuse)
        with pytest.raises(MissingExtraError, match=r"responses-asgi\[redis\]"):
            RedisStore("redis://localhost")
