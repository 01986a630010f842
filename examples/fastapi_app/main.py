"""An in-house chat service on FastAPI that answers /v1/responses as well, by one line of middleware.

Start it from the project's root: uvicorn examples.fastapi_app.main:app
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from examples.fastapi_app.house_model import Call, Text, Thought, think
from examples.fastapi_app.mounted import concierge
from examples.fastapi_app.schemas import ChatRequest
from responses_asgi import Hosted, MCPServer, ResponsesMiddleware, tool

PACE = float(os.environ.get("HOUSE_MODEL_PACE", "0.01"))
"""Seconds between two pieces of a streamed answer."""


@tool(read_only=True)
def weather(city: str) -> str:
    """The weather in a city."""
    return f"18 degrees in {city}"


orders = MCPServer(command=sys.executable, args=[str(Path(__file__).with_name("order_server.py"))])
hosted = Hosted(tools=[weather], servers={"orders": orders}, always=False)  # for requests that name them

app = FastAPI(title="Order desk")
# The whole integration: /v1/responses answers, and all else is as before.
app.add_middleware(ResponsesMiddleware, hosted=hosted)
app.mount("/mounted/v1", concierge)

Credentials = Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/v1/chat/completions", response_model=None)
async def chat(request: ChatRequest, user: Credentials) -> JSONResponse | StreamingResponse:
    """Any bearer token is let in; without one it is 403 or 401, also for Responses clients."""
    if request.stream:
        return StreamingResponse(_stream(request), media_type="text/event-stream")
    return JSONResponse(_whole(request))


def _whole(request: ChatRequest) -> dict[str, Any]:
    thoughts, words, calls, finish = _think(request)
    message: dict[str, Any] = {"role": "assistant", "content": "".join(words) or None}
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    if calls:
        message["tool_calls"] = calls
    return {
        **_envelope(request, "chat.completion"),
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": _usage(request, thoughts, words),
    }


async def _stream(request: ChatRequest) -> AsyncIterator[str]:
    envelope = _envelope(request, "chat.completion.chunk")
    thoughts, words, calls, finish = _think(request)
    deltas: list[dict[str, Any]] = [
        *({"reasoning_content": thought} for thought in thoughts),
        *({"content": word} for word in words),
        *({"tool_calls": [{"index": index, **call}]} for index, call in enumerate(calls)),
    ]
    for delta in [{"role": "assistant", "content": ""}, *deltas]:
        yield _sse({**envelope, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        await asyncio.sleep(PACE)
    yield _sse({**envelope, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    if request.stream_options.include_usage:
        yield _sse({**envelope, "choices": [], "usage": _usage(request, thoughts, words)})
    yield "data: [DONE]\n\n"


def _think(request: ChatRequest) -> tuple[list[str], list[str], list[dict[str, Any]], str]:
    """Run the model: its thoughts, its words, its calls in Chat form, and why it stopped."""
    steps = list(think(request))
    thoughts = [step.text for step in steps if isinstance(step, Thought)]
    words = [step.text for step in steps if isinstance(step, Text)]
    calls = [
        {
            "id": f"call_{uuid.uuid4().hex[:12]}",
            "type": "function",
            "function": {"name": step.name, "arguments": json.dumps(step.arguments)},
        }
        for step in steps
        if isinstance(step, Call)
    ]
    if request.max_tokens is not None and len(words) > request.max_tokens:
        return thoughts, words[: request.max_tokens], calls, "length"
    return thoughts, words, calls, "tool_calls" if calls else "stop"


def _envelope(request: ChatRequest, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": request.model,
    }


def _usage(request: ChatRequest, thoughts: list[str], words: list[str]) -> dict[str, Any]:
    asked = sum(len(message.text.split()) for message in request.messages)
    said = len(thoughts) + len(words)
    return {
        "prompt_tokens": asked,
        "completion_tokens": said,
        "total_tokens": asked + said,
        "completion_tokens_details": {"reasoning_tokens": len(thoughts)},
    }


def _sse(chunk: dict[str, Any]) -> str:
    return f"data: {json.dumps(chunk)}\n\n"
