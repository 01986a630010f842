"""Calls of tools that the service runs: what the upstream knows of them, and what came of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from responses_asgi.translate.hosted_kind import Typed
from responses_asgi.types.json import JSON

__all__ = ["HostedCall", "HostedName", "HostedResult", "ShownCall", "Tell"]

Tell = Callable[[JSON], Awaitable[None]]
"""Told of what can be seen of a result that is still being made."""


class HostedName(NamedTuple):
    """What the upstream knows as a function: label and tool, and whether a person must agree to a call.

    `typed`: what hosted tool of the API it is; None: a tool of an MCP server, or shown as one.
    """

    label: str
    tool: str
    approval: bool = False
    typed: Typed | None = None


class HostedResult(NamedTuple):
    """What a tool answered: the text that the model is told, or the error that it is told instead.

    `parts` are content parts that tell the model what the text only names, such as images; none: the text
    says it all. `found` is what a hosted tool of the API found, as the row of its kind knows it.
    """

    output: str
    failed: bool = False
    parts: Sequence[JSON] = ()
    found: JSON | None = None

    @property
    def told(self) -> str | list[JSON]:
        """What the model is told."""
        return list(self.parts) or self.output

    @property
    def fields(self) -> JSON:
        """What an `mcp_call` item says of it."""
        if not self.failed:
            return {"status": "completed", "output": self.output}
        content = [{"type": "text", "text": self.output}]
        return {"status": "failed", "error": {"type": "mcp_tool_execution_error", "content": content}}


class ShownCall(Protocol):
    """A call while the client is shown it, as the item of its kind."""

    runs: bool
    """Whether the service runs it by itself; if not, a person is asked first."""

    @property
    def place(self) -> int:
        """The index of its item."""

    def write(self, fragment: str) -> None:
        """Take what the model writes next of the arguments."""

    def whole(self, written: str) -> None:
        """The arguments are whole."""

    def cut(self, written: str) -> None:
        """It is never run; so much was written."""

    def sight(self, seen: JSON) -> None:
        """Tell what can be seen of its result, which is still being made."""

    def settle(self, result: HostedResult) -> None:
        """Tell what came of it."""


class HostedCall(NamedTuple):
    """A call that is to be run, as it is shown, and what the upstream wrote."""

    shown: ShownCall
    call_id: str
    name: str
    arguments: str
