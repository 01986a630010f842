"""Whether what clients read is what the upstream said: every delta once, in order, and a proper end."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from benchmarks.answers import Answer
from responses_asgi.upstreams.upstream import WireAPI

__all__ = ["UnfaithfulError", "check", "check_events"]

_DELTAS = {"text": "response.output_text.delta", "arguments": "response.function_call_arguments.delta"}


class UnfaithfulError(Exception):
    """A client did not read what the upstream said."""


def check(body: bytes, answer: Answer, client: WireAPI, *, exact: bool = True) -> None:
    """Raise UnfaithfulError unless this body, as a client of this API reads it, says the whole answer.

    `exact`: each delta by itself, and the events of a response numbered and ended; False: what they say.
    """
    if not answer.streamed:
        said = _SAID_WHOLE[client](json.loads(body), answer)
        _compare(said, answer)
        return
    data = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")]
    if client == "chat":
        if not data or data.pop() != b"[DONE]":
            raise UnfaithfulError(f"The stream has no [DONE] at its end: {body[-300:]!r}")
        _compare(_said_in_chunks(map(json.loads, data), answer), answer)
    else:
        check_events([json.loads(each) for each in data if each != b"[DONE]"], answer, exact=exact)


def check_events(events: list[dict[str, Any]], answer: Answer, *, exact: bool = True) -> None:
    """The same, for the events of a response, however they came."""
    if not exact:
        deltas = [event["delta"] for event in events if event["type"] == _DELTAS["text"]]
        _compare(["".join(deltas)], answer)
        return
    numbers = [event["sequence_number"] for event in events]
    if numbers != list(range(len(events))):
        raise UnfaithfulError("The events are not numbered 0, 1, 2, ...")
    if not events or events[-1]["type"] != "response.completed":
        raise UnfaithfulError(f"The response was not completed: {str(events[-1:])[:500]}")
    said: dict[int, str] = defaultdict(str)
    arrived = 0
    for event in events:
        if event["type"] == _DELTAS[answer.kind]:
            said[event["output_index"]] += event["delta"]
            arrived += 1
    expected = _deltas(answer)
    if arrived != expected:
        raise UnfaithfulError(f"{expected} deltas were said, {arrived} arrived")
    _compare([said[index] for index in sorted(said)], answer)


def _deltas(answer: Answer) -> int:
    return answer.deltas if answer.kind == "text" else sum(map(len, answer.calls()))


def _said_in_chunks(chunks: Iterable[dict[str, Any]], answer: Answer) -> list[str]:
    said: dict[int, str] = defaultdict(str)
    deltas = 0
    for chunk in chunks:
        for choice in chunk["choices"]:
            delta = choice["delta"]
            if answer.kind == "text":
                said[0] += delta.get("content") or ""
                deltas += bool(delta.get("content"))
            for call in delta.get("tool_calls") or ():
                arguments = call["function"].get("arguments") or ""
                said[call["index"]] += arguments
                deltas += bool(arguments)
    expected = _deltas(answer)
    if deltas != expected:
        raise UnfaithfulError(f"{expected} deltas were said, {deltas} arrived")
    return [said[index] for index in sorted(said)]


def _said_in_completion(whole: dict[str, Any], answer: Answer) -> list[str]:
    message = whole["choices"][0]["message"]
    if answer.kind == "text":
        return [message["content"]]
    return [call["function"]["arguments"] for call in message["tool_calls"]]


def _said_in_response(whole: dict[str, Any], answer: Answer) -> list[str]:
    if answer.kind == "text":
        return [item["content"][0]["text"] for item in whole["output"]]
    return [item["arguments"] for item in whole["output"]]


_SAID_WHOLE = {"chat": _said_in_completion, "responses": _said_in_response}


def _compare(said: list[str], answer: Answer) -> None:
    if said != answer.said:
        raise UnfaithfulError(f"{str(answer.said)[-200:]} was said, {str(said)[-200:]} arrived")
