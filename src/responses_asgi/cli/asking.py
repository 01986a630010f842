"""One request of a command to an app in this process, which for a server elsewhere is its HTTP upstream."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from responses_asgi.errors import APIError, error_from_payload
from responses_asgi.types.asgi import ASGIApp, Message, Scope
from responses_asgi.types.json import JSON, dumps, loads

__all__ = ["Answer", "ask"]


class Answer(NamedTuple):
    """What came back, whole."""

    status: int
    content_type: str
    body: bytes

    def document(self) -> Any:
        """The JSON of the body; None where it is none."""
        try:
            return loads(self.body)
        except ValueError:
            return None

    def error(self) -> APIError | None:
        """What went wrong, by the status or by an error in the body."""
        document = self.document()
        inside = isinstance(document, dict) and document.get("error")
        if self.status < 400 and not inside:
            return None
        payload = self.body.decode(errors="replace") if document is None else document
        return error_from_payload(payload, status=self.status if self.status >= 400 else None)


async def ask(app: ASGIApp, method: str, path: str, body: JSON | None = None) -> Answer:
    """Call the app once and collect its answer; raises APIError when it breaks off."""
    content = b"" if body is None else dumps(body)
    headers = [(b"accept", b"*/*"), (b"content-length", str(len(content)).encode())]
    if body is not None:
        headers.append((b"content-type", b"application/json"))
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 80),
    }
    messages: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]
    status, kind, pieces = 500, "", []

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()  # this client stays
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        nonlocal status, kind
        if message["type"] == "http.response.start":
            status = message["status"]
            kind = dict(message["headers"]).get(b"content-type", b"").decode("latin-1")
        elif message["type"] == "http.response.body":
            pieces.append(message.get("body", b""))

    await app(scope, receive, send)
    return Answer(status, kind, b"".join(pieces))
