"""Calls of tools of MCP servers, and of Python functions, while they are shown: `mcp_*` items."""

from __future__ import annotations

from responses_asgi.translate.hosted_calls import HostedName, HostedResult
from responses_asgi.translate.item_writer import ItemWriter
from responses_asgi.translate.response_writer import NewId
from responses_asgi.types.json import JSON

__all__ = ["MCPCall", "MCPQuestion", "tell_listed"]

_ARGUMENTS = "response.mcp_call_arguments"
# A call before anything is known of it.
_BEGUN: JSON = {"arguments": "", "output": None, "error": None, "status": "in_progress"}


class MCPCall:
    """A call that is shown from its first fragment on, and stays open until its result is there."""

    runs = True

    def __init__(self, name: HostedName, writer: ItemWriter, new_id: NewId) -> None:
        self._writer = writer
        self._begun = self._said = False
        self._item: JSON = {
            "id": new_id("mcp_"),
            "type": "mcp_call",
            "server_label": name.label,
            "name": name.tool,
            **_BEGUN,
            "approval_request_id": None,
        }
        self.place = writer.open(self._item)
        self._at = {"item_id": self._item["id"], "output_index": self.place}
        writer.say({"type": "response.mcp_call.in_progress", **self._at})

    def write(self, fragment: str) -> None:
        """Tell a fragment of the arguments."""
        self._begun = True
        self._writer.say({"type": f"{_ARGUMENTS}.delta", **self._at, "delta": fragment})

    def whole(self, written: str) -> None:
        """Tell the arguments."""
        if written and not self._begun:
            self.write(written)
        self._said = True
        self._item = {**self._item, "arguments": written}
        self._writer.say({"type": f"{_ARGUMENTS}.done", **self._at, "arguments": written})

    def cut(self, written: str) -> None:
        """Close it without a result."""
        if not self._said:
            self.whole(written)
        self._close("failed", {"status": "incomplete"})

    def sight(self, seen: JSON) -> None:
        """Nothing can be seen of its result before that is there."""

    def settle(self, result: HostedResult) -> None:
        """Close it with its result."""
        self._close("failed" if result.failed else "completed", result.fields)

    def _close(self, ending: str, fields: JSON) -> None:
        self._writer.say({"type": f"response.mcp_call.{ending}", **self._at})
        self._writer.close(self.place, {**self._item, **fields})


class MCPQuestion:
    """A call that a person has to agree to before it is run: the response ends with the question."""

    runs = False
    place = -1

    def __init__(self, name: HostedName, writer: ItemWriter, new_id: NewId) -> None:
        self._writer = writer
        self._item: JSON = {
            "id": new_id("mcpr_"),
            "type": "mcp_approval_request",
            "server_label": name.label,
            "name": name.tool,
        }

    def write(self, fragment: str) -> None:
        """It is told when it is whole."""

    def whole(self, written: str) -> None:
        """Ask."""
        item = {**self._item, "arguments": written}
        self._writer.close(self._writer.open(item), item)

    def cut(self, written: str) -> None:
        """Ask nothing: half a call is none."""

    def sight(self, seen: JSON) -> None:
        """It is not run in this response."""

    def settle(self, result: HostedResult) -> None:
        """It has no result in this response."""


def tell_listed(item: JSON, writer: ItemWriter) -> None:
    """Tell an item that is whole from the beginning: a list of tools, or a call that was waiting."""
    kind, ending = item["type"], "completed" if item.get("error") is None else "failed"
    place = writer.open({**item, "tools": []} if kind == "mcp_list_tools" else {**item, **_BEGUN})
    at = {"item_id": item["id"], "output_index": place}
    writer.say({"type": f"response.{kind}.in_progress", **at})
    if kind == "mcp_call":
        written = item["arguments"]
        writer.say({"type": f"{_ARGUMENTS}.delta", **at, "delta": written})
        writer.say({"type": f"{_ARGUMENTS}.done", **at, "arguments": written})
    writer.say({"type": f"response.{kind}.{ending}", **at})
    writer.close(place, item)
