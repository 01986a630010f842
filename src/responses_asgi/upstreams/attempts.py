"""One request to a server elsewhere, sent again where the retry policy says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from responses_asgi.upstreams.client_errors import was_never_sent
from responses_asgi.upstreams.headers import by_name
from responses_asgi.upstreams.retry import RetryPolicy

__all__ = ["Attempts"]


class Attempts:
    """Sends one request with a client of httpx or httpx2; `repeats` is how often it was sent again."""

    __slots__ = ("_client", "_retry", "repeats")

    def __init__(self, client: Any, retry: RetryPolicy) -> None:
        self._client = client
        self._retry = retry
        self.repeats = 0

    async def send(self, build: Callable[[], Any], *, repeatable: Callable[[], bool]) -> Any:
        """The answer that stands, its body unread; raises what the client raises.

        `build` makes the request anew each time; `repeatable` tells whether it still can.
        """
        failures = answers = 0
        while True:
            request = build()
            # The client's cookie jar is shared by all users; what one of them was given, none is to send.
            request.headers.pop("cookie", None)
            try:
                response = await self._client.send(request, stream=True, follow_redirects=False)
            except Exception as error:
                if not (was_never_sent(error) and failures < self._retry.connections and repeatable()):
                    raise
                pause = self._retry.pause(failures)
                failures += 1
            else:
                status = response.status_code
                # Only failures are asked for again; the headers of the others need not be read.
                told = by_name(response.headers.raw) if status >= 400 else {}
                asked = self._retry.pause_after(answers, status, told)
                if asked is None or not repeatable():
                    return response
                await response.aclose()
                answers += 1
                pause = asked
            self.repeats += 1
            await asyncio.sleep(pause)
