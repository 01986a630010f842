"""Reads what a model thought from a Chat answer, wherever its server puts it.

1. One field per answer is read as text: servers that fill several say the same thing in each. The first one
   that says something is the one; what only another one says later is reported.
2. Signed and encrypted entries are kept whatever field they stand in. They belong back upstream, unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from responses_asgi.loss import Losses
from responses_asgi.translate.chat_parts import ENCRYPTED_KEYS, join_details, thinking_text
from responses_asgi.translate.reasoning import seal_details
from responses_asgi.types.json import JSON

__all__ = ["REASONING_FIELDS", "ReasoningReader", "Thought"]

Thought = tuple[Literal["text", "summary"], str]

# Fields of a delta or message that hold reasoning, by preference within one of them. `thinking_blocks` are
# LiteLLM's, `reasoning_text` and `reasoning_opaque` GitHub Copilot's.
REASONING_FIELDS = (
    "reasoning_details",
    "reasoning_content",
    "reasoning",
    "reasoning_text",
    "thinking",
    "thinking_blocks",
    "reasoning_opaque",
)


class ReasoningReader:
    """The reasoning of one answer; `read` yields what is to be said of it, `token` what is to be carried.

    `seal` makes tokens that the client cannot read, of `{"text": ..., "details": [...]}`; None: they are
    readable. `with_text`: the client asked for tokens that hold the text too.
    """

    __slots__ = (
        "_details",
        "_losses",
        "_seal",
        "_source",
        "_spoke",
        "_unread",
        "_with_text",
    )

    def __init__(
        self, losses: Losses, *, seal: Callable[[JSON], str] | None = None, with_text: bool = False
    ) -> None:
        self._losses = losses
        self._seal = seal
        self._with_text = with_text
        self._source: str | None = None
        self._details: list[JSON] = []
        self._unread: list[str] = []
        self._spoke = False

    def read(self, field: str, value: object) -> Iterator[Thought]:
        """The thoughts of one field of a delta or message."""
        if field == "reasoning_opaque":
            self._details.append({"type": "reasoning.opaque", "data": value})
        elif field in ("reasoning_details", "thinking_blocks"):
            for entry in value if isinstance(value, list) else []:
                if isinstance(entry, dict):
                    yield from self._entry(field, entry)
        else:
            yield from self.say(field, "text", _plain(value))

    def part(self, part: JSON) -> Iterator[Thought]:
        """The thoughts of a content part of type `thinking` (Mistral) or `reasoning` (Databricks)."""
        if part.get("type") == "thinking":
            yield from self._entry("content parts", part)
        else:
            for kind, field in (("summary", "summary"), ("text", "content"), ("text", "text")):
                yield from self.say(f"content parts: {kind}", kind, _plain(part.get(field)))

    def say(self, source: str, kind: Literal["text", "summary"] | str, text: str) -> Iterator[Thought]:
        """The text, if its source is the one that is read."""
        if not text:
            return
        self._source = self._source or source
        if self._source == source:
            self._spoke = True
            yield ("summary" if kind == "summary" else "text"), text
        else:
            self._unread.append(source)

    def end_delta(self) -> None:
        """A delta is over: report what another field said while the one that is read was silent."""
        if self._unread and not self._spoke:
            names = ", ".join(sorted(set(self._unread)))
            self._losses.report(
                "choices[0].delta.reasoning", "dropped", f"{self._source} is read, not {names}"
            )
        self._unread.clear()
        self._spoke = False

    def token(self, text: str = "") -> str | None:
        """What the client is to carry of the thought that ends here, whose text this is.

        All entries so far, if there is something in them that only the upstream can read, and the text if
        the client asked for it. None when that is nothing.
        """
        text = text if self._with_text else ""
        details: list[JSON] = []
        if any(entry.get(key) for entry in self._details for key in ENCRYPTED_KEYS):
            details, self._details = join_details(self._details), []
        if not (text or details):
            return None
        return self._seal({"text": text, "details": details}) if self._seal else seal_details(details, text)

    def _entry(self, source: str, entry: JSON) -> Iterator[Thought]:
        if entry.get("type") == "thinking":
            text = thinking_text(entry)
            self._details.append({"type": "thinking", "text": text, "signature": entry.get("signature")})
            yield from self.say(source, "text", text)
            return
        self._details.append(entry)
        kind = "summary" if entry.get("type") == "reasoning.summary" else "text"
        said = entry.get(kind)
        yield from self.say(source, kind, said if isinstance(said, str) else "")


def _plain(value: object) -> str:
    """The text of a reasoning field: a string, an object around one, or a list of either."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(map(_plain, value))
    if isinstance(value, dict):
        return next(
            (text for key in ("text", "content", "summary", "thinking") if (text := _plain(value.get(key)))),
            "",
        )
    return ""
