"""The event stream decoder: the standard's own examples, cuts anywhere, and an independent reader."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterable

import httpx
import httpx_sse
import pytest
from hypothesis import given
from hypothesis import strategies as st

from responses_asgi.errors import UpstreamError
from responses_asgi.sse import ServerSentEvent, SSEDecoder, encode


def decode(pieces: Iterable[bytes], *, max_event_bytes: int = 1 << 20) -> list[ServerSentEvent]:
    decoder = SSEDecoder(max_event_bytes=max_event_bytes)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.flush()


def data_of(stream: bytes) -> list[bytes]:
    return [event.data for event in decode([stream])]


# The examples of https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation


def test_whatwg_example_three_lines_are_one_event() -> None:
    assert data_of(b"data: YHOO\ndata: +2\ndata: 10\n\n") == [b"YHOO\n+2\n10"]


def test_whatwg_example_comment_id_and_leading_space() -> None:
    stream = b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"
    assert data_of(stream) == [b"first event", b"second event", b" third event"]


def test_whatwg_example_empty_data() -> None:
    """The last block is the departure: the standard discards it, we deliver what was left unterminated."""
    assert data_of(b"data\n\ndata\ndata\n\ndata:") == [b"", b"\n", b""]


def test_whatwg_example_one_space_after_the_colon_is_ignored() -> None:
    assert data_of(b"data:test\n\ndata: test\n\n") == [b"test", b"test"]


def test_whatwg_example_named_events() -> None:
    stream = b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\nevent: add\ndata: 113411\n\n"
    assert decode([stream]) == [("add", b"73857293"), ("remove", b"2153"), ("add", b"113411")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_line_end(end: bytes) -> None:
    lines = [b"event: a", b"data: 1", b"data: 2", b"", b": note", b"", b"data: 3", b"", b""]
    assert decode([end.join(lines)]) == [("a", b"1\n2"), (None, b"3")]


def test_mixed_line_ends() -> None:
    assert data_of(b"data: 1\r\n\ndata: 2\n\rdata: 3\r\rdata: 4\r\n\r\ndata: 5\n\r\ndata: 6\r\r\n\n") == [
        b"1",
        b"2",
        b"3",
        b"4",
        b"5",
        b"6",
    ]


def test_cr_as_line_end_delivers_at_once_and_swallows_a_later_lf() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b"data: 1\r\r") == [(None, b"1")]
    assert decoder.feed(b"") == []
    assert decoder.feed(b"\n") == []
    assert decoder.feed(b"data: 2\n\n") == [(None, b"2")]


def test_block_without_data_is_no_event() -> None:
    assert data_of(b"event: ping\n\nid: 7\nretry: 10\n\n:\n\n\n\n\n\ndata: x\n\n") == [b"x"]


def test_event_name_of_a_block_without_data_is_forgotten() -> None:
    assert decode([b"event: ping\n\ndata: x\n\n"]) == [(None, b"x")]


def test_empty_event_name_counts_as_none() -> None:
    assert decode([b"event:\ndata: x\n\n"]) == [(None, b"x")]


def test_unknown_fields_are_read_over() -> None:
    assert data_of(b"datum: 1\nDATA: 2\n data: 3\ndata: 4\nerror: 5\n\n") == [b"4"]


def test_an_error_field_without_data_is_an_error_event() -> None:
    assert decode([b'error: {"code":500}\n\ndata: 1\n\n']) == [("error", b'{"code":500}'), (None, b"1")]


def test_byte_order_mark_at_the_start_only() -> None:
    assert data_of(b"\xef\xbb\xbfdata: 1\n\n\xef\xbb\xbfdata: 2\n\ndata: 3\n\n") == [b"1", b"3"]


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\x1e"])
def test_only_cr_and_lf_end_lines(character: str) -> None:
    payload = f'{{"text":"a{character}b"}}'.encode()
    assert data_of(b"data: " + payload + b"\n\n") == [payload]


def test_unterminated_last_event_comes_with_flush_and_only_once() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b"data: 1\n\ndata: [DONE]") == [(None, b"1")]
    assert decoder.flush() == [(None, b"[DONE]")]
    assert decoder.flush() == []


def test_flush_of_a_comment_is_nothing() -> None:
    assert decode([b"data: 1\n\n", b": bye\n"]) == [(None, b"1")]


def test_event_of_the_largest_size_passes_and_one_more_byte_does_not() -> None:
    block = b"data: " + b"x" * 94
    for pieces in ([block + b"\n\n"], [block, b"\r", b"\n\r", b"\n"], [block[i : i + 1] for i in range(100)]):
        assert decode(pieces, max_event_bytes=100) == [(None, b"x" * 94)]
    for pieces in ([block + b"x\n\n"], [block, b"x", b"\n", b"\n"], [block + b"xxxx"], [block + b"x"]):
        with pytest.raises(UpstreamError, match="more than 100 bytes") as caught:
            decode(pieces, max_event_bytes=100)
        assert (caught.value.status, caught.value.code) == (502, "event_too_large")


def test_size_is_counted_per_event() -> None:
    assert len(decode([b"data: 12345\n\n" * 1000], max_event_bytes=20)) == 1000


def test_large_event_in_small_pieces_costs_no_more_than_its_length() -> None:
    """Four times the bytes in pieces of 1 kB may cost four times the time; a rescan would cost sixteen."""

    def seconds(kilobytes: int) -> float:
        pieces = [b"data: ", *([b"x" * 1024] * kilobytes), b"\n", b"\n"]
        best = 1e9
        for _ in range(3):
            began = time.process_time()
            events = decode(pieces, max_event_bytes=1 << 26)
            best = min(best, time.process_time() - began)
            assert len(events[0].data) == kilobytes * 1024
        return best

    assert seconds(20_480) < 10 * max(seconds(5_120), 0.001)


FIELD = st.sampled_from([b"data", b"event", b"id", b"retry", b"", b"dat", b"data "])
VALUE = st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=12).map(str.encode)
LINE = st.one_of(
    st.just(b""),
    st.builds(
        lambda field, colon, value: field + colon + value, FIELD, st.sampled_from([b":", b": "]), VALUE
    ),
    FIELD,
)
STREAM = st.builds(
    lambda bom, lines: bom + b"".join(line + end for line, end in lines),
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.lists(st.tuples(LINE, st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"])), max_size=16),
)


@given(STREAM, st.lists(st.integers(0, 300), max_size=20))
def test_bytes_cut_anywhere_give_the_same_events(stream: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(places)]
    assert decode(pieces) == decode([stream]) == decode([bytes([byte]) for byte in stream])


def read_independently(stream: bytes) -> list[ServerSentEvent]:
    """The stream as httpx-sse reads it, which splits lines as the standard does."""
    headers = {"content-type": "text/event-stream; charset=utf-8"}
    source = httpx_sse.EventSource(httpx.Response(200, headers=headers, content=stream))
    return [
        ServerSentEvent(None if event.event == "message" else event.event, event.data.encode())
        for event in source.iter_sse()
    ]


JSON_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.tuples(st.sampled_from(["", "response.created", "add"]), JSON_VALUE), max_size=6))
def test_what_encode_writes_both_readers_read(documents: list[tuple[str, object]]) -> None:
    stream = b"".join(
        encode(name, json.dumps(value, ensure_ascii=False).encode()) for name, value in documents
    )
    expected = [
        ServerSentEvent(name or None, json.dumps(value, ensure_ascii=False).encode())
        for name, value in documents
    ]
    assert decode([stream]) == expected
    assert read_independently(stream) == expected


PLAIN_LINE = st.one_of(
    st.just(b""),
    st.builds(
        lambda field, colon, value: field + colon + value,
        st.sampled_from([b"data", b""]),
        st.sampled_from([b":", b": "]),
        VALUE,
    ),
    st.builds(lambda name: b"event: " + name, st.sampled_from([b"add", b"ping"])),
)


@given(st.lists(st.tuples(PLAIN_LINE, st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=16))
def test_equal_to_the_independent_reader(lines: list[tuple[bytes, bytes]]) -> None:
    """httpx-sse also dispatches blocks that have a name and no data, which the standard does not."""
    stream = b"".join(line + end for line, end in lines) + b"\n\n"
    theirs = [event for event in read_independently(stream) if event.data or event.event is None]
    ours = [event for event in decode([stream]) if event.data or event.event is None]
    assert ours == theirs


def test_encode_keeps_line_ends_inside_one_event() -> None:
    assert data_of(encode("a", b'{\n"x":\r\n1}')) == [b'{\n"x":\n1}']
