"""What an exchange needs of the tools that the service runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from responses_asgi.translate.rounds import HostedResult
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.context import ExchangeContext

__all__ = ["HostedTools", "Offer", "Tool"]


class Tool(Protocol):
    """One tool that the service runs."""

    label: str
    name: str
    approval: bool

    async def call(self, arguments: JSON, context: ExchangeContext) -> HostedResult:
        """Run it; what goes wrong is a result, too."""


class Offer(Protocol):
    """What one request may use: its body with the tools as functions, the tools by the names of these, and
    the items that tell the client what there is."""

    body: JSON
    tools: Mapping[str, Tool]
    listed: Sequence[JSON]


class HostedTools(Protocol):
    """The tools of a service. `rounds`: the most upstream calls for one answer; `concurrency`: the most calls
    of one answer at once; `seconds`: the longest time for all tool calls of one answer."""

    rounds: int
    concurrency: int
    seconds: float

    async def offer(self, body: JSON, context: ExchangeContext, history: Sequence[JSON]) -> Offer | None:
        """What this request may use; None: no tool. Raises APIError for what it may not ask for."""
