"""Tool calls, whole and in fragments, with everything that servers leave out, repeat or mix up."""

from __future__ import annotations

from typing import Any

from responses_asgi.testing.scripted import Turn
from responses_asgi.testing.shapes.shape import FIGURES, USAGE, Answer, Shape, call, chunk, ending, texts
from responses_asgi.types.json import JSON

__all__ = ["CALL_SHAPES"]

_OSLO, _ROME = '{"city":"Oslo"}', '{"city":"Rome"}'
_ONE = Answer(calls=(("tide", _OSLO),), usage=FIGURES, items=("function_call",))
_TWO = Answer(calls=(("tide", _OSLO), ("wind", _ROME)), usage=FIGURES, items=("function_call",) * 2)


def _calls(*entries: JSON, **delta: Any) -> JSON:
    """One chunk with these entries in `delta.tool_calls`."""
    return chunk({**delta, "tool_calls": list(entries)})


def _turn(*chunks: JSON | bytes, finish: str = "tool_calls", whole: JSON | None = None) -> Turn:
    return Turn([*chunks, *ending(finish)], whole=whole)


def _whole(*calls: JSON, **message: Any) -> JSON:
    """A whole answer with these tool calls."""
    said = {"role": "assistant", "content": None, "tool_calls": list(calls), **message}
    choice = {"index": 0, "message": said, "finish_reason": "tool_calls"}
    return {"id": "chatcmpl-7", "object": "chat.completion", "choices": [choice], "usage": USAGE}


_FRAGMENT_SHAPES = [
    Shape(
        name="call in fragments",
        says="id and name come first, the arguments in pieces after them",
        turn=_turn(
            _calls(call(0, "", id="call_a", name="tide"), role="assistant", content=None),
            _calls(call(0, '{"ci')),
            _calls(call(0, 'ty":"Os')),
            _calls(call(0, 'lo"}')),
        ),
        answer=_ONE,
    ),
    Shape(
        name="call in one chunk",
        says="the whole call comes at once",
        turn=_turn(_calls(call(0, _OSLO, id="call_a", name="tide"))),
        answer=_ONE,
    ),
    Shape(
        name="arguments at the end",
        says="the name comes first, all arguments in the chunk that finishes",
        turn=Turn(
            [
                _calls(call(0, id="call_a", name="tide")),
                chunk({"tool_calls": [call(0, _OSLO)]}, "tool_calls", usage=USAGE),
            ]
        ),
        answer=_ONE,
    ),
    Shape(
        name="id and name repeated",
        says="every fragment repeats id, name, type and role",
        turn=_turn(
            *(
                _calls(call(0, piece, id="call_a", name="tide"), role="assistant")
                for piece in ('{"city"', ':"Oslo"}')
            )
        ),
        answer=_ONE,
    ),
    Shape(
        name="empty ids",
        says="later fragments have an empty id, then null, and an empty name",
        turn=_turn(
            _calls(call(0, '{"city"', id="call_a", name="tide")),
            _calls({"index": 0, "id": "", "function": {"name": "", "arguments": ":"}}),
            _calls(
                {"index": 0, "id": None, "type": None, "function": {"name": None, "arguments": '"Oslo"}'}}
            ),
        ),
        answer=_ONE,
    ),
    Shape(
        name="no id at all",
        says="a call without an id gets one",
        turn=_turn(_calls(call(0, '{"city"', name="tide")), _calls(call(0, ':"Oslo"}'))),
        answer=_ONE,
        streamed_only=True,
    ),
    Shape(
        name="name in fragments",
        says="the name comes in pieces too",
        turn=_turn(
            _calls(call(0, id="call_a", name="ti")),
            _calls(call(0, name="de")),
            _calls(call(0, _OSLO)),
        ),
        answer=_ONE,
        streamed_only=True,
    ),
    Shape(
        name="no arguments",
        says="a tool without parameters: the arguments are empty",
        turn=_turn(_calls(call(0, "", id="call_a", name="tide"))),
        answer=Answer(calls=(("tide", "{}"),), usage=FIGURES, items=("function_call",)),
    ),
    Shape(
        name="arguments null",
        says="a tool without parameters: the arguments are null",
        turn=_turn(_calls({"index": 0, "id": "call_a", "function": {"name": "tide", "arguments": None}})),
        answer=Answer(calls=(("tide", "{}"),), usage=FIGURES, items=("function_call",)),
    ),
    Shape(
        name="arguments as an object",
        says="the arguments are decoded JSON",
        turn=_turn(
            _calls(call(0, {"city": "Oslo"}, id="call_a", name="tide")),
            whole=_whole(call(None, {"city": "Oslo"}, id="call_a", name="tide")),
        ),
        answer=Answer(calls=(("tide", '{"city": "Oslo"}'),), usage=FIGURES, items=("function_call",)),
    ),
]

