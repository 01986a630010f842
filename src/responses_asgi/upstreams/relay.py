"""One request on its way to a server elsewhere, and the answer's way back."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from contextlib import aclosing
from typing import Any

from responses_asgi.errors import APIError, UpstreamError
from responses_asgi.types.asgi import Receive, Scope, Send
from responses_asgi.types.json import loads
from responses_asgi.upstreams.attempts import Attempts
from responses_asgi.upstreams.client_errors import error_for
from responses_asgi.upstreams.context import bridged
from responses_asgi.upstreams.headers import DECODED, answer_headers, by_name
from responses_asgi.upstreams.joined import joined
from responses_asgi.upstreams.masking import MIN_BYTES, MIN_BYTES_OF_ANSWER, Masking
from responses_asgi.upstreams.own_refusals import OWN, refusal_of_own, unreadable_of_own
from responses_asgi.upstreams.replies import send_error
from responses_asgi.upstreams.request import ClientGone, RequestBody, while_client_stays
from responses_asgi.upstreams.route import Route

__all__ = ["Relay", "check_redirect"]

_logger = logging.getLogger("responses_asgi.upstream")


class Relay:
    """Carries one request; made for it and thrown away. `client` is of httpx or httpx2."""

    __slots__ = (
        "_attempts",
        "_body",
        "_client",
        "_headers",
        "_own",
        "_receive",
        "_route",
        "_scope",
        "_secrets",
        "_send",
        "_started",
    )

    def __init__(self, route: Route, client: Any, scope: Scope, receive: Receive, send: Send) -> None:
        self._route = route
        self._client = client
        self._scope = scope
        self._receive = receive
        self._send = send
        self._body = RequestBody(receive)
        self._headers: list[tuple[bytes, bytes]] = []
        self._own = False
        self._secrets: list[bytes] = []
        self._started = False
        self._attempts = Attempts(client, route.retry)

    def run(self) -> Awaitable[None]:
        """Ask the server and send its answer; raises UpstreamError when that breaks off after its start."""
        return while_client_stays(self._receive, self._answer(), after=self._body)

    async def _answer(self) -> None:
        try:
            await self._body.begin()
            response = await self._ask(await self._prepare())
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
            retried = [(b"x-should-retry", b"false")] if self._attempts.repeats else []
            await send_error(self._send, told, headers=retried)

    async def _prepare(self) -> str:
        """Make the request headers, and find the URL."""
        call = await self._route.call(self._scope, self._client, self._model)
        self._headers = call.headers
        self._own = call.own
        self._secrets = call.secrets
        if not self._body.complete:
            length = by_name(self._scope["headers"]).get("content-length")
            if length is not None:
                self._headers.append((b"content-length", length.encode("latin-1")))
        return call.url

    async def _model(self) -> str | None:
        """The model a JSON body names; other bodies (multipart) are not looked into."""
        if not by_name(self._scope["headers"]).get("content-type", "").lower().startswith("application/json"):
            return None
        try:
            model = loads(await self._body.collect())["model"]
        except (ValueError, KeyError, TypeError):
            return None
        return model if isinstance(model, str) else None

    async def _ask(self, url: str) -> Any:
        """The server's answer; what was sent for it is not kept while it streams."""
        response = await self._attempts.send(
            lambda: self._client.build_request(
                self._scope["method"], url, headers=self._headers, content=self._body.content()
            ),
            repeatable=lambda: self._body.repeatable,
        )
        response.request = None  # of whose headers and body httpx would keep copies
        self._body.drop()
        self._headers = []
        return response

    async def _deliver(self, response: Any) -> None:
        status: int = response.status_code
        check_redirect(response)
        if self._own:
            refusal = await refusal_of_own(response, site=self._route.site, secrets=self._secrets)
            refusal = refusal or unreadable_of_own(response)
            if refusal is not None:
                raise refusal
        decoded = response.headers.get("content-encoding", "").strip().lower() in DECODED
        headers = answer_headers(response.headers.raw, decoded=decoded, retried=self._attempts.repeats > 0)
        self._started = True
        told = {OWN: True} if self._own and bridged(self._scope) else {}
        await self._send({"type": "http.response.start", "status": status, "headers": headers, **told})
        masking = None
        if self._secrets:
            masking = Masking(self._secrets, at_least=MIN_BYTES if status >= 400 else MIN_BYTES_OF_ANSWER)
        async with aclosing(joined(response, decoded=decoded)) as pieces:
            async for piece in pieces:
                shown = masking.feed(piece) if masking else piece
                await self._send({"type": "http.response.body", "body": shown, "more_body": True})
        rest = masking.flush() if masking else b""
        await self._send({"type": "http.response.body", "body": rest, "more_body": False})


def check_redirect(response: Any) -> None:
    """Raise UpstreamError for an answer that redirects: where to is the operator's decision."""
    if 300 <= response.status_code < 400 and "location" in response.headers:
        _logger.warning("The upstream redirects to %s; put that into base_url.", response.headers["location"])
        raise UpstreamError("The upstream redirects.", status=502, code="upstream_redirect")
