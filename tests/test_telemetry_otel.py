"""Spans and metrics, read with the in-memory exporters of OpenTelemetry's own SDK."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from responses_asgi import Gateway, Limit, MissingExtraError, OpenTelemetry, RateLimits, Upstream
from responses_asgi.exchange import Options, Route, Service, ToolRun, run_exchange
from responses_asgi.exchange.attempt import Asked
from responses_asgi.history import State
from responses_asgi.owners import Owners
from responses_asgi.telemetry.content import MAX_BYTES, input_content, output_content
from responses_asgi.telemetry.labels import Labels
from responses_asgi.translate.rounds import HostedResult
from responses_asgi.types.asgi import Receive, Scope, Send
from tests.asgi_driver import post
from tests.loopback import served, until
from tests.telemetry_scenes import SECRET, WORDS, ask, ask_chat, gateway, house, leave
from tests.test_tool_rounds import CALLED, PATHS, Model, Sums, body_of

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


class Seen:
    """What OpenTelemetry was told."""

    def __init__(self, **options: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.telemetry = OpenTelemetry(
            tracer_provider=self.tracers,
            meter_provider=MeterProvider(metric_readers=[self.reader]),
            **options,
        )

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    @property
    def span(self) -> ReadableSpan:
        (span,) = self.spans
        return span

    def points(self, name: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        metrics = data.resource_metrics[0].scope_metrics[0].metrics if data else []
        return [point for metric in metrics if metric.name == name for point in metric.data.data_points]


@pytest.fixture
def seen() -> Iterator[Seen]:
    return Seen()


@pytest.mark.parametrize("stream", [False, True])
async def test_one_span_for_an_exchange(seen: Seen, stream: bool) -> None:
    answer = await ask(
        gateway(seen.telemetry), stream=stream, temperature=0.5, max_output_tokens=50, seed=None
    )
    assert answer.status_code == 200
    told = dict(seen.span.attributes or {})
    assert seen.span.name == "chat house"
    assert seen.span.kind is SpanKind.INTERNAL
    assert seen.span.status.status_code is StatusCode.UNSET
    assert str(told.pop("gen_ai.response.id")).startswith("resp_")
    first = told.pop("gen_ai.response.time_to_first_chunk", None)
    assert (first is not None) is stream
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "generic",
        "gen_ai.request.model": "house",
        "gen_ai.request.stream": stream,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 50,
        "gen_ai.response.model": "house",
        "gen_ai.response.finish_reasons": ("completed",),
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "responses_asgi.client.api": "responses",
    }


async def test_of_a_chat_client(seen: Seen) -> None:
    await ask_chat(gateway(seen.telemetry), n=1)
    told = dict(seen.span.attributes or {})
    assert told["gen_ai.response.finish_reasons"] == ("stop",)
    assert told["gen_ai.request.choice.count"] == 1
    assert told["responses_asgi.client.api"] == "chat"
    assert told["gen_ai.usage.output_tokens"] == 7


async def test_metrics(seen: Seen) -> None:
    app = gateway(seen.telemetry)
    await ask(app, stream=True)
    await ask(app, "failing")
    duration = {
        point.attributes.get("error.type"): point for point in seen.points("gen_ai.client.operation.duration")
    }
    assert {point.count for point in duration.values()} == {1}
    assert duration.keys() == {None, "overloaded"}
    assert dict(duration[None].attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "generic",
        "gen_ai.request.model": "house",
        "gen_ai.response.model": "house",
    }
    assert duration[None].explicit_bounds[0] == 0.01
    tokens = {p.attributes["gen_ai.token.type"]: p.sum for p in seen.points("gen_ai.client.token.usage")}
    assert tokens == {"input": 11, "output": 7}
    (first,) = seen.points("gen_ai.client.operation.time_to_first_chunk")
    assert 0 < first.sum < 10


async def test_a_failure_is_told_by_its_code_and_not_by_its_words(seen: Seen) -> None:
    await ask(gateway(seen.telemetry), "failing")
    assert (seen.span.attributes or {})["error.type"] == "overloaded"
    assert seen.span.status.status_code is StatusCode.ERROR
    assert seen.span.events == ()
    text = seen.span.to_json()
    assert WORDS not in text
    assert SECRET not in text


async def test_a_broken_stream(seen: Seen) -> None:
    answer = await ask(gateway(seen.telemetry), "breaking", stream=True)
    assert "response.failed" in answer.text
    assert seen.span.status.status_code is StatusCode.ERROR


async def test_a_client_that_leaves(seen: Seen) -> None:
    await leave([seen.telemetry])
    assert (seen.span.attributes or {})["error.type"] == "client_left"
    assert seen.span.status.status_code is StatusCode.UNSET


async def test_what_limits_refuse(seen: Seen) -> None:
    app = gateway(seen.telemetry, rate_limits=RateLimits(Limit(requests=1, period=86_400)))
    await ask(app)
    assert (await ask(app)).status_code == 429
    assert [(span.attributes or {}).get("error.type") for span in seen.spans] == [None, "rate_limit_exceeded"]


async def test_what_cannot_be_read_has_no_span(seen: Seen) -> None:
    assert (await ask(gateway(seen.telemetry), "unknown")).status_code == 404
    assert seen.spans == ()


async def test_a_request_that_cannot_be_prepared(seen: Seen) -> None:
    answer = await ask(gateway(seen.telemetry), previous_response_id="resp_unknown")
    assert answer.status_code == 400
    assert (seen.span.attributes or {})["error.type"] == "previous_response_not_found"


async def test_losses(seen: Seen) -> None:
    await ask(gateway(seen.telemetry), reasoning={"summary": "auto"})
    assert "reasoning.summary;dropped" in (seen.span.attributes or {})["responses_asgi.losses"]  # type: ignore[operator]


async def test_the_trace_of_the_client_goes_on(seen: Seen) -> None:
    """Client, this span, the span of the upstream over HTTP: each the child of the one before."""
    got: dict[str, str] = {}

    async def upstream(scope: Scope, receive: Receive, send: Send) -> None:
        got.update({name.decode(): value.decode() for name, value in scope["headers"]})
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async with served(upstream) as url:
        app = Gateway(Upstream.http(url, profile="mistral"), telemetry=[seen.telemetry])
        async with app.lifespan():
            await ask(app, headers={"traceparent": PARENT, "tracestate": "a=b", "baggage": "secret=1"})
    context = seen.span.get_span_context()
    assert context is not None
    assert seen.span.parent is not None
    assert f"{context.trace_id:032x}" == TRACE
    assert f"{seen.span.parent.span_id:016x}" == "b7ad6b7169203331"
    assert got["traceparent"] == f"00-{TRACE}-{context.span_id:016x}-01"
    assert got["tracestate"] == "a=b"
    assert "baggage" not in got
    assert seen.span.kind is SpanKind.CLIENT
    told = dict(seen.span.attributes or {})
    host, port = httpx.URL(url).host, httpx.URL(url).port
    assert (told["server.address"], told["server.port"]) == (host, port)
    assert told["gen_ai.provider.name"] == "mistral_ai"


async def test_it_is_current_while_the_upstream_is_asked(seen: Seen) -> None:
    """So that whatever an app in this process instruments is below it, and it below the server's span."""
    tracer = seen.tracers.get_tracer("test")

    async def traced(request: dict[str, Any]) -> str:
        with tracer.start_as_current_span("inner"):
            return "hi"

    app = Gateway(Upstream.handler(traced), telemetry=[seen.telemetry])
    with tracer.start_as_current_span("server"):
        await ask(app, stream=True, headers={"traceparent": PARENT})
        assert trace.get_current_span().get_span_context().is_valid
    inner, ours, server = seen.spans
    assert [span.name for span in seen.spans] == ["inner", "chat house", "server"]
    assert inner.parent == ours.get_span_context()
    assert ours.parent == server.get_span_context()


