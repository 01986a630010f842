"""What telemetry costs: the same stream with and without it, in turns.

A Chat app streams answers of 200 deltas through the middleware. Measured is CPU time, stream by stream in
turns, so that a noisy machine disturbs all alike:

- `at once`: in this process, without a pause and without a server: the worst case
- `paced`: in this process, a delta a millisecond, to eight clients at the same time
- `served`: a process with uvicorn between clients and an upstream behind HTTP, which is paced, too

OpenTelemetry's SDK is there, with an exporter that keeps nothing, and a reader of metrics.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import multiprocessing
import socket
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from responses_asgi import AuditLog, OpenTelemetry, Prometheus, RequestLog, ResponsesMiddleware, Upstream
from responses_asgi.exchange import Interceptor
from responses_asgi.types.asgi import ASGIApp, Message, Receive, Scope, Send
from responses_asgi.types.json import dumps

__all__ = ["main"]

DELTAS = 200
REPEATS = {"at once": 500, "paced": 40}
ROUNDS = 20
CLIENTS = 8

BODY = {"model": "house", "input": "Hi", "stream": True, "store": False}
TOLD = b"event: response.output_text.delta"


class _Nowhere(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def kinds() -> dict[str, list[Interceptor]]:
    """The telemetry that is measured, each alone and all together."""
    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(_Nowhere()))
    meters = MeterProvider(metric_readers=[InMemoryMetricReader()])

    def otel() -> OpenTelemetry:
        return OpenTelemetry(tracer_provider=tracers, meter_provider=meters)

    every: list[Interceptor] = [otel(), Prometheus(), RequestLog(), AuditLog("/dev/null")]
    return {
        "none": [],
        "otel": [otel()],
        "prometheus": [Prometheus()],
        "logs": [RequestLog(), AuditLog("/dev/null")],
        "all": every,
    }


def _event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "house",
    }
    return b"data: " + dumps({**chunk, "choices": [choice]}) + b"\n\n"


EVENTS = [_event({"content": " word"})] * DELTAS + [_event({}, "stop"), b"data: [DONE]\n\n"]


async def house(scope: Scope, receive: Receive, send: Send) -> None:
    """The Chat app: one event per message."""
    await receive()
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for event in EVENTS:
        await send({"type": "http.response.body", "body": event, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def stream(component: ResponsesMiddleware) -> None:
    """One request. Raises RuntimeError when a delta was lost."""
    requests: list[Message] = [{"type": "http.request", "body": dumps(BODY)}]
    seen = 0

    async def receive() -> Message:
        return requests.pop() if requests else await asyncio.get_running_loop().create_future()

    async def send(message: Message) -> None:
        nonlocal seen
        seen += message.get("body", b"").count(TOLD)

    headers = [(b"content-type", b"application/json"), (b"authorization", b"Bearer key")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/responses",
        "headers": headers,
        "query_string": b"",
    }
    await component(scope, receive, send)
    if seen != DELTAS:
        raise RuntimeError(f"{DELTAS} deltas went in, {seen} came out")


async def paced(scope: Scope, receive: Receive, send: Send) -> None:
    """The Chat app, with a pause before each message."""

    async def slowly(message: Message) -> None:
        await asyncio.sleep(0.001)
        await send(message)

    await house(scope, receive, slowly)


async def milliseconds(
    components: Sequence[ResponsesMiddleware], repeats: int, clients: int = 1
) -> list[float]:
    """CPU time of one stream through each component, which take turns: the medians of many."""
    spent: list[list[int]] = [[] for _ in components]
    for number in range(repeats + 3):
        for component, times in zip(components, spent, strict=True):
            gc.collect(0)
            began = time.process_time_ns()
            await asyncio.gather(*(stream(component) for _ in range(clients)))
            if number > 2:
                times.append((time.process_time_ns() - began) // clients)
    for component in components:
        await component.aclose()
    return [statistics.median(times) / 1e6 for times in spent]


@contextmanager
def served(app: ASGIApp) -> Iterator[tuple[str, int]]:
    """The app in a process of its own: its URL, and the id of the process."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = {"fd": listening.fileno(), "log_level": "error", "lifespan": "off"}
    process = multiprocessing.get_context("fork").Process(target=uvicorn.run, args=(app,), kwargs=config)
    process.start()
    assert process.pid is not None
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", process.pid
    finally:
        process.terminate()
        process.join()


def spent_by(pid: int) -> int:
    """Nanoseconds of CPU time that all threads of a process have had (Linux)."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads)


async def milliseconds_served(servers: Sequence[tuple[str, int]]) -> list[float]:
    """CPU time of one stream through each server, which take turns."""
    spent: list[list[int]] = [[] for _ in servers]
    async with httpx.AsyncClient(timeout=60) as client:
        for number in range(ROUNDS + 2):
            for (url, pid), times in zip(servers, spent, strict=True):
                began = spent_by(pid)
                asked = [client.post(f"{url}/v1/responses", json=BODY) for _ in range(CLIENTS)]
                for answer in await asyncio.gather(*asked):
                    if answer.content.count(TOLD) != DELTAS:
                        raise RuntimeError(f"{DELTAS} deltas went in, others came out")
                if number > 1:
                    times.append((spent_by(pid) - began) // CLIENTS)
    return [statistics.median(times) / 1e6 for times in spent]


def components(upstream: Upstream) -> dict[str, ResponsesMiddleware]:
    """The middleware with each kind of telemetry."""
    return {name: ResponsesMiddleware(upstream, store=None, telemetry=seen) for name, seen in kinds().items()}


def tell(place: str, names: Iterable[str], spent: Sequence[float]) -> None:
    """Print a line for each kind."""
    for name, each in zip(names, spent, strict=True):
        print(f"{place:>8} {name:>11} {each:>8.2f} ms {each / spent[0]:>7.3f}", flush=True)


def main() -> None:
    """Measure each kind beside none, and print one line per kind."""
    logging.basicConfig(level=logging.INFO, handlers=[logging.FileHandler("/dev/null")])
    logging.getLogger("httpx").setLevel(logging.WARNING)
    print(f"CPU per stream of {DELTAS} deltas")
    print(f"{'':>8} {'telemetry':>11} {'CPU':>11} {'ratio':>7}")
    with ExitStack() as stack:
        url, _ = stack.enter_context(served(paced))
        made = components(Upstream.http(url))
        servers = [stack.enter_context(served(component)) for component in made.values()]
        tell("served", made, asyncio.run(milliseconds_served(servers)))
    for place, app, clients in (("at once", house, 1), ("paced", paced, CLIENTS)):
        made = components(Upstream.asgi(app))
        tell(place, made, asyncio.run(milliseconds([*made.values()], REPEATS[place], clients)))


if __name__ == "__main__":
    main()
