"""Annotates the texts of an answer that cite what tools found, on their way to the client.

The annotations of a text are told when it is whole, after those that the upstream has told itself.
"""

from __future__ import annotations

from collections.abc import Collection

from responses_asgi.translate.citations import Citations
from responses_asgi.types.json import JSON

__all__ = ["CitedTexts"]


class CitedTexts:
    """The texts of one response, and its sources; only annotations of the `allowed` types are made.

    >>> texts = CitedTexts(allowed=["url_citation"])
    >>> texts.told({"type": "response.output_text.done", "output_index": 0, "text": "[1]"})
    [{'type': 'response.output_text.done', 'output_index': 0, 'text': '[1]'}]
    """

    def __init__(self, allowed: Collection[str]) -> None:
        self.citations = Citations()
        self._allowed = allowed
        self._told: dict[tuple[object, object], int] = {}
        self._made: dict[tuple[object, object], list[JSON]] = {}

    def told(self, event: JSON) -> list[JSON]:
        """What stands for an event of a message."""
        kind = event["type"]
        text = event.get("output_index"), event.get("content_index")
        if kind == "response.output_text.annotation.added":
            self._told[text] = self._told.get(text, 0) + 1
        elif kind == "response.output_text.done" and self.citations:
            return [*self._annotated(text, event), event]
        elif kind == "response.content_part.done" and text in self._made:
            return [{**event, "part": _with(event["part"], self._made[text])}]
        return [event]

    def item(self, place: int, item: JSON) -> JSON:
        """The item at this place, which is done, with the annotations that were told."""
        parts = item.get("content")
        if item.get("type") != "message" or not isinstance(parts, list):
            return item
        made = [self._made.get((place, number)) for number in range(len(parts))]
        if not any(made):
            return item
        content = [_with(part, more or []) for part, more in zip(parts, made, strict=True)]
        return {**item, "content": content}

    def _annotated(self, text: tuple[object, object], event: JSON) -> list[JSON]:
        found = self.citations.of(event.get("text") or "")
        made = self._made[text] = [each for each in found if each["type"] in self._allowed]
        where = {name: event.get(name) for name in ("item_id", "output_index", "content_index")}
        return [
            {
                "type": "response.output_text.annotation.added",
                **where,
                "annotation_index": self._told.get(text, 0) + number,
                "annotation": annotation,
            }
            for number, annotation in enumerate(made)
        ]


def _with(part: JSON, more: list[JSON]) -> JSON:
    return {**part, "annotations": [*(part.get("annotations") or ()), *more]} if more else part
