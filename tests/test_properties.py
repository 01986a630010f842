"""Random answers of random servers: always a legal stream that says the same, however it is cut or broken."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from responses_asgi.errors import UpstreamError
from responses_asgi.exchange.decoding import ChunkReader
from responses_asgi.profiles import PROFILES
from responses_asgi.testing import assert_valid_stream
from responses_asgi.translate.responses_to_chat import ResponsesToChat
from responses_asgi.translate.snapshot import fold
from responses_asgi.types.events import Dialect
from tests.chat_answers import NAMES, STATUSES, ChatAnswer, Style, answers, streams, styles, whole
from tests.examples import examples
from tests.facts import facts_of

JSON = dict[str, Any]

TOOLS = [{"type": "function", "name": name, "parameters": None} for name in NAMES]
dialects: st.SearchStrategy[Dialect] = st.sampled_from(["openai", "openresponses"])


def machine(
    dialect: Dialect = "openai", profile: str = "generic", tools: list[JSON] | None = None
) -> ResponsesToChat:
    """A translator whose ids are counted, so that two of them can be compared."""
    counts: dict[str, int] = defaultdict(int)

    def new_id(prefix: str) -> str:
        counts[prefix] += 1
        return f"{prefix}{counts[prefix]}"

    body = {"model": "m", "input": "Hi", "tools": tools or TOOLS}
    return ResponsesToChat(body, profile=PROFILES[profile], new_id=new_id, now=lambda: 1, dialect=dialect)


def told(translator: ResponsesToChat, chunks: list[JSON], *, marker: bool = True) -> list[JSON]:
    """The events of a whole exchange, proved legal and equal to their fold."""
    events = translator.start()
    for chunk in chunks:
        events += translator.feed(chunk)
        if translator.failure:
            break
    failure = translator.failure
    events += translator.fail(failure) if failure else translator.finish(marker=marker)
    return proved(translator, [event.json() for event in events])


def proved(translator: ResponsesToChat, events: list[JSON]) -> list[JSON]:
    dialect: Dialect = translator._writer.dialect
    assert assert_valid_stream(events, dialect=dialect) == fold(events) == translator.snapshot()
    return events


@st.composite
def sent(draw: st.DrawFn) -> tuple[ChatAnswer, Style, list[JSON]]:
    answer, style = draw(answers), draw(styles)
    return answer, style, draw(streams(answer, style))


@given(sent(), dialects, st.booleans())
def test_a_stream_is_legal_and_says_the_same(
    case: tuple[ChatAnswer, Style, list[JSON]], dialect: Dialect, marker: bool
) -> None:
    answer, _, chunks = case
    events = told(machine(dialect), chunks, marker=marker)
    assert facts_of(events[-1]["response"]) == answer.facts


@given(sent(), dialects)
def test_a_whole_answer_is_the_fold_of_the_streamed_one(
    case: tuple[ChatAnswer, Style, list[JSON]], dialect: Dialect
) -> None:
    answer, style, chunks = case
    streamed, document = machine(dialect), machine(dialect)
    told(streamed, chunks)
    told(document, [whole(answer, style)])
    assert document.snapshot() == streamed.snapshot()


@given(sent(), st.sampled_from(["\n", "\r\n", "\r"]), st.data())
def test_bytes_cut_anywhere_give_the_same_events(
    case: tuple[ChatAnswer, Style, list[JSON]], newline: str, data: st.DataObject
) -> None:
    chunks = case[2]
    frames = [f": hi{newline}data: {json.dumps(chunk, ensure_ascii=False)}{newline * 2}" for chunk in chunks]
    text = "".join([*frames, f"data: [DONE]{newline * 2}"]).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    reader, translator = ChunkReader(max_event_bytes=1_000_000), machine()
    events = translator.start()
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        for chunk in reader.read(text[start:end]):
            events += translator.feed(chunk)
    assert reader.done
    events += translator.finish(marker=True)
    assert [event.json() for event in events] == told(machine(), chunks)


@given(sent(), dialects, st.sampled_from(["fail", "error chunk", "error beside choices", "cut"]))
def test_a_fault_after_any_chunk_ends_the_stream_legally(
    case: tuple[ChatAnswer, Style, list[JSON]], dialect: Dialect, fault: str
) -> None:
    answer, _, chunks = case
    for length in range(len(chunks)):
        before = chunks[:length]
        translator = machine(dialect)
        finished = any(choice["finish_reason"] for chunk in before for choice in chunk["choices"])
        if fault == "fail":
            events = translator.start()
            for chunk in before:
                events += translator.feed(chunk)
            events += translator.fail(UpstreamError("gone", status=502))
            decoded = proved(translator, [event.json() for event in events])
        elif fault == "cut":
            decoded = told(translator, before, marker=False)
        else:
            beside = {"choices": chunks[length]["choices"]} if fault == "error beside choices" else {}
            decoded = told(translator, [*before, {**beside, "error": {"message": "gone"}}])
        response = decoded[-1]["response"]
        failed = fault != "cut" or not finished
        assert response["status"] == ("failed" if failed else STATUSES[answer.finish].partition(":")[0])
        assert [event["type"] for event in decoded].count("response.failed") == failed
        facts = facts_of(response)
        assert answer.text.startswith(facts.text)
        assert answer.reasoning.startswith(facts.reasoning)
        assert answer.refusal.startswith(facts.refusal)


# Chunks that follow no documented form: every known field with any value.

numbers = st.floats(allow_nan=False, allow_infinity=False)
keys = st.sampled_from(["type", "text", "name", "arguments", "id", "index", "function", "message", "flagged"])
scalars = st.none() | st.booleans() | st.integers(-3, 3) | numbers | st.text(max_size=4)
junk = st.recursive(
    scalars | st.sampled_from(NAMES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=8,
)


def mostly(form: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Usually in this form, else anything at all."""
    return form | form | junk


