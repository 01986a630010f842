"""The official OpenAI SDK bound to an upstream or an ASGI app in the same process: no port, no server."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from responses_asgi.errors import MissingExtraError
from responses_asgi.middleware.chat import ChatCompletionsMiddleware
from responses_asgi.middleware.responses import ResponsesMiddleware
from responses_asgi.transport import ASGITransport
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send
from responses_asgi.upstreams.upstream import Upstream

if TYPE_CHECKING:
    import openai

__all__ = ["BothAPIs", "client", "sync_client"]

# A name that Django and TrustedHostMiddleware let in.
BASE_URL = "http://localhost/v1"

# The SDK asks for a key and would else take the user's own from the environment, which an app in this process
# has no business with.
API_KEY = "in-process"


def client(upstream: Upstream | ASGIApp, **options: Any) -> openai.AsyncOpenAI:
    """An `openai.AsyncOpenAI` whose requests are answered in this process.

    `upstream`: an `Upstream`, which is given both APIs whichever it speaks; or an ASGI app, such as a FastAPI
    or Django app, a component of this package or a `FakeModel`, which is called as it is. An app's lifespan
    is not run. `options` are those of `AsyncOpenAI`; `base_url` says under which path the app has its API
    (default: `/v1`), and `api_key` is made up unless given. Closing the client also closes the connections
    of an `Upstream`.

    Raises MissingExtraError without the package `openai`.

    ```python
    client = responses_asgi.client(Upstream.http("http://localhost:11434"))
    response = await client.responses.create(model="qwen3", input="Say hi.")
    ```
    """
    sdk, library = _sdk("client()")
    transport = _Transport(upstream)
    http_client = library.AsyncClient(transport=transport, follow_redirects=True)
    bound: openai.AsyncOpenAI = sdk.AsyncOpenAI(**_settings(options), http_client=http_client)
    return bound


def sync_client(upstream: Upstream | ASGIApp, **options: Any) -> openai.OpenAI:
    """As `client`, an `openai.OpenAI` for scripts, tasks and views that are not async.

    The upstream runs in an event loop in a thread of its own until the client is closed.

    ```python
    with responses_asgi.sync_client(Upstream.http("http://localhost:11434")) as client:
        print(client.responses.create(model="qwen3", input="Say hi.").output_text)
    ```
    """
    sdk, library = _sdk("sync_client()")
    transport = _Transport(upstream)
    http_client = library.Client(transport=transport, follow_redirects=True)
    bound: openai.OpenAI = sdk.OpenAI(**_settings(options), http_client=http_client)
    return bound


def _sdk(feature: str) -> tuple[Any, ModuleType]:
    """The SDK, and the HTTP library that it is made with: httpx2 since its version 3, httpx before."""
    try:
        sdk = import_module("openai")
    except ImportError:
        raise MissingExtraError(feature, package="openai") from None
    library = sdk.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0]
    return sdk, import_module(library)


def _settings(options: dict[str, Any]) -> dict[str, Any]:
    return {"base_url": BASE_URL, "api_key": API_KEY, **options}


class _Transport(ASGITransport):
    """Closes what an Upstream holds when the client is closed; of an app the user is the owner."""

    def __init__(self, upstream: Upstream | ASGIApp) -> None:
        self._both: BothAPIs | None = None
        if isinstance(upstream, Upstream):
            upstream = self._both = BothAPIs(upstream)
        super().__init__(upstream)

    async def aclose(self) -> None:
        if self._both is not None:
            await self._both.aclose()


class BothAPIs:
    """An upstream as an app that answers Responses and Chat clients."""

    def __init__(self, upstream: Upstream) -> None:
        self._responses = ResponsesMiddleware(upstream)
        self._chat = ChatCompletionsMiddleware(upstream)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        component = self._responses if self._responses.serves(scope) else self._chat
        await component(scope, receive, send)

    async def aclose(self) -> None:
        await self._responses.aclose()
        await self._chat.aclose()
