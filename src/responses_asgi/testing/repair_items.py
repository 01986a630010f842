"""Tells one output item anew, legally, from whatever a stream says about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from responses_asgi.testing.items import REQUIRED_ZEROS, ZEROS
from responses_asgi.translate.snapshot import ITEM_TEXTS, PART_TEXTS, PARTS
from responses_asgi.translate.unfold import CALL_FAMILIES, PART_FAMILIES, TEXT_FAMILIES
from responses_asgi.types.json import JSON

__all__ = ["ItemRepair"]

_ENDED = frozenset({"completed", "incomplete", "failed", None})
_KEPT = ("type", "name", "call_id", "namespace")


@dataclass
class _Part:
    """A part as it was announced, and what was said of it."""

    home: str
    given: int
    index: int
    blank: JSON
    text: list[str] = field(default_factory=list)
    annotations: list[JSON] = field(default_factory=list)
    logprobs: list[JSON] = field(default_factory=list)
    said: bool = False
    done: JSON | None = None

    @property
    def type(self) -> str:
        return str(self.blank.get("type"))


class ItemRepair:
    """An item from its `added` event on, which is said at once. `done` is the item when it is closed.

    `item`: as it was announced; `own_id`: its id; `index`: its place. `say` takes each event, without number.
    """

    def __init__(self, item: JSON, *, own_id: str, index: int, say: Callable[[JSON], None]) -> None:
        self.type = str(item.get("type"))
        self.index = index
        self.done: JSON | None = None
        self._say = say
        self._place: JSON = {"item_id": own_id, "output_index": index}
        required = REQUIRED_ZEROS.get(self.type, {})
        zeros = {name: zero for name, zero in ZEROS.items() if name in required or item.get(name) is not None}
        self._item = {**item, "id": own_id, **(zeros if required else {})}
        if required and (item.get("status") or self.type != "reasoning"):
            self._item["status"] = "in_progress"
        self._parts: dict[str, list[_Part]] = {home: [] for home in PART_FAMILIES}
        self._open: _Part | None = None
        self._family = CALL_FAMILIES.get(self.type)
        self._arguments: list[str] = []
        self._arguments_done = False
        say({"type": "response.output_item.added", "output_index": index, "item": self._item})

    def take(self, event: JSON) -> None:
        """Any event of this item after `added`."""
        family, _, step = str(event["type"]).rpartition(".")
        if family == "response.output_item":
            self.close(event.get("item"))
        elif family in PARTS:
            self._part_event(family, step, event)
        elif family in PART_TEXTS:
            self._text_event(family, step, event)
        elif family == "response.output_text.annotation":
            self._annotation(event)
        elif self._family and family == self._family:
            field = ITEM_TEXTS[family]
            if step == "delta":
                self._say_arguments(str(event.get("delta") or ""), event)
            else:
                self._end_arguments(event.get(field))
        else:
            self._say({**event, **self._place})

    def close(self, final: object = None, *, status: str = "completed") -> None:
        """Say what of `final`, the whole item, was not said, close what is open, and say that it is done."""
        whole: JSON = final if isinstance(final, dict) else {}
        for home in self._parts:
            for number, part in enumerate(whole.get(home) or ()):
                self._end_part(self._part(home, number, part), part)
        self._end_part(self._open, {})
        if self._family:
            self._end_arguments(whole.get(ITEM_TEXTS[self._family]))
        done = {**self._item, **whole, "id": self._item["id"]}
        done |= {name: self._item[name] for name in _KEPT if self._item.get(name) is not None}
        for home, parts in self._parts.items():
            if parts or home in self._item:
                done[home] = [part.done for part in parts]
        if self._family:
            done[ITEM_TEXTS[self._family]] = "".join(self._arguments)
        if done.get("status") not in _ENDED:
            done["status"] = status
        self.done = done
        self._say({"type": "response.output_item.done", "output_index": self.index, "item": done})

    # Parts

    def _part_event(self, family: str, step: str, event: JSON) -> None:
        home, name = PARTS[family]
        given: JSON = event.get("part") or {}
        part = self._part(home, event.get(name) or 0, given)
        if step == "done":
            self._end_part(part, given)

    def _text_event(self, family: str, step: str, event: JSON) -> None:
        home, name, kind, field = PART_TEXTS[family]
        part = self._part(home, event.get(name) or 0, {"type": kind})
        if part is None:
            return
        if part.type != kind:
            self._say({**event, **self._place})  # what the check then names
        elif step == "delta":
            self._say_text(part, str(event.get("delta") or ""), event)
        else:
            self._end_text(part, event.get(field))

    def _annotation(self, event: JSON) -> None:
        part = self._part("content", event.get("content_index") or 0, {"type": "output_text"})
        if part is not None and isinstance(event.get("annotation"), dict):
            self._say_annotation(part, event)

    def _say_annotation(self, part: _Part, event: JSON) -> None:
        place = {**self._place, "content_index": part.index, "annotation_index": len(part.annotations)}
        part.annotations.append(event["annotation"])
        self._say({**event, **place})

    def _part(self, home: str, given: int, said: JSON) -> _Part | None:
        """The open part at this place, opened if it was not; None when it is closed."""
        for known in self._parts[home]:
            if known.given == given:
                return known if known is self._open else None
        self._end_part(self._open, {})
        family, name = PART_FAMILIES[home]
        blank: JSON = {**said}
        if text_family := TEXT_FAMILIES.get(str(said.get("type"))):
            blank[PART_TEXTS[text_family][3]] = ""
        if said.get("type") == "output_text":
            blank |= {"annotations": [], "logprobs": []}
        part = _Part(home, given, len(self._parts[home]), blank)
        self._parts[home].append(part)
        self._open = part
        self._say({"type": f"{family}.added", **self._place, name: part.index, "part": blank})
        return part

    def _say_text(self, part: _Part, delta: str, event: JSON) -> None:
        if delta and not part.said:
            family, name = TEXT_FAMILIES[part.type], PART_FAMILIES[part.home][1]
            part.text.append(delta)
            part.logprobs += event.get("logprobs") or []
            said = {"type": f"{family}.delta", **self._place, name: part.index, "delta": delta}
            self._say(
                {**event, **said, **({"logprobs": event.get("logprobs") or []} if _scored(part) else {})}
            )

    def _end_text(self, part: _Part, whole: object) -> None:
        """Say what of the whole text was not said, and that it is done; a text that contradicts what was said
        is not the text."""
        if part.said:
            return
        said = "".join(part.text)
        if isinstance(whole, str) and whole.startswith(said):
            self._say_text(part, whole[len(said) :], {})
        part.said = True
        family, name = TEXT_FAMILIES[part.type], PART_FAMILIES[part.home][1]
        scores = {"logprobs": part.logprobs} if _scored(part) else {}
        text = {PART_TEXTS[family][3]: "".join(part.text), **scores}
        self._say({"type": f"{family}.done", **self._place, name: part.index, **text})

    def _end_part(self, part: _Part | None, final: JSON) -> None:
        if part is None or part.done is not None:
            return
        self._open = None
        home, name = PART_FAMILIES[part.home]
        done = {**part.blank, **final, "type": part.blank.get("type")}
        if family := TEXT_FAMILIES.get(part.type):
            for annotation in (final.get("annotations") or [])[len(part.annotations) :]:
                if not part.said:
                    self._say_annotation(
                        part, {"type": f"{family}.annotation.added", "annotation": annotation}
                    )
            field = PART_TEXTS[family][3]
            self._end_text(part, final.get(field))
            scored = {"annotations": part.annotations, "logprobs": part.logprobs} if _scored(part) else {}
            done |= {field: "".join(part.text), **scored}
        part.done = done
        self._say({"type": f"{home}.done", **self._place, name: part.index, "part": done})

    # Arguments

    def _say_arguments(self, delta: str, event: JSON) -> None:
        if delta and not self._arguments_done:
            self._arguments.append(delta)
            self._say({**event, "type": f"{self._family}.delta", **self._place, "delta": delta})

    def _end_arguments(self, whole: object) -> None:
        if self._arguments_done or self._family is None:
            return
        said = "".join(self._arguments)
        if isinstance(whole, str) and whole.startswith(said):
            self._say_arguments(whole[len(said) :], {})
        self._arguments_done = True
        text = {ITEM_TEXTS[self._family]: "".join(self._arguments)}
        self._say({"type": f"{self._family}.done", **self._place, "name": self._item.get("name"), **text})


def _scored(part: _Part) -> bool:
    return part.type == "output_text"