_PARALLEL_SHAPES = [
    Shape(
        name="parallel calls in one chunk",
        says="two whole calls in one delta",
        turn=_turn(
            _calls(call(0, _OSLO, id="call_a", name="tide"), call(1, _ROME, id="call_b", name="wind"))
        ),
        answer=_TWO,
    ),
    Shape(
        name="parallel calls one after the other",
        says="the second call begins when the first is complete",
        turn=_turn(
            _calls(call(0, "", id="call_a", name="tide")),
            _calls(call(0, _OSLO)),
            _calls(call(1, "", id="call_b", name="wind")),
            _calls(call(1, _ROME)),
        ),
        answer=_TWO,
    ),
    Shape(
        name="parallel calls interleaved",
        says="the fragments of two calls alternate",
        turn=_turn(
            _calls(call(0, "", id="call_a", name="tide"), call(1, "", id="call_b", name="wind")),
            _calls(call(0, '{"city"'), call(1, '{"city"')),
            _calls(call(1, ':"Rome"}')),
            _calls(call(0, ':"Oslo"}')),
        ),
        answer=_TWO,
    ),
    Shape(
        name="new id at a used index",
        says="every call has index 0; a new id is a new call",
        turn=_turn(
            _calls(call(0, '{"city"', id="call_a", name="tide")),
            _calls(call(0, ':"Oslo"}', id="call_a")),
            _calls(call(0, _ROME, id="call_b", name="wind")),
        ),
        answer=_TWO,
        streamed_only=True,
    ),
    Shape(
        name="no index",
        says="Mistral: calls without index and type",
        turn=_turn(
            _calls(
                {"id": "Ab3dE6gH9", "function": {"name": "tide", "arguments": _OSLO}},
                {"id": "Kl3mN6oP9", "function": {"name": "wind", "arguments": _ROME}},
            )
        ),
        answer=_TWO,
        streamed_only=True,
    ),
    Shape(
        name="no index in fragments",
        says="fragments without index and id continue the call before them",
        turn=_turn(
            _calls(call(None, '{"city"', id="call_a", name="tide")),
            _calls(call(None, ':"Oslo"}')),
            _calls(call(None, '{"city"', name="wind")),
            _calls(call(None, ':"Rome"}')),
        ),
        answer=_TWO,
        streamed_only=True,
    ),
    Shape(
        name="one id for two calls",
        says="two calls share an id: the second one gets another",
        turn=_turn(
            _calls(call(0, _OSLO, id="call_a", name="tide"), call(1, _ROME, id="call_a", name="wind"))
        ),
        answer=_TWO,
    ),
]

