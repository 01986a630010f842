"""An ASGI app behind an httpx or httpx2 client, in the same process, with answers that really stream."""

from __future__ import annotations

from responses_asgi.transport.asgi import ASGITransport

__all__ = ["ASGITransport"]
