"""Asks the wrapped app whether it lets a client in: a GET of one of its paths with the client's headers."""

from __future__ import annotations

import asyncio
import logging

from responses_asgi.errors import APIError
from responses_asgi.types.asgi import SPEC_VERSION, ASGIApp, Message, Scope, raw_path

__all__ = ["ask_app"]

logger = logging.getLogger("responses_asgi")

# Headers that tell of a body, or of a connection, that this request does not have.
_NOT_SENT = frozenset(
    {
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"sec-websocket-extensions",
        b"sec-websocket-key",
        b"sec-websocket-protocol",
        b"sec-websocket-version",
        b"transfer-encoding",
        b"upgrade",
    }
)

# Seconds the app has for its answer.
PATIENCE = 30.0


async def ask_app(app: ASGIApp, scope: Scope, path: str) -> None:
    """Return if the app answers 2xx to a GET of `path` with this client's headers.

    `path` is the whole path in the scope, with `root_path` where the server puts it; it may have a query
    string. Raises APIError: 401 and 403 as the app says, with its `www-authenticate`; 503 when it fails or
    does not answer in time; 403 for any other answer, which is logged as the path may be a wrong one.
    """
    path_only, _, query = path.partition("?")
    inner = {
        **scope,
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": SPEC_VERSION},
        "http_version": scope.get("http_version", "1.1"),
        "scheme": {"ws": "http", "wss": "https"}.get(
            scope.get("scheme", "http"), scope.get("scheme", "http")
        ),
        "method": "GET",
        "path": path_only,
        "raw_path": raw_path(path_only),
        "query_string": query.encode(),
        "headers": [header for header in scope.get("headers") or () if header[0].lower() not in _NOT_SENT],
    }
    answer = _Answer()
    try:
        async with asyncio.timeout(PATIENCE):
            await app(inner, answer.receive, answer.send)
    except Exception as error:
        if answer.status is None:
            logger.warning("auth_path %s failed: %r", path_only, error)
            raise _cannot_say() from error
    _judge(path_only, answer)


class _Answer:
    """The inner request, which has no body, and the start of what answers it."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.challenge: str | None = None
        self._asked = False
        self._over = asyncio.Event()

    async def receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            for name, value in message.get("headers") or ():
                if name.lower() == b"www-authenticate":
                    self.challenge = value.decode("latin-1")
        elif not message.get("more_body"):
            self._over.set()


def _judge(path: str, answer: _Answer) -> None:
    status = answer.status
    if status is not None and 200 <= status < 300:
        return
    if status is None or status >= 500:
        logger.warning("auth_path %s answered %s", path, status)
        raise _cannot_say()
    if status == 401:
        raise APIError(
            "The service does not accept this credential.",
            status=401,
            headers={"www-authenticate": answer.challenge} if answer.challenge else None,
        )
    if status != 403:
        logger.warning("auth_path %s answered %s, which is neither 2xx nor 401 or 403", path, status)
    raise APIError("The service does not let this credential in.", status=403)


def _cannot_say() -> APIError:
    return APIError(
        "The service could not be asked whether it accepts this credential; try again.",
        status=503,
        headers={"retry-after": "1"},
    )
