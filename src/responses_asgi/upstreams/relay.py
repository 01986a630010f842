"""One request on its way to a server elsewhere, and the answer's way back."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from responses_asgi.errors import APIError, UpstreamError
from responses_asgi.types.asgi import Receive, Scope, Send
from responses_asgi.types.json import loads
from responses_asgi.upstreams.client_errors import error_for, was_never_sent
from responses_asgi.upstreams.context import extension
from responses_asgi.upstreams.credentials import Credentials, Shown
from responses_asgi.upstreams.headers import (
    CREDENTIALS,
    DECODED,
    Passthrough,
    RequestHeaders,
    answer_headers,
    by_name,
)
from responses_asgi.upstreams.replies import send_error
from responses_asgi.upstreams.request import ClientGone, RequestBody, while_client_stays
from responses_asgi.upstreams.retry import RetryPolicy
from responses_asgi.upstreams.target import Endpoint, Target, endpoint_of

__all__ = ["Relay", "Route"]

_logger = logging.getLogger("responses_asgi.upstream")


@dataclass(frozen=True, slots=True)
class Route:
    """What all requests to one server have in common."""

    target: Target
    credentials: Credentials
    retry: RetryPolicy
    headers: RequestHeaders
    passthrough: Passthrough


class Relay:
    """Carries one request; made for it and thrown away. `client` is of httpx or httpx2."""

    def __init__(self, route: Route, client: Any, scope: Scope, receive: Receive, send: Send) -> None:
        self._route = route
        self._client = client
        self._scope = scope
        self._receive = receive
        self._send = send
        self._body = RequestBody(receive)
        self._headers: list[tuple[bytes, bytes]] = []
        self._started = False
        self._repeats = 0

    async def run(self) -> None:
        """Ask the server and send its answer; raises UpstreamError when that breaks off after its start."""
        await while_client_stays(self._receive, self._answer(), after=self._body.complete)

    async def _answer(self) -> None:
        try:
            await self._body.begin()
            url = await self._prepare()
            response = await self._ask(url)
            try:
                await self._deliver(response)
            finally:
                await response.aclose()
        except ClientGone:
            raise
        except Exception as error:
            told = error if isinstance(error, APIError) else error_for(error)
            if told is None or (self._started and told is error):
                raise
            if self._started:
                raise told from error
            cause = error if told is not error else error.__cause__
            if cause is not None:
                _logger.warning("%s (%s: %s)", told.message, type(cause).__name__, cause)
            retried = [(b"x-should-retry", b"false")] if self._repeats else []
            await send_error(self._send, told, headers=retried)

    async def _prepare(self) -> str:
        """Check that this may be asked, make the request headers, and find the URL."""
        scope, route = self._scope, self._route
        endpoint = endpoint_of(scope)
        client_headers = by_name(scope["headers"])
        shown = await route.credentials.show(client_headers)
        bridged = extension(scope)
        own = shown.own or route.headers.hold_credential() or self._client_has_credential(shown)
        if own and not bridged and not route.passthrough.allows(scope["method"], endpoint):
            raise _not_passed(scope["method"], endpoint)
        self._headers = route.headers.make(
            client_headers, set_by_hooks=bridged.get("headers") or {}, credential=shown.headers
        )
        if "content-length" in client_headers and not self._body.complete.is_set():
            self._headers.append((b"content-length", client_headers["content-length"].encode("latin-1")))
        query = scope.get("query_string", b"").decode("latin-1")
        model = await self._model() if route.target.needs_model(endpoint) else None
        return route.target.url(endpoint, query, model)

    def _client_has_credential(self, shown: Shown) -> bool:
        """Whether the HTTP client, when it is one of the user's, adds a credential by itself."""
        preset = not shown.headers and any(name in self._client.headers for name in CREDENTIALS)
        return preset or self._client.auth is not None

    async def _model(self) -> str | None:
        """The model a JSON body names; other bodies (multipart) are not looked into."""
        if not dict(self._headers).get(b"content-type", b"").lower().startswith(b"application/json"):
            return None
        try:
            model = loads(await self._body.collect())["model"]
        except (ValueError, KeyError, TypeError):
            return None
        return model if isinstance(model, str) else None

    async def _ask(self, url: str) -> Any:
        """Send the request, again where the retry policy says so, until there is an answer that stands."""
        retry, failures, answers = self._route.retry, 0, 0
        while True:
            request = self._client.build_request(
                self._scope["method"], url, headers=self._headers, content=self._body.content()
            )
            # The client's cookie jar is shared by all users; what one of them was given, none is to send.
            request.headers.pop("cookie", None)
            try:
                response = await self._client.send(request, stream=True, follow_redirects=False)
            except Exception as error:
                if not (was_never_sent(error) and failures < retry.connections and self._body.repeatable):
                    raise
                pause = retry.pause(failures)
                failures += 1
            else:
                asked = retry.pause_after(answers, response.status_code, by_name(response.headers.raw))
                if asked is None or not self._body.repeatable:
                    return response
                await response.aclose()
                answers += 1
                pause = asked
            self._repeats += 1
            await asyncio.sleep(pause)

    async def _deliver(self, response: Any) -> None:
        status: int = response.status_code
        if 300 <= status < 400 and "location" in response.headers:
            _logger.warning(
                "The upstream redirects to %s; put that into base_url.", response.headers["location"]
            )
            raise UpstreamError("The upstream redirects.", status=502, code="upstream_redirect")
        decoded = response.headers.get("content-encoding", "").strip().lower() in DECODED
        headers = answer_headers(response.headers.raw, decoded=decoded, retried=self._repeats > 0)
        self._started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        async with aclosing(response.aiter_bytes() if decoded else response.aiter_raw()) as pieces:
            async for piece in pieces:
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def _not_passed(method: str, endpoint: Endpoint) -> APIError:
    return APIError(
        f"{method} /{endpoint.name} is not passed on to the upstream.",
        status=404,
        type="invalid_request_error",
        code="not_found",
    )
