"""Listens on both sides of the bridge at once, and says in short what each chunk and event is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

from examples.demo.page import Page
from responses_asgi.sse import SSEDecoder

__all__ = ["Tap", "is_live", "print_side_by_side"]


class Row(NamedTuple):
    """One chunk that went in (None: nothing had come yet), and the events that it became."""

    chunk: str | None
    events: list[str]


class Tap:
    """An ASGI app around another that notes each server-sent event in a shared log and passes it on."""

    def __init__(self, app: Any, side: str, log: list[tuple[str, str]]) -> None:
        self.app, self.side, self.log = app, side, log

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        decoder = SSEDecoder()

        async def noting(message: Any) -> None:
            if message["type"] == "http.response.body":
                for event in decoder.feed(message.get("body", b"")):
                    self.log.append((self.side, event.data.decode()))
            await send(message)

        await self.app(scope, receive, noting)


def print_side_by_side(page: Page, log: list[tuple[str, str]]) -> None:
    """Each chunk beside its events; of a run of rows of one kind only the first two."""
    page.columns("Chat chunks in", "Responses events out")
    for _, run in groupby(_rows(log), key=_kinds):
        same = list(run)
        shown = same if len(same) <= 3 else same[:2]
        for row in shown:
            page.row(*row)
        if shown is not same:
            page.left_out(len(same) - 2)


def is_live(log: list[tuple[str, str]]) -> bool:
    """Whether every chunk that says something was answered by a delta before the next chunk came."""
    speaking = [
        row for row in _rows(log) if row.chunk and re.match("(reasoning_)?content|tool_call", row.chunk)
    ]
    return all(any(".delta" in event for event in row.events) for row in speaking)


def _rows(log: list[tuple[str, str]]) -> Iterator[Row]:
    """Put each chunk beside its events. The bridge pushes, so the events follow their chunk in the log."""
    row = Row(None, [])
    for side, data in log:
        if side == "in":
            if row.chunk or row.events:
                yield row
            row = Row(_say_chunk(data), [])
        else:
            row.events.append(_say_event(data))
    yield row


def _kinds(row: Row) -> tuple[str, ...]:
    return tuple(text.partition(" ")[0] for text in (row.chunk or "", *row.events))


def _say_chunk(data: str) -> str:
    """A Chat chunk in a few words."""
    if data == "[DONE]":
        return data
    chunk = json.loads(data)
    words = [f"error {_quote(_message(chunk['error']))}"] if chunk.get("error") else []
    for choice in chunk.get("choices") or ():
        delta = choice.get("delta") or {}
        words += [
            f"{field} {_quote(delta[field])}"
            for field in ("reasoning_content", "content")
            if delta.get(field)
        ]
        words += [_say_call(call) for call in delta.get("tool_calls") or ()]
        if choice.get("finish_reason"):
            words.append(f"finish_reason {choice['finish_reason']}")
        if not words and delta.get("role"):
            words.append(f"role {delta['role']}")
    if usage := chunk.get("usage"):
        words.append(f"usage {usage['prompt_tokens']} in, {usage['completion_tokens']} out")
    return ", ".join(words) or "(empty delta)"


def _say_call(call: dict[str, Any]) -> str:
    function = call.get("function") or {}
    name, arguments = function.get("name"), function.get("arguments") or ""
    return f"tool_call #{call.get('index', '-')} {f'{name}({arguments}' if name else _quote(arguments)}"


def _say_event(data: str) -> str:
    """A Responses event in a few words."""
    if data == "[DONE]":
        return data
    event = json.loads(data)
    kind = event["type"].removeprefix("response.")
    match event:
        case {"delta": str(delta)}:
            detail = _quote(delta)
        case {"item": {"type": "function_call", "name": name, "arguments": arguments, "status": status}}:
            detail = f"function_call {name}({arguments}) {status}"
        case {"item": {"type": item_type}}:
            detail = item_type
        case {"part": {"type": part_type}}:
            detail = part_type
        case {"response": {"status": "completed" | "incomplete" | "failed", "output": output}}:
            detail = ", ".join(item["type"] for item in output) or "no items"
        case {"error": {"message": message}} | {"message": message}:
            detail = _quote(message)
        case {"text": text} | {"arguments": text}:
            detail = _quote(text)
        case _:
            detail = ""
    return f"{kind} {detail}".rstrip()


def _message(error: Any) -> str:
    return error.get("message", "") if isinstance(error, dict) else str(error)


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