async def test_baggage_stays_here(seen: Seen) -> None:
    got: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        got.extend(scope["headers"])
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    token = context.attach(baggage.set_baggage("customer", "secret"))
    try:
        await ask(Gateway(Upstream.asgi(app), telemetry=[seen.telemetry]))
    finally:
        context.detach(token)
    names = [name for name, _ in got]
    assert b"traceparent" in names
    assert b"baggage" not in names


async def test_in_the_background(seen: Seen) -> None:
    app = gateway(seen.telemetry)
    async with app.lifespan():
        answer = await ask(app, background=True)
        assert answer.json()["status"] == "queued"
        await until(lambda: seen.spans)
    assert (seen.span.attributes or {})["gen_ai.response.finish_reasons"] == ("completed",)


async def test_content_is_told_only_where_it_is_asked_for(seen: Seen) -> None:
    assert WORDS not in await _span_text(seen)
    loud = Seen(content=True)
    await ask(gateway(loud.telemetry), instructions="be kind")
    told = dict(loud.span.attributes or {})
    assert json.loads(str(told["gen_ai.input.messages"])) == [
        {"role": "user", "parts": [{"type": "text", "content": WORDS}]}
    ]
    assert json.loads(str(told["gen_ai.output.messages"])) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "fine"}]}
    ]
    assert json.loads(str(told["gen_ai.system_instructions"])) == [{"type": "text", "content": "be kind"}]
    assert SECRET not in loud.span.to_json()


async def _span_text(seen: Seen) -> str:
    await ask(gateway(seen.telemetry))
    return seen.span.to_json()


