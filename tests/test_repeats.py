"""Chunks that repeat the last one but for their text become the same events as whole ones, byte by byte."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responses_asgi.exchange.decoding import ChunkReader
from responses_asgi.sse import encode
from responses_asgi.translate import chunk_reader
from responses_asgi.translate.repeats import Repeats, with_text
from responses_asgi.types.events import Dialect
from responses_asgi.types.json import loads
from tests import responses_answers
from tests.chat_answers import answers, streams, styles
from tests.chat_machine import translator as chat_translator
from tests.examples import examples
from tests.test_properties import machine

JSON = dict[str, Any]

FRAME = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}

# Shapes of chunks, most of them such that a repetition must not be taken for no more than its text.
SHAPES: list[Any] = [
    lambda text: {"choices": [{"index": 0, "delta": {"content": text}}]},
    lambda text: {"choices": [{"index": 0, "delta": {"role": "assistant", "content": text}}], "usage": None},
    lambda text: {"choices": [{"index": 0, "delta": {"reasoning_content": text, "content": None}}]},
    lambda text: {"choices": [{"index": 0, "delta": {"reasoning": text}, "finish_reason": None}]},
    lambda text: {"choices": [{"index": 0, "delta": {"reasoning_content": "a", "reasoning": text}}]},
    lambda text: {"choices": [{"index": 0, "delta": {"content": text, "refusal": "no"}}]},
    lambda text: {"choices": [{"index": 0, "delta": {"refusal": text}}]},
    lambda text: {"choices": [{"index": 1, "delta": {"content": text}}]},
    lambda text: {"choices": [{"delta": {"content": text}}, {"index": 1, "delta": {"content": text}}]},
    lambda text: {"choices": [{"delta": {"content": text}, "finish_reason": "whatever"}]},
    lambda text: {"choices": [{"delta": {"content": text}, "finish_reason": "stop"}]},
    lambda text: {
        "choices": [
            {
                "delta": {"content": text},
                "logprobs": {"content": [{"token": "t", "logprob": -1, "bytes": []}]},
            }
        ]
    },
    lambda text: {"choices": [{"delta": {"content": text, "annotations": [{"type": "odd"}]}}]},
    lambda text: {"choices": [{"delta": {"content": text}, "own": 1}], "theirs": {"content": "x"}},
    lambda text: {
        "choices": [{"delta": {"content": text}}],
        "usage": {"prompt_tokens": 1, "total_tokens": 2},
    },
    lambda text: {"choices": [{"delta": {"content": text}, "message": {"content": "all"}}]},
    lambda text: {"choices": [{"message": {"content": text}}]},
    lambda text: {"content": "x", "choices": [{"delta": {"content": text}}]},
    lambda text: {"choices": [{"delta": {"content": text}}], "error": {"message": "late"}},
    lambda text: {
        "choices": [
            {"delta": {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": text}}]}}
        ]
    },
    lambda text: [{"choices": [{"delta": {"content": text}}]}],
    lambda text: None,
]

texts = st.sampled_from(
    ["", "a", " b", "c\n", '"', "\\", "é", "\u2028", "😀", "<think>", "</think>"]
) | st.text(max_size=5)
togethers = st.sampled_from([None, 1, 2, 4])
chunks = st.tuples(st.sampled_from(SHAPES), st.lists(texts, min_size=1, max_size=5), st.booleans())


def framed(runs: list[tuple[Any, list[str], bool]]) -> bytes:
    """An event stream: of each shape some chunks, one after the other."""
    said = []
    for shape, run, ascii_only in runs:
        for text in run:
            document = shape(text)
            if isinstance(document, dict):
                document = {**FRAME, **document}
            said.append(json.dumps(document, ensure_ascii=ascii_only))
    return "".join(f"data: {document}\n\n" for document in said).encode("utf-8", "surrogatepass")


def read_in(reader: ChunkReader, stream: bytes, together: int | None) -> Iterator[Any]:
    """The chunks of a stream that comes in pieces of so many events each; None: in one piece."""
    events = [event + b"\n\n" for event in stream.split(b"\n\n")[:-1]]
    step = together or len(events)
    for at in range(0, len(events), step):
        yield from reader.read(b"".join(events[at : at + step]))
        if reader.failure:
            return


def told_by(
    translator: Any, reader: ChunkReader, stream: bytes, together: int | None = None
) -> tuple[list[Any], int]:
    """The events of a whole stream, and how many of its chunks were told as texts."""
    events, repeated = translator.start(), 0
    for chunk in read_in(reader, stream, together):
        if isinstance(chunk, tuple):
            repeated += len(chunk)
            events += translator.repeat_all(chunk)
        elif isinstance(chunk, str):
            repeated += 1
            events += translator.repeat(chunk)
        else:
            events += translator.feed(chunk)
        if translator.failure:
            break
    failure = translator.failure or reader.failure
    events += translator.fail(failure) if failure else translator.finish(marker=True)
    return events, repeated


def events_of(
    stream: bytes,
    *,
    repeats: bool,
    profile: str,
    dialect: Dialect = "openai",
    tools: list[JSON] | None = None,
    together: int | None = None,
) -> tuple[Any, ...]:
    """The events of a stream, its losses and its answer; and how many of its chunks were told as texts."""
    reader, translator = (
        ChunkReader(max_event_bytes=1_000_000, repeats=repeats),
        machine(dialect, profile, tools),
    )
    events, repeated = told_by(translator, reader, stream, together)
    told = [(event.type, event.data) for event in events]
    return (told, list(translator.losses), translator.snapshot()), repeated


@examples(200)
@given(st.lists(chunks, min_size=1, max_size=5), st.sampled_from(["generic", "llamacpp"]), togethers)
def test_repeated_chunks_become_the_events_of_whole_ones(
    runs: list[tuple[Any, list[str], bool]], profile: str, together: int | None
) -> None:
    stream = framed(runs)
    plain, none = events_of(stream, repeats=False, profile=profile)
    repeated, _ = events_of(stream, repeats=True, profile=profile, together=together)
    assert none == 0
    assert repeated == plain


@given(st.data())
def test_answers_of_servers_become_the_same_events(data: st.DataObject) -> None:
    answer, style = data.draw(answers), data.draw(styles)
    documents = data.draw(streams(answer, style))
    stream = "".join(f"data: {json.dumps(document)}\n\n" for document in documents).encode()
    dialect: Dialect = data.draw(st.sampled_from(["openai", "openresponses"]))
    plain, _ = events_of(stream, repeats=False, profile="generic", dialect=dialect)
    together = data.draw(togethers)
    repeated, _ = events_of(stream, repeats=True, profile="generic", dialect=dialect, together=together)
    assert repeated == plain


# Events of a Responses stream, of which some find their item by other means than the usual ones.
EVENTS: list[Any] = [
    lambda text: {"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "delta": text},
    lambda text: {"type": "response.output_text.delta", "item_id": "n", "output_index": 1, "delta": text},
    lambda text: {"type": "response.output_text.delta", "content_index": 1, "delta": text, "logprobs": []},
    lambda text: {
        "type": "response.output_text.delta",
        "delta": text,
        "logprobs": [{"token": "t", "logprob": -1, "top_logprobs": []}],
    },
    lambda text: {"type": "response.refusal.delta", "item_id": "m", "delta": text},
    lambda text: {"type": "response.reasoning_text.delta", "item_id": "r", "output_index": 0, "delta": text},
    lambda text: {"type": "response.reasoning_summary_text.delta", "item_id": "r", "delta": text},
    lambda text: {"type": "response.function_call_arguments.delta", "item_id": "f", "delta": text},
    lambda text: {"type": "response.custom_tool_call_input.delta", "item_id": "c", "delta": text},
    lambda text: {"type": "response.unheard_of.delta", "delta": text},
    lambda text: {"type": "response.output_text.done", "item_id": "m", "output_index": 0, "text": text},
    lambda text: {
        "type": "response.output_item.added",
        "output_index": 2,
        "item": {"type": "function_call", "id": "f", "call_id": "c1", "name": "f", "arguments": ""},
    },
    lambda text: {
        "type": "response.output_item.done",
        "output_index": 0,
        "item": {"type": "message", "id": "m", "role": "assistant", "content": []},
    },
    lambda text: {"type": "keepalive"},
]
runs_of_events = st.tuples(st.sampled_from(EVENTS), st.lists(texts, min_size=1, max_size=5), st.booleans())


def named(runs: list[tuple[Any, list[str], bool]], *, numbered: bool) -> bytes:
    """An event stream of Responses events, with their names and perhaps their numbers."""
    said, number = b"", 0
    for shape, run, ascii_only in runs:
        for text in run:
            number += 1
            event = {**shape(text), **({"sequence_number": number} if numbered else {})}
            data = json.dumps(event, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
            said += b"event: %b\ndata: %b\n\n" % (event["type"].encode(), data)
    return said


def chunks_of(
    stream: bytes, *, repeats: bool, stop: str | None = None, together: int | None = None
) -> tuple[Any, ...]:
    """The chunks of a Chat answer, its losses and the whole; and how many events were told as texts."""
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **({"stop": stop} if stop else {})}
    reader, translator = ChunkReader(max_event_bytes=1_000_000, repeats=repeats), chat_translator(body)
    events, repeated = told_by(translator, reader, stream, together)
    return ([event.data for event in events], list(translator.losses), translator.snapshot()), repeated


END = b'data: {"type": "response.completed", "response": {"status": "completed", "output": []}}\n\n'


@examples(200)
@given(
    st.lists(runs_of_events, min_size=1, max_size=5),
    st.booleans(),
    st.sampled_from([None, "b", " b"]),
    togethers,
)
def test_repeated_events_become_the_chunks_of_whole_ones(
    runs: list[tuple[Any, list[str], bool]], numbered: bool, stop: str | None, together: int | None
) -> None:
    stream = named(runs, numbered=numbered) + END
    plain, none = chunks_of(stream, repeats=False, stop=stop)
    repeated, _ = chunks_of(stream, repeats=True, stop=stop, together=together)
    assert none == 0
    assert repeated == plain


@given(st.data())
def test_answers_of_responses_servers_become_the_same_chunks(data: st.DataObject) -> None:
    said, style = data.draw(responses_answers.answers), data.draw(responses_answers.styles())
    events = data.draw(responses_answers.streams(said, style))
    stream = "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()
    plain, _ = chunks_of(stream, repeats=False)
    assert chunks_of(stream, repeats=True, together=data.draw(togethers))[0] == plain


@pytest.mark.parametrize("number", [0, 2, 4, 5, 6])
def test_nearly_all_events_of_a_usual_answer_are_repetitions(number: int) -> None:
    runs = [(EVENTS[number], [f"{word} " for word in range(50)], False)]
    (told, _, _), repeated = chunks_of(named(runs, numbered=True) + END, repeats=True)
    # The second has a number of two digits where the first has one; nothing else is new in it.
    assert repeated == 49
    assert len(told) == 53


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_nearly_all_chunks_of_a_usual_answer_are_repetitions(number: int) -> None:
    runs = [(SHAPES[number], [f"{word} " for word in range(50)], False)]
    (told, _, _), repeated = events_of(framed(runs), repeats=True, profile="generic")
    assert repeated == 49
    assert sum(name.endswith(".delta") for name, _ in told) == 50


# Tools of every kind: a function, a custom tool, whose input is unwrapped, and actions, told when whole.
TOOLS: list[JSON] = [
    {"type": "function", "name": "tide", "parameters": None},
    {"type": "custom", "name": "note"},
    {"type": "local_shell"},
    {"type": "apply_patch"},
]


def called(**fields: Any) -> JSON:
    """A chunk with one fragment of a tool call."""
    return {"choices": [{"index": 0, "delta": {"tool_calls": [fields]}}]}


def opening(index: int, name: str) -> Any:
    return lambda text: called(index=index, id=f"c{index}", function={"name": name, "arguments": text})


# Fragments of tool calls, of which several are no more than arguments of the call that they belong to.
FRAGMENTS: list[Any] = [
    *(
        opening(index, name)
        for index, name in enumerate(["tide", "note", "local_shell", "apply_patch", "odd"])
    ),
    *(lambda text, at=at: called(index=at, function={"arguments": text}) for at in range(3)),
    lambda text: called(index=0, id="c0", type="function", function={"name": "tide", "arguments": text}),
    lambda text: called(index=0, function={"name": "tide", "arguments": text}),
    lambda text: called(index=1, id="c1", function={"name": None, "arguments": text}),
    lambda text: called(index=0, id="new", function={"arguments": text}),
    lambda text: called(index=0, id="other", function={"name": "note", "arguments": text}),
    lambda text: called(index=5, function={"arguments": text}),
    lambda text: called(function={"arguments": text}),
    lambda text: called(id="c1", function={"arguments": text}),
    lambda text: called(id="c9", function={"name": "tide", "arguments": text}),
    lambda text: called(index=0, name="tide", arguments=text),
    lambda text: called(index=0, arguments=text, function={"arguments": text}),
    lambda text: called(index=1, type="custom", custom={"input": text, "name": "note"}),
    lambda text: called(index=1, type="custom", function={"arguments": text}),
    lambda text: called(index=1, custom={"input": "x"}, function={"arguments": text}),
    lambda text: called(index=0, function={"arguments": text, "name": text}),
    lambda text: called(index=0, function={"arguments": text}, extra_content={"thought": "t"}),
    lambda text: called(index=0, function={"arguments": {"a": text}}),
    lambda text: {"choices": [{"index": 1, "delta": called(index=0, function={"arguments": text})}]},
    lambda text: {
        "choices": [
            {
                "index": 0,
                "delta": {"tool_calls": [{"index": at, "function": {"arguments": text}} for at in (0, 1)]},
            }
        ]
    },
    lambda text: {
        "choices": [
            {
                "index": 0,
                "delta": {"content": "", "tool_calls": [{"index": 0, "function": {"arguments": text}}]},
            },
            {"delta": {"content": text}},
        ]
    },
    lambda text: {
        "choices": [
            {
                "index": 1,
                "delta": {"role": "assistant", "tool_calls": [{"index": 0, "function": {"arguments": text}}]},
            }
        ]
    },
    lambda text: {
        "choices": [
            {"delta": {"content": text, "tool_calls": [{"index": 0, "function": {"arguments": text}}]}}
        ]
    },
    lambda text: {
        "choices": [
            {
                "delta": {"tool_calls": [{"index": 0, "function": {"arguments": text}}]},
                "finish_reason": "tool_calls",
            }
        ]
    },
    lambda text: {"choices": [{"delta": {"function_call": {"name": "tide", "arguments": text}}}]},
    lambda text: {"choices": [{"delta": {"tool_calls": {"index": 0, "function": {"arguments": text}}}}]},
    lambda text: {"choices": [{"delta": {"tool_calls": "".join(["x", text])}}]},
    lambda text: {"choices": [{"delta": {"tool_calls": [text]}}]},
    lambda text: {"choices": [{"delta": {"arguments": text}}]},
    lambda text: {"choices": [{"index": 0, "delta": {"content": text}}]},
    lambda text: {"choices": [{"index": 0, "delta": {"reasoning": text}}]},
]
written = (
    st.sampled_from(['{"input"', ': "', "x", "\\n", '"}', "{", "}", "{}", "tide", "1", "\ud83d", "\ude00"])
    | texts
)
fragments = st.tuples(st.sampled_from(FRAGMENTS), st.lists(written, min_size=1, max_size=5), st.booleans())


@examples(300)
@given(
    st.lists(fragments, min_size=1, max_size=6),
    st.sampled_from(FRAGMENTS[:5]),
    st.sampled_from(["generic", "llamacpp"]),
    togethers,
)
def test_repeated_fragments_of_calls_become_the_events_of_whole_ones(
    runs: list[tuple[Any, list[str], bool]], first: Any, profile: str, together: int | None
) -> None:
    stream = framed([(first, [""], False), *runs])
    plain, none = events_of(stream, repeats=False, profile=profile, tools=TOOLS)
    repeated, _ = events_of(stream, repeats=True, profile=profile, tools=TOOLS, together=together)
    assert none == 0
    assert repeated == plain


def at_first(**more: Any) -> Any:
    """Fragments for the call at index 0."""
    return lambda text: called(
        index=0, function={"arguments": text, **more.get("function", {})}, **more.get("call", {})
    )


@pytest.mark.parametrize(
    "runs",
    [
        # Arguments begin anew under the same name: another call.
        [(opening(0, "tide"), [""]), (at_first(function={"name": "tide"}), ["{", "}", "{}", "{", "}"])],
        # Another name while nothing is written, and an id of their own for all fragments after the first.
        [(opening(0, "tide"), [""]), (at_first(call={"id": "c0"}, function={"name": "note"}), ["{", "}"])],
        [(opening(0, "tide"), ["{"]), (at_first(call={"id": "new"}), ["1", "2", "}", "{}", "{}"])],
        [
            (opening(0, "tide"), ["{"]),
            (at_first(call={"id": "n"}, function={"name": "tide"}), ["}", "1", "{}"]),
        ],
        # Arguments after the call is closed by a text.
        [(opening(0, "tide"), ["{}"]), (FRAGMENTS[-2], ["a"]), (at_first(), ["1", "2", "3"])],
        # Without id and index; and a call that has its name only later.
        [
            (opening(0, "tide"), [""]),
            (lambda text: called(function={"name": "tide", "arguments": text}), ["{", "}", "{}"]),
        ],
        [
            (at_first(), ["{", "}", "1"]),
            (at_first(function={"name": "tide"}), ["2", "3"]),
            (at_first(), ["4", "5"]),
        ],
        # An answer of another choice, and calls at indices that nobody has announced.
        [
            (opening(0, "tide"), [""]),
            (FRAGMENTS[-2], ["a"]),
            (lambda text: called(index=7, function={"arguments": text}), ["{", "}", "{"]),
        ],
    ],
)
def test_fragments_that_may_be_another_call_are_looked_at(runs: list[tuple[Any, list[str]]]) -> None:
    stream = framed([(shape, run, False) for shape, run in runs])
    plain, _ = events_of(stream, repeats=False, profile="generic", tools=TOOLS)
    assert events_of(stream, repeats=True, profile="generic", tools=TOOLS)[0] == plain


@pytest.mark.parametrize("name", ["tide", "note", "local_shell", "apply_patch", "odd"])
@pytest.mark.parametrize("named", [False, True])
def test_nearly_all_fragments_of_a_usual_call_are_repetitions(name: str, named: bool) -> None:
    more = opening(0, name) if named else lambda text: called(index=0, function={"arguments": text})
    pieces = ['{"input": "', *(f"{word} " for word in range(50)), '"}']
    stream = framed([(opening(0, name), [""], False), (more, pieces, False)])
    plain, _ = events_of(stream, repeats=False, profile="generic", tools=TOOLS)
    told, repeated = events_of(stream, repeats=True, profile="generic", tools=TOOLS)
    assert told == plain
    assert repeated == 51


def text_of(repeats: Repeats, data: bytes) -> str | None:
    """The text of an event by itself, which is that of each of several, too."""
    event = encode("", data)
    if repeats.last is None:
        return None
    text = repeats.last.texts(event)
    assert text is None or isinstance(text, str)
    for several in (2, 5):
        assert repeats.last.texts(event * several) == (text and (text,) * several)
    return text


def test_numbers_and_padding_that_nobody_reads_may_differ() -> None:
    repeats, data = (
        Repeats(),
        b'{"type":"d","sequence_number":9,"delta":"a","obfuscation":"x1","item_id":"i"}',
    )
    repeats.learn(data, loads(data))
    other = data.replace(b"9", b"10").replace(b'"x1"', b'"y"')
    assert text_of(repeats, other.replace(b'"a"', b'"b"')) == "b"
    for wrong in (b"010", b"-1", b"1.0", b"", b'"1', b"null"):
        assert text_of(repeats, other.replace(b"10", wrong)) is None
    for wrong in (b'"\xff"', b'"a","b":"c"', b'"\\u0041"', b'""', b"[]"):
        assert text_of(repeats, other.replace(b'"y"', wrong)) is None
    assert text_of(repeats, data[:-5]) is None
    chunk = b'{"choices":[{"delta":{"content":"a"}}],"sequence_number":1}'
    repeats.learn(chunk, loads(chunk))
    assert text_of(repeats, chunk.replace(b"1", b"2")) is None


# Events as servers write them, in parts: a value that may differ is one of its own.
WIRES: list[list[str]] = [
    ["event: d\ndata: ", '{"type":"d","delta":', "TEXT", ',"sequence_number":', "NUMBER", "}\n\n"],
    ['data: {"type":"d","delta":', "TEXT", ',"obfuscation":"', "LETTERS", '","item_id":"i"}\n\n'],
    [
        'data: {"type":"d","sequence_number":',
        "NUMBER",
        ',"delta":',
        "TEXT",
        ',"obfuscation":"',
        "LETTERS",
        '"}\n\n',
    ],
    ['data: {"choices":[{"delta":{"content":', "TEXT", "}}]}\n\n"],
    ['data: {"choices":[{"delta":{"function_call":{"arguments":', "TEXT", "}}}]}\n\n"],
    ['data: {"choices":[{"delta":{"tool_calls":[{"custom":{"input":', "TEXT", "}}]}}]}\n\n"],
]
# Among them what would make one list out of other events than those that were learned.
ODD = [
    "",
    "1",
    "07",
    '"a"',
    '"a","b"',
    '"a"],["b"',
    '],\n["c"',
    "[1]",
    "]",
    '"',
    ',"',
    " 1",
    '\n"a"',
    '"a"\r',
]
PLAIN = {
    "TEXT": st.sampled_from(["a", "\n", '"', "\\", "é", 'x","y', '"],["', "\u2028"]).map(json.dumps),
    "NUMBER": st.integers(1, 2_000).map(str),
    "LETTERS": st.sampled_from(["a", "0", "xY12"]),
}


@st.composite
def wires(draw: st.DrawFn) -> bytes:
    """Events of one kind, of which some are not whole, or have something odd in them."""
    parts = draw(st.sampled_from(WIRES))
    said = "".join(draw(PLAIN[part]) if part in PLAIN else part for part in parts)
    for _ in range(draw(st.integers(1, 5))):
        these = list(parts)
        change = draw(st.sampled_from(["none", "none", "none", "swap", "twice", "without", "odd", "odd"]))
        at, other = draw(st.integers(0, len(parts) - 1)), draw(st.integers(0, len(parts) - 1))
        if change == "swap":
            these[at], these[other] = these[other], these[at]
        elif change == "twice":
            these.insert(at, these[other])
        elif change == "without":
            del these[at]
        elif change == "odd" and these[at] in PLAIN:
            these[at] = draw(st.sampled_from(ODD))
        said += "".join(draw(PLAIN[part]) if part in PLAIN else part for part in these)
    return said.encode()


def read_as_chunks(stream: bytes, *, repeats: bool, together: int | None) -> tuple[list[JSON], bool]:
    """The chunks of a stream, those told as texts, too, without what nobody reads; and whether it failed."""
    reader, read = ChunkReader(max_event_bytes=1_000_000, repeats=repeats), []
    for chunk in read_in(reader, stream, together):
        if isinstance(chunk, dict):
            read.append(chunk)
        else:
            read += [with_text(read[-1], text) for text in ([chunk] if isinstance(chunk, str) else chunk)]
    unread = ("sequence_number", "obfuscation")
    return [{k: v for k, v in chunk.items() if k not in unread} for chunk in read], bool(reader.failure)


@examples(300)
@given(wires(), togethers)
def test_what_is_not_quite_a_repetition_is_read_as_ever(stream: bytes, together: int | None) -> None:
    # A failure ends what is read of its piece, so the pieces are the same.
    plain = read_as_chunks(stream, repeats=False, together=together)
    assert read_as_chunks(stream, repeats=True, together=together) == plain


def test_values_of_several_events_are_not_taken_for_each_other() -> None:
    repeats = Repeats()
    data = b'{"type":"d","delta":"a","sequence_number":1}'
    repeats.learn(data, loads(data), "d")
    event = encode("d", data)
    assert repeats.last is not None
    assert repeats.last.texts(event * 3) == ("a", "a", "a")
    assert repeats.last.text("d", data) == "a"
    assert repeats.last.text("e", data) is None
    assert repeats.last.text("d", data + b" ") is None
    for odd in (b'["a"]', b'"a","b"', b"", b'"a"],[1', b"7"):
        assert repeats.last.texts(event + event.replace(b'"a"', odd) + event) is None
    # As many of each value as there should be, but not each in its own place.
    assert repeats.last.texts(event.replace(b'"a"', b"") + event.replace(b'"a"', b'"a","b"')) is None
    # JSON would let line ends stand there; in an event they end the data.
    assert repeats.last.texts(event + event.replace(b'"a"', b'\n"a"')) is None
    assert repeats.last.texts(event + event.replace(b'"a"', b'"a"\r')) is None
    assert repeats.last.texts(event.replace(b'"a"', b'"a"\r')) is None
    repeats.learn(b'{"type":"d",\n"delta":"a"}', {"type": "d", "delta": "a"})
    assert repeats.last is None


def test_chunks_before_the_last_one_are_known_again() -> None:
    repeats = Repeats()
    data = [b'{"type":"d","output_index":%d,"delta":"a","sequence_number":1}' % index for index in range(6)]
    for each in data:
        assert repeats.known("d", each) is None
        # More than are tried in vain: those that were repeated count as none.
        repeats.learn(each, loads(each), "d")
        assert repeats.last is not None
        assert repeats.last.text("d", each) == "a"
    for index in (4, 5, 2, 3, 1):
        other = data[index].replace(b'"a"', b'"b"').replace(b":1}", b":77}")
        assert repeats.known("e", other) is None
        chunk = {"type": "d", "output_index": index, "delta": "b", "sequence_number": 1}
        assert repeats.known("d", other) == chunk
        assert repeats.last is not None
        assert repeats.last.text("d", data[index]) == "a"
    # So many are kept.
    assert repeats.known("d", data[0]) is None


def test_calls_in_turns_are_read_without_parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[JSON] = []
    for index in range(2):
        item = {"type": "function_call", "id": f"f{index}", "call_id": f"c{index}", "name": "f"}
        events.append({"type": "response.output_item.added", "output_index": index, "item": item})
    place = [{"item_id": f"f{index}", "output_index": index} for index in range(2)]
    for number in range(20):
        delta = {"type": "response.function_call_arguments.delta", **place[number % 2], "delta": f"{number} "}
        events.append({**delta, "sequence_number": number + 1})
    stream = b"".join(encode(event["type"], json.dumps(event).encode()) for event in events)
    plain, _ = chunks_of(stream + END, repeats=False)
    parsed: list[bytes] = []

    def counted(data: bytes) -> Any:
        parsed.append(data)
        return loads(data)

    monkeypatch.setattr(chunk_reader, "loads", counted)
    for together in (1, None):
        parsed.clear()
        assert chunks_of(stream + END, repeats=True, together=together)[0] == plain
        assert len(parsed) == 5


def test_no_more_is_learned_from_a_server_that_says_something_new_in_every_chunk() -> None:
    repeats = Repeats()
    for number in range(10):
        padded = {"choices": [{"delta": {"content": "a"}}], "timings": number}
        data = json.dumps(padded).encode()
        assert text_of(repeats, data) is None
        repeats.learn(data, loads(data))
    assert text_of(repeats, data) is None


@pytest.mark.parametrize(
    "literal",
    [b'""', b"null", b"1", b'["a"]', b'"a', b'"a","b":"c"', b"", b'"\x01"', b'"\xff"'],
)
def test_what_is_no_text_there_is_no_repetition(literal: bytes) -> None:
    repeats = Repeats()
    data = b'{"choices":[{"delta":{"content":"a"}}]}'
    repeats.learn(data, loads(data))
    assert text_of(repeats, data) == "a"
    assert text_of(repeats, data.replace(b'"a"', literal)) is None


def test_the_place_of_the_text_is_found_among_others_of_its_name() -> None:
    repeats = Repeats()
    data = b'{"content":"a","model":"\\"content\\":\\"a\\"","choices":[{"delta":{"content":"a"}}]}'
    repeats.learn(data, loads(data))
    assert text_of(repeats, data[: -len('"a"}}]}')] + b'"b"}}]}') == "b"
    twice = b'{"choices":[{"delta":{"content":"b","content":"a"}}]}'
    repeats.learn(twice, loads(twice))
    assert text_of(repeats, twice.replace(b'"b"', b'"c"')) is None
    assert text_of(repeats, twice.replace(b'"a"', b'"c"')) == "c"


def test_a_chunk_is_given_another_text_where_it_has_one() -> None:
    assert with_text(called(index=0, function={"arguments": "a"}), "b") == called(
        index=0, function={"arguments": "b"}
    )
    chunk = {
        "id": "c",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": "a", "refusal": None}}],
    }
    assert with_text(chunk, "b") == {
        "id": "c",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": "b", "refusal": None}}],
    }
