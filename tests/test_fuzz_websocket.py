"""Random frames of clients on WebSockets: each has one outcome, and nothing is left when they are gone."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from responses_asgi import ResponsesMiddleware, Upstream
from tests.examples import examples
from tests.socket_rules import LIMITS, MOST_DEPTH, SECONDS, Release, Say, Step, Wait, converse
from tests.sockets import Socket, SocketAsked, SocketServer

JSON = dict[str, Any]

lanes = st.sampled_from([None, "", "a", "b", "c", "a b", 1, "x" * 257])
ids = st.sampled_from(["$0", "$1", "$2", "$x", "$s", "resp_1", "", None, 1])
inputs = st.sampled_from(
    [
        "Hi",
        "wait",
        "wait",
        "fail",
        "fail now",
        "silent",
        "",
        [],
        [{"role": "user", "content": "wait"}],
        1,
        [1],
        None,
    ]
)
MOST, DEPTH = LIMITS.max_message_bytes, MOST_DEPTH
OPEN = '{"type":"ping","a":"'


def padded(size: int) -> str:
    """A ping of so many bytes."""
    return f'{OPEN}{"x" * (size - len(OPEN) - 2)}"}}'


def message(kind: str, fields: JSON) -> Say:
    """What is None is left out."""
    told = {name: value for name, value in fields.items() if value is not None}
    return Say(json.dumps({"type": kind, **told}))


def created(fields: JSON) -> Say:
    return message("response.create", {"model": "m", "input": "Hi", **fields})


creates = st.fixed_dictionaries(
    {"input": inputs, "stream_id": st.sampled_from([None, None, "a", "b", "c"])},
    optional={
        "store": st.booleans(),
        "previous_response_id": ids,
        "generate": st.sampled_from([True, False, False, "no"]),
        "background": st.booleans(),
        "stream": st.sampled_from([True, False, "no"]),
        "model": st.sampled_from(["m", "", 1, None]),
        "conversation": st.sampled_from(["conv_1", "$0"]),
        "instructions": st.sampled_from(["x" * 400, "x" * (MOST + 1)]),
        "tools": st.sampled_from([[{"type": "web_search"}], [{}], "no"]),
        "prompt_cache_options": st.just({"prewarm": True}),
    },
).map(created)
others = st.one_of(
    st.fixed_dictionaries({"stream_id": lanes, "response_id": ids}).map(
        lambda f: message("response.cancel", f)
    ),
    st.fixed_dictionaries({"stream_id": lanes, "previous_response_id": ids, "input": inputs}).map(
        lambda fields: message("response.steer", fields)
    ),
    st.sampled_from(["ping", "response.processed", "session.update"]).map(lambda kind: message(kind, {})),
    lanes.map(lambda lane: message("ping", {"stream_id": lane})),
)
LISTS = DEPTH - 1
JUNK = [
    b"", b"\xff\x00", b'{"type":"ping"}', "", " ", "{", "[]", "null", "1", '"ping"', "{}", '{"type":null}',
    '{"type":["ping"]}', '{"type":"ping","n":NaN}', '{"type":"ping","n":1e999}',
    '{"type":"ping","a":"\\ud800"}', '{"type":"ping","a":"\ud800"}', "[" * 999 + "]" * 999,
    '{"type":"ping","a":' + "[" * LISTS + "]" * LISTS + "}", '{"type":"ping","type":"pong"}',
    '{"type":"ping","a":' + "[" * DEPTH + "]" * DEPTH + "}", "\ufeff{}",
    padded(MOST), padded(MOST + 1), padded(8 * MOST),
]  # fmt: skip
junk = st.sampled_from(JUNK) | st.text(max_size=8) | st.binary(max_size=8)
waits = st.sampled_from([0, 1, 2, 3, 5, 10, 40]).map(Wait)
steps: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(creates, creates, others, junk.map(Say), waits, waits, st.just(Release())), max_size=16
)


@examples(80)
@example(
    [created({"metadata": {"n": str(n)}, "input": text}) for n, text in enumerate(["wait", "a", "b", "c"])]
)
@example([created({"input": "wait"}), Wait(40), message("response.cancel", {}), Wait(40)])
@example([created({"input": "fail now"}), created({"input": "fail"}), created({"input": "silent"})])
@example([created({"store": False}), Wait(40), created({"previous_response_id": "$0"}), Wait(40)])
@example([created({"previous_response_id": "$x"}), created({"previous_response_id": "$s"})])
@given(steps)
def test_every_frame_has_one_outcome(steps: list[Step]) -> None:
    asyncio.run(converse(steps))


@examples(40)
@example([created({"input": "wait"}), created({"input": "wait"})])
@given(steps)
def test_a_client_may_leave_anywhere(steps: list[Step]) -> None:
    asyncio.run(converse(steps, leave=True))


@examples(30)
@given(st.lists(junk, max_size=8), st.integers(3000, 4999), st.booleans())
def test_frames_of_a_relayed_socket_pass_as_they_are(
    frames: list[str | bytes], code: int, upstream_ends: bool
) -> None:
    async def run() -> None:
        async def play(socket: Socket) -> None:
            for frame in frames:
                assert await socket.next() == frame
                await socket.say(frame)
            if upstream_ends:
                await socket.close(code, "over")
            assert await socket.next() is None

        server = SocketServer(play)
        app = ResponsesMiddleware(Upstream.asgi(server, api="responses", path="/v1/responses"))
        asked = SocketAsked(app, "/v1/responses")
        for frame in frames:
            asked.hear.put_nowait({"type": "websocket.receive", _kind(frame): frame})
        asked.hear.put_nowait({"type": "websocket.disconnect", "code": code})
        async with asyncio.timeout(SECONDS):
            await asked.task
        await app.aclose()
        accepted, *said = asked.sent
        assert accepted["type"] == "websocket.accept"
        told = [{"type": "websocket.send", _kind(frame): frame} for frame in frames]
        close = {"type": "websocket.close", "code": code, "reason": "over"}
        assert said == [*told, *([close] if upstream_ends else [])]
        assert server.last.closed == (code, None)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


def _kind(frame: str | bytes) -> str:
    return "text" if isinstance(frame, str) else "bytes"
