"""Every wrapping in one ASGI app, for tests under real servers. No piece is sent before the test allows it.

The model of a request names its gate; "open" has none. POST /next/KEY lets one more piece out. GET /ended
lists the keys whose stream has ended, one way or another. A request with a JSON schema gets ADDRESS.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import django.urls
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.middleware.gzip import GZipMiddleware

from responses_asgi import ResponsesMiddleware, Upstream

PIECES = 20
ADDRESS = '{"port": 8000}'

gates: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(1))
ended: list[str] = []


async def pieces(body: dict[str, Any]) -> AsyncIterator[str]:
    """The words of an answer, each after its gate has opened."""
    key = body["model"]
    if "response_format" in body:
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
    """The same words as Chat chunks."""
    async for piece in pieces(body):
        yield _chunk({"content": piece}, None)
    yield _chunk({}, "stop")
    yield "data: [DONE]\n\n"


async def whole(body: dict[str, Any]) -> dict[str, Any]:
    """The same words as one completion."""
    message = {"role": "assistant", "content": "".join([piece async for piece in pieces(body)])}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


def _chunk(delta: dict[str, str], finish: str | None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return f"data: {json.dumps({'choices': [choice]})}\n\n"


async def chat(body: dict[str, Any]) -> Response:
    if body.get("stream"):
        return StreamingResponse(sse(body), media_type="text/event-stream")
    return JSONResponse(await whole(body))


def fastapi_app() -> FastAPI:
    service = FastAPI()
    service.post("/v1/chat/completions")(chat)
    service.add_middleware(ResponsesMiddleware)
    return service


def layered_app() -> FastAPI:
    """The bridge outside, compression and a BaseHTTPMiddleware inside."""
    service = FastAPI()
    service.post("/v1/chat/completions")(chat)

    async def pass_on(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        return await call_next(request)

    service.middleware("http")(pass_on)
    service.add_middleware(GZipMiddleware, minimum_size=1)
    service.add_middleware(ResponsesMiddleware)
    return service


@csrf_exempt
async def django_chat(request: HttpRequest) -> HttpResponseBase:
    body = json.loads(request.body)
    if body.get("stream"):
        return StreamingHttpResponse(sse(body), content_type="text/event-stream")
    return JsonResponse(await whole(body))


urlpatterns = [django.urls.path("v1/chat/completions", django_chat)]


def django_app() -> ResponsesMiddleware:
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="for this test")
    return ResponsesMiddleware(get_asgi_application())


async def handler(request: dict[str, Any]) -> AsyncIterator[str]:
    async for piece in pieces(request):
        yield piece


app = FastAPI()
app.mount("/fastapi", fastapi_app())
app.mount("/layered", layered_app())
app.mount("/django", django_app())
app.mount("/handler/v1", ResponsesMiddleware(Upstream.handler(handler)))
app.mount("/http/v1", ResponsesMiddleware(Upstream.http(f"http://127.0.0.1:{os.environ['PORT']}/fastapi/v1")))


@app.post("/next/{key}")
async def let_one_out(key: str) -> None:
    gates[key].release()


@app.get("/ended")
async def which_ended() -> list[str]:
    return ended
