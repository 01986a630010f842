"""Reasoning in all the places where servers put it, refusals, and what comes beside a text."""

from __future__ import annotations

from responses_asgi.testing.scripted import Turn
from responses_asgi.testing.shapes.shape import (
    FIGURES,
    FOX,
    FOX_ANSWER,
    FOX_TEXT,
    USAGE,
    Answer,
    Shape,
    chunk,
    ending,
    texts,
)
from responses_asgi.types.json import JSON

__all__ = ["PART_SHAPES"]

_CITATION = {
    "type": "url_citation",
    "url_citation": {"url": "https://tides.test/a", "title": "Tides", "start_index": 0, "end_index": 9},
}
_SCORES = {"content": [{"token": "Yes", "logprob": -0.1, "bytes": [89, 101, 115], "top_logprobs": []}]}


_THOUGHT = ("Foxes ", "rise early.")
_THOUGHT_TEXT = "".join(_THOUGHT)
_THOUGHT_ANSWER = Answer(
    text=FOX_TEXT, reasoning=_THOUGHT_TEXT, usage=FIGURES, items=("reasoning", "message")
)


def _details(*texts_: str, kind: str = "reasoning.text", field: str = "text") -> list[JSON | bytes]:
    return [chunk({"reasoning_details": [{"type": kind, field: text, "index": 0}]}) for text in texts_]


_REASONING_SHAPES = [
    Shape(
        name="reasoning_content",
        says="DeepSeek: reasoning_content first, content null meanwhile, then the text",
        turn=Turn(
            [
                chunk({"role": "assistant", "content": None, "reasoning_content": ""}),
                *(chunk({"content": None, "reasoning_content": piece}) for piece in _THOUGHT),
                *(chunk({"content": piece, "reasoning_content": None}) for piece in FOX),
                *ending(),
            ]
        ),
        answer=_THOUGHT_ANSWER,
    ),
    Shape(
        name="reasoning",
        says="the field is called reasoning; content is empty meanwhile",
        turn=Turn([*(chunk({"content": "", "reasoning": p}) for p in _THOUGHT), *texts(*FOX), *ending()]),
        answer=_THOUGHT_ANSWER,
    ),
    Shape(
        name="reasoning said twice",
        says="two fields say the same thought; it is told once",
        turn=Turn(
            [
                *(
                    chunk(
                        {
                            "reasoning": p,
                            "reasoning_content": p,
                            "reasoning_details": [{"type": "reasoning.text", "text": p, "index": 0}],
                        }
                    )
                    for p in _THOUGHT
                ),
                *texts(*FOX),
                *ending(),
            ]
        ),
        answer=_THOUGHT_ANSWER,
    ),
    Shape(
        name="reasoning_details",
        says="OpenRouter: typed entries in fragments",
        turn=Turn([*_details(*_THOUGHT), *texts(*FOX), *ending()]),
        answer=_THOUGHT_ANSWER,
    ),
    Shape(
        name="reasoning summary",
        says="OpenRouter: the entries are summaries, with an encrypted one at the end",
        turn=Turn(
            [
                *_details(*_THOUGHT, kind="reasoning.summary", field="summary"),
                *_details("b3BhcXVl", kind="reasoning.encrypted", field="data"),
                *texts(*FOX),
                *ending(),
            ]
        ),
        answer=_THOUGHT_ANSWER,
    ),
    Shape(
        name="encrypted reasoning only",
        says="an encrypted entry without a word of text is kept as a reasoning item",
        turn=Turn([*_details("b3BhcXVl", kind="reasoning.encrypted", field="data"), *texts(*FOX), *ending()]),
        answer=Answer(text=FOX_TEXT, usage=FIGURES),
    ),
    Shape(
        name="thinking parts",
        says="Mistral: content is a list of thinking and text parts",
        turn=Turn(
            [
                *(
                    chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": p}]}]})
                    for p in _THOUGHT
                ),
                chunk({"content": [{"type": "text", "text": FOX[0]}]}),
                *texts(*FOX[1:]),
                *ending(),
            ],
            whole={
                "choices": [
                    {
                        "index": 0,
                        "message": {
                            "content": [
                                {"type": "thinking", "thinking": [{"type": "text", "text": _THOUGHT_TEXT}]},
                                {"type": "text", "text": FOX_TEXT},
                            ]
                        },
                        "finish_reason": "stop",
                    }
                ],
                "usage": USAGE,
            },
        ),
        answer=_THOUGHT_ANSWER,
    ),
    Shape(
        name="think tags",
        says="the text begins with a thought in tags that are cut between chunks",
        turn=Turn([*texts("<thi", "nk>\nFoxes ", "rise early.", "\n</th", "ink>\n\n", *FOX), *ending()]),
        answer=_THOUGHT_ANSWER,
        profile="vllm",
    ),
    Shape(
        name="think tags of a server that has none",
        says="without a profile that says so, tags are the model's own words",
        turn=Turn([*texts("<think>", "hm</think>", "Yes"), *ending()]),
        answer=Answer(text="<think>hm</think>Yes", usage=FIGURES),
    ),
    Shape(
        name="thought never closed",
        says="the answer was cut inside its thought",
        turn=Turn([*texts("<think>Foxes ", "rise early."), *ending("length")]),
        answer=Answer(
            reasoning=_THOUGHT_TEXT,
            usage=FIGURES,
            status="incomplete:max_output_tokens",
            items=("reasoning",),
        ),
        profile="vllm",
    ),
    Shape(
        name="thoughts between texts",
        says="reasoning, text, reasoning, text: four items",
        turn=Turn(
            [
                *texts(_THOUGHT[0], field="reasoning"),
                *texts(FOX[0]),
                *texts(_THOUGHT[1], field="reasoning"),
                *texts(*FOX[1:]),
                *ending(),
            ]
        ),
        answer=Answer(
            text=FOX_TEXT,
            reasoning=_THOUGHT_TEXT,
            usage=FIGURES,
            items=("reasoning", "message", "reasoning", "message"),
        ),
        streamed_only=True,
    ),
]

