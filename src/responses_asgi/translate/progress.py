"""Calls that a service runs itself, told to a Chat client as reasoning: what is done meanwhile, in its words.

An item of such a call becomes a reasoning item in its place, whose text names the tool and what it is called
with. All other events pass as they are.
"""

from __future__ import annotations

from responses_asgi.types.events import TERMINAL_EVENTS
from responses_asgi.types.json import JSON

__all__ = ["Progress"]

# Items of calls that a service runs -> what they are called where they have no name of their own.
_CALLS = {
    "code_interpreter_call": "code_interpreter",
    "file_search_call": "file_search",
    "image_generation_call": "image_generation",
    "mcp_call": "",
    "shell_call": "shell",
    "web_search_call": "web_search",
}
_ARGUMENTS = "response.mcp_call_arguments.done"
_MOST_CHARS = 200


class Progress:
    """The events of one response as a client may read them that is shown no calls.

    >>> progress = Progress()
    >>> item = {"id": "mcp_1", "type": "mcp_call", "server_label": "wiki", "name": "read"}
    >>> added = {"type": "response.output_item.added", "output_index": 0, "item": item}
    >>> [event["item"]["type"] for event in progress.told(added)]
    ['reasoning']
    >>> said = {"type": "response.mcp_call_arguments.done", "output_index": 0, "arguments": "{}"}
    >>> progress.told(said)[0]["delta"]
    'Calls wiki.read.'
    """

    def __init__(self) -> None:
        self._open: dict[int, JSON] = {}
        self._done: dict[str, JSON] = {}

    def told(self, event: JSON) -> list[JSON]:
        """What stands for an event: itself, something else, or nothing."""
        kind, index = str(event.get("type")), event.get("output_index")
        if kind in TERMINAL_EVENTS:
            response = event["response"]
            output = [self._done.get(str(item.get("id")), item) for item in response.get("output") or ()]
            return [{**event, "response": {**response, "output": output}}]
        if kind == "response.output_item.added" and event["item"].get("type") in _CALLS:
            return self._begin(event)
        if not isinstance(index, int) or index not in self._open:
            return [event]
        if kind == _ARGUMENTS:
            return [self._say(index, _called(self._open[index], event.get("arguments")))]
        if kind == "response.output_item.done":
            return self._end(index, event)
        return []

    def _begin(self, event: JSON) -> list[JSON]:
        item, index = event["item"], event["output_index"]
        self._open[index] = {**item, "said": ""}
        told = [{**event, "item": {"id": item.get("id"), "type": "reasoning", "summary": []}}]
        if item["type"] != "mcp_call":
            told.append(self._say(index, _called(self._open[index], None)))
        return told

    def _end(self, index: int, event: JSON) -> list[JSON]:
        item = event["item"]
        told: list[JSON] = []
        if not self._open[index]["said"]:
            # Of a whole answer nothing is told before.
            told.append(self._say(index, _called(item, item.get("arguments"))))
        if item.get("status") == "failed":
            told.append(self._say(index, " It failed."))
        said = self._open.pop(index)["said"]
        parts = [{"type": "summary_text", "text": said}]
        done = {"id": item.get("id"), "type": "reasoning", "summary": parts}
        self._done[str(item.get("id"))] = done
        return [*told, {**event, "item": done}]

    def _say(self, index: int, text: str) -> JSON:
        item = self._open[index]
        item["said"] += text
        return {
            "type": "response.reasoning_summary_text.delta",
            "item_id": item.get("id"),
            "output_index": index,
            "summary_index": 0,
            "delta": text,
        }


def _called(item: JSON, arguments: object) -> str:
    """A call in a sentence."""
    tool = _CALLS[item["type"]] or f"{item.get('server_label')}.{item.get('name')}"
    written = arguments if isinstance(arguments, str) and arguments.strip() not in ("", "{}") else ""
    if len(written) > _MOST_CHARS:
        written = f"{written[:_MOST_CHARS]}..."
    return f"Calls {tool}: {written}" if written else f"Calls {tool}."
