"""Request bodies of both APIs: checked, translated for a server, and echoed in an answer."""

from __future__ import annotations

import json
from typing import Any

from responses_asgi.errors import InvalidRequestError
from responses_asgi.exchange.request import parse_body
from responses_asgi.loss import Losses
from responses_asgi.profiles import PROFILES, Profile
from responses_asgi.testing import assert_valid_chat_stream, assert_valid_stream
from responses_asgi.translate.chat_to_responses import ChatToResponses
from responses_asgi.translate.responses_to_chat import ResponsesToChat
from responses_asgi.translate.to_chat_request import to_chat_request
from responses_asgi.translate.to_responses_request import to_responses_request
from responses_asgi.translate.tool_table import tool_table
from responses_asgi.types.chat import validate_chat_request
from responses_asgi.types.responses import validate_request
from tests import chat_machine, machine

JSON = dict[str, Any]

MOST_DEPTH = 100
NAMES = tuple(PROFILES)

# What comes of a small request may hold schemas and instructions of our own.
MOST_PER_BYTE, MOST_FOR_NOTHING = 50, 50_000


def requests_are_translated_or_refused(content: bytes) -> None:
    """The first byte chooses the API and the profile."""
    if not content:
        return
    how, content = content[0], content[1:]
    profile = PROFILES[NAMES[how // 2 % len(NAMES)]]
    try:
        document = parse_body(content, max_depth=MOST_DEPTH)
        (_from_responses if how % 2 else _from_chat)(document, profile)
    except InvalidRequestError as error:
        check_refusal(error, content)


def check_refusal(error: InvalidRequestError, content: bytes) -> None:
    """It is the client's mistake, in OpenAI's shape, and not longer than what it is about."""
    assert 400 <= error.status < 500, error
    assert set(error.body()["error"]) >= {"message", "type", "param", "code"}
    assert len(json.dumps(error.body())) < 4_000 + 12 * len(content)


def _from_responses(document: Any, profile: Profile) -> None:
    body = validate_request(document, model_required=False)
    before = repr(body)
    asked = to_chat_request(body, profile=profile, losses=(losses := Losses()))
    assert repr(body) == before
    assert repr(to_chat_request(body, profile=profile, losses=(again := Losses()))) == repr(asked)
    assert list(again) == list(losses)
    _fits(asked, before)
    validate_chat_request({"model": "m", **asked})
    translator: ResponsesToChat = machine.translator(body, profile=profile)
    names = list(tool_table(body, profile=profile).rows) or ["unknown"]
    calls = [machine.call(i, f"call_{i}", name, '{"input": "a"}') for i, name in enumerate(names[:5])]
    events = translator.start()
    for chunk in (machine.delta({"content": "Hi"}), machine.calls(*calls), machine.delta(finish="stop")):
        events += translator.feed(chunk)
    events += translator.finish(marker=True)
    assert assert_valid_stream(events) == translator.snapshot()


def _from_chat(document: Any, profile: Profile) -> None:
    body = validate_chat_request(document, model_required=False)
    before = repr(body)
    asked = to_responses_request(body, profile=profile, losses=(losses := Losses()))
    assert repr(body) == before
    assert repr(to_responses_request(body, profile=profile, losses=(again := Losses()))) == repr(asked)
    assert list(again) == list(losses)
    _fits(asked, before)
    validate_request({"model": "m", **asked})
    told = {**body, "n": 1, "stream": True, "stream_options": {"include_usage": True}}
    translator: ChatToResponses = chat_machine.translator(told, profile=profile)
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}"}
    part = {"type": "output_text", "text": "Hi", "annotations": []}
    message = {"type": "message", "id": "msg_1", "role": "assistant", "content": [part]}
    whole = {"id": "resp_1", "object": "response", "status": "completed", "output": [message, call]}
    events = [*translator.start(), *translator.feed(whole), *translator.finish(marker=True)]
    chat_machine.checked(translator, events, usage=True)
    assert_valid_chat_stream(events, usage=True)


def _fits(asked: JSON, given: str) -> None:
    """It can be sent, and is not out of proportion."""
    assert len(json.dumps(asked)) <= MOST_FOR_NOTHING + MOST_PER_BYTE * len(given)
