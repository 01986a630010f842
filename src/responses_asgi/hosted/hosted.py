"""All tools that a service runs: which of them a request may use, and what is open for them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

from responses_asgi.errors import ConfigurationError, InvalidRequestError
from responses_asgi.hosted.approvals import ToolFilter, approval_of, check_approval
from responses_asgi.hosted.limits import HostedLimits
from responses_asgi.hosted.mcp_client import need_mcp
from responses_asgi.hosted.mcp_connection import Connection, MCPServerError
from responses_asgi.hosted.mcp_pool import Pool
from responses_asgi.hosted.mcp_requests import AllowedHosts, Wanted, read_wanted
from responses_asgi.hosted.mcp_server import MCPServer, read_servers
from responses_asgi.hosted.offer import Found, Offer, make_offer
from responses_asgi.hosted.python_tools import hosted_tool
from responses_asgi.hosted.results import result_of
from responses_asgi.hosted.tool import HostedTool, parameters_of
from responses_asgi.hosted.type_tools import TypeTools
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.context import ExchangeContext

__all__ = ["Hosted"]

# What a request says of a server that it brings along, or that only OpenAI can reach.
_REACHED = ("server_url", "connector_id", "tunnel_id")


class Hosted:
    """The tools that a service runs itself, whatever model and client are at work.

    - `servers`: MCP servers by label, or the path of an `mcp.json`.
    - `tools`: Python functions, plain or marked with `@tool`, and HostedTools.
    - `types`: functions that implement hosted tools of the API, by what they implement: `web_search`, with
      `web_search.open_page` and `web_search.find_in_page`, `file_search`, `code_interpreter`,
      `image_generation`, `shell`. They are for requests that name these types; docs/tools.md tells how.
    - `allow_hosts`: hosts of MCP servers that requests may bring along (`server_url`): exact names and
      `*.example.com`. Without any, such tools are left to the upstream.
    - `always`: what every request may use, also one that names no tool: True for all servers and tools, or
      the labels, and names of `types`. The rest is for requests that name it, a label as
      `{"type": "mcp", "server_label": "tools"}`.
    - `progress`: whether clients of Chat Completions, which are shown no calls, are told of them as
      reasoning.
    - `limits`: bounds of time and size.

    Raises ConfigurationError for what cannot work, and MissingExtraError without the extra `mcp`, where it is
    needed.

    >>> def today() -> str:
    ...     "The date of today."
    ...     return "2026-07-28"
    >>> Hosted(tools=[today]).labels
    ('tools',)
    """

    def __init__(
        self,
        *,
        servers: Mapping[str, MCPServer] | str | os.PathLike[str] | None = None,
        tools: Sequence[Callable[..., Any] | HostedTool] = (),
        types: Mapping[str, Callable[..., Any]] | None = None,
        allow_hosts: Sequence[str] = (),
        always: bool | Sequence[str] = True,
        progress: bool = False,
        limits: HostedLimits | None = None,
    ) -> None:
        self.progress = progress
        self._limits = limits or HostedLimits()
        self._servers = (
            read_servers(servers) if isinstance(servers, str | os.PathLike) else dict(servers or {})
        )
        self._hosts = AllowedHosts(allow_hosts)
        self._tools = _by_label(tools, self._limits)
        self._types = TypeTools(types or {}, self._limits)
        self._pools: dict[asyncio.AbstractEventLoop, Pool] = {}
        self._check()
        self._always = self._labels_of(always)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of all servers and tools, in the order in which they are offered."""
        return (*self._servers, *self._tools)

    def resource(self) -> AbstractAsyncContextManager[object]:
        """What is to be held open in each event loop that serves requests: the connections to the servers.

        Opening it waits for no server; they are begun in the background.
        """
        return self._open()

    @property
    def rounds(self) -> int:
        """The most upstream calls for one answer."""
        return self._limits.rounds

    @property
    def concurrency(self) -> int:
        """The most calls of one answer at the same time."""
        return self._limits.concurrency

    @property
    def seconds(self) -> float:
        """The longest time for all calls of tools for one answer."""
        return self._limits.seconds

    async def offer(self, body: JSON, context: ExchangeContext, history: Sequence[JSON] = ()) -> Offer | None:
        """What a Responses request may use; None: nothing here concerns it. `history` are the items that come
        before its own input.

        A client of Chat Completions cannot be asked, so it is offered no tool whose calls need an approval.
        Waits for servers that are starting, within bounds; one that is not there is told as such.
        Raises InvalidRequestError for hosted tools that the request describes wrongly, or may not use.
        """
        wanted = self._wanted(body)
        named = {each.label for each in wanted.values()}
        also = [
            Wanted("", label, None, ToolFilter(), None, "") for label in self.labels if label not in named
        ]
        asked = [*wanted.values(), *(each for each in also if each.label in self._always)]
        types = self._types.unseen() if context.api == "chat" else self._types
        typed = types.offered(body, [*history, *_items(body)], self._always)
        found = await asyncio.gather(*(self._found(each, context) for each in asked))
        if context.api == "chat":
            found = [each.unasked() for each in found]
        replaced = [*wanted, *typed.replaced]
        offer = make_offer(typed.body, [*found, Found("", typed.tools)], replaced=replaced, history=history)
        if offer.tools or offer.listed or offer.body is not body or self._called(body, history):
            return offer._replace(kinds=types.names, labels=[each.label for each in found])
        return None

    def health(self) -> JSON:
        """The state of each server in the running loop, its number of tools, its last error; no secrets."""
        pool = self._pool()
        stopped: JSON = {"state": "stopped", "tools": 0}
        servers = {
            label: pool.connections[label].health() if pool else dict(stopped) for label in self._servers
        }
        told: JSON = {"servers": servers}
        if self._tools:
            told["tools"] = sum(map(len, self._tools.values()))
        if self._types.names:
            told["types"] = list(self._types.names)
        return told | {"guests": len(pool.guests)} if pool and self._hosts else told

    def _called(self, body: JSON, history: Sequence[JSON]) -> bool:
        """Whether earlier turns called tools of this service; the upstream has to be told of that."""
        items = [*history, *_items(body)]
        return self._types.are_shown(items) or any(
            item.get("type") == "mcp_call" and (self._hosts or item.get("server_label") in self.labels)
            for item in items
        )

    # Settings

    def _check(self) -> None:
        both = set(self._servers) & set(self._tools)
        if both:
            raise ConfigurationError(f"{sorted(both)[0]!r} is the label of a server and of tools")
        for label, server in self._servers.items():
            try:
                check_approval(server.require_approval, "require_approval")
            except InvalidRequestError as error:
                raise ConfigurationError(f"server {label!r}: {error.message}") from None
        if self._servers or self._hosts:
            need_mcp()

    def _labels_of(self, always: bool | Sequence[str]) -> frozenset[str]:
        if isinstance(always, bool):
            return frozenset(self.labels if always else ())
        known = [*self.labels, *self._types.names]
        unknown = [label for label in always if label not in known]
        if unknown:
            raise ConfigurationError(
                f"always: there is no {unknown[0]!r}; known are {', '.join(known) or 'none'}"
            )
        return frozenset(always)

    # Connections

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        pool = self._pools[loop] = Pool(self._servers, self._limits)
        try:
            pool.start()
            yield
        finally:
            if self._pools.get(loop) is pool:
                del self._pools[loop]
            await pool.aclose()

    def _pool(self) -> Pool | None:
        return self._pools.get(asyncio.get_running_loop())

    def _connection(self, wanted: Wanted, owner: str) -> Connection:
        pool = self._pool()
        if pool is None:
            raise MCPServerError("it has not been started")
        if wanted.server is not None:
            return pool.guest(wanted.label, wanted.server, owner)
        return pool.connections[wanted.label]

    # What a request wants

    def _wanted(self, body: JSON) -> dict[int, Wanted]:
        """The hosted tools that a request names, by their positions in its `tools`."""
        wanted: dict[int, Wanted] = {}
        labels: set[str] = set()
        for i, tool in enumerate(body.get("tools") or ()):
            if tool.get("type") != "mcp" or not self._is_ours(f"tools[{i}]", tool):
                continue
            wanted[i] = read_wanted(f"tools[{i}]", tool, self._hosts)
            if wanted[i].label in labels:
                raise InvalidRequestError(
                    f"'tools[{i}].server_label' is {wanted[i].label!r}, like that of another tool.",
                    param=f"tools[{i}].server_label",
                    code="invalid_value",
                )
            labels.add(wanted[i].label)
        return wanted

    def _is_ours(self, param: str, tool: JSON) -> bool:
        """Whether the service runs this tool; if not, it is the upstream's."""
        label = tool.get("server_label")
        reached = any(tool.get(name) is not None for name in _REACHED)
        if label in self.labels:
            if reached:
                raise InvalidRequestError(
                    f"'{param}.server_label' is {label!r}, a label of this service; leave out where the "
                    "server is, or choose another label.",
                    param=f"{param}.server_label",
                    code="invalid_value",
                )
            return True
        if not reached and isinstance(label, str) and label:
            raise InvalidRequestError(
                f"'{param}.server_label' is {label!r}, expected "
                f"{', '.join(map(repr, self.labels)) or 'a server_url with it'}.",
                param=f"{param}.server_label",
                code="invalid_value",
            )
        return bool(self._hosts)

    async def _found(self, wanted: Wanted, context: ExchangeContext) -> Found:
        tools: Sequence[HostedTool]
        if wanted.label in self._tools:
            listed = self._tools[wanted.label]
            tools = [
                _with_approval(
                    tool, approval_of(wanted.approval, tool.listed()) if wanted.approval else tool.approval
                )
                for tool in listed
                if wanted.allowed.lets(tool.listed())
            ]
            return Found(wanted.label, tools, tell=bool(wanted.param), description=wanted.description)
        try:
            connection = self._connection(wanted, context.principal or "")
            entries = await connection.listed(self._limits.start_wait)
        except MCPServerError as error:
            return Found(
                wanted.label, error=f"The MCP server cannot be used: {error}", tell=bool(wanted.param)
            )
        tools = self._remote(wanted, connection.server, entries, context.principal or "")
        return Found(wanted.label, tools, tell=bool(wanted.param), description=wanted.description)

    def _remote(
        self, wanted: Wanted, server: MCPServer, entries: Sequence[JSON], owner: str
    ) -> list[HostedTool]:
        """The tools of a server that the request may use; of two with one name the first."""
        allowed = None if server.allowed_tools is None else set(server.allowed_tools)
        approval = server.require_approval if wanted.approval is None else wanted.approval
        tools: dict[str, HostedTool] = {}
        for entry in entries:
            name = entry["name"]
            if (
                name in tools
                or not wanted.allowed.lets(entry)
                or (allowed is not None and name not in allowed)
            ):
                continue
            tools[name] = HostedTool(
                label=wanted.label,
                name=name,
                description=entry["description"] or "",
                parameters=parameters_of(entry["input_schema"]),
                annotations=entry["annotations"],
                approval=approval_of(approval, entry),
                timeout=server.timeout or self._limits.call_timeout,
                result_chars=self._limits.result_chars,
                image_bytes=self._limits.image_bytes,
                run=self._runner(wanted, name, owner),
            )
        return list(tools.values())

    def _runner(self, wanted: Wanted, name: str, owner: str) -> Callable[[JSON, ExchangeContext], Any]:
        async def run(arguments: JSON, context: ExchangeContext) -> Any:
            connection = self._connection(wanted, owner)
            return result_of(await connection.call(name, arguments), self._limits.result_chars)

        return run


def _items(body: JSON) -> list[JSON]:
    given = body.get("input")
    return given if isinstance(given, list) else []


def _by_label(
    tools: Sequence[Callable[..., Any] | HostedTool], limits: HostedLimits
) -> dict[str, list[HostedTool]]:
    found: dict[str, list[HostedTool]] = {}
    for given in tools:
        tool = given if isinstance(given, HostedTool) else hosted_tool(given, limits)
        alike = found.setdefault(tool.label, [])
        if any(tool.name == each.name for each in alike):
            raise ConfigurationError(f"there are two tools {tool.name!r} with the label {tool.label!r}")
        alike.append(tool)
    return found


def _with_approval(tool: HostedTool, approval: bool) -> HostedTool:
    return tool if tool.approval == approval else replace(tool, approval=approval)
