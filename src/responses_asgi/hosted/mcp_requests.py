"""MCP tools as requests bring them: `{"type": "mcp", "server_label": ..., "server_url": ..., ...}`.

Only servers on hosts that the operator has allowed are connected to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from responses_asgi.errors import InvalidRequestError
from responses_asgi.hosted.approvals import ToolFilter, allowed_filter, check_approval
from responses_asgi.hosted.mcp_server import MCPServer
from responses_asgi.types.json import JSON

__all__ = ["AllowedHosts", "Wanted", "read_wanted"]

_LABEL = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_VALUE = re.compile(r"[\t\x20-\x7e]{0,8192}")
_MAX_HEADERS = 32
_ODD = re.compile(r"[\s\\\x00-\x1f\x7f]")
# They say where a request goes and where it ends, which is not for clients to say.
_REFUSED_HEADERS = frozenset({"connection", "content-length", "host", "te", "transfer-encoding", "upgrade"})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Wanted(NamedTuple):
    """What one `mcp` tool of a request asks for."""

    param: str
    """Its path in the request."""
    label: str
    server: MCPServer | None
    """None: a label that the operator has given."""
    allowed: ToolFilter
    approval: str | JSON | None
    """None: as the operator has it."""
    description: str


class AllowedHosts:
    """The hosts that requests may name: exact ones, and `*.example.com` for all that end so.

    An entry may have a port; without one every port is meant. Connections use https; http only to a loopback
    host that is listed.

    >>> hosts = AllowedHosts(["mcp.example.com", "*.tools.example.org"])
    >>> hosts.allow("a.tools.example.org", 443), hosts.allow("tools.example.org", 443)
    (True, False)
    """

    def __init__(self, hosts: Sequence[str]) -> None:
        self._entries = [entry.lower().rstrip(".") for entry in hosts]

    def __bool__(self) -> bool:
        return bool(self._entries)

    def allow(self, host: str, port: int) -> bool:
        """Whether this host may be connected to."""
        names = {host, f"{host}:{port}", f"[{host}]", f"[{host}]:{port}"}
        return any(
            entry in names or (entry.startswith("*.") and any(name.endswith(entry[1:]) for name in names))
            for entry in self._entries
        )


def read_wanted(param: str, tool: JSON, hosts: AllowedHosts) -> Wanted:
    """One `mcp` tool of a request. Raises InvalidRequestError with the exact path of what is wrong."""
    label = tool.get("server_label")
    if not isinstance(label, str) or not label:
        raise InvalidRequestError(
            f"'{param}.server_label' is missing.",
            param=f"{param}.server_label",
            code="missing_required_parameter",
        )
    for name in ("connector_id", "tunnel_id"):
        if tool.get(name) is not None:
            raise InvalidRequestError(
                f"'{param}.{name}' is for servers that only OpenAI can reach; give a 'server_url'.",
                param=f"{param}.{name}",
                code="unsupported_parameter",
            )
    approval = tool.get("require_approval")
    if approval is not None:
        check_approval(approval, f"{param}.require_approval")
    allowed = allowed_filter(tool.get("allowed_tools"), f"{param}.allowed_tools")
    server = None
    if tool.get("server_url") is not None:
        server = MCPServer(
            url=_url(tool["server_url"], f"{param}.server_url", hosts), headers=_headers(tool, param)
        )
        approval = "always" if approval is None else approval
        if not _LABEL.fullmatch(label):
            raise _invalid(f"{param}.server_label", "must be 1 to 64 letters, digits, _, - and .")
    return Wanted(param, label, server, allowed, approval, str(tool.get("server_description") or ""))


def _url(value: Any, param: str, hosts: AllowedHosts) -> str:
    """The URL as it will be connected to: what is checked here is what the HTTP client reads."""
    import httpx2

    if not isinstance(value, str) or _ODD.search(value):
        raise _invalid(param, "is no URL")
    try:
        url = httpx2.URL(value)
    except httpx2.InvalidURL:
        raise _invalid(param, "is no URL") from None
    host = url.raw_host.decode("ascii").lower().rstrip(".")
    if url.scheme not in ("http", "https") or not host:
        raise _invalid(param, "must begin with https://")
    if url.userinfo:
        raise _invalid(param, "must hold no credentials; give them as 'authorization' or in 'headers'")
    if not hosts.allow(host, url.port or (443 if url.scheme == "https" else 80)):
        raise _invalid(param, f"names the host {host!r}, which this service does not connect to")
    if url.scheme == "http" and host not in _LOOPBACK:
        raise _invalid(param, "must begin with https://")
    return str(url)


def _headers(tool: JSON, param: str) -> dict[str, str]:
    given = tool.get("headers") or {}
    if not isinstance(given, Mapping) or len(given) > _MAX_HEADERS:
        raise _invalid(f"{param}.headers", f"must be an object of at most {_MAX_HEADERS} texts")
    headers: dict[str, str] = {}
    for name, value in given.items():
        where = f"{param}.headers.{name}"
        if not _HEADER.fullmatch(name) or name.lower() in _REFUSED_HEADERS:
            raise _invalid(where, "is not a header that can be set here")
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            raise _invalid(where, "must be a text of visible ASCII characters")
        headers[name.lower()] = value
    token = tool.get("authorization")
    if token is not None:
        where = f"{param}.authorization"
        if "authorization" in headers:
            raise _invalid(where, "is given twice: here and in 'headers'")
        if not isinstance(token, str) or not _VALUE.fullmatch(token):
            raise _invalid(where, "must be a text of visible ASCII characters")
        headers["authorization"] = f"Bearer {token}"
    return headers


def _invalid(param: str, what: str) -> InvalidRequestError:
    return InvalidRequestError(f"'{param}' {what}.", param=param, code="invalid_value")
