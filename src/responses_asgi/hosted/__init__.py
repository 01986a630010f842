"""Tools that the service runs, for every client: Python functions and the tools of MCP servers.

`hosted` is the whole: `Hosted.offer` says what one request may use. A tool is a `HostedTool` (`tool`), be it
made of a function (`python_tools`) or of an entry in the list of an MCP server.
MCP: `mcp_server` (how to reach one, `mcp.json`), `mcp_client` (the SDK), `mcp_stdio` (programs),
`mcp_connection` (one server and the task that owns it), `mcp_pool` (all of one event loop), `mcp_requests`
(servers that requests bring along), `approvals`, `results`. `pieces` are texts and images of results. `offer`
puts functions in the place of hosted tools.
Types of the API: `type_tools` (functions that implement them), `type_calls` (what these are given),
`type_results` (what they return), `type_settings` (what requests may say).
"""

from __future__ import annotations

from responses_asgi.hosted.hosted import Hosted
from responses_asgi.hosted.limits import HostedLimits
from responses_asgi.hosted.mcp_server import MCPServer, read_servers
from responses_asgi.hosted.offer import Offer
from responses_asgi.hosted.pieces import ToolImage
from responses_asgi.hosted.python_tools import hosted_tool, tool
from responses_asgi.hosted.tool import HostedTool, ToolOutput
from responses_asgi.hosted.type_calls import (
    CodeCall,
    FileSearchCall,
    FindInPageCall,
    ImageCall,
    OpenPageCall,
    ShellCall,
    WebSearchCall,
)
from responses_asgi.hosted.type_results import (
    CodeFile,
    CodeOutput,
    FileResult,
    Image,
    SearchResult,
    ShellOutput,
)

__all__ = [
    "CodeCall",
    "CodeFile",
    "CodeOutput",
    "FileResult",
    "FileSearchCall",
    "FindInPageCall",
    "Hosted",
    "HostedLimits",
    "HostedTool",
    "Image",
    "ImageCall",
    "MCPServer",
    "Offer",
    "OpenPageCall",
    "SearchResult",
    "ShellCall",
    "ShellOutput",
    "ToolImage",
    "ToolOutput",
    "WebSearchCall",
    "hosted_tool",
    "read_servers",
    "tool",
]
