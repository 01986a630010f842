"""Plain text: how streams of it are framed, how they end, and where they count."""

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
    last_usage,
    texts,
)
from responses_asgi.types.json import JSON

__all__ = ["TEXT_SHAPES"]


def _usage_in(chunks: list[JSON | bytes], *numbers: int) -> list[JSON | bytes]:
    """The same chunks, with growing usage in those at the given places; the last one holds the figures."""
    growing = [
        {"prompt_tokens": 21, "completion_tokens": n, "total_tokens": 21 + n} for n in range(len(numbers))
    ]
    figures = dict(zip(numbers, [*growing[:-1], USAGE], strict=True))
    return [
        {**piece, "usage": figures[number]} if number in figures and isinstance(piece, dict) else piece
        for number, piece in enumerate(chunks)
    ]


_USAGE_SHAPES = [
    Shape(
        name="usage in a chunk of its own",
        says="OpenAI: role first with empty content, usage null, then a last chunk without choices",
        turn=Turn(
            [
                chunk({"role": "assistant", "content": "", "refusal": None}, usage=None),
                *texts(*FOX),
                *ending(),
            ]
        ),
        answer=FOX_ANSWER,
    ),
    Shape(
        name="usage in the finish chunk",
        says="usage rides on the chunk that carries finish_reason",
        turn=Turn([*texts(*FOX), chunk({}, "stop", usage=USAGE)]),
        answer=FOX_ANSWER,
    ),
    Shape(
        name="usage in every chunk",
        says="running totals: the last ones count",
        turn=Turn(_usage_in([*texts(*FOX), chunk({}, "stop")], 0, 1, 2, 3)),
        answer=FOX_ANSWER,
    ),
    Shape(
        name="usage after the finish",
        says="a chunk after the finish repeats choice and finish_reason and brings usage",
        turn=Turn([*texts(*FOX), chunk({}, "stop"), chunk({"content": ""}, "stop", usage=USAGE)]),
        answer=FOX_ANSWER,
    ),
    Shape(
        name="usage in x_groq",
        says="usage is found in a vendor's object only",
        turn=Turn([*texts(*FOX), chunk({}, "stop", x_groq={"id": "req_1", "usage": USAGE})]),
        answer=FOX_ANSWER,
        streamed_only=True,
    ),
    Shape(
        name="usage never",
        says="no usage at all: null, not invented",
        turn=Turn([*texts(*FOX), chunk({}, "stop")]),
        answer=Answer(text=FOX_TEXT),
    ),
]

