"""What is measured by asking servers: the table of scenarios.

Names tell where the upstream is (`in-process`, or `http` for another process), what answers are like, and for
Chat clients of a Responses upstream, `from-responses`; the others are Responses clients of a Chat upstream.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from benchmarks.loads import Asked, Contender, Load
from benchmarks.stores import STORES, available
from responses_asgi.upstreams.upstream import WireAPI

__all__ = ["LOADS", "PEERS"]


class _Way(NamedTuple):
    """A direction: the apps that go it, and the clients that they have."""

    upstream: WireAPI
    client: WireAPI
    middleware: str
    bridge: str


_TO_CHAT = _Way("chat", "responses", "middleware", "bridge")
_TO_RESPONSES = _Way("responses", "chat", "chat-middleware", "chat-bridge")


def _in_process(answer: str, way: _Way) -> tuple[Contender, ...]:
    plain = Contender("pass-through", "pass-through", f"{way.upstream}-{answer}", way.upstream)
    bridge = Contender("middleware", way.middleware, f"{way.upstream}-{answer}", way.client)
    return plain, bridge, plain.made_fast(), bridge.made_fast()


def _http(answer: str, way: _Way) -> tuple[Contender, ...]:
    relay = Contender("relay", "relay", f"{way.upstream}-{answer}", way.upstream)
    bridge = Contender("bridge", way.bridge, f"{way.upstream}-{answer}", way.client)
    return relay, bridge, relay.made_fast(), bridge.made_fast()


def _from_responses(contenders: tuple[Contender, ...]) -> tuple[Contender, ...]:
    """The same without the fast baseline, which is no other than in the first direction."""
    baseline, bridge, _, fast = contenders
    return baseline, bridge, fast


LOADS: dict[str, Load] = {
    "in-process-burst": Load("deltas without a pause", _in_process("burst", _TO_CHAT)),
    "in-process-paced": Load(
        "50 deltas a second in each stream", _in_process("paced", _TO_CHAT), asked=Asked(32, 1)
    ),
    "in-process-burst-from-responses": Load(
        "deltas without a pause", _from_responses(_in_process("burst", _TO_RESPONSES))
    ),
    "in-process-paced-from-responses": Load(
        "50 deltas a second in each stream",
        _from_responses(_in_process("paced", _TO_RESPONSES)),
        asked=Asked(32, 1),
    ),
    "in-process-bare": Load(
        "an app of bytes made beforehand",
        (
            Contender("pass-through", "bare-pass-through", "chat-single", "chat"),
            Contender("middleware", "bare-middleware", "chat-single", "responses"),
        ),
    ),
    "http-burst": Load("32 deltas in each write of the upstream", _http("burst", _TO_CHAT)),
    "http-paced": Load("50 deltas a second in each stream", _http("paced", _TO_CHAT), asked=Asked(32, 1)),
    "http-short": Load("streams of 8 deltas", _http("short", _TO_CHAT), asked=Asked(8, 20), per="request"),
    "http-calls": Load("arguments of tool calls", _http("calls", _TO_CHAT)),
    "http-json": Load(
        "whole answers of 100 words", _http("json", _TO_CHAT), asked=Asked(8, 20), per="request"
    ),
    "http-burst-from-responses": Load(
        "32 deltas in each write of the upstream", _from_responses(_http("burst", _TO_RESPONSES))
    ),
    "http-paced-from-responses": Load(
        "50 deltas a second in each stream",
        _from_responses(_http("paced", _TO_RESPONSES)),
        asked=Asked(32, 1),
    ),
    "http-calls-from-responses": Load(
        "arguments of tool calls", _from_responses(_http("calls", _TO_RESPONSES))
    ),
    "http-json-from-responses": Load(
        "whole answers of 100 words",
        _from_responses(_http("json", _TO_RESPONSES)),
        asked=Asked(8, 20),
        per="request",
    ),
    "http-long": Load(
        "answers of 400 and of 20,000 deltas",
        (
            Contender("400 deltas", "bridge", "chat-burst", "responses", asked=Asked(1, 50)),
            Contender("20,000 deltas", "bridge", "chat-long", "responses", asked=Asked(1, 1)),
        ),
    ),
    "websocket": Load(
        "bursts over WebSockets, beside SSE",
        (
            Contender("SSE", "bridge", "chat-burst", "responses"),
            Contender("WebSocket", "bridge", "chat-burst", "responses", over="websocket"),
        ),
    ),
    "stored": Load(
        "answers of 8 deltas that are kept",
        (
            Contender("nowhere", "bridge", "chat-short", "responses"),
            *(
                Contender(store, "stored", "chat-short", "responses", store=store)
                for store in STORES
                if available(store)
            ),
        ),
        asked=Asked(8, 20),
        per="request",
    ),
    "guarded": Load(
        "a gateway with keys and limits, answers of 8 deltas",
        (
            Contender("gateway", "gateway", "chat-short", "responses"),
            Contender("with keys and limits", "guarded-gateway", "chat-short", "responses"),
        ),
        asked=Asked(8, 20),
        per="request",
    ),
}


def _beside_litellm(contenders: tuple[Contender, ...]) -> tuple[Contender, ...]:
    relay, bridge, _, fast = contenders
    return relay, bridge, fast, replace(bridge, name="LiteLLM", app="LiteLLM")


PEERS: dict[str, Load] = {
    "peer": Load(
        "LiteLLM's proxy beside the bridge, 32 deltas in each write of the upstream",
        _beside_litellm(_http("burst", _TO_CHAT)),
    ),
    "peer-paced": Load(
        "LiteLLM's proxy beside the bridge, 50 deltas a second in each stream",
        _beside_litellm(_http("paced", _TO_CHAT)),
        asked=Asked(32, 1),
    ),
}
"""Need LiteLLM, which is installed only when asked for."""
