"""The chat endpoint: an async view that streams from an async generator.

A sync iterator would work too, but Django reads it to its end before it sends the first byte.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from desk.clerk import deltas

__all__ = ["chat", "health"]

PACE = 0.01
"""Seconds between two pieces of a streamed answer."""


async def health(request: HttpRequest) -> HttpResponseBase:
    return JsonResponse({"status": "ok"})


@csrf_exempt  # clients of an API send a key, not a cookie
@require_POST
async def chat(request: HttpRequest) -> HttpResponseBase:
    try:
        body = json.loads(request.body)
    except ValueError as error:
        return JsonResponse({"error": {"message": f"The body is not JSON: {error}"}}, status=400)
    if not body.get("messages"):
        return JsonResponse({"error": {"message": "messages: at least one is needed"}}, status=400)
    if body.get("stream"):
        return StreamingHttpResponse(_stream(body), content_type="text/event-stream")
    return JsonResponse(_whole(body))


async def _stream(body: dict[str, Any]) -> AsyncIterator[str]:
    envelope = _envelope(body, "chat.completion.chunk")
    pieces = list(deltas(body))
    for delta in [{"role": "assistant"}, *pieces]:
        yield _sse({**envelope, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        await asyncio.sleep(PACE)
    yield _sse({**envelope, "choices": [{"index": 0, "delta": {}, "finish_reason": _finish(pieces)}]})
    if (body.get("stream_options") or {}).get("include_usage"):
        yield _sse({**envelope, "choices": [], "usage": _usage(body, pieces)})
    yield "data: [DONE]\n\n"


def _whole(body: dict[str, Any]) -> dict[str, Any]:
    pieces = list(deltas(body))
    message: dict[str, Any] = {"role": "assistant", "content": _join(pieces, "content") or None}
    if thoughts := _join(pieces, "reasoning_content"):
        message["reasoning_content"] = thoughts
    if calls := [call for piece in pieces for call in piece.get("tool_calls", ())]:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "finish_reason": _finish(pieces)}
    return {**_envelope(body, "chat.completion"), "choices": [choice], "usage": _usage(body, pieces)}


def _join(pieces: list[dict[str, Any]], field: str) -> str:
    return "".join(piece.get(field, "") for piece in pieces)


def _finish(pieces: list[dict[str, Any]]) -> str:
    return "tool_calls" if any("tool_calls" in piece for piece in pieces) else "stop"


def _usage(body: dict[str, Any], pieces: list[dict[str, Any]]) -> dict[str, int]:
    asked, said = len(json.dumps(body["messages"]).split()), len(pieces)
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def _envelope(body: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": body.get("model", "clerk"),
    }


def _sse(chunk: dict[str, Any]) -> str:
    return f"data: {json.dumps(chunk)}\n\n"
