"""One attempt to deliver: a signed POST to an address that was checked, and what came of it.

The URL that is asked has the address in place of the name; the name goes into the Host header, and is what
the certificate is checked against. Redirects are not followed, and of the answer only its beginning is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

from responses_asgi.upstreams.client_errors import was_never_sent
from responses_asgi.upstreams.retry import asked_delay
from responses_asgi.webhooks.addresses import Resolve, choose, resolve
from responses_asgi.webhooks.outbox import Delivery
from responses_asgi.webhooks.signature import signed_headers
from responses_asgi.webhooks.webhook import Webhook

__all__ = ["GONE", "Outcome", "Sender"]

GONE = 410
"""The receiver wants no more of this."""

CONNECT_SECONDS = 5.0
"""For one address; then the next is tried."""

READ_BYTES = 4096
"""How much of an answer is read. What fits is read to its end, so that a receiver can say it in peace."""

# How much of an answer, or of an exception's message, is kept.
_ERROR_CHARS = 200

_HEADERS = {
    "content-type": "application/json",
    "user-agent": "responses-asgi",
    "accept": "*/*",
    "accept-encoding": "identity",
    # Connections are pooled by address: one that was opened to a name must not serve another name.
    "connection": "close",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: the HTTP status, None without an answer; what went wrong, "" for nothing; the
    seconds that the receiver asks to be left alone."""

    status: int | None
    error: str = ""
    asked: float | None = None

    @property
    def delivered(self) -> bool:
        """Whether the receiver has taken it."""
        return self.status is not None and 200 <= self.status < 300


class Sender:
    """Sends from one event loop.

    - `client`: an AsyncClient of httpx or httpx2 for HTTP/1.1, which stays open; None: an own one, which
      takes no proxy from the environment and keeps no cookies.
    - `timeout`: seconds for a whole attempt. `now`: the unix time.
    """

    def __init__(
        self,
        *,
        client: Any = None,
        timeout: float = 15.0,
        now: Callable[[], float] = time.time,
        resolve: Resolve = resolve,
    ) -> None:
        self._client = client
        self._own: Any = None
        self._timeout = timeout
        self._now = now
        self._resolve = resolve

    async def send(self, webhook: Webhook, delivery: Delivery) -> Outcome:
        """Make one attempt. Whatever goes wrong is its outcome."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._attempt(webhook, delivery)
        except TimeoutError:
            return Outcome(None, f"no answer within {self._timeout:g} seconds")
        except Exception as error:
            return Outcome(None, _excerpt(f"{type(error).__name__}: {error}"))

    async def aclose(self) -> None:
        """Close the own client."""
        client, self._own = self._own, None
        if client is not None:
            await client.aclose()

    async def _attempt(self, webhook: Webhook, delivery: Delivery) -> Outcome:
        try:
            found = await self._resolve(webhook.host, webhook.port)
        except (OSError, UnicodeError):
            return Outcome(None, f"{webhook.host} cannot be resolved")
        addresses = choose(found, allow_private=webhook.allow_private)
        if not addresses:
            return Outcome(None, f"{webhook.host} has no address that is public")
        for address in addresses[:-1]:
            try:
                return await self._post(webhook, delivery, address)
            except Exception as error:
                if not was_never_sent(error):
                    raise
        return await self._post(webhook, delivery, addresses[-1])

    async def _post(self, webhook: Webhook, delivery: Delivery, address: str) -> Outcome:
        body = delivery.body.encode()
        signed = signed_headers(delivery.event_id, body, webhook.keys, now=self._now())
        client = self._client or self._own_client()
        request = client.build_request(
            "POST",
            webhook.url_at(address),
            content=body,
            headers={**_HEADERS, **signed, "host": webhook.authority},
            timeout=(min(CONNECT_SECONDS, self._timeout), self._timeout, self._timeout, self._timeout),
            extensions={"sni_hostname": webhook.host.rstrip(".")},
        )
        response = await client.send(request, stream=True, follow_redirects=False)
        async with contextlib.aclosing(response):
            said = await _beginning(response)
        outcome = Outcome(response.status_code)
        if outcome.delivered:
            return outcome
        # With an encoding, against our wish, it is no text.
        told = "" if "content-encoding" in response.headers else said.decode("utf-8", "replace")
        error = _excerpt(f"HTTP {response.status_code} {told}")
        return Outcome(response.status_code, error, asked_delay(response.headers, self._now()))

    def _own_client(self) -> Any:
        if self._own is None:
            import httpx  # here, because it takes a tenth of a second that only senders need

            self._own = httpx.AsyncClient(
                verify=httpx.create_ssl_context(),
                trust_env=False,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            )
        return self._own


async def _beginning(response: Any) -> bytes:
    """At most `READ_BYTES` of the answer. If it breaks off the status stands: the receiver has decided."""
    read = b""
    with contextlib.suppress(Exception):
        pieces: AsyncGenerator[bytes, None] = response.aiter_raw()
        async with contextlib.aclosing(pieces):
            async for piece in pieces:
                read += piece
                if len(read) >= READ_BYTES:
                    break
    return read[:READ_BYTES]


def _excerpt(text: str) -> str:
    """One printable line of it."""
    line = " ".join(text.split())[:_ERROR_CHARS]
    return "".join(char if char.isprintable() else "?" for char in line)
