"""One exchange as a span and as measurements. Needs the package `opentelemetry-api`.

The span is the child of the span that is current, such as the server's, or of the one whose headers the
client sent. The upstream gets this span's headers, so that its own spans are children of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import context as context_api
from opentelemetry import metrics, propagate, trace
from opentelemetry.context import Context
from opentelemetry.metrics import Meter, MeterProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, TracerProvider

from responses_asgi.exchange import Ended, Interception, ToolRun
from responses_asgi.exchange.attempt import Asked
from responses_asgi.telemetry import names
from responses_asgi.telemetry.content import input_content, output_content, tool_content
from responses_asgi.telemetry.facts import Facts, facts_of, model_of, site_of
from responses_asgi.telemetry.labels import Labels, encodable
from responses_asgi.upstreams.headers import by_name
from responses_asgi.upstreams.upstream import Upstream

__all__ = ["Spans"]

SCOPE = "responses_asgi"
MAX_MODELS = 200
MAX_LOSSES = 32

# Of a trace; `baggage` may hold what the operator tells only its own services.
_KEPT_BACK = frozenset({"baggage"})


class Spans:
    """Makes the spans, and has the measurements; `content`: whether spans hold it."""

    def __init__(
        self, tracers: TracerProvider | None, meters: MeterProvider | None, *, content: bool
    ) -> None:
        self.tracer = trace.get_tracer(SCOPE, tracer_provider=tracers)
        self.figures = _Figures(metrics.get_meter(SCOPE, meter_provider=meters))
        self.content = content

    def of(self, asked: Asked, upstream: Upstream) -> Interception:
        """The span of one exchange, started."""
        return _Told(self, asked, upstream)


class _Told(Interception):
    """One exchange as one span."""

    def __init__(self, spans: Spans, asked: Asked, upstream: Upstream) -> None:
        self._spans = spans
        self._asked = asked
        self._common = _common(asked, upstream)
        self._began = time.perf_counter()
        self._span = _started(spans.tracer, asked, upstream, self._common)
        if spans.content and self._span.is_recording():
            self._span.set_attributes(input_content(asked.body))
        self._context = trace.set_span_in_context(self._span)
        carrier: dict[str, str] = {}
        propagate.inject(carrier, self._context)
        self.upstream_headers = {name: value for name, value in carrier.items() if name not in _KEPT_BACK}

    def active(self) -> AbstractContextManager[object]:
        return _Current(self._context)

    @contextmanager
    def tool(self, run: ToolRun) -> Iterator[None]:
        given = {names.OPERATION: names.EXECUTE_TOOL, names.TOOL_NAME: run.name, names.TOOL_TYPE: "extension"}
        if run.label:  # Hosted tools of the API belong to no server.
            given[names.TOOL_SERVER] = run.label
        tracer, name = self._spans.tracer, f"{names.EXECUTE_TOOL} {run.name}"
        with tracer.start_as_current_span(
            name,
            kind=SpanKind.INTERNAL,
            attributes=given,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            finally:
                if run.result is None or run.result.failed:
                    span.set_attribute(
                        names.ERROR_TYPE, "not_finished" if run.result is None else "tool_error"
                    )
                    span.set_status(Status(StatusCode.ERROR))
                if self._spans.content and span.is_recording():
                    span.set_attributes(tool_content(run))

    async def end(self, ended: Ended) -> None:
        span, facts = self._span, facts_of(self._asked, ended)
        seconds = time.perf_counter() - self._began
        first = ended.timings.get("first_chunk") if facts.stream else None
        if span.is_recording():
            span.set_attributes(_outcome(facts, ended, first))
            if self._spans.content:
                span.set_attributes(output_content(ended.answer))
            if facts.error is not None and facts.outcome != "cancelled":
                # The words of an error may hold content, or a part of a key.
                span.set_status(Status(StatusCode.ERROR, facts.error))
        span.end()
        self._spans.figures.record(self._common, facts, seconds, first)


class _Current:
    """In a block of this, the span of the context is current; what the block raises is not the span's."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def __enter__(self) -> None:
        self._token = context_api.attach(self._context)

    def __exit__(self, *raised: object) -> None:
        context_api.detach(self._token)


