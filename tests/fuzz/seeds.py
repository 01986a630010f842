"""Where the fuzzing begins: inputs of our own, the answers of the test double, and recorded traffic."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.chaos.answers import API, answer
from tests.fuzz.tokens import ROUTES
from tests.recordings import recordings
from tests.test_fuzz_websocket import JUNK

JSON = dict[str, Any]

LONGEST = 4096
"""The bytes of the longest seeds: enough for an answer with everything in it."""

EVENTS = [
    b'data: {"choices": [{"index": 0, "delta": {"content": "a"}}]}\n\n',
    b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n' * 3,
    b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n',
    b'event: error\ndata: {"error": {"message": "no"}}\n\n', b'error: {"code": 500}\n\n', b"data: null\n\n",
    b": hi\r\rdata: a\r\n\r\ndata\ndata: b\n\r\n", b"\xef\xbb\xbfdata: {}\n\n", b"id: 1\nretry: 2\n\n",
    b'event: response.output_text.delta\ndata: {"delta": "a"}\n\n', b"data: " + b"x" * 300 + b"\n\n",
    b'data: {"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", '
    b'"arguments": "{}"}}]}}]}\n\ndata: {"choices": [{"delta": {"reasoning_content": "<think>a"}}]}\n\n',
    b'data: {"choices": [{"delta": {"content": "<think>a</think>b", "refusal": "c"}}], "usage": '
    b'{"prompt_tokens": 1}}\n\n', b'{"choices": [{"message": {"content": "a"}, "finish_reason": "length"}]}',
    b'{"object": "response", "status": "completed", "output": [{"type": "message", "content": []}]}',
    b'data: {"type": "response.completed", "response": {"status": "completed", "output": []}}\n\n',
    b'data: {"type": "response.failed", "response": {"error": {"message": "a"}}}\n\n',
]  # fmt: skip

BODIES: list[JSON] = [
    {"model": "m", "input": "Hi", "instructions": "a", "reasoning": {"effort": "low", "summary": "auto"}},
    {
        "input": [
            {"type": "reasoning", "encrypted_content": "a", "summary": [
                {"type": "summary_text", "text": "a"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "a"}]},
            {"type": "custom_tool_call", "call_id": "d", "name": "run", "input": "a"},
            {"type": "custom_tool_call_output", "call_id": "d", "output": "b"},
        ],
        "tools": [
            {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True},
            {"type": "custom", "name": "run", "format": {
                "type": "grammar", "syntax": "lark", "definition": "a"}},
            {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "f"}]},
            {"type": "web_search"}, {"type": "local_shell"}, {"type": "apply_patch"},
            {"type": "mcp", "server_label": "s", "server_url": "https://example.org"},
        ],
        "tool_choice": {
            "type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        "text": {"format": {"type": "json_schema", "name": "s", "schema": {}}, "verbosity": "low"},
        "metadata": {"a": "b"}, "include": ["reasoning.encrypted_content"], "top_logprobs": 2,
    },
    {"input": [{"role": "user", "content": [
        {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
        {"type": "input_file", "file_id": "f"},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
    ]}, {"type": "item_reference", "id": "a"}, {"type": "compaction", "encrypted_content": "cs1.e30"}]},
    {
        "model": "m",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "a"}]},
            {"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]},
            {"role": "assistant", "content": None, "reasoning_content": "a", "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "d", "type": "custom", "custom": {"name": "run", "input": "a"}}]},
            {"role": "tool", "tool_call_id": "c", "content": "a"},
            {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "a"},
        ],
        "functions": [{"name": "f", "parameters": {}}], "function_call": {"name": "f"}, "stop": ["a"], "n": 2,
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}},
        "logprobs": True,
    },
]  # fmt: skip

CONVERSATIONS = [
    b'{"type":"response.create","model":"m","input":"Hi"}\n~~\n{"type":"ping"}',
    b'{"type":"response.create","model":"m","input":"wait","stream_id":"a"}\n~~\n'
    b'{"type":"response.cancel","stream_id":"a"}\n!',
    b'{"type":"response.create","model":"m","input":"a","store":false}\n~~~\n'
    b'{"type":"response.create","model":"m","input":"b","previous_response_id":"$0"}\n'
    b'{"type":"response.create","model":"m","input":"c","previous_response_id":"$x"}',
    b'{"type":"response.create","model":"m","input":"fail now"}\n'
    b'{"type":"response.create","model":"m","input":"silent"}',
    b'{"type":"response.create","model":"m","generate":false}\n~\n{"type":"response.create","model":"m","input":"fail",'
    b'"previous_response_id":"$0"}',
    b'{"type":"response.steer","previous_response_id":"$0","input":"a"}\n{"type":"response.processed"}\n#a\n{\n[]',
]

FRAMES = [
    b"\x81\x02Hi", b"\x01\x01H\x80\x01i", b"\x82\x7e\x00\x80" + b"a" * 128, b"\x89\x01p\x8a\x00",
    b"\x88\x02\x03\xe8", b"\x88\x12\x0f\xa0" + b"r" * 16, b"\x81\x7f" + b"\x00" * 6 + b"\x01\xff",
    b"\x81\x7e\x01\xf4" + b"a" * 500, b"\x01\x7e\x01\x00" + b"a" * 256 + b"\x80\x7e\x01\x00" + b"b" * 256,
    b"\x81\x01\xff", b"\x81\x82\x00\x00\x00\x00Hi", b"\x83\x00", b"\xc1\x00", b"\x88\x01a",
]  # fmt: skip


def of_streams(api: API) -> Iterator[bytes]:
    """Streams and whole answers; each whole, in small pieces and for other servers."""
    whole = [b"".join(answer(api, stream=stream)) for stream in (True, False)]
    for text in [*EVENTS, *whole]:
        yield from (bytes([how]) + text for how in (0, 34, 97))
    yield from (b"\x00" + text for text in _recorded_answers(api))


def of_events() -> Iterator[bytes]:
    for text in [*EVENTS, *(b"".join(answer(api, stream=True))[:1000] for api in _APIS)]:
        yield from (bytes([how]) + text for how in (0, 1, 3))


def of_bodies() -> Iterator[bytes]:
    """What is no odd number is for Chat; the rest of the first byte chooses a profile."""
    for body in BODIES:
        for how in (1, 11) if "input" in body else (0, 2):
            yield bytes([how]) + json.dumps(body).encode()
    for api in _APIS:
        for text in _recorded_requests(api):
            yield (b"\x01" if api == "responses" else b"\x00") + text


def of_tokens() -> Iterator[bytes]:
    """An odd first byte bends a token that is known."""
    yield from (
        b"\x00" + text for text in (b"", b"a", b"sealed1.00000000.AAAA", b"rd1.e30", b"cs1.W10", b"cs1.")
    )
    yield b"\x00sk_" + b"0" * 32 + b"." + b"f" * 64
    yield from (bytes([2 * number + 1, 0x80]) for number in range(13))
    yield from (bytes([2 * number + 1, 0x40]) + b"A" for number in range(13))


def of_queries() -> Iterator[bytes]:
    yield from (b"after=a&limit=2&order=asc", b"limit=101", b"order=up", b"stream=true&starting_after=3")
    yield from (
        b"metadata[a]=b&metadata%5Bc%5D=d",
        b"limit=-1&limit=999999999999999999999",
        b"after=%FF&stream=",
    )


def of_routes() -> Iterator[bytes]:
    known = {"responses/{}": b"$r", "conversations/{}": b"$c", "items/{}": b"$i", "completions/{}": b"$t"}
    for number, (_, route) in enumerate(ROUTES):
        id = next((known[part] for part in known if part in route), b"m")
        yield bytes([number]) + id + b"\nlimit=1&after=" + id + b'\n{"metadata": {"a": "b"}, "items": []}'
        yield (
            bytes([number]) + b"x\norder=asc&include=a\n" + json.dumps({"model": "m", "input": "a"}).encode()
        )


def of_sockets() -> Iterator[bytes]:
    for talk in CONVERSATIONS:
        yield from (bytes([how]) + talk for how in (0, 1))
    for junk in JUNK:
        text = b"#" + junk if isinstance(junk, bytes) else junk.encode("utf-8", "surrogatepass")
        yield b"\x00" + text[:LONGEST] + b'\n{"type":"ping"}'


def of_frames() -> Iterator[bytes]:
    for frame in FRAMES:
        yield from (bytes([how]) + frame for how in (0, 1))
    yield b"\x03" + b"".join(FRAMES)


_APIS: tuple[API, API] = ("chat", "responses")


def _recorded_answers(api: API) -> Iterator[bytes]:
    for recording in recordings(api):
        body = recording.get("response", {}).get("body")
        if isinstance(body, str) and len(body) < LONGEST:
            yield body.encode()


def _recorded_requests(api: API) -> Iterator[bytes]:
    for recording in recordings(api):
        body = recording.get("request", {}).get("body")
        if isinstance(body, dict) and len(text := json.dumps(body).encode()) < LONGEST:
            yield text