_BESIDE_SHAPES = [
    Shape(
        name="text then call",
        says="a sentence, then a call: the message closes first",
        turn=_turn(*texts("Let me ", "look."), _calls(call(0, _OSLO, id="call_a", name="tide"))),
        answer=Answer(
            text="Let me look.",
            calls=(("tide", _OSLO),),
            usage=FIGURES,
            items=("message", "function_call"),
        ),
    ),
    Shape(
        name="reasoning then call",
        says="a thought, then a call, with empty content all along: no phantom message",
        turn=_turn(
            chunk({"content": "", "reasoning_content": "Oslo, then."}),
            _calls(call(0, _OSLO, id="call_a", name="tide"), content=""),
        ),
        answer=Answer(
            reasoning="Oslo, then.",
            calls=(("tide", _OSLO),),
            usage=FIGURES,
            items=("reasoning", "function_call"),
        ),
    ),
    Shape(
        name="call then text",
        says="the model goes on speaking after its call",
        turn=_turn(_calls(call(0, _OSLO, id="call_a", name="tide")), *texts("Asked."), finish="stop"),
        answer=Answer(
            text="Asked.",
            calls=(("tide", _OSLO),),
            usage=FIGURES,
            items=("function_call", "message"),
        ),
        streamed_only=True,
    ),
    Shape(
        name="text inside a call",
        says="text comes before the arguments are complete",
        turn=_turn(
            _calls(call(0, '{"city"', id="call_a", name="tide")), *texts("Hm."), _calls(call(0, ':"Oslo"}'))
        ),
        answer=Answer(
            text="Hm.", calls=(("tide", _OSLO),), usage=FIGURES, items=("function_call", "message")
        ),
        streamed_only=True,
    ),
    Shape(
        name="calls that finish with stop",
        says="finish_reason is stop although a tool was called",
        turn=_turn(_calls(call(0, _OSLO, id="call_a", name="tide")), finish="stop"),
        answer=_ONE,
    ),
    Shape(
        name="calls that finish with tool_call",
        says="finish_reason has another spelling",
        turn=_turn(_calls(call(0, _OSLO, id="call_a", name="tide")), finish="tool_call"),
        answer=_ONE,
    ),
    Shape(
        name="call cut by the limit",
        says="the token limit cuts the arguments of the second call",
        turn=_turn(
            _calls(call(0, _OSLO, id="call_a", name="tide")),
            _calls(call(1, '{"ci', id="call_b", name="wind")),
            finish="length",
        ),
        answer=Answer(
            calls=(("tide", _OSLO), ("wind", '{"ci')),
            usage=FIGURES,
            status="incomplete:max_output_tokens",
            items=("function_call",) * 2,
        ),
    ),
    Shape(
        name="two calls cut by the limit",
        says="both calls are open and cut: the later one closes first",
        turn=_turn(
            _calls(call(0, '{"a', id="call_a", name="tide"), call(1, '{"b', id="call_b", name="wind")),
            finish="length",
        ),
        answer=Answer(
            calls=(("tide", '{"a'), ("wind", '{"b')),
            usage=FIGURES,
            status="incomplete:max_output_tokens",
            items=("function_call",) * 2,
        ),
    ),
    Shape(
        name="legacy function_call",
        says="the single-call form that preceded tool calls, in fragments",
        turn=_turn(
            chunk({"role": "assistant", "content": None, "function_call": {"name": "tide", "arguments": ""}}),
            chunk({"function_call": {"arguments": '{"city"'}}),
            chunk({"function_call": {"arguments": ':"Oslo"}'}}),
            finish="function_call",
            whole={
                "choices": [
                    {
                        "index": 0,
                        "message": {"content": None, "function_call": {"name": "tide", "arguments": _OSLO}},
                        "finish_reason": "function_call",
                    }
                ],
                "usage": USAGE,
            },
        ),
        answer=_ONE,
    ),
    Shape(
        name="custom tool call",
        says="OpenAI: a call of a custom tool has free text as input",
        turn=_turn(
            _calls(
                {"index": 0, "id": "call_a", "type": "custom", "custom": {"name": "patch", "input": "*** "}}
            ),
            _calls({"index": 0, "custom": {"input": "begin"}}),
            whole=_whole(
                {"id": "call_a", "type": "custom", "custom": {"name": "patch", "input": "*** begin"}}
            ),
        ),
        answer=Answer(calls=(("patch", "*** begin"),), usage=FIGURES, items=("custom_tool_call",)),
        profile="openai",
        custom_tools=("patch",),
    ),
]

CALL_SHAPES = _FRAGMENT_SHAPES + _PARALLEL_SHAPES + _BESIDE_SHAPES
