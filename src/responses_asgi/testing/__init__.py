"""For tests of services that speak Responses or Chat Completions: a stream validator and a scripted app."""

from __future__ import annotations

from responses_asgi.testing.rules import RULES, InvalidStream
from responses_asgi.testing.scripted import ReceivedRequest, ScriptedChat, Turn
from responses_asgi.testing.validate import StreamCheck, assert_valid_stream

__all__ = [
    "RULES",
    "InvalidStream",
    "ReceivedRequest",
    "ScriptedChat",
    "StreamCheck",
    "Turn",
    "assert_valid_stream",
]
