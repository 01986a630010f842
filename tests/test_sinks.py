"""What a sink gives to the server, message by message."""

from __future__ import annotations

import asyncio
import gc

import pytest

from responses_asgi.sinks import KEEP_ALIVE, JSONSink, SSESink
from responses_asgi.types.asgi import Message
from responses_asgi.types.events import StreamEvent

A = StreamEvent("a", b'{"type":"a"}')
B = StreamEvent("b", b'{"type":"b"}')
A_BYTES = b'event: a\ndata: {"type":"a"}\n\n'
B_BYTES = b'event: b\ndata: {"type":"b"}\n\n'


class Server:
    """A server whose client reads only while `reading` is set."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.reading = asyncio.Event()
        self.reading.set()
        self.arrived = asyncio.Event()

    async def send(self, message: Message) -> None:
        self.arrived.set()
        await self.reading.wait()
        self.sent.append(message)

    @property
    def bodies(self) -> list[bytes]:
        return [message["body"] for message in self.sent[1:]]


async def test_events_of_one_write_go_out_in_one_message() -> None:
    server = Server()
    sink = SSESink(server.send)
    assert not sink.started
    await sink.write([A, B])
    assert sink.started
    await sink.write([A])
    await sink.close([A, B])
    assert server.bodies == [A_BYTES + B_BYTES, A_BYTES, A_BYTES + B_BYTES]
    assert [message.get("more_body") for message in server.sent] == [None, True, True, False]


async def test_headers_of_a_stream_win_over_those_of_the_upstream() -> None:
    server = Server()
    sink = SSESink(server.send, headers=[(b"cache-control", b"max-age=9"), (b"x-request-id", b"r1")])
    await sink.write([A])
    assert server.sent[0] == {
        "type": "http.response.start",
        "status": 200,
        "headers": [
            (b"x-request-id", b"r1"),
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-cache, no-transform"),
            (b"x-accel-buffering", b"no"),
        ],
    }


async def test_done_marker_closes_the_stream_where_the_dialect_has_one() -> None:
    server = Server()
    sink = SSESink(server.send, done=True)
    await sink.close([A])
    assert server.bodies == [A_BYTES + b"data: [DONE]\n\n"]
    assert server.sent[-1]["more_body"] is False


async def test_idle_stream_gets_comments_until_it_is_closed() -> None:
    server = Server()
    sink = SSESink(server.send, keep_alive=0.02)
    await sink.write([A])
    for _ in range(2):
        server.arrived.clear()
        await server.arrived.wait()
    await sink.close()
    sent = len(server.sent)
    await asyncio.sleep(0.1)
    assert len(server.sent) == sent
    assert server.bodies[0] == A_BYTES
    assert set(server.bodies[1:-1]) == {KEEP_ALIVE}
    assert server.bodies[-1] == b""


async def test_busy_stream_gets_no_comments() -> None:
    server = Server()
    sink = SSESink(server.send, keep_alive=30)
    for _ in range(5):
        await sink.write([A])
    await sink.close()
    assert server.bodies == [A_BYTES] * 5 + [b""]


async def test_silence_is_counted_from_the_last_write() -> None:
    server = Server()
    loop = asyncio.get_running_loop()
    sink = SSESink(server.send, keep_alive=0.1)
    await sink.write([A])
    await asyncio.sleep(0.05)
    await sink.write([B])
    written = loop.time()
    server.arrived.clear()
    await server.arrived.wait()
    assert loop.time() - written > 0.095
    await sink.close()
    assert server.bodies == [A_BYTES, B_BYTES, KEEP_ALIVE, b""]


async def test_keep_alive_is_skipped_while_a_write_waits_for_the_client() -> None:
    server = Server()
    sink = SSESink(server.send, keep_alive=0.02)
    await sink.write([A])
    server.reading.clear()
    server.arrived.clear()
    writing = asyncio.create_task(sink.write([B]))
    await server.arrived.wait()
    before = len(asyncio.all_tasks())
    await asyncio.sleep(0.2)
    assert len(asyncio.all_tasks()) == before
    server.reading.set()
    await writing
    sink.stop()
    assert server.bodies[-1] == B_BYTES


async def test_write_waits_for_a_keep_alive_on_its_way() -> None:
    server = Server()
    sink = SSESink(server.send, keep_alive=0.02)
    await sink.write([A])
    server.reading.clear()
    server.arrived.clear()
    await server.arrived.wait()
    writing = asyncio.create_task(sink.write([B]))
    await asyncio.sleep(0.05)
    server.reading.set()
    await writing
    sink.stop()
    assert server.bodies[1:3] == [KEEP_ALIVE, B_BYTES]


@pytest.mark.parametrize("error", [OSError("gone"), RuntimeError("the response is over")])
async def test_keep_alive_to_a_client_that_left_is_no_error(error: Exception) -> None:
    failures: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: failures.append(context["message"]))
    attempts: asyncio.Queue[bytes] = asyncio.Queue()

    async def send(message: Message) -> None:
        if message.get("body") == KEEP_ALIVE:
            attempts.put_nowait(KEEP_ALIVE)
            raise error

    sink = SSESink(send, keep_alive=0.02)
    await sink.write([A])
    await attempts.get()
    await attempts.get()
    sink.stop()
    del sink
    await asyncio.sleep(0)
    gc.collect()
    assert failures == []


async def test_stop_cancels_a_keep_alive_on_its_way() -> None:
    server = Server()
    sink = SSESink(server.send, keep_alive=0.02)
    await sink.write([A])
    server.reading.clear()
    server.arrived.clear()
    await server.arrived.wait()
    sink.stop()
    await asyncio.sleep(0.05)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert server.bodies == [A_BYTES]


@pytest.mark.parametrize("events", [[], [A]])
async def test_json_document_is_asked_for_at_the_end(events: list[StreamEvent]) -> None:
    server = Server()
    document = {"status": "in_progress"}
    sink = JSONSink(server.send, headers=[(b"x-request-id", b"r1")], document=lambda: document)
    await sink.write(events)
    assert (sink.started, server.sent) == (False, [])
    document["status"] = "completed"
    await sink.close()
    sink.stop()
    assert sink.started
    assert server.bodies == [b'{"status":"completed"}']
    assert dict(server.sent[0]["headers"]) == {
        b"x-request-id": b"r1",
        b"content-type": b"application/json",
        b"content-length": b"22",
    }


async def test_writers_take_turns_in_their_order() -> None:
    server = Server()
    writing: list[asyncio.Task[None]] = []

    async def send(message: Message) -> None:
        await server.send(message)
        if message.get("body") == b"data: 0\n\n":
            # The third one is given its turn before this is called, and learns of it afterwards.
            asyncio.get_running_loop().call_soon(writing[2].cancel)

    sink = SSESink(send)
    await sink.write([A])
    server.reading.clear()
    writing += [asyncio.create_task(sink.write([StreamEvent("", b"%d" % number)])) for number in range(4)]
    await asyncio.sleep(0)
    writing[1].cancel()
    closing = asyncio.create_task(sink.close([B]))
    await asyncio.sleep(0)
    server.reading.set()
    await asyncio.wait([*writing, closing])
    assert [task.cancelled() for task in writing] == [False, True, True, False]
    assert server.bodies == [A_BYTES, b"data: 0\n\n", b"data: 3\n\n", B_BYTES]


async def test_who_has_left_is_told_where_somebody_listens() -> None:
    left: list[str] = []

    async def gone(message: Message) -> None:
        raise OSError("gone")

    sink = SSESink(gone, on_left=lambda: left.append("left"), start=Server().send)
    await sink.write([A])
    await sink.close()
    assert left == ["left", "left"]
    for said in ([A], []):
        with pytest.raises(OSError, match="gone"):
            await (SSESink(gone).write(said) if said else SSESink(gone).close())


async def test_a_keep_alive_that_cannot_be_sent_tells_that_the_client_left() -> None:
    left = asyncio.Event()

    async def gone(message: Message) -> None:
        if message.get("body") == KEEP_ALIVE:
            raise OSError("gone")

    sink = SSESink(gone, keep_alive=0.02, on_left=left.set)
    await sink.write([A])
    await asyncio.wait_for(left.wait(), 30)
    sink.stop()
