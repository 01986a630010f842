"""What telemetry costs: the same stream with and without it, in turns in one process.

A Chat app streams answers of 200 deltas through the middleware: one in this process, and one behind HTTP in
another. Measured is the CPU time of this process, stream by stream in turns, so that a noisy machine disturbs
all alike.
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from benchmarks.state import DELTAS, house, stream
from responses_asgi import AuditLog, OpenTelemetry, Prometheus, RequestLog, ResponsesMiddleware, Upstream
from responses_asgi.exchange import Interceptor

__all__ = ["main"]

REPEATS = {"in process": 500, "over HTTP": 150}


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


async def milliseconds(components: Sequence[ResponsesMiddleware], repeats: int) -> list[float]:
    """CPU time of one stream through each component, which take turns: the medians of many."""
    spent: list[list[int]] = [[] for _ in components]
    for number in range(repeats + 3):
        for component, times in zip(components, spent, strict=True):
            gc.collect(0)
            began = time.process_time_ns()
            await stream(component, store=False)
            if number > 2:
                times.append(time.process_time_ns() - began)
    for component in components:
        await component.aclose()
    return [statistics.median(times) / 1e6 for times in spent]


@contextmanager
def served() -> Iterator[str]:
    """The Chat app in a process of its own; its URL."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = {"fd": listening.fileno(), "log_level": "error", "lifespan": "off"}
    process = multiprocessing.get_context("fork").Process(target=uvicorn.run, args=(house,), kwargs=config)
    process.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        process.terminate()
        process.join()


def main() -> None:
    """Measure each kind beside none, and print one line per kind."""
    print(f"CPU per stream of {DELTAS} deltas")
    print(f"{'upstream':>11} {'telemetry':>11} {'CPU':>11} {'ratio':>7}")
    with served() as url:
        logging.basicConfig(level=logging.INFO, handlers=[logging.FileHandler("/dev/null")])
        logging.getLogger("httpx").setLevel(logging.WARNING)
        for place, repeats in REPEATS.items():
            upstream = Upstream.asgi(house) if place == "in process" else Upstream.http(url)
            made = {
                name: ResponsesMiddleware(upstream, store=None, telemetry=seen)
                for name, seen in kinds().items()
            }
            spent = asyncio.run(milliseconds([*made.values()], repeats))
            for name, each in zip(made, spent, strict=True):
                print(f"{place:>11} {name:>11} {each:>8.2f} ms {each / spent[0]:>7.3f}")


if __name__ == "__main__":
    main()
