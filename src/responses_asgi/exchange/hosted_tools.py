"""What an exchange needs of the tools that the service runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from responses_asgi.translate.hosted_calls import HostedResult, Tell
from responses_asgi.translate.hosted_kind import Typed
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.context import ExchangeContext

__all__ = ["HostedTools", "Offer", "Tool"]


class Tool(Protocol):
    """One tool that the service runs."""

    @property
    def label(self) -> str:
        """The label of its server."""

    @property
    def name(self) -> str:
        """Its own name there."""

    @property
    def approval(self) -> bool:
        """Whether a person has to agree to each call."""

    @property
    def typed(self) -> Typed | None:
        """What hosted tool of the API it is; None: a tool of a server."""

    async def call(self, arguments: JSON, context: ExchangeContext, tell: Tell) -> HostedResult:
        """Run it; what goes wrong is a result, too."""


class Offer(Protocol):
    """What one request may use: tools as functions, and the items that tell the client what there is."""

    @property
    def body(self) -> JSON:
        """The request as the upstream is to have it."""

    @property
    def tools(self) -> Mapping[str, Tool]:
        """The tools by the names of the functions."""

    @property
    def listed(self) -> Sequence[JSON]:
        """What the client is told first."""

    @property
    def kinds(self) -> Mapping[str, str]:
        """The kinds of hosted tools that the service runs, and the functions that stand for them."""

    @property
    def labels(self) -> Collection[str]:
        """The labels of the servers that were asked for, also of those that have no tools here."""


class HostedTools(Protocol):
    """The tools of a service."""

    @property
    def rounds(self) -> int:
        """The most upstream calls for one answer."""

    @property
    def concurrency(self) -> int:
        """The most calls of one answer at once."""

    @property
    def seconds(self) -> float:
        """The longest time for all tool calls of one answer."""

    @property
    def progress(self) -> bool:
        """Whether Chat clients are told of calls, as reasoning."""

    async def offer(self, body: JSON, context: ExchangeContext, history: Sequence[JSON]) -> Offer | None:
        """What this request may use; None: no tool. Raises APIError for what it may not ask for."""
