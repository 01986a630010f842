"""What stands beside the text: refusals, reasoning, citations, log probabilities, vendors' fields."""

from __future__ import annotations

from responses_asgi.testing.response_shapes.shape import (
    FIGURES,
    FOX_ANSWER,
    ResponsesShape,
    played,
    said,
    thought,
    told,
    without,
)
from responses_asgi.testing.scripted import ResponsesTurn
from responses_asgi.testing.shapes.shape import FOX, FOX_TEXT, Answer
from responses_asgi.types.json import JSON

__all__ = ["PART_SHAPES"]

_TEXT = said(1, *FOX)


def _reasoned(reasoning: str) -> Answer:
    return Answer(text=FOX_TEXT, reasoning=reasoning, usage=FIGURES, status="stop")


_REFUSAL_SHAPES = [
    ResponsesShape(
        name="refusal",
        says="a refusal is no content",
        turn=played(said(0, "I cannot ", "say that.", refusal=True)),
        answer=Answer(refusal="I cannot say that.", usage=FIGURES, status="stop"),
    ),
    ResponsesShape(
        name="refusal only in done",
        says="no deltas: the done event of the refusal holds it",
        turn=played(without(said(0, "I cannot say that.", refusal=True), ".delta")),
        answer=Answer(refusal="I cannot say that.", usage=FIGURES, status="stop"),
        streamed_only=True,
    ),
    ResponsesShape(
        name="text and refusal",
        says="both have a place of their own",
        turn=played(said(0, *FOX), said(1, "No more.", refusal=True)),
        answer=Answer(text=FOX_TEXT, refusal="No more.", usage=FIGURES, status="stop"),
    ),
]

_REASONING_SHAPES = [
    ResponsesShape(
        name="raw reasoning",
        says="the model's own thoughts",
        turn=played(thought(0, raw=[["Foxes ", "rise ", "early."]]), _TEXT),
        answer=_reasoned("Foxes rise early."),
    ),
    ResponsesShape(
        name="raw reasoning of Open Responses",
        says="the same events by their other name",
        turn=played(thought(0, raw=[["Foxes ", "rise."]], family="response.reasoning"), _TEXT),
        answer=_reasoned("Foxes rise."),
        streamed_only=True,
    ),
    ResponsesShape(
        name="summary",
        says="a summary of the thoughts",
        turn=played(thought(0, summary=[["About ", "foxes."]]), _TEXT),
        answer=_reasoned("About foxes."),
    ),
    ResponsesShape(
        name="several summary parts",
        says="parts are set apart by a blank line",
        turn=played(thought(0, summary=[["About ", "foxes."], ["About dawn."]]), _TEXT),
        answer=_reasoned("About foxes.\n\nAbout dawn."),
    ),
    ResponsesShape(
        name="several reasoning items",
        says="items are set apart by a blank line",
        turn=played(thought(0, raw=[["First."]]), _TEXT, thought(2, raw=[["Then."]])),
        answer=_reasoned("First.\n\nThen."),
    ),
    ResponsesShape(
        name="raw and summary",
        says="the same thoughts twice in one item are said once",
        turn=played(thought(0, raw=[["Foxes rise early."]], summary=[["About foxes."]]), _TEXT),
        answer=_reasoned("Foxes rise early."),
        reported=("output.reasoning",),
    ),
    ResponsesShape(
        name="summary only in the item",
        says="no events of the summary: item.done holds it",
        turn=played(thought(0, summary=[["About foxes."]])[-1:], _TEXT),
        answer=_reasoned("About foxes."),
        streamed_only=True,
    ),
    ResponsesShape(
        name="summary streamed, raw in the item",
        says="what was streamed first is the reading of the item",
        turn=played(
            [
                *thought(0, summary=[["About ", "foxes."]])[:-1],
                thought(0, raw=[["Foxes rise."]], summary=[["About foxes."]])[-1],
            ],
            _TEXT,
        ),
        answer=_reasoned("About foxes."),
        reported=("output.reasoning",),
        streamed_only=True,
    ),
    ResponsesShape(
        name="encrypted reasoning",
        says="thoughts that nobody may read are not shown",
        turn=played(thought(0, encrypted_content="bm90aGluZw=="), _TEXT),
        answer=_reasoned(""),
        reported=("output.reasoning.encrypted_content",),
    ),
    ResponsesShape(
        name="nothing but thoughts",
        says="the limit was reached while thinking",
        turn=played(
            thought(0, raw=[["Foxes ", "rise"]]),
            status="incomplete",
            incomplete_details={"reason": "max_output_tokens"},
        ),
        answer=Answer(reasoning="Foxes rise", usage=FIGURES, status="length"),
    ),
]