@pytest.mark.parametrize("content", [False, True])
async def test_a_span_for_each_call_of_a_tool(content: bool) -> None:
    seen = Seen(content=content)
    told = await seen.telemetry.begin(*_asked())
    results = {"good": HostedResult("4"), "bad": HostedResult("no", failed=True), "late": None}
    with told.active():
        for name, result in results.items():
            run = ToolRun(label="calc", name=name, arguments={"x": WORDS})
            with told.tool(run):
                run.result = result
    good, bad, late = seen.spans
    assert [span.name for span in seen.spans] == [f"execute_tool {name}" for name in results]
    assert {span.parent.span_id for span in seen.spans if span.parent} == {trace_of(told)}
    assert dict(good.attributes or {}).items() >= {
        ("gen_ai.operation.name", "execute_tool"),
        ("gen_ai.tool.name", "good"),
        ("responses_asgi.tool.server", "calc"),
    }
    assert [(span.attributes or {}).get("error.type") for span in (good, bad, late)] == [
        None,
        "tool_error",
        "not_finished",
    ]
    with told.active(), told.tool(ToolRun(label="", name="web_search", arguments={})):
        pass
    assert "responses_asgi.tool.server" not in (seen.spans[-1].attributes or {})
    assert (WORDS in good.to_json()) is content
    assert ((bad.attributes or {}).get("gen_ai.tool.call.result") == "no") is content


def trace_of(told: Any) -> int:
    return int(told._span.get_span_context().span_id)


def _asked() -> Any:
    return Asked("responses", {"model": "m", "conversation": {"id": "conv_1"}}, "", {}), Upstream.handler(
        house
    )


@pytest.mark.parametrize("client", ["responses", "chat"])
async def test_tools_in_an_exchange(seen: Seen, client: str) -> None:
    model, hosted = Model(CALLED, ["It is ", "5."]), Sums(always=True)
    route = Route(Upstream.handler(model), PATHS["chat"])
    state = State(None, owners=Owners())
    service = Service(options=Options(), state=state, hosted=hosted, interceptors=[seen.telemetry])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        api: Any = client
        await run_exchange(scope, receive, send, client=api, choose=lambda body: (route,), service=service)

    answer = await post(app, body_of(client, stream=True), path=PATHS[client]).run()
    assert answer.status == 200
    tool, whole = seen.spans
    assert (tool.name, whole.name) == ("execute_tool add", "chat m")
    assert tool.parent == whole.get_span_context()
    assert "error.type" not in (tool.attributes or {})


async def test_the_conversation_is_named(seen: Seen) -> None:
    told: Any = await seen.telemetry.begin(*_asked())
    assert told._span.attributes["gen_ai.conversation.id"] == "conv_1"


async def test_without_an_sdk_nothing_is_told() -> None:
    answer = await ask(gateway(OpenTelemetry(content=True)))
    assert answer.status_code == 200


async def test_a_stream_has_one_span_however_long_it_is(seen: Seen) -> None:
    async def long(request: dict[str, Any]) -> Any:
        for _ in range(200):
            yield "word "

    await ask(Gateway(Upstream.handler(long), telemetry=[seen.telemetry]), stream=True)
    assert len(seen.spans) == 1


def test_content_in_both_apis() -> None:
    call = {"id": "call_1", "function": {"name": "f", "arguments": "{}"}}
    picture = {"type": "image_url", "image_url": {"url": "data:..."}}
    chat = [
        {"role": "user", "content": [{"type": "text", "text": "look"}, picture]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "4"},
    ]
    parts = [
        message["parts"] for message in json.loads(input_content({"messages": chat})["gen_ai.input.messages"])
    ]
    asked = {"type": "tool_call", "id": "call_1", "name": "f", "arguments": "{}"}
    told = {"type": "tool_call_response", "id": "call_1", "response": "4"}
    assert parts == [[{"type": "text", "content": "look"}, {"type": "image_url"}], [asked], [told]]
    items = [
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
        {
            "type": "function_call_output",
            "call_id": "call_1",
            "output": [{"type": "input_text", "text": "4"}],
        },
        {"type": "reasoning", "summary": []},
    ]
    parts = [
        item["parts"] for item in json.loads(output_content({"output": items})["gen_ai.output.messages"])
    ]
    assert parts[0] == [asked]
    assert json.loads(parts[1][0]["response"]) == items[1]["output"]
    assert parts[2] == [{"type": "reasoning"}]
    assert output_content({"error": {}}) == {}


def test_content_is_bounded() -> None:
    messages = [{"role": "user", "content": "x" * 100_000}] * 50
    told = input_content({"messages": messages})["gen_ai.input.messages"]
    assert len(told) <= MAX_BYTES
    assert 1 < len(json.loads(told)) < 50


def test_labels_are_bounded() -> None:
    labels = Labels(3)
    assert [labels[str(number)] for number in range(5)] == ["0", "1", "2", "other", "other"]


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "responses_asgi.telemetry.spans", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(MissingExtraError, match="otel"):
        OpenTelemetry()
