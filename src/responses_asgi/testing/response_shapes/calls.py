"""Calls of the client's tools: how they arrive, and how their fragments are told apart."""

from __future__ import annotations

from typing import Any

from responses_asgi.testing.response_shapes.shape import (
    FIGURES,
    ResponsesShape,
    called,
    changed,
    played,
    said,
    thought,
    told,
    without,
)
from responses_asgi.testing.scripted import ResponsesTurn
from responses_asgi.testing.shapes.shape import FOX, FOX_TEXT, Answer
from responses_asgi.types.json import JSON

__all__ = ["CALL_SHAPES"]

_TIDE = ("tide", '{"port":"Brest"}')
_WIND = ("wind", '{"knots":true}')
_CALL = called(0, "tide", '{"port"', ':"Brest"}')
_OTHER = called(1, "wind", '{"knots"', ":true}")


def _answer(*calls: tuple[str, str], **fields: Any) -> Answer:
    return Answer(calls=calls, usage=FIGURES, **{"status": "tool_calls", **fields})


def _interleaved() -> list[JSON]:
    """Two calls in turn, with a hosted item before and between them, so that their indices have gaps."""
    first, second = called(1, "tide", '{"port"', ':"Brest"}'), called(3, "wind", '{"knots"', ":true}")
    return [
        *_hosted(0),
        first[0],
        *_hosted(2),
        second[0],
        *(event for pair in zip(first[1:], second[1:], strict=True) for event in pair),
    ]


def _hosted(index: int) -> list[JSON]:
    item = {"id": f"ws_{index}", "type": "web_search_call", "status": "in_progress"}
    place = {"item_id": f"ws_{index}", "output_index": index}
    return [
        {"type": "response.output_item.added", "output_index": index, "item": item},
        {"type": "response.web_search_call.searching", **place},
        {
            "type": "response.output_item.done",
            "output_index": index,
            "item": {**item, "status": "completed"},
        },
    ]


def _ids_rotate() -> list[JSON | bytes]:
    """Each event of an item has another id, in two calls that interleave."""
    events = [event for pair in zip(_CALL, _OTHER, strict=True) for event in pair]

    def rotate(event: JSON) -> JSON:
        number = event["sequence_number"]
        if "item" in event:
            return {**event, "item": {**event["item"], "id": f"other_{number}"}}
        return {**event, "item_id": f"other_{number}"} if "item_id" in event else event

    return changed(told(events), rotate)


def _nameless(event: JSON) -> JSON:
    added = event["type"] == "response.output_item.added"
    return {**event, "item": {**event["item"], "name": ""}} if added else event


_ARRIVAL_SHAPES = [
    ResponsesShape(
        name="call",
        says="the documented order of events",
        turn=played(_CALL),
        answer=_answer(_TIDE),
    ),
    ResponsesShape(
        name="arguments only in done",
        says="no deltas: the done event of the arguments holds them",
        turn=played(without(_CALL, ".delta")),
        answer=_answer(_TIDE),
        streamed_only=True,
    ),
    ResponsesShape(
        name="arguments only in the item",
        says="the call is added without arguments and done with them",
        turn=played(without(_CALL, ".delta", "_arguments.done")),
        answer=_answer(_TIDE),
        streamed_only=True,
    ),
    ResponsesShape(
        name="call only in item.done",
        says="the call is done without having been added",
        turn=played(_CALL[-1:]),
        answer=_answer(_TIDE),
        streamed_only=True,
    ),
    ResponsesShape(
        name="call only in the response",
        says="the terminal response alone holds the call",
        turn=ResponsesTurn(told(output=[_CALL[-1]["item"]])),
        answer=_answer(_TIDE),
        streamed_only=True,
    ),
    ResponsesShape(
        name="second call only in the response",
        says="one call was streamed, the other one is in the terminal response",
        turn=ResponsesTurn(told(_CALL, output=[_CALL[-1]["item"], _OTHER[-1]["item"]])),
        answer=_answer(_TIDE, _WIND),
        streamed_only=True,
    ),
    ResponsesShape(
        name="name only in item.done",
        says="the call is added without a name; what it is called with waits for it",
        turn=ResponsesTurn(changed(told(_CALL), _nameless)),
        answer=_answer(_TIDE),
        streamed_only=True,
    ),
    ResponsesShape(
        name="whole arguments in added",
        says="the added item has its arguments already; they come again in deltas",
        turn=played([{**_CALL[0], "item": _CALL[-1]["item"]}, *_CALL[1:]]),
        answer=_answer(_TIDE),
        streamed_only=True,
    ),
    ResponsesShape(
        name="arguments as an object",
        says="a server that does not write arguments as JSON text",
        turn=played(
            [{**_CALL[-1], "item": {**_CALL[-1]["item"], "arguments": {"port": "Brest"}}}],
        ),
        answer=_answer(("tide", '{"port": "Brest"}')),
    ),
    ResponsesShape(
        name="no arguments",
        says="a tool without parameters is called with an empty object",
        turn=played(called(0, "tide")),
        answer=_answer(("tide", "{}")),
    ),
    ResponsesShape(
        name="cut arguments",
        says="the token limit was reached in the arguments",
        turn=played(
            called(0, "tide", '{"po'),
            status="incomplete",
            incomplete_details={"reason": "max_output_tokens"},
        ),
        answer=_answer(("tide", '{"po'), status="length"),
    ),
]