class _Figures:
    """The metrics."""

    def __init__(self, meter: Meter) -> None:
        self._models = Labels(MAX_MODELS)
        self._duration = meter.create_histogram(
            names.DURATION,
            unit="s",
            description="Time that an exchange took.",
            explicit_bucket_boundaries_advisory=names.DURATION_BUCKETS,
        )
        self._tokens = meter.create_histogram(
            names.TOKEN_USAGE,
            unit="{token}",
            description="Tokens of an exchange.",
            explicit_bucket_boundaries_advisory=names.TOKEN_BUCKETS,
        )
        self._first_chunk = meter.create_histogram(
            names.FIRST_CHUNK,
            unit="s",
            description="Time until the upstream's first chunk.",
            explicit_bucket_boundaries_advisory=names.FIRST_CHUNK_BUCKETS,
        )

    def record(self, common: Mapping[str, Any], facts: Facts, seconds: float, first: float | None) -> None:
        """Record one exchange."""
        attributes = {**common, names.REQUEST_MODEL: self._models[facts.model]}
        if facts.answered_by:
            attributes[names.RESPONSE_MODEL] = self._models[facts.answered_by]
        if facts.tokens is not None:
            self._tokens.record(facts.tokens.input, {**attributes, names.TOKEN_TYPE: "input"})
            self._tokens.record(facts.tokens.output, {**attributes, names.TOKEN_TYPE: "output"})
        if first is not None:
            self._first_chunk.record(first, attributes)
        if facts.error is not None:
            attributes[names.ERROR_TYPE] = self._models[facts.error]
        self._duration.record(seconds, attributes)


def _started(tracer: Tracer, asked: Asked, upstream: Upstream, common: Mapping[str, Any]) -> Span:
    body, model = asked.body, model_of(asked)
    attributes = {
        **common,
        names.REQUEST_MODEL: model,
        names.REQUEST_STREAM: bool(body.get("stream")),
        names.CLIENT_API: asked.client,
    }
    for field, name in names.REQUEST_FIELDS.items():
        if isinstance(body.get(field), int | float):
            attributes[name] = body[field]
    conversation = body.get("conversation")
    if isinstance(conversation, dict):
        conversation = conversation.get("id")
    if isinstance(conversation, str):
        attributes[names.CONVERSATION] = encodable(conversation)
    parent = None
    if not trace.get_current_span().get_span_context().is_valid:
        fields = propagate.get_global_textmap().fields
        sent = by_name(asked.scope.get("headers") or ())
        parent = propagate.extract({name: sent[name] for name in fields if name in sent})
    elsewhere = site_of(upstream) is not None
    return tracer.start_span(
        f"{names.CHAT} {model}".strip(),
        context=parent,
        kind=SpanKind.CLIENT if elsewhere else SpanKind.INTERNAL,
        attributes=attributes,
    )


def _common(asked: Asked, upstream: Upstream) -> dict[str, Any]:
    """What span and metrics are told of the upstream."""
    profile = upstream.profile.name
    common: dict[str, Any] = {
        names.OPERATION: names.CHAT,
        names.PROVIDER: names.PROVIDERS.get(profile, profile),
    }
    site = site_of(upstream)
    if site is not None:
        parts = urlsplit(site)
        common[names.SERVER_ADDRESS] = parts.hostname or ""
        common[names.SERVER_PORT] = parts.port or (443 if parts.scheme == "https" else 80)
    return common


def _outcome(facts: Facts, ended: Ended, first: float | None) -> dict[str, Any]:
    """What is known of an exchange only at its end."""
    known: dict[str, Any] = {
        names.RESPONSE_ID: facts.response_id,
        names.RESPONSE_MODEL: facts.answered_by,
        names.FINISH_REASONS: facts.finish_reasons or None,
        names.TIME_TO_FIRST_CHUNK: first,
        names.ERROR_TYPE: facts.error,
        names.LOSSES: [f"{encodable(loss.path[:100])};{loss.action}" for loss in ended.losses[:MAX_LOSSES]]
        or None,
    }
    if facts.tokens is not None:
        known |= {
            names.INPUT_TOKENS: facts.tokens.input,
            names.OUTPUT_TOKENS: facts.tokens.output,
            names.CACHED_TOKENS: facts.tokens.cached,
            names.REASONING_TOKENS: facts.tokens.reasoning,
        }
    return {name: value for name, value in known.items() if value is not None}
