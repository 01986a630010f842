"""Compressed bodies, content types, and events to chunks."""

from __future__ import annotations

import gzip
import zlib

import pytest

from responses_asgi.exchange.decoding import ChunkReader, Inflate, TooMuch, looks_like_sse, media_type

TEXT = b"data: {}\n\n" * 100


def bare_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(TEXT),
        zlib.compress(TEXT),
        bare_deflate(TEXT),
        gzip.compress(TEXT[:300]) + gzip.compress(TEXT[300:]),
    ],
    ids=["gzip", "zlib", "deflate without a wrapper", "two gzip members"],
)
def test_every_encoding_in_pieces_of_every_size(packed: bytes, size: int) -> None:
    inflate = Inflate(limit=10_000)
    pieces = [inflate.feed(packed[at : at + size]) for at in range(0, len(packed), size)]
    assert b"".join(pieces) == TEXT
    assert inflate.feed(b"") == b""


def test_flushed_pieces_come_out_as_they_come_in() -> None:
    packer = zlib.compressobj(wbits=31)
    inflate = Inflate(limit=1000)
    for event in (b"data: 1\n\n", b"data: 2\n\n"):
        assert inflate.feed(packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH)) == event


@pytest.mark.parametrize(
    "head", [b"plain text", gzip.compress(TEXT)[:-8] + bytes(8)], ids=["no wrapper", "wrong checksum"]
)
@pytest.mark.parametrize("size", [4, 1000])
def test_broken_body_is_an_error(head: bytes, size: int) -> None:
    inflate = Inflate(limit=1000)
    pieces = (inflate.feed(head[at : at + size]) for at in range(0, len(head), size))
    with pytest.raises(ValueError, match="compressed body is broken"):
        list(pieces)


@pytest.mark.parametrize("members", [1, 4])
def test_more_than_the_limit_is_an_error(members: int) -> None:
    with pytest.raises(TooMuch, match="more than 100 bytes"):
        Inflate(limit=100).feed(gzip.compress(b"x" * 1_000_000) * members)


def test_the_limit_is_for_all_members_of_a_piece() -> None:
    assert len(Inflate(limit=100).feed(gzip.compress(b"x" * 50) * 2)) == 100
    with pytest.raises(TooMuch):
        Inflate(limit=100).feed(gzip.compress(b"x" * 50) * 3)


def test_members_of_a_piece_are_bounded() -> None:
    inflate = Inflate(limit=100)
    for _ in range(3):
        assert inflate.feed(gzip.compress(b"") * 900) == b""
    with pytest.raises(ValueError, match="members"):
        inflate.feed(gzip.compress(b"") * 100_000)


@pytest.mark.parametrize(
    ("header", "type_"),
    [
        ("text/event-stream", "text/event-stream"),
        ("Text/Event-Stream;charset=UTF-8", "text/event-stream"),
        ("text/event-stream , text/event-stream", "text/event-stream"),
        ("multipart/mixed; boundary=x", "multipart/mixed"),
        ("", ""),
    ],
)
def test_media_type(header: str, type_: str) -> None:
    assert media_type(header) == type_


@pytest.mark.parametrize(
    ("head", "more", "verdict"),
    [
        (b"data: {}", True, True),
        (b"event: a", True, True),
        (b": ping\n\n", True, True),
        (b"\xef\xbb\xbf\r\n data: {}", True, True),
        (b'{"id": 1}', True, False),
        (b"<html><body>", True, False),
        (b"dat", True, None),
        (b"", True, None),
        (b"", False, False),
        (b"{}", False, False),
        (b"data:", False, True),
    ],
)
def test_looks_like_sse(head: bytes, more: bool, verdict: bool | None) -> None:
    assert looks_like_sse(head, more=more) is verdict


def chunks_of(*pieces: bytes) -> tuple[list[object], bool]:
    reader = ChunkReader(max_event_bytes=1000)
    chunks: list[object] = [chunk for piece in pieces for chunk in reader.read(piece)]
    return chunks + reader.flush(), reader.done


@pytest.mark.parametrize("mark", [b"[DONE]", b'"[DONE]"', b"  [DONE] ", b"[DONE]\r", b"[done]", b"[Done]"])
def test_done_marker_ends_the_stream(mark: bytes) -> None:
    assert chunks_of(b'data: {"a":1}\n\ndata: ' + mark + b'\n\ndata: {"b":2}\n\n') == ([{"a": 1}], True)