def loose(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[JSON]:
    """An object that may have each of these fields, in its form or in another."""
    return st.fixed_dictionaries({}, optional={name: mostly(form) for name, form in fields.items()})


short = st.text(max_size=4)
calls_ = loose(
    index=st.integers(-1, 2),
    id=st.sampled_from(["a", "b", ""]),
    type=st.sampled_from(["function", "custom"]),
    function=loose(name=st.sampled_from([*NAMES, "t"]), arguments=short),
    custom=loose(name=short, input=short),
)
parts = loose(type=st.sampled_from(["text", "thinking", "image_url"]), text=short, thinking=junk)
details = loose(
    type=st.sampled_from(["reasoning.text", "reasoning.summary", "reasoning.encrypted"]),
    text=short,
    summary=short,
    data=short,
    index=st.integers(0, 1),
)
citations = loose(type=st.sampled_from(["url_citation", "file"]), url_citation=loose(url=short))
deltas = loose(
    role=short,
    content=short | st.lists(mostly(parts), max_size=3),
    refusal=short,
    reasoning=short,
    reasoning_content=short,
    reasoning_details=st.lists(mostly(details), max_size=2),
    tool_calls=st.lists(mostly(calls_), max_size=3),
    function_call=loose(name=short, arguments=short),
    annotations=st.lists(mostly(citations), max_size=2),
    audio=junk,
)
choices = loose(
    index=st.integers(0, 1),
    delta=deltas,
    message=deltas,
    finish_reason=st.sampled_from([*STATUSES, "error", "?"]),
    logprobs=loose(content=st.lists(mostly(loose(token=short, logprob=numbers)), max_size=2)),
    error=junk,
)
wild_chunks = loose(
    id=short,
    model=short,
    choices=st.lists(mostly(choices), max_size=2),
    usage=loose(prompt_tokens=st.integers(), completion_tokens=numbers, prompt_tokens_details=junk),
    x_groq=junk,
    service_tier=short,
    moderation=junk,
    error=st.none(),
)


@examples(400)
@example([{"service_tier": []}], "openai", False, "generic")
@example(
    [{"choices": [{"delta": {"content": "a", "annotations": [{"type": []}]}}]}], "openai", False, "generic"
)
@given(st.lists(wild_chunks, max_size=6), dialects, st.booleans(), st.sampled_from(["generic", "vllm"]))
def test_no_chunk_is_so_wild_that_the_stream_breaks(
    chunks: list[JSON], dialect: Dialect, marker: bool, profile: str
) -> None:
    told(machine(dialect, profile), chunks, marker=marker)
