"""Figures for Prometheus: requests, tokens, times, losses, and what is open now."""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from responses_asgi.errors import APIError, MissingExtraError
from responses_asgi.exchange import Ended, Interception
from responses_asgi.exchange.attempt import Asked
from responses_asgi.telemetry.facts import Facts, Tokens, facts_of
from responses_asgi.telemetry.labels import Labels, path_label
from responses_asgi.types.asgi import Scope
from responses_asgi.upstreams.upstream import Upstream, WireAPI

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

__all__ = ["Prometheus"]

PREFIX = "responses_asgi"
MAX_MODELS = 200
MAX_PATHS = 500

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_TRANSLATION = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)


class Prometheus:
    """Counts exchanges for Prometheus; a gateway shows the figures at `GET /metrics`. Extra `prometheus`.

    All begin with `responses_asgi_`:

    - `requests_total` by `client` (the API; none at the door), `model`, `status` (HTTP) and `outcome`
    - `tokens_total` by `model` and `type`: input, output, cached (of the input), reasoning (of the output)
    - `first_event_seconds` by `model`: until a stream's first event was sent
    - `duration_seconds` by `client`, `model` and `outcome`
    - `translation_seconds` by `client`: what of it was spent with translation
    - `losses_total` by `path` and `action`
    - `open_answers` by `stream`: answers that are being made

    `registry`: the registry that they are added to; None: one of their own, shared by all workers where
    `PROMETHEUS_MULTIPROC_DIR` says so. There are at most 200 models and 500 paths, all others are `other`.

    Raises MissingExtraError.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        try:
            import prometheus_client
        except ImportError:
            raise MissingExtraError("Prometheus", "prometheus") from None
        self.registry = registry or prometheus_client.CollectorRegistry()
        self.figures = _Figures(self.registry)

    async def begin(self, asked: Asked, upstream: Upstream) -> Interception:
        """Look at the clock."""
        return _Counted(self.figures, asked)

    def refused(self, scope: Scope, client: WireAPI | None, error: APIError) -> None:
        """Count a request that could not be read, is for a model that is not there, or was not let in."""
        self.figures.requests.labels(client or "", "", str(error.status), "refused").inc()

    async def aclose(self) -> None:
        """Nothing is held."""

    def page(self, accept: str = "") -> tuple[bytes, str]:
        """What Prometheus reads, and its content type, in the best format that it accepts."""
        from prometheus_client import CollectorRegistry, multiprocess
        from prometheus_client.exposition import choose_encoder

        encode, content_type = choose_encoder(accept)
        registry = self.registry
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it has no types
        return encode(registry), content_type


class _Figures:
    def __init__(self, registry: CollectorRegistry) -> None:
        from prometheus_client import Counter, Gauge, Histogram

        def named(name: str, help: str, *labels: str) -> dict[str, Any]:
            return {
                "name": f"{PREFIX}_{name}",
                "documentation": help,
                "labelnames": labels,
                "registry": registry,
            }

        self._models = Labels(MAX_MODELS)
        self._paths = Labels(MAX_PATHS)
        self.requests = Counter(**named("requests", "Requests", "client", "model", "status", "outcome"))
        self.tokens = Counter(**named("tokens", "Tokens that upstreams told of", "model", "type"))
        self.losses = Counter(**named("losses", "What translations lost or changed", "path", "action"))
        self.open = Gauge(
            **named("open_answers", "Answers that are being made", "stream"), multiprocess_mode="livesum"
        )
        first = named("first_event_seconds", "Time until the first event of a stream", "model")
        duration = named("duration_seconds", "Time of an exchange", "client", "model", "outcome")
        translation = named("translation_seconds", "Time spent with translation", "client")
        self.first_event = Histogram(**first, buckets=_SECONDS)
        self.duration = Histogram(**duration, buckets=_SECONDS)
        self.translation = Histogram(**translation, buckets=_TRANSLATION)
        self._known: dict[tuple[Any, ...], Any] = {}

    def of(self, metric: Any, *labels: str) -> Any:
        """The metric with these labels, which it takes long to find; there are only so many."""
        key = (metric, labels)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = metric.labels(*labels)
        return found

    def count(self, facts: Facts, ended: Ended, seconds: float) -> None:
        """Count one exchange."""
        client, model = facts.client or "", self._models[facts.model]
        self.of(self.requests, client, model, str(facts.status), facts.outcome).inc()
        self.of(self.duration, client, model, facts.outcome).observe(seconds)
        if facts.tokens is not None:
            for kind, figure in zip(Tokens._fields, facts.tokens, strict=True):
                self.of(self.tokens, model, kind).inc(max(figure, 0))
        if facts.stream and ended.begun:
            self.of(self.first_event, model).observe(ended.timings["first_byte"])
        if "translation" in ended.timings:
            self.of(self.translation, client).observe(ended.timings["translation"])
        for loss in ended.losses:
            self.of(self.losses, self._paths[path_label(loss.path)], loss.action).inc()


class _Counted(Interception):
    def __init__(self, figures: _Figures, asked: Asked) -> None:
        self._figures = figures
        self._asked = asked
        self._began = time.perf_counter()

    def active(self) -> AbstractContextManager[object]:
        figures = self._figures
        tracker: AbstractContextManager[object] = figures.of(
            figures.open, "true" if self._asked.body.get("stream") else "false"
        ).track_inprogress()
        return tracker

    async def end(self, ended: Ended) -> None:
        seconds = time.perf_counter() - self._began
        self._figures.count(facts_of(self._asked, ended), ended, seconds)
