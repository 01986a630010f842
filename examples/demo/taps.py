"""Listens on both sides of the bridge at once, and says in short what each chunk and event is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

from responses_asgi.sse import SSEDecoder

__all__ = ["Row", "Tap", "rows", "say_chunk", "say_event"]


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


def rows(log: list[tuple[str, str]]) -> Iterator[Row]:
    """Put each chunk beside its events. The bridge pushes, so the events follow their chunk in the log."""
    row = Row(None, [])
    for side, data in log:
        if side == "in":
            if row.chunk or row.events:
                yield row
            row = Row(say_chunk(data), [])
        else:
            row.events.append(say_event(data))
    yield row


def folded(table: list[Row]) -> Iterator[Row | int]:
    """The table with runs of rows of one kind cut to the first two; a number says how many are left out."""
    for _, run in groupby(table, key=_kinds):
        same = list(run)
        yield from same[:2]
        if len(same) > 3:
            yield len(same) - 2
        else:
            yield from same[2:]


def _kinds(row: Row) -> tuple[str, ...]:
    return tuple(text.partition(" ")[0] for text in (row.chunk or "", *row.events))


def say_chunk(data: str) -> str:
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
    return (
        f"tool_call #{call.get('index', '-')} {function.get('name') or ''}({function.get('arguments') or ''}"
    )


def say_event(data: str) -> str:
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
        case {"response": {"status": status, "output": output}} if status not in ("in_progress", "queued"):
            detail = f"{status}: {', '.join(item['type'] for item in output) or 'no items'}"
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
