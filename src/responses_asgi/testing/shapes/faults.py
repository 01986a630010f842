"""Failures: errors in every shape that servers give them, broken bytes, and answers that just stop."""

from __future__ import annotations

from responses_asgi.testing.scripted import Turn
from responses_asgi.testing.shapes.shape import FIGURES, Answer, Shape, call, chunk, ending, texts
from responses_asgi.types.json import JSON

__all__ = ["FAULT_SHAPES"]

_ERROR: JSON = {"message": "The harbour is closed.", "type": "server_error", "param": None, "code": "closed"}
_MESSAGE = "The harbour is closed."
_BEGUN = texts("The fox ", "left")
_CUT = Answer(text="The fox left", status="failed")


def _failed(text: str = "", *, error: str = _MESSAGE) -> Answer:
    return Answer(text=text, status="failed", error=error)


_ERROR_SHAPES = [
    Shape(
        name="error as the first chunk",
        says="HTTP 200, and the first chunk is an error",
        turn=Turn([{"error": _ERROR}]),
        answer=_failed(),
    ),
    Shape(
        name="error in the middle",
        says="an error chunk after some text",
        turn=Turn([*_BEGUN, {"error": _ERROR}], done=False),
        answer=_failed("The fox left"),
        streamed_only=True,
    ),
    Shape(
        name="error and then [DONE]",
        says="the marker after an error does not make it a success",
        turn=Turn([*_BEGUN, {"error": _ERROR, "choices": []}]),
        answer=_failed("The fox left"),
        streamed_only=True,
    ),
    Shape(
        name="error beside choices",
        says="OpenRouter: the error lies beside a choice that finishes with error",
        turn=Turn([*_BEGUN, chunk({"content": ""}, "error", error={"code": 502, "message": _MESSAGE})]),
        answer=_failed("The fox left"),
        streamed_only=True,
    ),
    Shape(
        name="error inside the choice",
        says="the error is a field of the choice, which has text as well",
        turn=Turn(
            [
                *_BEGUN,
                {
                    **chunk(),
                    "choices": [
                        {"index": 0, "delta": {"content": "!"}, "error": _ERROR, "finish_reason": "error"}
                    ],
                },
            ]
        ),
        answer=_failed("The fox left!"),
        streamed_only=True,
    ),
    Shape(
        name="error after the finish",
        says="an error after finish_reason: the answer failed",
        turn=Turn([*_BEGUN, chunk({}, "stop"), {"error": _ERROR}]),
        answer=_failed("The fox left"),
        streamed_only=True,
    ),
    Shape(
        name="event: error",
        says="Groq: an SSE event named error whose data has an error object",
        turn=Turn([*_BEGUN, b'event: error\ndata: {"error":{"message":"The harbour is closed."}}\n\n']),
        answer=_failed("The fox left"),
        streamed_only=True,
    ),
    Shape(
        name="event: error with bare data",
        says="an SSE event named error whose data is the error itself",
        turn=Turn([*_BEGUN, b'event: error\ndata: {"message":"The harbour is closed.","code":503}\n\n']),
        answer=_failed("The fox left"),
        streamed_only=True,
    ),
    Shape(
        name="event: error with plain text",
        says="an SSE event named error whose data is no JSON",
        turn=Turn([*_BEGUN, b"event: error\ndata: The harbour is closed.\n\n"]),
        answer=_failed("The fox left"),
        streamed_only=True,
    ),
    Shape(
        name="error as a string",
        says="the error is a sentence",
        turn=Turn([*_BEGUN, {"error": _MESSAGE}]),
        answer=_failed("The fox left"),
        streamed_only=True,
    ),
    Shape(
        name="finish error",
        says="finish_reason error without an error object",
        turn=Turn([*_BEGUN, *ending("error")]),
        answer=Answer(text="The fox left", usage=FIGURES, status="failed", error="'error'"),
    ),
    Shape(
        name="error during a call",
        says="an error while a call is open: the call is closed as incomplete first",
        turn=Turn([chunk({"tool_calls": [call(0, '{"ci', id="call_a", name="tide")]}), {"error": _ERROR}]),
        answer=Answer(calls=(("tide", '{"ci'),), status="failed", error=_MESSAGE),
        streamed_only=True,
    ),
    Shape(
        name="call that is never named",
        says="arguments without a name cannot be a call",
        turn=Turn([chunk({"tool_calls": [call(0, "{}", id="call_a")]}), *ending("tool_calls")]),
        answer=Answer(usage=FIGURES, status="failed", error="naming"),
        streamed_only=True,
    ),
]

_STOP_SHAPES = [
    Shape(
        name="broken JSON",
        says="an event whose data is no JSON",
        turn=Turn([*_BEGUN, b'data: {"choices":[{"index":0,"del\n\n', *ending()]),
        answer=_CUT,
        streamed_only=True,
    ),
    Shape(
        name="no finish",
        says="the body ends without a finish_reason and without [DONE]",
        turn=Turn(_BEGUN, done=False),
        answer=_CUT,
        streamed_only=True,
    ),
    Shape(
        name="[DONE] without a finish",
        says="the marker comes, but no finish_reason: cut off, unless the profile says otherwise",
        turn=Turn(_BEGUN),
        answer=_CUT,
        streamed_only=True,
    ),
    Shape(
        name="[DONE] at once",
        says="nothing but the marker",
        turn=Turn([]),
        answer=Answer(status="failed"),
        streamed_only=True,
    ),
    Shape(
        name="empty body",
        says="HTTP 200 with an event stream that holds nothing",
        turn=Turn([], done=False),
        answer=Answer(status="failed"),
        streamed_only=True,
    ),
    Shape(
        name="connection cut",
        says="the connection breaks inside an event",
        turn=Turn([*_BEGUN, *ending()], cut_after=len(Turn(_BEGUN, done=False).body(stream=True)) + 40),
        answer=_CUT,
        streamed_only=True,
    ),
    Shape(
        name="exception after the start",
        says="the app raises in the middle of its answer",
        turn=Turn(_BEGUN, done=False, raise_after=RuntimeError("the pump broke")),
        answer=_CUT,
        streamed_only=True,
    ),
]

_HTTP_SHAPES = [
    Shape(
        name="rate limit",
        says="HTTP 429 with retry-after",
        turn=Turn(status=429, headers={"retry-after": "7"}, whole={"error": {**_ERROR, "code": "busy"}}),
        answer=Answer(status="http:429", error=_MESSAGE),
    ),
    Shape(
        name="wrong key",
        says="HTTP 401 with an error body in FastAPI's form",
        turn=Turn(status=401, whole={"detail": _MESSAGE}),
        answer=Answer(status="http:401", error=_MESSAGE),
    ),
    Shape(
        name="web page instead of an answer",
        says="HTTP 502 with HTML from a proxy",
        turn=Turn(
            status=502,
            headers={"content-type": "text/html"},
            whole=b"<html><body>Bad gateway at the pier</body></html>",
        ),
        answer=Answer(status="http:502", error="HTTP 502"),
    ),
    Shape(
        name="exception before the start",
        says="the app raises before it answers",
        turn=Turn(raise_before=RuntimeError("the pump never ran")),
        answer=Answer(status="http:500"),
    ),
]

FAULT_SHAPES = _ERROR_SHAPES + _STOP_SHAPES + _HTTP_SHAPES