def _citation(number: int) -> JSON:
    return {
        "type": "url_citation",
        "url": f"https://fox.test/{number}",
        "title": f"Fox {number}",
        "start_index": 0,
        "end_index": 7,
    }


_CITATIONS = [_citation(1), _citation(2)]
_CITED = said(0, *FOX, annotations=_CITATIONS)
_CITED_AS_EVENTS = [
    *_CITED[:5],
    *(
        {
            "type": "response.output_text.annotation.added",
            "item_id": "msg_0",
            "output_index": 0,
            "content_index": 0,
            "annotation_index": number,
            "annotation": citation,
        }
        for number, citation in enumerate(_CITATIONS)
    ),
    *_CITED[5:],
]
_SCORES = [
    {"token": piece, "logprob": -0.25, "bytes": list(piece.encode()), "top_logprobs": []} for piece in FOX
]
_SCORED = [
    {**event, "logprobs": [_SCORES[FOX.index(event["delta"])]]} if "delta" in event else event
    for event in said(0, *FOX, logprobs=_SCORES)
]

_EXTRA_SHAPES = [
    ResponsesShape(
        name="citations as events",
        says="annotations come one by one and again in the item: said once",
        turn=played(_CITED_AS_EVENTS),
        answer=FOX_ANSWER,
        citations=("https://fox.test/1", "https://fox.test/2"),
    ),
    ResponsesShape(
        name="citations only in the item",
        says="annotations are in the finished item alone",
        turn=played(_CITED),
        answer=FOX_ANSWER,
        citations=("https://fox.test/1", "https://fox.test/2"),
    ),
    ResponsesShape(
        name="citations of two parts",
        says="annotations of every part and item are kept",
        turn=played(
            said(0, parts=[["The fox "], ["left"]], annotations=[_citation(1)]),
            said(1, "at dawn.", annotations=[_citation(2)]),
        ),
        answer=Answer(text="The fox left\n\nat dawn.", usage=FIGURES, status="stop"),
        citations=("https://fox.test/1", "https://fox.test/1", "https://fox.test/2"),
    ),
    ResponsesShape(
        name="citations of files",
        says="Chat has annotations of URLs only",
        turn=played(said(0, *FOX, annotations=[{"type": "file_citation", "file_id": "f"}, _citation(1)])),
        answer=FOX_ANSWER,
        citations=("https://fox.test/1",),
        reported=("output.message.annotations",),
    ),
    ResponsesShape(
        name="log probabilities",
        says="each delta has the scores of its tokens",
        turn=played(_SCORED),
        answer=FOX_ANSWER,
        options={"logprobs": True},
        scored=FOX,
    ),
    ResponsesShape(
        name="log probabilities only in done",
        says="the whole text has the scores of its tokens",
        turn=played(without(said(0, *FOX, logprobs=_SCORES), ".delta", "_text.done")),
        answer=FOX_ANSWER,
        options={"logprobs": True},
        scored=FOX,
        streamed_only=True,
    ),
    ResponsesShape(
        name="fields nobody knows",
        says="a vendor's fields of the response, the item and the part",
        turn=ResponsesTurn(
            told(said(0, *FOX, mood="calm"), service_tier="flex", citations=["https://fox.test/9"])
        ),
        answer=FOX_ANSWER,
        reported=("output.message.content.mood",),
    ),
]

PART_SHAPES = _REFUSAL_SHAPES + _REASONING_SHAPES + _EXTRA_SHAPES
