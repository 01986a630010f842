"""What clients can do to a bridge: leave, stop reading, and send what is no request."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.answers import answer, events_in, words_of_events
from tests.chaos.asking import Case, check
from tests.chaos.bridge import MAX_BODY, PAIRS, Bridge, Upstreamer
from tests.chaos.calm import Calm
from tests.chaos.faults import MB
from tests.chaos.ledger import LEDGER, Seen, Verdict, judge
from tests.chaos.raw_client import RawClient, connected
from tests.loopback import until

_numbers = count()

# Milliseconds between two events of an upstream whose client leaves.
PACE = 40
# Events that may be on their way when the client has left.
ON_THE_WAY = 8

every_pair = pytest.mark.parametrize("pair", PAIRS)


@pytest.fixture
async def calm(bridge: Bridge, upstream: Upstreamer) -> Any:
    """Whatever a test does to the bridge: afterwards nothing is left of it."""
    calm = Calm.of(bridge, upstream)
    yield calm
    await calm.returns()


@pytest.mark.parametrize("how", ["closes", "resets"])
@every_pair
async def test_a_client_that_leaves_after_any_event_ends_the_upstream_call(
    pair: str, how: str, calm: Calm, bridge: Bridge, upstream: Upstreamer
) -> None:
    events = len(answer(PAIRS[pair].upstream, stream=True))

    async def leave(after: int) -> None:
        number = f"leaves-{next(_numbers)}"
        case = Case(pair, "slow", at=PACE)
        async with connected(bridge.url) as client:
            await client.send(client.request(case.path, case.body(number)))
            got = await client.read_events(after)
            if how == "resets":
                client.reset()
        body = parsed_so_far(got)
        words = words_of_events(case.client, events_in(body))
        LEDGER.enter(Verdict("left", words, body.count(b"\n\n")))
        await until(lambda: upstream.told(number), 30)
        (told,) = upstream.told(number)
        if after < events - 2 * ON_THE_WAY:
            assert told["end"] == "gone"
            assert told["sent"] < events

    lost, doubled = LEDGER.lost, LEDGER.doubled
    places = range(1, events, 2)
    await asyncio.gather(*map(leave, places))
    assert (LEDGER.lost, LEDGER.doubled) == (lost, doubled)


def parsed_so_far(got: bytes) -> bytes:
    """The whole events of an answer in chunks that broke off anywhere."""
    body, rest = bytearray(), got.partition(b"\r\n\r\n")[2]
    while b"\r\n" in rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        body += rest[:length]
        rest = rest[length + 2 :]
    return bytes(body[: body.rfind(b"\n\n") + 2])


@every_pair
async def test_a_client_that_stops_reading_stops_the_upstream(
    pair: str, calm: Calm, bridge: Bridge, upstream: Upstreamer
) -> None:
    """An upstream without end is not read further than the buffers of the network go."""
    memory, at_once = bridge.memory, 10
    case = Case(pair, "endless", at=5)
    names = [f"stops-{next(_numbers)}" for _ in range(at_once)]
    async with AsyncExitStack() as stack:
        for name in names:
            client = await stack.enter_async_context(connected(bridge.url, buffer=16_384))
            await client.send(client.request(case.path, case.body(name)))
            await client.read_events(3)
        await until(lambda: len(upstream.children) == at_once, 30)
        await _stands_still(upstream)
        assert bridge.memory - memory < at_once * 5 * MB
    for name in names:
        await until(lambda name=name: upstream.told(name), 30)
        assert upstream.told(name)[0]["end"] == "gone"
        LEDGER.enter(Verdict("left", [], 0))


async def _stands_still(upstream: Upstreamer) -> None:
    """Wait until the upstream's processes have slept for a while."""

    def worked() -> list[tuple[str, str, str]]:
        """State, and time spent. Source: proc(5)."""
        stats = (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in upstream.children
        )
        return [(fields[0], fields[11], fields[12]) for fields in stats]

    async with asyncio.timeout(60):
        before: list[tuple[str, str, str]] = []
        while (now := worked()) != before or any(state != "S" for state, _, _ in now):
            before = now
            await asyncio.sleep(0.5)


@every_pair
async def test_a_client_that_reads_slowly_reads_everything(pair: str, calm: Calm, bridge: Bridge) -> None:
    case = Case(pair, "none")
    async with connected(bridge.url, buffer=4_096) as client:
        await client.send(client.request(case.path, case.body("slow reader")))
        assert check(case, await client.answer(size=100, pause=0.001)).outcome == "whole"


