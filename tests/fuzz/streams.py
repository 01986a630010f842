"""Bytes of an upstream: event streams, and what both directions make of them.

The first byte of an input tells how the rest is read: into what pieces it is cut, and by whom.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from responses_asgi.convert import chat_stream_to_responses, responses_stream_to_chat
from responses_asgi.errors import UpstreamError
from responses_asgi.profiles import PROFILES
from responses_asgi.sse import ServerSentEvent, SSEDecoder, encode
from responses_asgi.testing import assert_valid_chat_stream, assert_valid_stream
from responses_asgi.translate.chat_snapshot import fold_chunks
from responses_asgi.translate.chat_to_responses import ChatToResponses
from responses_asgi.translate.chunk_reader import ChunkReader
from responses_asgi.translate.repeats import with_text
from responses_asgi.translate.responses_to_chat import ResponsesToChat
from responses_asgi.translate.snapshot import fold
from responses_asgi.types.events import DONE, Dialect, Event
from tests import chat_machine, machine

JSON = dict[str, Any]
Machine: TypeAlias = ResponsesToChat | ChatToResponses

CUTS = (0, 1, 2, 7, 64)
"""The sizes of the pieces; 0: one piece."""

MOST_EVENT_BYTES = 256
"""So small that inputs reach it."""

PROFILED = ("generic", "openai", "llamacpp", "openrouter", "mistral")
DIALECTS: tuple[Dialect, ...] = ("openai", "openresponses")

# What may come out for each byte that goes in, and for none: an item that three bytes open is announced with
# all its fields, and told again when it closes, and in the whole answer.
MOST_PER_BYTE, MOST_FOR_NOTHING = 1_500, 100_000

TOOLS: list[JSON] = [
    {"type": "function", "name": "f", "parameters": None},
    {"type": "custom", "name": "run"},
    {"type": "local_shell"},
    {"type": "apply_patch"},
]


MOST_PIECES = 200


def pieces(content: bytes, size: int) -> list[bytes]:
    """Pieces of this size, or of one that makes fewer of them."""
    size = max(size, len(content) // MOST_PIECES) if size else max(len(content), 1)
    return [content[start : start + size] for start in range(0, len(content), size)]


def same(*values: Any) -> bool:
    """Whether these are the same JSON; NaN is the same as NaN."""
    return len({json.dumps(value, sort_keys=True) for value in values}) == 1


# Server-sent events


def events_are_the_same_however_they_are_cut(content: bytes) -> None:
    """Whole and in pieces; read as events, as chunks, and as chunks that repeat each other."""
    how, content = content[:1], content[1:]
    cut = pieces(content, CUTS[how[0] % len(CUTS)] if how else 0)
    for most in (MOST_EVENT_BYTES, 1 << 20):
        whole, pieced = decoded([content], most), decoded(cut, most)
        assert whole == pieced, (most, whole, pieced)
        if whole is not None:
            assert all(len(event.data) <= most for event in whole)
            assert sum(len(event.data) for event in whole) <= len(content)
            again = b"".join(encode(event.event or "", event.data) for event in whole)
            assert decoded([again], 1 << 20) == whole
    chunks, told = chunks_of([content], repeats=False), chunks_of(cut, repeats=True)
    assert same(chunks, told), (chunks, told)


def decoded(pieces: Sequence[bytes], most: int) -> list[ServerSentEvent] | None:
    """The events, None where one is too large."""
    decoder = SSEDecoder(max_event_bytes=most)
    try:
        return [event for piece in pieces for event in decoder.feed(piece)] + decoder.flush()
    except UpstreamError as error:
        if error.code != "event_too_large":
            raise
        return None


def chunks_of(pieces: Sequence[bytes], *, repeats: bool) -> tuple[list[Any], bool, str | None]:
    """The chunks with the texts of repeated ones put in, whether there was an end, and the failure."""
    reader = ChunkReader(max_event_bytes=1 << 20, repeats=repeats)
    chunks: list[Any] = []
    for chunk in read(reader, pieces):
        if isinstance(chunk, dict):
            chunks.append(chunk)
        else:
            chunks += [
                with_text(chunks[-1], text) for text in ((chunk,) if isinstance(chunk, str) else chunk)
            ]
    return chunks, reader.done, str(reader.failure) if reader.failure else None


def read(reader: ChunkReader, pieces: Sequence[bytes]) -> list[Any]:
    """All chunks, up to the end or the first that is none."""
    chunks: list[Any] = []
    for piece in pieces:
        chunks += reader.read(piece)
        if reader.done or reader.failure:
            return chunks
    return chunks + reader.flush()


# Answers


def chat_answers_become_legal_responses(content: bytes) -> None:
    """A Chat stream, to a Responses client: legal, the same fast and slow, whole and in pieces."""
    how, content = _how(content)
    profile = PROFILES[PROFILED[how % len(PROFILED)]]
    dialect = DIALECTS[how // 16 % 2]
    body = {"tools": TOOLS, "include": ["reasoning.encrypted_content"]}

    def made() -> ResponsesToChat:
        return machine.translator(body, profile=profile, dialect=dialect)

    events, answer = _alike(made, content, how)
    documents = [event.json() for event in events]
    assert same(assert_valid_stream(events, dialect=dialect), fold(documents), answer)
    source = pieces(content, CUTS[how // 32 % len(CUTS)])
    request = {"model": "m", "input": "Hi", **body}
    stream = chat_stream_to_responses(source, request=request, profile=profile, dialect=dialect)
    assert_valid_stream(b"".join(stream.sse()), dialect=dialect)


def responses_answers_become_legal_chat(content: bytes) -> None:
    """A Responses stream, to a Chat client: legal, the same fast and slow, whole and in pieces."""
    how, content = _how(content)
    body: JSON = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    body["stream"], body["stream_options"] = True, {"include_usage": how % 2 == 0}
    if how // 2 % 2:
        body["stop"] = ["stop", "\n\n"]
    named = {"name": "f", "parameters": {}}
    body |= {"functions": [named]} if how // 4 % 2 else {"tools": [{"type": "function", "function": named}]}
    usage = how % 2 == 0

    def made() -> ChatToResponses:
        return chat_machine.translator(body)

    events, answer = _alike(made, content, how)
    said = fold_chunks(event.json() for event in events if event.data != DONE)
    expected = answer if usage else {name: value for name, value in answer.items() if name != "usage"}
    assert same(assert_valid_chat_stream(events, usage=usage), said, expected)
    source = pieces(content, CUTS[how // 32 % len(CUTS)])
    stream = responses_stream_to_chat(source, request=body)
    assert_valid_chat_stream(b"".join(stream.sse()), usage=usage)


def _how(content: bytes) -> tuple[int, bytes]:
    return (content[0] if content else 0), content[1:]


def _alike(made: Callable[[], Machine], content: bytes, how: int) -> tuple[list[Event], JSON]:
    """The events and the answer of the whole stream, which are those of its pieces, read the fast way."""
    slow, fast = made(), made()
    events = _told(slow, [content], repeats=False)
    others = _told(fast, pieces(content, CUTS[how // 32 % len(CUTS)]), repeats=True)
    assert [(event.type, event.data) for event in events] == [(other.type, other.data) for other in others]
    assert same(slow.snapshot(), fast.snapshot())
    assert list(slow.losses) == list(fast.losses)
    assert sum(len(event.data) for event in events) <= MOST_FOR_NOTHING + MOST_PER_BYTE * len(content)
    return events, slow.snapshot()


def _told(machine: Machine, pieces: Sequence[bytes], *, repeats: bool) -> list[Event]:
    """What an exchange tells of these bytes."""
    reader = ChunkReader(max_event_bytes=1 << 20, repeats=repeats)
    events = machine.start()
    for chunk in read(reader, pieces):
        if isinstance(chunk, dict):
            events += machine.feed(chunk)
        else:
            events += machine.repeat(chunk) if isinstance(chunk, str) else machine.repeat_all(chunk)
        if machine.failure or machine.complete():
            break
    failure = machine.failure or (None if machine.complete() else reader.failure)
    return events + (machine.fail(failure) if failure else machine.finish(marker=reader.done))
