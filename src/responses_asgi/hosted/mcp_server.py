"""MCP servers as an operator names them: the entries of an `mcp.json`.

The form is the one that MCP clients share: `{"mcpServers": {"files": {"command": "npx", "args": [...]},
"wiki": {"url": "https://...", "headers": {...}}}}`. Keys of other clients are ignored.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from responses_asgi.errors import ConfigurationError
from responses_asgi.types.json import JSON, loads

__all__ = ["MCPServer", "read_servers", "without_secrets"]

_VARIABLE = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?P<braced>[A-Za-z_]\w*)(?::-(?P<default>[^}]*))?\}|(?P<bare>[A-Za-z_]\w*))"
)
# Values shorter than this are no secrets, and would be found in every sentence.
_MIN_SECRET_CHARS = 6
_HTTP_TYPES = frozenset({"http", "streamable-http", "streamable_http", "streamableHttp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MCPServer:
    """How to reach one MCP server: a `command` to run and talk to over its stdin and stdout, or a `url`.

    - `args`, `env` (added to a few harmless variables of this process, such as PATH), `cwd`: of the command.
    - `headers`: sent to the url, and to no other host.
    - `allowed_tools`: the names of those that are offered; None: all.
    - `require_approval`: as in a request's `mcp` tool; requests can say otherwise.
    - `timeout`: seconds for one call; None: `HostedLimits.call_timeout`.

    Raises ConfigurationError for one that cannot work.

    >>> MCPServer(url="https://mcp.example.com/mcp", headers={"Authorization": "Bearer abc"})
    MCPServer(url='https://mcp.example.com/mcp')
    """

    command: str | None = None
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    allowed_tools: Sequence[str] | None = None
    require_approval: str | JSON = "never"
    timeout: float | None = None

    def __post_init__(self) -> None:
        if (self.command is None) == (self.url is None):
            raise ConfigurationError("an MCP server needs either a command or a url")
        if self.url is not None and urlsplit(self.url).scheme not in ("http", "https"):
            raise ConfigurationError("the url of an MCP server must begin with http:// or https://")
        if self.timeout is not None and not self.timeout > 0:
            raise ConfigurationError(f"timeout must be above 0, got {self.timeout!r}")

    def __repr__(self) -> str:
        where = f"url={without_secrets(self.url, self)!r}" if self.url else f"command={self.command!r}"
        return f"MCPServer({where})"

    def secrets(self) -> list[str]:
        """What must not be told to anybody: values of headers and variables, and what a URL hides."""
        found = [*self.headers.values(), *self.env.values()]
        found += [value.partition(" ")[2] for value in self.headers.values()]
        if self.url:
            parts = urlsplit(self.url)
            found += [parts.query, parts.password or "", parts.username or ""]
        return sorted((value for value in found if len(value) >= _MIN_SECRET_CHARS), key=len, reverse=True)


def without_secrets(text: str, server: MCPServer) -> str:
    """The text with the secrets of a server crossed out.

    >>> without_secrets("401 for sesame-1", MCPServer(url="http://a", headers={"X-Key": "sesame-1"}))
    '401 for ***'
    """
    for secret in server.secrets():
        text = text.replace(secret, "***")
    return text


def read_servers(path: str | os.PathLike[str]) -> dict[str, MCPServer]:
    """The servers of an `mcp.json` by their names, without those that are `disabled`.

    `$NAME`, `${NAME}` and `${NAME:-default}` in its texts are environment variables, `$$` is a dollar.
    Raises ConfigurationError, which names the file and the key, when it cannot be read or understood.
    """
    try:
        document = loads(Path(path).read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise ConfigurationError(f"{path}: this is not JSON: {error}") from None
    entries = document.get("mcpServers") if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        raise ConfigurationError(f"{path}: expected an object with the key 'mcpServers'")
    servers = {}
    for label, entry in entries.items():
        try:
            if isinstance(entry, dict) and entry.get("disabled") is True:
                continue
            servers[label] = _server(label, entry)
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: mcpServers.{label}: {error}") from None
    return servers


def _server(label: str, entry: Any) -> MCPServer:
    if not label:
        raise ConfigurationError("a server needs a name")
    if not isinstance(entry, dict):
        raise ConfigurationError(f"expected an object, got {type(entry).__name__}")
    kind = entry.get("type")
    if kind is not None and kind != "stdio" and kind not in _HTTP_TYPES:
        raise ConfigurationError(f"type {kind!r} is not known; expected 'stdio' or 'http'")
    given: dict[str, Any] = {}
    for name, (right, expected) in _KEYS.items():
        if entry.get(name) is not None:
            value = _expanded(entry[name])
            if not right(value):
                raise ConfigurationError(f"{name}: expected {expected}")
            given[name] = value
    return MCPServer(**given)


def _expanded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _expanded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_expanded(each) for each in value]
    return _VARIABLE.sub(_variable, value) if isinstance(value, str) else value


def _variable(found: re.Match[str]) -> str:
    if found["dollar"]:
        return "$"
    name, default = found["braced"] or found["bare"], found["default"]
    value = os.environ.get(name)
    if value or (value is not None and default is None):
        return value
    if default is None:
        raise ConfigurationError(f"the environment variable {name} is not set")
    return str(default)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _are_named_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


# Key of an entry -> whether a value is right, and what is expected.
_KEYS = {
    "command": (_is_text, "a text"),
    "args": (_are_texts, "a list of texts"),
    "env": (_are_named_texts, "an object of texts"),
    "cwd": (_is_text, "a text"),
    "url": (_is_text, "a text"),
    "headers": (_are_named_texts, "an object of texts"),
    "allowed_tools": (_are_texts, "a list of names"),
    "require_approval": (
        lambda value: value in ("never", "always") or isinstance(value, dict),
        "never or always",
    ),
    "timeout": (lambda value: isinstance(value, int | float) and not isinstance(value, bool), "seconds"),
}
