"""Every bound is tested at it and beyond it: the bounds are found in the code, and each names its tests."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import importlib
import inspect
import pkgutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, is_typeddict

import pytest

import responses_asgi
from responses_asgi import ChatCompletionsMiddleware, ResponsesMiddleware, Upstream
from responses_asgi.testing import assert_valid_stream
from responses_asgi.types.json import dumps
from tests.asgi_driver import DONE, chunk, completion, data, playing, post, whole

HERE = Path(__file__).parent

# What is found in settings, and which tests of which file show that it holds; names without test_.
BOUNDS: dict[str, tuple[str, ...]] = {
    "Options.max_body_bytes": ("bounds::a_body_at_the_bound", "bounds::a_body_beyond_the_bound"),
    "Options.max_depth": ("exchange_request::depth_limit_is_exact",),
    "Options.max_answer_bytes": (
        "bounds::an_answer_at_the_bound",
        "bounds::an_answer_beyond_the_bound",
        "bounds::an_event_at_the_bound",
        "bounds::an_event_beyond_the_bound",
    ),
    "Options.max_choices": ("choices::the_most_choices_can_be_set",),
    "Options.keep_alive": ("middleware_frameworks::keep_alive_reaches_the_client_while_the_model_thinks",),
    "Options.grace": ("exchange_disconnect::nothing_is_left_behind_by_an_exchange",),
    "ChatCompletionsMiddleware.max_choices": ("choices::the_most_choices_can_be_set",),
    "KeyAuth.max_body_bytes": ("key_auth_models::large_bodies_and_clients_that_leave",),
    "BackgroundLimits.running": ("background::what_waits_is_queued_then_made_in_turn",),
    "BackgroundLimits.queued": ("background::more_than_may_wait_are_refused",),
    "BackgroundLimits.queued_bytes": ("background::large_requests_that_wait_are_refused",),
    "BackgroundLimits.lease": ("background_processes::twenty_workers_are_killed_in_the_middle",),
    "BackgroundLimits.retention": ("background::events_are_kept_for_a_while_and_then_made_of_the_response",),
    "BackgroundLimits.drain": (
        "background::a_stop_lets_running_responses_end",
        "background::what_does_not_end_in_time_fails",
    ),
    "HostedLimits.call_timeout": ("hosted_python::too_slow_and_too_long",),
    "HostedLimits.result_chars": ("hosted_python::too_slow_and_too_long",),
    "HostedLimits.image_bytes": ("hosted_images::images_are_bounded",),
    "HostedLimits.rounds": ("tool_rounds_bounds::the_last_round_has_to_be_an_answer",),
    "HostedLimits.concurrency": ("tool_rounds_bounds::so_many_calls_run_at_once",),
    "HostedLimits.seconds": ("tool_rounds_bounds::the_time_of_all_calls_is_one",),
    "HostedLimits.connect_timeout": ("hosted_mcp_stdio::a_bad_server_blocks_nobody",),
    "HostedLimits.start_wait": (
        "hosted_mcp_stdio::a_request_waits_for_a_server_that_starts_only_so_long",
    ),
    "HostedLimits.retry_most": ("hosted_mcp_stdio::a_server_that_stays_away_is_warned_of_once",),
    "HostedLimits.tools": ("hosted_mcp_stdio::lists_that_are_too_long_are_bounded",),
    "HostedLimits.list_chars": ("hosted_mcp_stdio::two_hundred_tools",),
    "HostedLimits.message_bytes": ("hosted_mcp_http::a_message_that_is_too_large_is_given_up",),
    "HostedLimits.guests": ("hosted_mcp_http::too_many_guests_in_use",),
    "HostedLimits.owner_guests": ("hosted_mcp_http::too_many_guests_in_use",),
    "HostedLimits.guest_idle": ("hosted_mcp_http::guests_are_few_and_leave_when_idle",),
    "HostedTool.timeout": ("hosted_python::too_slow_and_too_long",),
    "HostedTool.result_chars": ("hosted_python::too_slow_and_too_long",),
    "HostedTool.image_bytes": ("hosted_images::images_are_bounded",),
    "Limit.period": ("limits::too_many_are_refused_in_the_openai_shape",),
    "ClientSettings.connect": ("bounds::a_connection_that_does_not_stand_in_time",),
    "ClientSettings.write": ("bounds::an_upstream_that_does_not_read",),
    "ClientSettings.pool": ("upstream_http::silence_is_bounded_and_a_full_pool_is_said",),
    "ClientSettings.read": ("upstream_http::silence_is_bounded_and_a_full_pool_is_said",),
    "RetryPolicy.connections": ("upstream_http::a_body_in_pieces_survives_connections_that_never_were",),
    "RetryPolicy.statuses": ("upstream_http::error_statuses_are_retried_when_that_is_asked_for",),
    "SocketLimits.max_bytes": ("upstream_websocket::messages_that_are_too_big_end_the_socket",),
    "SocketLimits.idle": (
        "upstream_websocket::a_socket_without_messages_ends",
        "upstream_websocket::messages_keep_a_socket_open_beyond_the_idle_time",
    ),
    "SocketLimits.silence": ("upstream_websocket::a_server_that_gives_no_sign_of_life_is_given_up",),
    "SocketLimits.handshake": ("upstream_websocket::a_server_that_never_opens_the_socket_is_a_504",),
    "SocketLimits.close": ("upstream_websocket::a_server_that_does_not_read_slows_the_client_down",),
    "WebSocketLimits.lifetime": (
        "websocket_ends::a_socket_lives_for_its_time",
        "websocket_ends::a_turn_that_runs_at_the_end_of_that_time_is_finished",
    ),
    "WebSocketLimits.drain": ("websocket_ends::a_turn_that_does_not_end_then_is_given_up",),
    "WebSocketLimits.idle": ("websocket_ends::a_silent_socket_is_closed_and_one_with_a_turn_is_not",),
    "WebSocketLimits.write_timeout": (
        "websocket_ends::a_client_that_does_not_read_holds_its_upstream_back_and_is_cut_off",
    ),
    "WebSocketLimits.max_message_bytes": (
        "websocket_ends::a_message_that_is_too_large_or_too_deep_is_refused",
    ),
    "WebSocketLimits.max_lanes": ("websocket_lanes::lanes_and_what_waits_for_them_are_bounded",),
    "WebSocketLimits.max_queued": ("websocket_lanes::lanes_and_what_waits_for_them_are_bounded",),
    "WebSocketLimits.max_queued_bytes": ("websocket_lanes::the_bytes_that_wait_are_bounded",),
    "WebSocketLimits.max_history_bytes": ("websocket::what_is_remembered_is_bounded",),
    "WebSocketLimits.max_invalid": ("websocket_ends::too_many_in_a_row_close_the_socket",),
    "MemoryStore.max_records": ("store_memory::the_least_recently_used_is_forgotten_first",),
    "MemoryStore.max_bytes": (
        "store_memory::bytes_are_bounded_too",
        "store_memory::what_can_never_be_kept_is_refused_and_drives_nothing_out",
    ),
    "MemoryStore.ttl": ("store_memory::expired_records_make_room_before_living_ones",),
    "RedisStore.ttl": ("store_redis::a_ttl_without_end_is_bounded",),
    "RedisStore.timeout": ("store_redis::a_server_that_does_not_answer",),
    "RedisStore.max_connections": ("store_redis::all_connections_busy",),
    "SQLiteStore.ttl": ("store_sqlite::expired_records_leave_the_file",),
    "SQLiteStore.busy_timeout": ("store_sqlite::a_lock_is_waited_for",),
    "RateLimits.timeout": ("limits_redis::redis_killed",),
    "Typed.chars": ("hosted_types_rules::long_results_are_cut_off",),
    "Webhooks.timeout": ("webhooks::a_receiver_that_does_not_answer_is_not_waited_for",),
    "Webhooks.concurrency": ("webhooks::a_burst_is_delivered_a_few_at_a_time",),
    "Webhooks.drain": ("webhooks::the_end_is_not_put_off_by_a_receiver_that_hangs",),
}  # fmt: skip

# What has a number, and bounds nothing.
NO_BOUNDS: dict[str, str] = {
    "BackgroundLimits.flush": "a pace",
    "BackgroundLimits.poll": "a pace",
    "CORS.max_age": "told to browsers",
    "HostedLimits.retry_first": "a pace",
    "Profile.min_output_tokens": "raised to, not refused",
    "RateLimits.output_tokens": "an estimate",
    "RetryPolicy.delay": "a pace",
    "SocketLimits.ping": "a pace",
    "Webhooks.sweep": "a pace",
}

# Classes with numbers that are data of an answer, of a script or of a record, and no settings.
DATA = frozenset(
    {
        *("Attempt", "Citation", "Cut", "Delivery", "ErrorEvent", "FileResult", "Malformed", "ModelRequest"),
        *("Pace", "Query", "Record", "ResponsesTurn", "Scored", "ShellOutput", "Split", "Stall", "Turn"),
        *("Usage", "Window", "_Kind", "_Log"),
    }
)


def modules() -> Iterator[Any]:
    for found in pkgutil.walk_packages(responses_asgi.__path__, "responses_asgi."):
        if "__main__" not in found.name:
            yield importlib.import_module(found.name)


def numbers_of(kind: type) -> Iterator[str]:
    """The fields and parameters of a class with a number as their default."""
    if dataclasses.is_dataclass(kind):
        defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    elif issubclass(kind, tuple):
        defaults = getattr(kind, "_field_defaults", {})
    elif issubclass(kind, Exception):
        defaults = {}
    else:
        defaults = {name: each.default for name, each in inspect.signature(kind).parameters.items()}
    for name, default in defaults.items():
        if isinstance(default, int | float) and not isinstance(default, bool):
            yield f"{kind.__name__}.{name}"


def is_ours(kind: type) -> bool:
    return kind.__module__.startswith("responses_asgi") and not is_typeddict(kind)


@functools.cache
def found() -> frozenset[str]:
    """All settings with numbers: of records of settings anywhere, and of everything that is public."""
    kinds = {
        kind
        for module in modules()
        for kind in vars(module).values()
        if inspect.isclass(kind) and kind.__module__ == module.__name__
        if dataclasses.is_dataclass(kind) or issubclass(kind, tuple)
    }
    public = [getattr(responses_asgi, name) for name in responses_asgi.__all__]
    kinds |= {kind for kind in public if inspect.isclass(kind) and is_ours(kind)}
    return frozenset(name for kind in kinds if kind.__name__ not in DATA for name in numbers_of(kind))


def test_no_bound_is_forgotten() -> None:
    assert found() == BOUNDS.keys() | NO_BOUNDS.keys()
    assert not BOUNDS.keys() & NO_BOUNDS.keys()


@pytest.mark.parametrize("bound", BOUNDS)
def test_the_tests_of_a_bound_exist(bound: str) -> None:
    for named in BOUNDS[bound]:
        file, _, name = named.partition("::")
        text = (HERE / f"test_{file}.py").read_text()
        assert f"def test_{name}(" in text, named


# At the bound, and one beyond it

MOST = 600


def padded(size: int) -> bytes:
    """A request of so many bytes."""
    text = b'{"model": "m", "input": "%b"}'
    return text % (b"x" * (size - len(text) + 2))


async def test_a_body_at_the_bound() -> None:
    seen: list[Any] = []
    bridge = ResponsesMiddleware(playing(b"{}", seen=seen), max_body_bytes=MOST)
    assert (await post(bridge, padded(MOST)).run()).status != 413
    assert seen


async def test_a_body_beyond_the_bound() -> None:
    for pieces in ([padded(MOST + 1)], [padded(MOST + 1)[:MOST], padded(MOST + 1)[MOST:]]):
        seen: list[Any] = []
        bridge = ResponsesMiddleware(playing(b"{}", seen=seen), max_body_bytes=MOST)
        got = await post(bridge, pieces=pieces).run()
        assert (got.status, got.error["code"]) == (413, "request_too_large")
        assert not seen


def sized(size: int) -> bytes:
    """A completion of so many bytes."""
    text = dumps(completion(""))
    return dumps(completion("x" * (size - len(text))))


async def test_an_answer_at_the_bound() -> None:
    got = await post(ResponsesMiddleware(whole(sized(MOST)), max_answer_bytes=MOST)).run()
    assert got.status == 200
    assert got.json["status"] == "completed"


async def test_an_answer_beyond_the_bound() -> None:
    got = await post(ResponsesMiddleware(whole(sized(MOST + 1)), max_answer_bytes=MOST)).run()
    assert got.status == 502
    assert str(MOST) in got.error["message"]


def events(size: int) -> list[bytes]:
    """A stream whose second event has so many bytes, without the empty line at its end."""
    empty = len(data(chunk(""))) - 2
    return [data(chunk("a")), data(chunk("x" * (size - empty))), data(chunk(finish_reason="stop")), DONE]


async def test_an_event_at_the_bound() -> None:
    got = await post(ResponsesMiddleware(playing(*events(MOST)), max_answer_bytes=MOST), stream=True).run()
    assert assert_valid_stream(got.body)["status"] == "completed"


async def test_an_event_beyond_the_bound() -> None:
    app = ResponsesMiddleware(playing(*events(MOST + 1)), max_answer_bytes=MOST)
    got = await post(app, stream=True).run()
    final = assert_valid_stream(got.body)
    assert (final["status"], final["error"]["code"]) == ("failed", "event_too_large")
    assert got.text == "a"


@pytest.mark.parametrize(("choices", "status"), [(16, 200), (17, 400)])
async def test_choices(choices: int, status: int) -> None:
    async def model(request: Any) -> str:
        return "Hi"

    bridge = ChatCompletionsMiddleware(Upstream.handler(model, api="responses"))
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "n": choices}
    assert (await post(bridge, body, path="/v1/chat/completions").run()).status == status


@pytest.mark.parametrize("library", ["aiohttp", "httpx"])
async def test_an_upstream_that_does_not_read(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if library == "httpx":
        monkeypatch.setattr("responses_asgi.upstreams.http.find_spec", lambda name: None)

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    server = await asyncio.start_server(deaf, "127.0.0.1", 0, limit=1)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    upstream = Upstream.http(url, write_timeout=0.3, read_timeout=60, retries=0)
    try:
        got = await post(ResponsesMiddleware(upstream), padded(30_000_000)).run()
    finally:
        await upstream.aclose()
        server.close()
    assert (got.status, got.error["code"]) == (504, "upstream_timeout")


async def test_a_connection_that_does_not_stand_in_time() -> None:
    """A server that accepts nobody, and whose queue is full."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        upstream = Upstream.http(
            f"http://127.0.0.1:{server.getsockname()[1]}", connect_timeout=0.3, retries=0
        )
        got = await post(ResponsesMiddleware(upstream)).run()
        await upstream.aclose()
    assert (got.status, got.error["code"]) == (504, "upstream_timeout")
