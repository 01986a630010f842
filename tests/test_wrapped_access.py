"""Apps of real frameworks that check tokens themselves: whom they refuse does not get at what is kept."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import django
import httpx
import pytest
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, JsonResponse
from django.test import override_settings
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from responses_asgi import ResponsesMiddleware
from responses_asgi.resources.resources import ROUTES
from responses_asgi.types.asgi import ASGIApp
from tests.asgi_driver import completion
from tests.loopback import served
from tests.test_resources_routes import BODIES

TABLE = [
    (template, name, method.action)
    for template, methods in ROUTES["responses"].items()
    for name, method in methods.items()
]

# What answers without anything that is kept.
OPEN = frozenset({"/responses/input_tokens", "/responses/compact", "/conversations"})


class Door:
    """The service's own list of tokens, and which of them it was asked about."""

    def __init__(self) -> None:
        self.tokens = {"ann", "bob", "former"}
        self.asked: list[str | None] = []

    def opens(self, token: str | None) -> bool:
        self.asked.append(token)
        return token in self.tokens


def fastapi_app(door: Door) -> ASGIApp:
    app = FastAPI()
    bearer = HTTPBearer(auto_error=False)

    def user(given: HTTPAuthorizationCredentials | None = Depends(bearer)) -> None:  # noqa: B008 - FastAPI's way
        if not door.opens(given.credentials if given else None):
            raise HTTPException(401, "Who are you?")

    @app.post("/v1/chat/completions", dependencies=[Depends(user)])
    async def chat(body: dict[str, Any]) -> Any:
        return completion("Hello")

    @app.get("/me", dependencies=[Depends(user)])
    async def me() -> str:
        return "you"

    return app


def with_token(door: Door, view: Callable[..., Any]) -> Callable[..., Any]:
    """The decorator of a Django service."""

    @functools.wraps(view)
    async def checked(request: HttpRequest) -> Any:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not door.opens(token if scheme == "Bearer" else None):
            return JsonResponse({"detail": "Who are you?"}, status=401)
        return await view(request)

    return csrf_exempt(checked)


async def django_chat(request: HttpRequest) -> Any:
    return JsonResponse(completion("Hello"))


async def django_me(request: HttpRequest) -> Any:
    return JsonResponse({})


urlpatterns: list[Any] = []


def django_app(door: Door) -> ASGIApp:
    urlpatterns[:] = [
        path("v1/chat/completions", with_token(door, django_chat)),
        path("me", with_token(door, django_me)),
    ]
    return ASGIHandler()


@pytest.fixture(params=["fastapi", "django"])
def make_app(request: pytest.FixtureRequest) -> Iterator[Callable[[Door], ASGIApp]]:
    if request.param == "fastapi":
        yield fastapi_app
        return
    if not settings.configured:
        settings.configure()
        django.setup()
    with override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=[], DEBUG=False):
        django.urls.clear_url_caches()
        yield django_app


@asynccontextmanager
async def wrapped(app: ASGIApp, auth_path: str | None) -> AsyncIterator[httpx.AsyncClient]:
    named: dict[str, Any] = {} if auth_path is None else {"auth_path": auth_path}
    component = ResponsesMiddleware(app, **named)
    async with served(component) as url, httpx.AsyncClient(base_url=f"{url}/v1", timeout=20) as client:
        yield client
    await component.aclose()


async def ask(client: httpx.AsyncClient, method: str, place: str, token: str | None, body: Any = None) -> Any:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return await client.request(method, place, headers=headers, json=body)


async def made(client: httpx.AsyncClient, token: str) -> dict[str, str]:
    """One of everything, of the user with this token: the ids of the routes."""
    response = await ask(client, "POST", "/responses", token, {"model": "m", "input": "Hi"})
    assert response.status_code == 200
    items = [{"role": "user", "content": "Hi"}]
    conversation = await ask(client, "POST", "/conversations", token, {"items": items})
    id = conversation.json()["id"]
    listed = await ask(client, "GET", f"/conversations/{id}/items", token)
    return {
        "response_id": response.json()["id"],
        "conversation_id": id,
        "item_id": listed.json()["data"][0]["id"],
    }


@pytest.mark.parametrize("auth_path", [None, "/me"])
async def test_only_those_whom_the_app_lets_in_reach_what_is_theirs(
    make_app: Callable[[Door], ASGIApp], auth_path: str | None
) -> None:
    door = Door()
    async with wrapped(make_app(door), auth_path) as client:
        anns = await made(client, "ann")
        await made(client, "bob")
        formers = await made(client, "former")
        door.tokens.remove("former")
        if auth_path is None:
            # The app has the last word: it has refused the token since.
            refused = await ask(client, "POST", "/responses", "former", {"model": "m", "input": "Hi"})
            assert refused.status_code == 401
        for template, method, action in TABLE:
            body = BODIES.get(template) if method == "POST" else None
            for token in ("former", "wrong", None):
                ids = formers if token == "former" else anns
                door.asked.clear()
                got = await ask(client, method, template.format(**ids), token, body)
                # Without a credential the id is the authority, and nothing was kept without one.
                by_id = token is None and auth_path is None and action == "read" and template not in OPEN
                assert got.status_code == (404 if by_id else 401), (template, method, token, got.text)
                assert auth_path is None or door.asked == [token]
            got = await ask(client, method, template.format(**anns), "bob", body)
            assert got.status_code == (200 if template in OPEN else 404), (template, method, got.text)
        again = await ask(client, "GET", f"/responses/{anns['response_id']}", "ann")
        assert again.status_code == 200