_BESIDE_SHAPES = [
    Shape(
        name="refusal",
        says="the refusal field in place of content",
        turn=Turn([*texts("I will ", "not do that.", field="refusal"), *ending()]),
        answer=Answer(refusal="I will not do that.", usage=FIGURES, items=("message",)),
    ),
    Shape(
        name="text then refusal",
        says="the model changes its mind: two parts of one message",
        turn=Turn([*texts("Well, "), *texts("no.", field="refusal"), *ending()]),
        answer=Answer(text="Well, ", refusal="no.", usage=FIGURES, items=("message",)),
    ),
    Shape(
        name="logprobs",
        says="log probabilities beside the text",
        turn=Turn(
            [
                {**chunk(), "choices": [{"index": 0, "delta": {"content": "Yes"}, "logprobs": _SCORES}]},
                *ending(),
            ]
        ),
        answer=Answer(text="Yes", usage=FIGURES),
        streamed_only=True,
    ),
    Shape(
        name="annotations",
        says="web citations beside the text, nested as Chat nests them",
        turn=Turn([chunk({"content": FOX_TEXT}), chunk({"annotations": [_CITATION]}), *ending()]),
        answer=FOX_ANSWER,
    ),
    Shape(
        name="annotations first",
        says="citations come before the text that they belong to",
        turn=Turn([chunk({"annotations": [_CITATION]}), chunk({"content": FOX_TEXT}), *ending()]),
        answer=FOX_ANSWER,
    ),
    Shape(
        name="unknown annotation",
        says="an annotation that a response cannot hold is reported as lost",
        turn=Turn([chunk({"content": FOX_TEXT}), chunk({"annotations": [{"type": "file"}]}), *ending()]),
        answer=FOX_ANSWER,
    ),
    Shape(
        name="content list",
        says="content is a list of text parts",
        turn=Turn([*(chunk({"content": [{"type": "text", "text": piece}]}) for piece in FOX), *ending()]),
        answer=FOX_ANSWER,
    ),
    Shape(
        name="content object",
        says="JSON mode answered with the decoded object",
        turn=Turn([chunk({"content": {"animal": "fox"}}), *ending()]),
        answer=Answer(text='{"animal":"fox"}', usage=FIGURES),
        streamed_only=True,
    ),
]

PART_SHAPES = _REASONING_SHAPES + _BESIDE_SHAPES