_FRAME_SHAPES = [
    Shape(
        name="role in every chunk",
        says="the role is repeated and means nothing",
        turn=Turn([*(chunk({"role": "assistant", "content": piece}) for piece in FOX), *ending()]),
        answer=FOX_ANSWER,
    ),
    Shape(
        name="finish in the last text chunk",
        says="the last piece of text and finish_reason come together",
        turn=Turn([*texts(*FOX[:-1]), chunk({"content": FOX[-1]}, "stop"), last_usage()]),
        answer=FOX_ANSWER,
    ),
    Shape(
        name="finish repeated",
        says="finish_reason comes in several chunks",
        turn=Turn([*texts(*FOX), chunk({}, "stop"), chunk({"content": ""}, "stop"), *ending()]),
        answer=FOX_ANSWER,
    ),
    Shape(
        name="choices empty at first",
        says="Azure: the first chunk has content filter results and no choices",
        turn=Turn([{**last_usage(None), "prompt_filter_results": []}, *texts(*FOX), *ending()]),
        answer=FOX_ANSWER,
    ),
    Shape(
        name="choices null",
        says="choices is null where there is nothing to say",
        turn=Turn([{**chunk(), "choices": None}, *texts(*FOX), *ending(), {**chunk(), "choices": None}]),
        answer=FOX_ANSWER,
        streamed_only=True,
    ),
    Shape(
        name="null fields",
        says="fields that say nothing are there as null, delta itself too",
        turn=Turn(
            [
                *(
                    chunk({"content": p, "refusal": None, "tool_calls": None, "reasoning_content": None})
                    for p in FOX
                ),
                {**chunk(), "choices": [{"index": 0, "delta": None, "finish_reason": "stop"}]},
                last_usage(),
            ]
        ),
        answer=FOX_ANSWER,
    ),
    Shape(
        name="ids change",
        says="every chunk has an id, a time and a model name of its own",
        turn=Turn(
            [
                {**c, "id": f"x{n}", "created": n, "model": f"m{n}"}
                for n, c in enumerate([*texts(*FOX), *ending()])
                if isinstance(c, dict)
            ]
        ),
        answer=FOX_ANSWER,
    ),
    Shape(
        name="message beside delta",
        says="each choice repeats the whole message so far beside its delta",
        turn=Turn(
            [
                *(
                    {
                        **chunk(),
                        "choices": [
                            {
                                "index": 0,
                                "delta": {"content": p},
                                "message": {"role": "assistant", "content": FOX_TEXT},
                            }
                        ],
                    }
                    for p in FOX
                ),
                *ending(),
            ]
        ),
        answer=FOX_ANSWER,
    ),
    Shape(
        name="several choices",
        says="choice 0 is the answer, the others are reported as lost",
        turn=Turn(
            [piece for p in FOX for piece in (chunk({"content": p}), chunk({"content": "Else"}, index=1))]
            + [*ending(), chunk({}, "stop", index=1)]
        ),
        answer=FOX_ANSWER,
        streamed_only=True,
    ),
    Shape(
        name="unknown fields",
        says="fields that nobody knows, on the chunk and in the delta",
        turn=Turn([chunk({"content": FOX_TEXT, "mood": "calm"}, citations=["https://a.test"]), *ending()]),
        answer=FOX_ANSWER,
    ),
    Shape(
        name="nothing said",
        says="an answer without a word: no phantom message",
        turn=Turn([chunk({"role": "assistant", "content": ""}), *ending()]),
        answer=Answer(usage=FIGURES, items=()),
    ),
    Shape(
        name="multi-byte text",
        says="text outside ASCII, with the line separators that text tools split at",
        turn=Turn([*texts("Grüße, ", "\u2028zwei\u0085 Zeilen ", "🦊\u2029"), *ending()]),
        answer=Answer(text="Grüße, \u2028zwei\u0085 Zeilen 🦊\u2029", usage=FIGURES),
    ),
    Shape(
        name="CRLF and comments",
        says="CRLF line ends, comments before and between events",
        turn=Turn(
            [b": waiting\r\n\r\n", *texts(*FOX[:1]), b": waiting\r\n", *texts(*FOX[1:]), *ending()],
            newline="\r\n",
        ),
        answer=FOX_ANSWER,
    ),
    Shape(
        name="loose framing",
        says="no space after the colon, event and id lines, one JSON document over two data lines",
        turn=Turn(
            [
                b'data:{"choices":[{"index":0,"delta":{"content":"The fox "}}]}\n\n',
                b'event: chunk\nid: 2\ndata: {"choices":[{"index":0,\n'
                b'data: "delta":{"content":"left "}}]}\n\n',
                *texts(FOX[2]),
                *ending(),
            ]
        ),
        answer=FOX_ANSWER,
        streamed_only=True,
    ),
    Shape(
        name="no [DONE]",
        says="the body ends after a finish_reason without the marker",
        turn=Turn([*texts(*FOX), *ending()], done=False),
        answer=FOX_ANSWER,
    ),
]

_END_SHAPES = [
    Shape(
        name="length",
        says="the token limit was reached",
        turn=Turn([*texts(*FOX), *ending("length")]),
        answer=Answer(text=FOX_TEXT, usage=FIGURES, status="incomplete:max_output_tokens"),
    ),
    Shape(
        name="content filter",
        says="a filter ended the answer",
        turn=Turn([*texts(*FOX), *ending("content_filter")]),
        answer=Answer(text=FOX_TEXT, usage=FIGURES, status="incomplete:content_filter"),
    ),
    Shape(
        name="length then stop",
        says="a reason for an incomplete answer is not unsaid by a later stop",
        turn=Turn([*texts(*FOX), chunk({}, "length"), *ending()]),
        answer=Answer(text=FOX_TEXT, usage=FIGURES, status="incomplete:max_output_tokens"),
        streamed_only=True,
    ),
    Shape(
        name="other names for the end",
        says="an upper-case alias of length",
        turn=Turn([*texts(*FOX), *ending("MAX_TOKENS")]),
        answer=Answer(text=FOX_TEXT, usage=FIGURES, status="incomplete:max_output_tokens"),
    ),
    Shape(
        name="unknown finish",
        says="a finish_reason that nobody knows still ends the answer",
        turn=Turn([*texts(*FOX), *ending("curtain")]),
        answer=FOX_ANSWER,
    ),
]

TEXT_SHAPES = _USAGE_SHAPES + _FRAME_SHAPES + _END_SHAPES
