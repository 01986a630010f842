"""Says what a recorded Responses answer means, without a line of the package: httpx-sse and what is here.

1. The items are those of the terminal response, or, where it lists none, those that were done.
2. Messages are set apart by a blank line, parts of one message are not. Reasoning parts always are.
3. An item that holds raw reasoning and a summary is read as one of them, never as both.
4. Where text was streamed that the finished items do not hold in the same form, both are honest readings.
5. A stream without a terminal event is a failure, and so is a response that is not over.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import httpx
from httpx_sse import EventSource

JSON = dict[str, Any]

ENDS = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
FINISHES = {"max_output_tokens": "length", "content_filter": "content_filter"}
CALLS = {"function_call": "arguments", "custom_tool_call": "input"}

# What only a client that knows the item can go on from, unless the server has answered it itself.
ACTS = {
    "shell_call",
    "local_shell_call",
    "apply_patch_call",
    "computer_call",
    "mcp_approval_request",
    "tool_search_call",
}


@dataclass
class Meaning:
    """`texts` and `reasonings` are the honest readings; `calls` are (id, type, name, arguments).

    `finish` is what a Chat client must be told: a finish_reason, or "failed", with the sentence in `error`.
    `others` are the types of the items that Chat cannot say, `acts` of those that the client had to act on.
    """

    texts: set[str] = field(default_factory=set)
    reasonings: set[str] = field(default_factory=set)
    refusal: str = ""
    calls: list[tuple[str, str, str, str]] = field(default_factory=list)
    usage: tuple[int, int, int, int, int] | None = None
    finish: str = "failed"
    error: str = ""
    citations: list[str] = field(default_factory=list)
    others: set[str] = field(default_factory=set)
    acts: set[str] = field(default_factory=set)


def read(recording: JSON) -> Meaning:
    """What a recording of HTTP status 200 means."""
    body = recording["response"]["body"]
    if not recording["streaming"]:
        return _read_response(json.loads(body))
    events = events_of(body)
    end = next((event["response"] for event in events if event["type"] in ENDS), None)
    if end is None:
        return Meaning(error=_first_error(events))
    done = {e["output_index"]: e["item"] for e in events if e["type"] == "response.output_item.done"}
    meaning = _read_response({**end, "output": end["output"] or [done[index] for index in sorted(done)]})
    meaning.texts.add(_streamed_text(events) or next(iter(meaning.texts)))
    meaning.error = meaning.error or _first_error(events)
    return meaning


def events_of(body: str) -> list[JSON]:
    """The decoded events of an SSE text."""
    # A last event without its blank line was received all the same.
    source = httpx.Response(200, headers={"content-type": "text/event-stream"}, text=body + "\n\n")
    return [event.json() for event in EventSource(source).iter_sse() if event.data.strip() != "[DONE]"]


def _read_response(response: JSON) -> Meaning:
    items: list[JSON] = response.get("output") or []
    parts = [part for item in items if item["type"] == "message" for part in item["content"]]
    meaning = Meaning(
        texts={_joined(_message_text(item) for item in items if item["type"] == "message")},
        reasonings={_joined(_thoughts(items, *order)) for order in _ORDERS},
        refusal="".join(part.get("refusal", "") for part in parts),
        usage=_figures(response["usage"]) if response.get("usage") else None,
        citations=[
            note["url"]
            for part in parts
            for note in part.get("annotations", ())
            if note["type"] == "url_citation"
        ],
        others={item["type"] for item in items} - {"message", "reasoning", *CALLS},
    )
    status = response["status"]
    # A finished call of a tool without parameters has an empty object.
    empty = "{}" if status == "completed" else ""
    meaning.calls = [
        (item["call_id"], item["type"], item["name"], item[CALLS[item["type"]]] or empty)
        for item in items
        if item["type"] in CALLS
    ]
    answered = {item.get("call_id") for item in items if item["type"].endswith("_call_output")}
    meaning.acts = {
        item["type"]
        for item in items
        if item["type"] in ACTS and item.get("execution") != "server" and item.get("call_id") not in answered
    }
    if meaning.acts:
        return meaning
    if status == "completed":
        meaning.finish = "tool_calls" if meaning.calls else "stop"
    elif status == "incomplete":
        meaning.finish = FINISHES[response["incomplete_details"]["reason"]]
    else:
        meaning.error = (response.get("error") or {}).get("message") or ""
    return meaning


_ORDERS = (("content", "summary"), ("summary", "content"))


def _thoughts(items: list[JSON], first: str, second: str) -> list[str]:
    return [
        part["text"]
        for item in items
        if item["type"] == "reasoning"
        for part in item.get(first) or item.get(second) or ()
    ]


def _message_text(message: JSON) -> str:
    return "".join(part.get("text", "") for part in message["content"])


def _streamed_text(events: list[JSON]) -> str:
    said: dict[int, str] = defaultdict(str)
    for event in events:
        if event["type"] == "response.output_text.delta":
            said[event["output_index"]] += event["delta"]
    return _joined(said[index] for index in sorted(said))


def _joined(texts: Any) -> str:
    return "\n\n".join(filter(None, texts))


def _first_error(events: list[JSON]) -> str:
    errors = [event.get("error") or event for event in events if event["type"] == "error"]
    return next((error["message"] for error in errors), "")


def _figures(usage: JSON) -> tuple[int, int, int, int, int]:
    given, made = usage["input_tokens"], usage["output_tokens"]
    cached = (usage.get("input_tokens_details") or {}).get("cached_tokens") or 0
    reasoning = (usage.get("output_tokens_details") or {}).get("reasoning_tokens") or 0
    return given, cached, made, reasoning, usage.get("total_tokens", given + made)
