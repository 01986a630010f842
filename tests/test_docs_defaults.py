"""Defaults that the pages tell are those of the code. Keys of a configuration: tests/test_config_docs.py."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from responses_asgi import (
    BackgroundLimits,
    HostedLimits,
    Limit,
    MemoryStore,
    RateLimits,
    RedisStore,
    SQLiteStore,
    Upstream,
    WebSocketLimits,
)
from responses_asgi.exchange.options import Options
from responses_asgi.webhooks import Webhooks

ROOT = Path(__file__).parent.parent
MIB = 1024 * 1024
MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR

# Page, what has it, its name there, the default, and the words that tell it.
TOLD: list[tuple[str, Any, str, Any, str]] = [
    ("README.md", Options, "max_body_bytes", 64 * MIB, "the largest request body, 64 MiB by default"),
    ("README.md", Options, "max_depth", 200, "may be nested, 200 by default"),
    ("README.md", Options, "max_answer_bytes", 64 * MIB, "event of a stream, 64 MiB by default"),
    ("README.md", Options, "keep_alive", 15.0, "gets a comment line, 15 by default"),
    ("README.md", Options, "cancel_json", True, "not streamed leaves; yes by default"),
    ("README.md", Options, "max_choices", 16, "of an answer, 16 by default"),
    ("README.md", Options, "reasoning_field", "reasoning_content", "`reasoning_content` by default"),
    ("README.md", Upstream.http, "retries", 2, "are tried again twice"),
    ("README.md", Upstream.http, "status_retries", 0, "are not retried unless"),
    ("docs/state.md", MemoryStore, "ttl", HOUR, "1 hour; at most 10,000 records and 64 MiB"),
    ("docs/state.md", MemoryStore, "max_records", 10_000, "1 hour; at most 10,000 records and 64 MiB"),
    ("docs/state.md", MemoryStore, "max_bytes", 64 * MIB, "1 hour; at most 10,000 records and 64 MiB"),
    ("docs/state.md", SQLiteStore, "ttl", 30 * DAY, "| yes | yes | no | 30 days |"),
    ("docs/state.md", RedisStore, "ttl", 30 * DAY, "| yes | yes | 30 days |"),
    ("docs/state.md", RedisStore, "timeout", 5.0, "`timeout` seconds at most (5)"),
    ("docs/state.md", RedisStore, "max_connections", 4, "Four per event loop"),
    ("docs/background.md", BackgroundLimits, "flush", 0.1, "`flush` seconds (0.1)"),
    ("docs/background.md", BackgroundLimits, "rerun", False, "With `rerun=True` one"),
    ("docs/webhooks.md", Webhooks, "timeout", 15.0, "`timeout` (15 seconds)"),
    ("docs/webhooks.md", Webhooks, "concurrency", 8, "`concurrency` (8)"),
    ("docs/webhooks.md", Webhooks, "drain", 5.0, "`drain` (5) seconds"),
    ("docs/websocket.md", WebSocketLimits, "lifetime", HOUR, "| `lifetime` | 1 hour |"),
    ("docs/websocket.md", WebSocketLimits, "drain", 5 * MINUTE, "`drain` (5 minutes)"),
    ("docs/websocket.md", WebSocketLimits, "idle", 15 * MINUTE, "| `idle` | 15 minutes |"),
    ("docs/websocket.md", WebSocketLimits, "write_timeout", MINUTE, "| `write_timeout` | 1 minute |"),
    ("docs/websocket.md", WebSocketLimits, "max_message_bytes", 16 * MIB, "`max_message_bytes` | 16 MiB |"),
    ("docs/websocket.md", WebSocketLimits, "max_lanes", 32, "| `max_lanes` | 32 |"),
    ("docs/websocket.md", WebSocketLimits, "max_queued", 64, "`max_queued_bytes` | 64, 32 MiB |"),
    ("docs/websocket.md", WebSocketLimits, "max_queued_bytes", 32 * MIB, "`max_queued_bytes` | 64, 32 MiB |"),
    ("docs/websocket.md", WebSocketLimits, "max_history_bytes", 64 * MIB, "`max_history_bytes` | 64 MiB |"),
    ("docs/websocket.md", WebSocketLimits, "max_invalid", 16, "| `max_invalid` | 16 |"),
    ("docs/tools.md", HostedLimits, "call_timeout", 60.0, "60 seconds for a call"),
    ("docs/tools.md", HostedLimits, "seconds", 300.0, "300 for all calls of an answer"),
    ("docs/tools.md", HostedLimits, "rounds", 16, "16 rounds"),
    ("docs/tools.md", HostedLimits, "concurrency", 8, "8 calls at once"),
    ("docs/tools.md", HostedLimits, "result_chars", 100_000, "100,000 characters"),
    ("docs/tools.md", HostedLimits, "image_bytes", 8 * MIB, "8 MiB of images"),
    ("docs/tools.md", HostedLimits, "message_bytes", 16 * MIB, "16 MiB of one message"),
    ("docs/limits.md", Limit, "period", 60, "`period` seconds (60)"),
    ("docs/limits.md", RateLimits, "output_tokens", 1000, "`output_tokens` (1000"),
    ("docs/limits.md", RateLimits, "when_down", "refuse", "requests are refused with 503"),
]


@pytest.mark.parametrize(("page", "owner", "name", "default", "words"), TOLD)
def test_the_default_is_the_one_that_is_told(
    page: str, owner: Any, name: str, default: object, words: str
) -> None:
    assert inspect.signature(owner).parameters[name].default == default
    assert words in (ROOT / page).read_text(encoding="utf-8")