def test_done_marker_without_its_empty_line() -> None:
    assert chunks_of(b"data: [DONE]") == ([], True)


def test_comments_pings_and_empty_data_are_read_over() -> None:
    assert chunks_of(b": ping\n\ndata:\n\ndata\n\ndata: \n\nevent: ping\n\n") == ([], False)


@pytest.mark.parametrize(
    "event",
    [
        b"event: ping\ndata: 2026-01-01T00:00:00Z",
        b"event: keepalive\ndata: keepalive",
        b"event: heartbeat\ndata: [1]",
        b"event: ping\ndata: 7",
        b"data: null",
        b"data: []",
    ],
)
def test_events_that_say_nothing_are_read_over(event: bytes) -> None:
    assert chunks_of(b'data: {"a":1}\n\n' + event + b'\n\ndata: {"b":2}\n\n') == ([{"a": 1}, {"b": 2}], False)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (b'data: {"a":1}\ndata: [DONE]', ([{"a": 1}], True)),
        (b'data: {"a":1}\ndata: {"b":2}', ([{"a": 1}, {"b": 2}], False)),
        (b'data: {"a":\ndata: 1}', ([{"a": 1}], False)),
    ],
)
def test_lines_of_one_event(lines: bytes, expected: object) -> None:
    assert chunks_of(lines + b"\n\n") == expected


def test_a_list_stands_for_the_chunks_in_it() -> None:
    assert chunks_of(b'data: [{"a":1},{"b":2}]\n\n') == ([{"a": 1}, {"b": 2}], False)
    assert chunks_of(b'event: error\ndata: [{"m":1}]\n\n') == ([{"error": [{"m": 1}]}], False)


def test_a_type_that_only_the_event_line_tells() -> None:
    events = b'event: response.completed\ndata: {}\n\nevent: message\ndata: {"a":1}\n\n'
    assert chunks_of(events) == ([{"type": "response.completed"}, {"a": 1}], False)
    assert chunks_of(b'event: response.done\ndata: {"type":"x"}\n\n') == ([{"type": "x"}], False)


def test_named_event_whose_object_is_broken_is_not_read_over() -> None:
    reader = ChunkReader(max_event_bytes=1000)
    assert reader.read(b'event: response.output_text.delta\ndata: {"delta":\n\n') == []
    assert reader.failure is not None


def test_lines_of_one_event_up_to_a_broken_one() -> None:
    reader = ChunkReader(max_event_bytes=1000)
    assert reader.read(b'data: {"a":1}\ndata: <html>\n\ndata: {"b":2}\n\n') == [{"a": 1}]
    assert reader.failure is not None


def test_event_that_the_cut_went_through_is_left_out() -> None:
    assert chunks_of(b'data: {"a":1}\n\ndata: {"b":') == ([{"a": 1}], False)


def test_last_event_may_lack_its_empty_line() -> None:
    assert chunks_of(b'data: {"a":1}\n') == ([{"a": 1}], False)


@pytest.mark.parametrize(
    ("data", "chunk"),
    [
        (b'{"error":{"message":"m"}}', {"error": {"message": "m"}}),
        (b'{"message":"m"}', {"error": {"message": "m"}}),
        (b'"m"', {"error": "m"}),
        (b"it broke", {"error": "it broke"}),
    ],
)
def test_error_event_is_an_error_whatever_its_data(data: bytes, chunk: object) -> None:
    assert chunks_of(b"event: error\ndata: " + data + b"\n\n") == ([chunk], False)


@pytest.mark.parametrize("data", [b'{"a":', b"<html>", b"[1]", b"7", b'"text"'])
def test_event_that_is_no_object_is_an_error_after_those_before_it(data: bytes) -> None:
    reader = ChunkReader(max_event_bytes=1000)
    assert reader.read(b'data: {"a":1}\n\ndata: ' + data + b'\n\ndata: {"b":2}\n\n') == [{"a": 1}]
    assert reader.failure is not None
    assert "is not a JSON object" in reader.failure.message
    assert reader.failure.status == 502


def test_event_that_is_too_large_is_an_error() -> None:
    reader = ChunkReader(max_event_bytes=1000)
    assert reader.read(b"data: " + b"x" * 2000) == []
    assert reader.failure is not None
    assert reader.failure.code == "event_too_large"
