"""Make any ASGI service speak both OpenAI wire protocols, Chat Completions and Responses.

The names below are the public face, loaded when they are first used: importing the package stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from responses_asgi.auth import KeyAuth
    from responses_asgi.background import BackgroundLimits
    from responses_asgi.convert import (
        Converted,
        ConvertedStream,
        chat_request_to_responses,
        chat_stream_to_responses,
        completion_to_response,
        response_to_completion,
        responses_request_to_chat,
        responses_stream_to_chat,
    )
    from responses_asgi.errors import (
        APIError,
        ConfigurationError,
        InvalidRequestError,
        MissingExtraError,
        ResponsesASGIError,
        StoreError,
        UpstreamError,
        VersionConflictError,
    )
    from responses_asgi.gateway import CORS, Gateway
    from responses_asgi.hosted.hosted import Hosted
    from responses_asgi.hosted.limits import HostedLimits
    from responses_asgi.hosted.mcp_server import MCPServer
    from responses_asgi.hosted.pieces import ToolImage
    from responses_asgi.hosted.python_tools import tool
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
    from responses_asgi.keys import KeyPolicy, Keys
    from responses_asgi.limits import Limit, RateLimits
    from responses_asgi.loss import Loss, Losses
    from responses_asgi.middleware.chat import ChatCompletionsMiddleware
    from responses_asgi.middleware.responses import ResponsesMiddleware
    from responses_asgi.profiles import PROFILES, Profile
    from responses_asgi.sdk import client, sync_client
    from responses_asgi.stores.memory import MemoryStore
    from responses_asgi.stores.records import Record, Records
    from responses_asgi.stores.redis import RedisStore
    from responses_asgi.stores.sqlite import SQLiteStore
    from responses_asgi.stores.url import store_from_url
    from responses_asgi.telemetry import AuditLog, OpenTelemetry, Prometheus, RequestLog
    from responses_asgi.translate.chat_to_responses import ChatToResponses
    from responses_asgi.translate.responses_to_chat import ResponsesToChat
    from responses_asgi.translate.snapshot import fold
    from responses_asgi.transport import ASGITransport
    from responses_asgi.upstreams.answers import (
        ChatRequest,
        Finish,
        Reasoning,
        Refusal,
        ResponsesRequest,
        ToolCall,
        Usage,
    )
    from responses_asgi.upstreams.context import ExchangeContext
    from responses_asgi.upstreams.upstream import Upstream
    from responses_asgi.webhooks import Webhook, Webhooks
    from responses_asgi.websocket import WebSocketLimits

__all__ = [
    "CORS",
    "PROFILES",
    "APIError",
    "ASGITransport",
    "AuditLog",
    "BackgroundLimits",
    "ChatCompletionsMiddleware",
    "ChatRequest",
    "ChatToResponses",
    "CodeCall",
    "CodeFile",
    "CodeOutput",
    "ConfigurationError",
    "Converted",
    "ConvertedStream",
    "ExchangeContext",
    "FileResult",
    "FileSearchCall",
    "FindInPageCall",
    "Finish",
    "Gateway",
    "Hosted",
    "HostedLimits",
    "HostedTool",
    "Image",
    "ImageCall",
    "InvalidRequestError",
    "KeyAuth",
    "KeyPolicy",
    "Keys",
    "Limit",
    "Loss",
    "Losses",
    "MCPServer",
    "MemoryStore",
    "MissingExtraError",
    "OpenPageCall",
    "OpenTelemetry",
    "Profile",
    "Prometheus",
    "RateLimits",
    "Reasoning",
    "Record",
    "Records",
    "RedisStore",
    "Refusal",
    "RequestLog",
    "ResponsesASGIError",
    "ResponsesMiddleware",
    "ResponsesRequest",
    "ResponsesToChat",
    "SQLiteStore",
    "SearchResult",
    "ShellCall",
    "ShellOutput",
    "StoreError",
    "ToolCall",
    "ToolImage",
    "ToolOutput",
    "Upstream",
    "UpstreamError",
    "Usage",
    "VersionConflictError",
    "WebSearchCall",
    "WebSocketLimits",
    "Webhook",
    "Webhooks",
    "__version__",
    "chat_request_to_responses",
    "chat_stream_to_responses",
    "client",
    "completion_to_response",
    "fold",
    "response_to_completion",
    "responses_request_to_chat",
    "responses_stream_to_chat",
    "store_from_url",
    "sync_client",
    "tool",
]

__version__ = "0.1.0"

# Module -> its public names. The imports above tell type checkers the same.
_MODULES = {
    "auth": ("KeyAuth",),
    "background": ("BackgroundLimits",),
    "convert": (
        "Converted",
        "ConvertedStream",
        "chat_request_to_responses",
        "chat_stream_to_responses",
        "completion_to_response",
        "response_to_completion",
        "responses_request_to_chat",
        "responses_stream_to_chat",
    ),
    "errors": (
        "APIError",
        "ConfigurationError",
        "InvalidRequestError",
        "MissingExtraError",
        "ResponsesASGIError",
        "StoreError",
        "UpstreamError",
        "VersionConflictError",
    ),
    "gateway": ("CORS", "Gateway"),
    "keys": ("KeyPolicy", "Keys"),
    "limits": ("Limit", "RateLimits"),
    "hosted.hosted": ("Hosted",),
    "hosted.limits": ("HostedLimits",),
    "hosted.mcp_server": ("MCPServer",),
    "hosted.python_tools": ("tool",),
    "hosted.pieces": ("ToolImage",),
    "hosted.tool": ("HostedTool", "ToolOutput"),
    "hosted.type_calls": (
        "CodeCall",
        "FileSearchCall",
        "FindInPageCall",
        "ImageCall",
        "OpenPageCall",
        "ShellCall",
        "WebSearchCall",
    ),
    "hosted.type_results": (
        "CodeFile",
        "CodeOutput",
        "FileResult",
        "Image",
        "SearchResult",
        "ShellOutput",
    ),
    "loss": ("Loss", "Losses"),
    "middleware.chat": ("ChatCompletionsMiddleware",),
    "middleware.responses": ("ResponsesMiddleware",),
    "profiles": ("PROFILES", "Profile"),
    "sdk": ("client", "sync_client"),
    "stores.memory": ("MemoryStore",),
    "stores.records": ("Record", "Records"),
    "stores.redis": ("RedisStore",),
    "stores.sqlite": ("SQLiteStore",),
    "stores.url": ("store_from_url",),
    "translate.chat_to_responses": ("ChatToResponses",),
    "translate.responses_to_chat": ("ResponsesToChat",),
    "translate.snapshot": ("fold",),
    "telemetry": ("AuditLog", "OpenTelemetry", "Prometheus", "RequestLog"),
    "transport": ("ASGITransport",),
    "upstreams.answers": (
        "ChatRequest",
        "Finish",
        "Reasoning",
        "Refusal",
        "ResponsesRequest",
        "ToolCall",
        "Usage",
    ),
    "upstreams.context": ("ExchangeContext",),
    "upstreams.upstream": ("Upstream",),
    "webhooks": ("Webhook", "Webhooks"),
    "websocket": ("WebSocketLimits",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
