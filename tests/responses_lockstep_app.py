"""Chat clients of every kind of Responses upstream, in one ASGI app, for tests under real servers.

The model of a request names its gate; "open" has none. POST /next/KEY lets one more piece out. GET /ended
lists the keys whose stream has ended, one way or another. A request with a JSON schema gets ADDRESS.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import django.urls
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse, StreamingResponse

from responses_asgi import ChatCompletionsMiddleware, Upstream
from responses_asgi.testing.response_shapes.shape import response, said

PIECES = 20
TEXT = "".join(f"{number} " for number in range(PIECES))
ADDRESS = '{"port": 8000}'

gates: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(1))
ended: list[str] = []


async def pieces(body: dict[str, Any]) -> AsyncIterator[str]:
    """The words of an answer, each after its gate has opened."""
    key = body["model"]
    if "format" in (body.get("text") or {}):
        yield ADDRESS
        return
    try:
        for number in range(PIECES):
            if key != "open":
                await gates[key].acquire()
            yield f"{number} "
    finally:
        ended.append(key)


async def sse(body: dict[str, Any]) -> AsyncIterator[str]:
    """The same words as Responses events."""
    yield _event({"type": "response.created", "response": response("in_progress")})
    spoken = []
    opening = said(0, "")
    for event in opening[:2]:
        yield _event(event)
    async for piece in pieces(body):
        spoken.append(piece)
        place = {"item_id": "msg_0", "output_index": 0, "content_index": 0}
        yield _event({"type": "response.output_text.delta", **place, "delta": piece})
    for event in said(0, *spoken)[-3:]:
        yield _event(event)
    yield _event({"type": "response.completed", "response": _whole(spoken)})


async def whole(body: dict[str, Any]) -> dict[str, Any]:
    """The same words as one response."""
    return _whole([piece async for piece in pieces(body)])


def _whole(spoken: list[str]) -> dict[str, Any]:
    return response(output=[said(0, *spoken)[-1]["item"]])


def _event(event: dict[str, Any]) -> str:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"


async def answer(body: dict[str, Any]) -> Response:
    if body.get("stream"):
        return StreamingResponse(sse(body), media_type="text/event-stream")
    return JSONResponse(await whole(body))


def fastapi_app() -> FastAPI:
    """A service that speaks Responses alone."""
    service = FastAPI()
    service.post("/v1/responses")(answer)
    return service


service = fastapi_app()


def wrapped_app() -> FastAPI:
    wrapped = fastapi_app()
    wrapped.add_middleware(ChatCompletionsMiddleware)
    return wrapped


@csrf_exempt
async def django_answer(request: HttpRequest) -> HttpResponseBase:
    body = json.loads(request.body)
    if body.get("stream"):
        return StreamingHttpResponse(sse(body), content_type="text/event-stream")
    return JsonResponse(await whole(body))


urlpatterns = [django.urls.path("v1/responses", django_answer)]


def django_app() -> ChatCompletionsMiddleware:
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="for this test")
    return ChatCompletionsMiddleware(get_asgi_application())


async def handler(request: dict[str, Any]) -> AsyncIterator[str]:
    async for piece in pieces(request):
        yield piece


def everything() -> FastAPI:
    """All of them under one roof; `PORT` is where it is served."""
    app = FastAPI()
    app.mount("/fastapi", wrapped_app())
    app.mount("/django", django_app())
    app.mount("/handler/v1", ChatCompletionsMiddleware(Upstream.handler(handler, api="responses")))
    own = f"http://127.0.0.1:{os.environ['PORT']}/fastapi/v1"
    app.mount("/http/v1", ChatCompletionsMiddleware(Upstream.http(own, api="responses")))

    @app.post("/next/{key}")
    async def let_one_out(key: str) -> None:
        gates[key].release()

    @app.get("/ended")
    async def which_ended() -> list[str]:
        return ended

    return app
