"""What a question to a server showed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from responses_asgi.cli.asking import Answer
from responses_asgi.errors import APIError
from responses_asgi.sse import SSEDecoder
from responses_asgi.types.json import JSON, loads

__all__ = ["Finding", "NoAnswerError", "Reply"]

# Ways to show reasoning, the one that is preferred where a server uses several first.
REASONING_FIELDS = ("reasoning_details", "reasoning_content", "reasoning")

MOST_CHARS = 120


class NoAnswerError(APIError):
    """The server does not answer at all, so that nothing can be found out about it."""


class Finding(NamedTuple):
    """What one question showed.

    `says` is for people. `fields` are those of a `Profile` with the value they should have, `refused` and
    `accepted` the Chat fields that the server would not or would take.
    """

    says: str
    fields: Mapping[str, Any] = {}
    refused: frozenset[str] = frozenset()
    accepted: frozenset[str] = frozenset()


class Reply:
    """A Chat answer, whole or as a stream, as far as the questions look at it."""

    def __init__(self, answer: Answer | None, error: APIError | None) -> None:
        self.error = error
        self.done = False
        self.chunks: list[JSON] = []
        self.streamed = answer is not None and answer.content_type.startswith("text/event-stream")
        if answer is not None and error is None:
            self._read(answer)

    def _read(self, answer: Answer) -> None:
        if not self.streamed:
            document = answer.document()
            self.chunks = [document] if isinstance(document, dict) else []
            return
        decoder = SSEDecoder()
        for event in [*decoder.feed(answer.body), *decoder.flush()]:
            if event.data == b"[DONE]":
                self.done = True
                continue
            try:
                chunk = loads(event.data)
            except ValueError:
                continue
            if isinstance(chunk, dict):
                self.chunks.append(chunk)

    @property
    def accepted(self) -> bool:
        """Whether the server took the request."""
        return self.error is None

    @property
    def unclear(self) -> bool:
        """Whether the failure says nothing about the request."""
        return self.error is not None and self.error.status in (408, 429, 502, 503, 504)

    @property
    def said(self) -> str:
        """The server's verdict on the request, in few words."""
        if self.error is None:
            return "accepted"
        verdict = "no clear answer" if self.unclear else "refused"
        text = " ".join(self.error.message.split())
        text = text if len(text) <= MOST_CHARS else text[:MOST_CHARS] + "..."
        return f"{verdict} ({self.error.status}: {text})"

    @property
    def messages(self) -> list[JSON]:
        """The message, or the deltas, of each choice and chunk in turn."""
        choices = [choice for chunk in self.chunks for choice in chunk.get("choices") or ()]
        return [choice.get("delta") or choice.get("message") or {} for choice in choices]

    @property
    def text(self) -> str:
        """All text."""
        found = []
        for message in self.messages:
            content = message.get("content") or ""
            parts = content if isinstance(content, list) else [{"text": content}]
            found += [part["text"] for part in parts if isinstance(part.get("text"), str)]
        return "".join(found)

    @property
    def calls(self) -> list[JSON]:
        """The tool calls, or their fragments."""
        return [call for message in self.messages for call in message.get("tool_calls") or ()]

    @property
    def finish(self) -> str | None:
        """Why it ended."""
        choices = [choice for chunk in self.chunks for choice in chunk.get("choices") or ()]
        return next((choice["finish_reason"] for choice in choices if choice.get("finish_reason")), None)

    @property
    def usage(self) -> JSON | None:
        """The tokens used, wherever the server told them."""
        for chunk in self.chunks:
            found = chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage")
            if found:
                usage: JSON = found
                return usage
        return None

    def reasoning(self) -> str | None:
        """The field that shows reasoning, `thinking` for parts of the content, `<think>` for tags in it."""
        for name in REASONING_FIELDS:
            if any(message.get(name) for message in self.messages):
                return name
        contents = [message.get("content") for message in self.messages]
        parts = [part for content in contents if isinstance(content, list) for part in content]
        if any(part.get("type") == "thinking" for part in parts):
            return "thinking"
        return "<think>" if self.text.lstrip().startswith("<think>") else None
