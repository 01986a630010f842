"""Plain text: where it stands in a stream, how streams are framed, and how they end."""

from __future__ import annotations

from responses_asgi.testing.response_shapes.shape import (
    FIGURES,
    FOX_ANSWER,
    USAGE,
    ResponsesShape,
    changed,
    played,
    response,
    said,
    told,
    without,
)
from responses_asgi.testing.scripted import ResponsesTurn
from responses_asgi.testing.shapes.shape import FOX, FOX_TEXT, Answer
from responses_asgi.types.json import JSON

__all__ = ["TEXT_SHAPES"]

_TEXT = said(0, *FOX)


def _lacking(*names: str) -> list[JSON | bytes]:
    """The fox's stream without these fields of the events."""
    return changed(told(_TEXT), lambda event: {n: v for n, v in event.items() if n not in names})


_PLACE_SHAPES = [
    ResponsesShape(name="text", says="the documented order of events", turn=played(_TEXT), answer=FOX_ANSWER),
    ResponsesShape(
        name="several parts",
        says="parts of one message follow each other directly",
        turn=played(said(0, parts=[["The fox ", "left"], [" at dawn."]])),
        answer=FOX_ANSWER,
    ),
    ResponsesShape(
        name="several messages",
        says="messages are set apart by a blank line",
        turn=played(said(0, "I look ", "around."), said(1, *FOX)),
        answer=Answer(text=f"I look around.\n\n{FOX_TEXT}", usage=FIGURES, status="stop"),
    ),
    ResponsesShape(
        name="blank message first",
        says="a message of blank space only is set apart from nothing",
        turn=played(said(0, "\n", " "), said(1, *FOX)),
        answer=Answer(text=f"\n {FOX_TEXT}", usage=FIGURES, status="stop"),
    ),
    ResponsesShape(
        name="text only in done",
        says="no deltas: the done event of the text holds it",
        turn=played(without(_TEXT, ".delta")),
        answer=FOX_ANSWER,
        streamed_only=True,
    ),
    ResponsesShape(
        name="text only in the item",
        says="no events of the text: item.done holds it",
        turn=played(_TEXT[-1:]),
        answer=FOX_ANSWER,
        streamed_only=True,
    ),
    ResponsesShape(
        name="text only in the response",
        says="no events of the item: the terminal response holds it",
        turn=ResponsesTurn(told(output=[_TEXT[-1]["item"]])),
        answer=FOX_ANSWER,
        streamed_only=True,
    ),
    ResponsesShape(
        name="last words in done",
        says="the deltas stop short of the text in the done event",
        turn=played([event for event in _TEXT if event.get("delta") != FOX[-1]]),
        answer=FOX_ANSWER,
        streamed_only=True,
    ),
    ResponsesShape(
        name="terminal output empty",
        says="the terminal response lists no items; the done ones count",
        turn=ResponsesTurn(told(_TEXT, output=[])),
        answer=FOX_ANSWER,
        streamed_only=True,
    ),
    ResponsesShape(
        name="nothing said",
        says="a completed response without items is an empty answer",
        turn=played(),
        answer=Answer(usage=FIGURES, status="stop"),
    ),
]