_ROUTE_SHAPES = [
    ResponsesShape(
        name="parallel calls",
        says="one after the other",
        turn=played(_CALL, _OTHER),
        answer=_answer(_TIDE, _WIND),
    ),
    ResponsesShape(
        name="interleaved calls",
        says="fragments in turn, and gaps where hosted tools ran",
        turn=played(_interleaved()),
        answer=_answer(_TIDE, _WIND),
        reported=("output.web_search_call",),
    ),
    ResponsesShape(
        name="item ids rotate",
        says="every event has another item id; output_index tells the calls apart",
        turn=ResponsesTurn(_ids_rotate()),
        answer=_answer(_TIDE, _WIND),
        streamed_only=True,
    ),
    ResponsesShape(
        name="calls without item ids",
        says="output_index tells the calls apart",
        turn=ResponsesTurn(
            changed(
                told([event for pair in zip(_CALL, _OTHER, strict=True) for event in pair]),
                lambda event: {n: v for n, v in event.items() if n not in ("item_id", "sequence_number")},
            )
        ),
        answer=_answer(_TIDE, _WIND),
        streamed_only=True,
    ),
    ResponsesShape(
        name="calls without output indices",
        says="item_id tells the calls apart",
        turn=ResponsesTurn(
            changed(
                told([event for pair in zip(_CALL, _OTHER, strict=True) for event in pair]),
                lambda event: {n: v for n, v in event.items() if n != "output_index"},
            )
        ),
        answer=_answer(_TIDE, _WIND),
        streamed_only=True,
    ),
    ResponsesShape(
        name="call ids repeat",
        says="two calls with one call id: the second gets its own",
        turn=played(_CALL, called(1, "wind", '{"knots":true}', call_id="call_0")),
        answer=_answer(_TIDE, _WIND),
    ),
    ResponsesShape(
        name="the same call twice",
        says="two calls of one tool with the same arguments stay two",
        turn=played(_CALL, called(1, *_TIDE)),
        answer=_answer(_TIDE, _TIDE),
    ),
]

_KIND_SHAPES = [
    ResponsesShape(
        name="custom call",
        says="a custom tool is called with free text",
        turn=played(called(0, "patch", "*** Begin", "\n*** End", custom=True)),
        answer=_answer(("patch", "*** Begin\n*** End")),
        custom_tools=("patch",),
    ),
    ResponsesShape(
        name="custom call only in done",
        says="no deltas: the done event of the input holds it",
        turn=played(without(called(0, "patch", "free text", custom=True), ".delta")),
        answer=_answer(("patch", "free text")),
        custom_tools=("patch",),
        streamed_only=True,
    ),
    ResponsesShape(
        name="both kinds",
        says="a function call and a custom call",
        turn=played(_CALL, called(1, "patch", "free text", custom=True)),
        answer=_answer(_TIDE, ("patch", "free text")),
        custom_tools=("patch",),
    ),
    ResponsesShape(
        name="thought, text and call",
        says="all of them in one turn",
        turn=played(thought(0, raw=[["Ask the tide."]]), said(1, *FOX), called(2, *_TIDE)),
        answer=_answer(_TIDE, text=FOX_TEXT, reasoning="Ask the tide."),
    ),
    ResponsesShape(
        name="text after the call",
        says="Chat has one place for text, whatever the order was",
        turn=played(said(0, "First. "), called(1, *_TIDE), said(2, *FOX)),
        answer=_answer(_TIDE, text=f"First. \n\n{FOX_TEXT}"),
    ),
    ResponsesShape(
        name="legacy function",
        says="a client that declared functions gets a function_call",
        turn=played(_CALL),
        answer=_answer(_TIDE, status="function_call"),
        options={"functions": [{"name": "tide"}]},
    ),
    ResponsesShape(
        name="legacy functions",
        says="a function_call is one call: the others are reported",
        turn=played(_CALL, _OTHER),
        answer=_answer(_TIDE, status="function_call"),
        options={"functions": [{"name": "tide"}, {"name": "wind"}]},
        reported=("output.function_call",),
    ),
    ResponsesShape(
        name="stop in arguments",
        says="a stop sequence in arguments is no stop",
        turn=played(called(0, "tide", '{"at":"', 'END"}')),
        answer=_answer(("tide", '{"at":"END"}')),
        options={"stop": ["END"]},
    ),
    ResponsesShape(
        name="text may be a stop, then a call",
        says="what was held back is said before the call",
        turn=played(said(0, "Ask. EN"), called(1, *_TIDE)),
        answer=_answer(_TIDE, text="Ask. EN"),
        options={"stop": ["END"]},
    ),
    ResponsesShape(
        name="call, then a stop",
        says="the text is cut, but the call was made",
        turn=played(_CALL, said(1, "Ask. END of it.")),
        answer=_answer(_TIDE, text="Ask. "),
        options={"stop": ["END"]},
    ),
    ResponsesShape(
        name="stop, then a call",
        says="what comes after the stop sequence was never said",
        turn=played(said(0, "Ask. END"), called(1, *_TIDE)),
        answer=Answer(text="Ask. ", usage=FIGURES, status="stop"),
        options={"stop": ["END"], "tools": [{"type": "function", "function": {"name": "tide"}}]},
    ),
]

CALL_SHAPES = _ARRIVAL_SHAPES + _ROUTE_SHAPES + _KIND_SHAPES
