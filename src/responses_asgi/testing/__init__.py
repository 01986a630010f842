"""For tests of services that speak Responses or Chat Completions: stream validators and scripted apps."""

from __future__ import annotations

from responses_asgi.testing.chat_rules import CHAT_RULES
from responses_asgi.testing.chat_validate import ChatStreamCheck, assert_valid_chat_stream
from responses_asgi.testing.rules import RULES, InvalidStream
from responses_asgi.testing.scripted import (
    ReceivedRequest,
    ResponsesTurn,
    ScriptedChat,
    ScriptedResponses,
    Turn,
)
from responses_asgi.testing.validate import StreamCheck, assert_valid_stream

__all__ = [
    "CHAT_RULES",
    "RULES",
    "ChatStreamCheck",
    "InvalidStream",
    "ReceivedRequest",
    "ResponsesTurn",
    "ScriptedChat",
    "ScriptedResponses",
    "StreamCheck",
    "Turn",
    "assert_valid_chat_stream",
    "assert_valid_stream",
]
