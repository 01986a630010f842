"""For tests of services that speak Responses or Chat Completions: stream validators and scripted apps.

The names are loaded when they are first used: the pytest plugin lies in this package, and pytest imports that
in every run, before coverage is measured.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from responses_asgi.testing.cassettes import Recorder, Replay
    from responses_asgi.testing.chat_rules import CHAT_RULES
    from responses_asgi.testing.chat_validate import ChatStreamCheck, assert_valid_chat_stream
    from responses_asgi.testing.collected import Collected, collect
    from responses_asgi.testing.fake import FakeModel
    from responses_asgi.testing.faults import (
        CRLF,
        Cut,
        DropIds,
        Edit,
        ErrorEvent,
        Fault,
        Frame,
        Malformed,
        NoFinish,
        RepeatFinish,
        ReuseIndex,
        Split,
        Stall,
    )
    from responses_asgi.testing.guard import StreamGuard
    from responses_asgi.testing.model_request import ModelRequest, ToolResult
    from responses_asgi.testing.pace import Clock, ManualClock, Pace, RealClock
    from responses_asgi.testing.recordings import Recording, load_recordings
    from responses_asgi.testing.redaction import Redactor
    from responses_asgi.testing.rules import RULES, InvalidStream
    from responses_asgi.testing.script import Reply, Rule, ScriptedTurn, Unscripted, When
    from responses_asgi.testing.scripted import ResponsesTurn, Turn
    from responses_asgi.testing.server import Server, served
    from responses_asgi.testing.validate import StreamCheck, assert_valid_stream
    from responses_asgi.testing.vocabulary import (
        Citation,
        Error,
        Finish,
        Reasoning,
        Refusal,
        Scored,
        ToolCall,
        Usage,
    )

__all__ = [
    "CHAT_RULES",
    "CRLF",
    "RULES",
    "ChatStreamCheck",
    "Citation",
    "Clock",
    "Collected",
    "Cut",
    "DropIds",
    "Edit",
    "Error",
    "ErrorEvent",
    "FakeModel",
    "Fault",
    "Finish",
    "Frame",
    "InvalidStream",
    "Malformed",
    "ManualClock",
    "ModelRequest",
    "NoFinish",
    "Pace",
    "RealClock",
    "Reasoning",
    "Recorder",
    "Recording",
    "Redactor",
    "Refusal",
    "RepeatFinish",
    "Replay",
    "Reply",
    "ResponsesTurn",
    "ReuseIndex",
    "Rule",
    "Scored",
    "ScriptedTurn",
    "Server",
    "Split",
    "Stall",
    "StreamCheck",
    "StreamGuard",
    "ToolCall",
    "ToolResult",
    "Turn",
    "Unscripted",
    "Usage",
    "When",
    "assert_valid_chat_stream",
    "assert_valid_stream",
    "collect",
    "load_recordings",
    "served",
]

# Module -> its public names. The imports above tell type checkers the same.
_MODULES = {
    "cassettes": ("Recorder", "Replay"),
    "collected": ("Collected", "collect"),
    "guard": ("StreamGuard",),
    "recordings": ("Recording", "load_recordings"),
    "redaction": ("Redactor",),
    "server": ("Server", "served"),
    "vocabulary": ("Citation", "Error", "Finish", "Reasoning", "Refusal", "Scored", "ToolCall", "Usage"),
    "script": ("Reply", "Rule", "ScriptedTurn", "Unscripted", "When"),
    "pace": ("Clock", "ManualClock", "Pace", "RealClock"),
    "model_request": ("ModelRequest", "ToolResult"),
    "fake": ("FakeModel",),
    "faults": (
        "CRLF",
        "Cut",
        "DropIds",
        "Edit",
        "ErrorEvent",
        "Fault",
        "Frame",
        "Malformed",
        "NoFinish",
        "RepeatFinish",
        "ReuseIndex",
        "Split",
        "Stall",
    ),
    "chat_rules": ("CHAT_RULES",),
    "chat_validate": ("ChatStreamCheck", "assert_valid_chat_stream"),
    "rules": ("RULES", "InvalidStream"),
    "scripted": ("ResponsesTurn", "Turn"),
    "validate": ("StreamCheck", "assert_valid_stream"),
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
