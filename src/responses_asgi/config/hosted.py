"""What a configuration can say about tools that the gateway runs itself."""

from __future__ import annotations

from typing import Any

from responses_asgi.config.section import ImportPath, Section, Words
from responses_asgi.hosted import Hosted

__all__ = ["HostedConfig"]


class HostedConfig(Section):
    """Tools of MCP servers and Python functions, for every model and client."""

    mcp: str | None = None
    """The `mcp.json` that names MCP servers (extra `mcp`)."""

    tools: list[ImportPath] = []
    """Python functions, as `module:name`."""

    types: dict[str, ImportPath] = {}
    """Functions that implement hosted tools of the API, as `web_search: module:name`."""

    allow_hosts: Words = []
    """Hosts of MCP servers that requests may bring along: names, and `*.example.com`."""

    always: Words | bool = True
    """What requests may use that name no tool: all (true), none (false), or the labels and types."""

    progress: bool = False
    """Whether Chat clients, which are shown no calls, are told of them as reasoning."""

    def make(self, functions: list[object], types: dict[str, Any]) -> Hosted:
        """The tools, with the functions that `tools` and `types` name. Raises ConfigurationError."""
        tools: list[Any] = list(functions)  # what was imported is checked there
        return Hosted(
            servers=self.mcp,
            tools=tools,
            types=types,
            allow_hosts=self.allow_hosts,
            always=self.always,
            progress=self.progress,
        )