_FRAME_SHAPES = [
    ResponsesShape(
        name="no event lines",
        says="the type is only inside the data",
        turn=ResponsesTurn(told(_TEXT), event_lines=False),
        answer=FOX_ANSWER,
        streamed_only=True,
    ),
    ResponsesShape(
        name="CRLF, comments and a marker",
        says="CRLF line ends, comments, and [DONE] after the terminal event",
        turn=ResponsesTurn([b": waiting\r\n\r\n", *told(_TEXT)], newline="\r\n", done=True),
        answer=FOX_ANSWER,
        streamed_only=True,
    ),
    ResponsesShape(
        name="no sequence numbers",
        says="sequence_number is missing",
        turn=ResponsesTurn(_lacking("sequence_number")),
        answer=FOX_ANSWER,
        streamed_only=True,
    ),
    ResponsesShape(
        name="no item ids",
        says="deltas are told apart by output_index alone",
        turn=ResponsesTurn(_lacking("item_id")),
        answer=FOX_ANSWER,
        streamed_only=True,
    ),
    ResponsesShape(
        name="no output index",
        says="deltas are told apart by item_id alone",
        turn=ResponsesTurn(
            changed(
                told(_TEXT),
                lambda event: (
                    event
                    if "item" in event
                    else {n: v for n, v in event.items() if n not in ("output_index", "content_index")}
                ),
            )
        ),
        answer=FOX_ANSWER,
        streamed_only=True,
    ),
    ResponsesShape(
        name="item ids change",
        says="every event of an item has another item id",
        turn=ResponsesTurn(
            changed(
                told(_TEXT),
                lambda event: {
                    **event,
                    **({"item_id": f"{event['sequence_number']}"} if "item_id" in event else {}),
                    **({"item": {**event["item"], "id": f"i{len(str(event))}"}} if "item" in event else {}),
                },
            )
        ),
        answer=FOX_ANSWER,
        streamed_only=True,
    ),
    ResponsesShape(
        name="events nobody knows",
        says="keepalive, obfuscation and a vendor's event between the others",
        turn=ResponsesTurn(
            [
                *told(_TEXT)[:5],
                {"type": "keepalive", "sequence_number": 5},
                {"type": "acme:mood", "mood": "calm"},
                *changed(told(_TEXT)[5:], lambda event: {**event, "obfuscation": "x"}),
            ]
        ),
        answer=FOX_ANSWER,
        reported=("acme:mood",),
        streamed_only=True,
    ),
    ResponsesShape(
        name="multi-byte text",
        says="text outside ASCII, with the line separators that text tools split at",
        turn=played(said(0, "Grüße, ", "\u2028zwei\u0085 Zeilen ", "🦊\u2029")),
        answer=Answer(text="Grüße, \u2028zwei\u0085 Zeilen 🦊\u2029", usage=FIGURES, status="stop"),
    ),
    ResponsesShape(
        name="queued first",
        says="the response waits before it is made",
        turn=ResponsesTurn(
            [*told()[:1], {"type": "response.queued", "response": response("queued")}, *told(_TEXT)[1:]]
        ),
        answer=FOX_ANSWER,
        streamed_only=True,
    ),
    ResponsesShape(
        name="usage null",
        says="no usage at all: none is invented",
        turn=played(_TEXT, usage=None),
        answer=Answer(text=FOX_TEXT, status="stop"),
    ),
    ResponsesShape(
        name="usage without details",
        says="the figures that are missing are zero",
        turn=played(_TEXT, usage={"input_tokens": 21, "output_tokens": 9}),
        answer=Answer(text=FOX_TEXT, usage=FIGURES._replace(cached=0, reasoning=0), status="stop"),
    ),
    ResponsesShape(
        name="usage not asked for",
        says="without include_usage a stream has no usage",
        turn=played(_TEXT),
        answer=Answer(text=FOX_TEXT, status="stop"),
        options={"stream_options": None},
        streamed_only=True,
    ),
]

_END_SHAPES = [
    ResponsesShape(
        name="length",
        says="the token limit was reached",
        turn=played(_TEXT, status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
        answer=Answer(text=FOX_TEXT, usage=FIGURES, status="length"),
    ),
    ResponsesShape(
        name="length before a word",
        says="the token limit was reached before anything was said",
        turn=played(status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
        answer=Answer(usage=FIGURES, status="length"),
    ),
    ResponsesShape(
        name="content filter",
        says="a filter ended the answer",
        turn=played(_TEXT, status="incomplete", incomplete_details={"reason": "content_filter"}),
        answer=Answer(text=FOX_TEXT, usage=FIGURES, status="content_filter"),
    ),
    ResponsesShape(
        name="unknown reason",
        says="incomplete for a reason that nobody knows",
        turn=played(_TEXT, status="incomplete", incomplete_details={"reason": "curtain"}),
        answer=Answer(text=FOX_TEXT, usage=FIGURES, status="length"),
        reported=("incomplete_details.reason",),
    ),
    ResponsesShape(
        name="no reason",
        says="incomplete without a reason",
        turn=played(_TEXT, status="incomplete"),
        answer=Answer(text=FOX_TEXT, usage=FIGURES, status="length"),
        reported=("incomplete_details.reason",),
    ),
    ResponsesShape(
        name="ended by response.done",
        says="one name for every end; the status tells",
        turn=ResponsesTurn(
            [
                *told(_TEXT)[:-1],
                {"type": "response.done", "response": response(output=[_TEXT[-1]["item"]], usage=USAGE)},
            ]
        ),
        answer=FOX_ANSWER,
        streamed_only=True,
    ),
    ResponsesShape(
        name="stop in one piece",
        says="the text is cut before a stop sequence, and the answer ends as if stopped there",
        turn=played(said(0, "One. END Two.", " Three.")),
        answer=Answer(text="One. ", usage=FIGURES, status="stop"),
        options={"stop": "END"},
    ),
    ResponsesShape(
        name="stop over several pieces",
        says="a stop sequence that comes in pieces is held back; its beginning alone is not cut",
        turn=played(said(0, "Be", "N, E", "N", "D", " rest")),
        answer=Answer(text="BeN, ", usage=FIGURES, status="stop"),
        options={"stop": ["###", "END"]},
    ),
    ResponsesShape(
        name="stop never complete",
        says="what may have become a stop sequence is said at the end",
        turn=played(said(0, *FOX, " EN")),
        answer=Answer(text=f"{FOX_TEXT} EN", usage=FIGURES, status="stop"),
        options={"stop": ["END"]},
    ),
]

TEXT_SHAPES = _PLACE_SHAPES + _FRAME_SHAPES + _END_SHAPES