@every_pair
async def test_a_body_that_comes_byte_by_byte_is_a_request_as_any(
    pair: str, calm: Calm, bridge: Bridge
) -> None:
    case = Case(pair, "none")
    async with connected(bridge.url) as client:
        for byte in client.request(case.path, case.body("slow writer")):
            await client.send(bytes([byte]))
            await asyncio.sleep(0)
        assert check(case, await client.answer()).outcome == "whole"


# Bodies

Body = Callable[[RawClient, str], Any]


async def _endless_chunks(client: RawClient, path: str) -> None:
    await client.send(client.head(path, "transfer-encoding: chunked"))
    block = b"%x\r\n%b\r\n" % (MAX_BODY // 10, b" " * (MAX_BODY // 10))
    with suppress(ConnectionError):
        for _ in range(1_000):
            await client.send(block)


async def _announced(client: RawClient, path: str) -> None:
    await client.send(client.head(path, "content-length: 10000000000") + b'{"model": "')


async def _bomb(client: RawClient, path: str) -> None:
    packed = gzip.compress(b'{"model": "' + b"x" * 100 * MB + b'"}')
    fields = ("content-encoding: gzip", f"content-length: {len(packed)}")
    await client.send(client.head(path, *fields) + packed)


@pytest.mark.parametrize("body", [_endless_chunks, _announced, _bomb], ids=["endless", "announced", "gzip"])
@pytest.mark.parametrize("pair", [name for name, pair in PAIRS.items() if not pair.untouched])
async def test_a_body_without_end_is_refused(
    pair: str, body: Body, calm: Calm, bridge: Bridge, upstream: Upstreamer
) -> None:
    memory = bridge.memory
    bridge.forget_most_memory()
    case = Case(pair, "none")
    async with connected(bridge.url) as client:
        sending = asyncio.create_task(body(client, case.path))
        seen = await client.answer()
        sending.cancel()  # what waits for a socket is not told when it is closed
        await asyncio.wait([sending])
        client.reset()
    verdict = LEDGER.enter(judge(case.client, seen, stream=True))
    assert verdict.outcome == "413"
    assert bridge.most_memory - memory < 20 * MB
    assert upstream.children == []


async def _half_a_head(client: RawClient, path: str) -> None:
    await client.send(client.head(path, "content-length: 100")[:-20])


async def _head_only(client: RawClient, path: str) -> None:
    await client.send(client.head(path, "content-length: 100"))


async def _half_a_body(client: RawClient, path: str) -> None:
    await client.send(client.head(path, "content-length: 100") + b'{"model": "half')


async def _half_a_chunk(client: RawClient, path: str) -> None:
    await client.send(client.head(path, "transfer-encoding: chunked") + b'64\r\n{"model": "half')


@pytest.mark.parametrize("how", ["closes", "resets", "waits"])
@pytest.mark.parametrize("begin", [_half_a_head, _head_only, _half_a_body, _half_a_chunk])
@every_pair
async def test_half_a_request_is_none(
    calm: Calm, bridge: Bridge, *, pair: str, begin: Body, how: str
) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(bridge.url)) for _ in range(5)]
        for client in clients:
            await begin(client, Case(pair, "none").path)
        assert PAIRS[pair].untouched or calm.upstream.children == []
        if how == "waits":
            # Others are answered meanwhile, and the upstream is not asked.
            case = Case(pair, "none", stream=False)
            async with connected(bridge.url) as other:
                await other.send(other.request(case.path, case.body("beside")))
                assert check(case, await other.answer()).outcome == "whole"
        for client in clients:
            if how == "resets":
                client.reset()
            LEDGER.enter(Verdict("left", [], 0))


@pytest.mark.parametrize("pair", [name for name, pair in PAIRS.items() if not pair.untouched])
async def test_a_client_that_will_not_say_more_is_answered_or_gone(
    pair: str, calm: Calm, bridge: Bridge
) -> None:
    """Half a close: servers take it for a client that left, or as the end of its requests."""
    case = Case(pair, "none")
    async with connected(bridge.url) as client:
        await client.send(client.request(case.path, case.body("half closed")))
        client.end_of_requests()
        seen: Seen = await client.answer()
    if seen.status == 200 and seen.ended:
        check(case, seen)
    else:
        LEDGER.enter(Verdict("left", [], 0))


@pytest.mark.parametrize(
    "said", [b"\x16\x03\x01" * 50, b"GET\r\n\r\n", b"\x00" * 1000, b"POST /inside HTTP/9.9\r\n\r\n"]
)
async def test_what_is_no_http_hurts_nobody(said: bytes, calm: Calm, bridge: Bridge) -> None:
    async with connected(bridge.url) as client:
        await client.send(said)
        client.end_of_requests()
        assert (await client.answer()).status in (0, 200, 400)
    LEDGER.enter(Verdict("left", [], 0))
