"""The service's own access rule, an ordinary Django middleware. Responses clients pass through it too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils.decorators import async_only_middleware

__all__ = ["require_key"]

GetResponse = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


@async_only_middleware
def require_key(get_response: GetResponse) -> GetResponse:
    """Let in any request that brings a bearer token; a real service would look it up."""

    async def check(request: HttpRequest) -> HttpResponseBase:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if request.path.startswith("/v1/") and not (scheme.lower() == "bearer" and token):
            return JsonResponse({"error": {"message": "Bring a bearer token."}}, status=401)
        return await get_response(request)

    return check
