"""`GET /models` and `GET /models/{id}`: the models that a gateway answers for.

1. Names that are configured come first, in their order. A pattern stands for what its upstream lists.
2. An upstream is asked within a time limit, and its list is remembered for a while; one that has no list, or
   is dead, adds nothing and breaks nothing.
3. Lists are remembered for each credential apart, because what an account can see is its own affair.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from responses_asgi.gateway.routing import Entry, ModelMap
from responses_asgi.gateway.service import NAME
from responses_asgi.keys.scopes import fits
from responses_asgi.log_words import one_line
from responses_asgi.types.asgi import Message, Scope, raw_path
from responses_asgi.types.json import JSON, loads
from responses_asgi.upstreams.context import EXTENSION, ExchangeContext, extension
from responses_asgi.upstreams.upstream import ENDPOINTS, Upstream

__all__ = ["Models"]

logger = logging.getLogger("responses_asgi")

# Seconds: the longest wait for an upstream's list, and how long a list, or its lack, is remembered.
TIME_LIMIT = 3.0
FRESH = 60.0
FRESH_FAILURE = 10.0

# How many lists are remembered, how many models of each, and how large it may come.
MAX_LISTS = 64
MAX_MODELS = 5_000
MAX_BYTES = 4 * 1024 * 1024

CREDENTIALS = frozenset({b"authorization", b"api-key"})

Listed = dict[str, JSON]
"""Models by id, in the upstream's order."""


class Models:
    """The list of one gateway.

    `ask`: whether upstreams are asked for the models of patterns; None: only where no name is exact.
    """

    def __init__(
        self, table: ModelMap, *, ask: bool | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._table = table
        self._ask = not any(entry.exact for entry in table.entries) if ask is None else ask
        self._clock = clock
        self._lists: OrderedDict[tuple[int, bytes], tuple[float, Listed | None]] = OrderedDict()

    async def list(self, scope: Scope) -> JSON:
        """The document of `GET /models`, for the client of this scope."""
        models: Listed = {entry.name: _model(entry.name) for entry in self._table.entries if entry.exact}
        patterns = [entry for entry in self._table.entries if not entry.exact and self._ask]
        for entry, listed in zip(
            patterns, await asyncio.gather(*(self._listed(entry, scope) for entry in patterns)), strict=True
        ):
            for name, model in (listed or {}).items():
                if name not in models and self._leads_to(entry, name):
                    models[name] = model
        return {"object": "list", "data": [model for name, model in models.items() if _may_ask(scope, name)]}

    async def one(self, scope: Scope, name: str) -> JSON:
        """The document of `GET /models/{name}`; raises InvalidRequestError (404) when it is not offered.

        A name that only a pattern has is looked for in its upstream's list, if there is one.
        """
        entry = self._table.entry_of(name)
        if entry is None:
            raise self._table.unknown(name)
        if entry.exact or not self._ask:
            return _model(name)
        listed = await self._listed(entry, scope)
        if listed is None:
            return _model(name)
        if name not in listed:
            raise self._table.unknown(name)
        return listed[name]

    def _leads_to(self, entry: Entry, name: str) -> bool:
        return any(self._table.entry_of(name, client) is entry for client in entry.upstreams)

    async def _listed(self, entry: Entry, scope: Scope) -> Listed | None:
        """The models that the upstreams of a pattern list; None where one cannot tell.

        Fallbacks are asked only when the one before them cannot tell. An upstream that gets another name than
        the client's answers for every name.
        """
        found: Listed = {}
        ways: list[tuple[Upstream, ...]] = []
        for way in entry.upstreams.values():
            if way not in ways:
                ways.append(way)
        for way in ways:
            for upstream in way:
                listed = None if upstream.model else await self._of(upstream, scope)
                if listed is not None:
                    break
            else:
                return None
            for name, model in listed.items():
                found.setdefault(name, model)
        return found

    async def _of(self, upstream: Upstream, scope: Scope) -> Listed | None:
        credential = [header for header in scope["headers"] if header[0].lower() in CREDENTIALS]
        key = (id(upstream), hashlib.sha256(repr(credential).encode()).digest())
        known = self._lists.get(key)
        if known is None or known[0] <= self._clock():
            listed = await _fetch(upstream, scope, credential)
            known = (self._clock() + (FRESH_FAILURE if listed is None else FRESH), listed)
            self._lists[key] = known
        self._lists.move_to_end(key)
        while len(self._lists) > MAX_LISTS:
            self._lists.popitem(last=False)
        return known[1]


async def _fetch(upstream: Upstream, scope: Scope, credential: list[tuple[bytes, bytes]]) -> Listed | None:
    """The models that one upstream lists now; None when it does not."""
    path = _path(upstream)
    if path is None:
        return None
    answer = _Answer()
    set_headers = [
        (name.lower().encode(), value.encode("latin-1")) for name, value in upstream.headers.items()
    ]
    # The mark of a request that the bridge makes: an HTTP upstream asks no further whether it may be passed.
    context = ExchangeContext(api="chat", response_id="", principal=None, scope=scope, request={})
    inner: Scope = {
        **scope,
        "method": "GET",
        "root_path": "",
        "path": path,
        "raw_path": raw_path(path),
        "query_string": b"",
        "headers": [*credential, *set_headers, (b"accept", b"application/json")],
        "extensions": {EXTENSION: context.extension()},
    }
    try:
        async with asyncio.timeout(TIME_LIMIT):
            await upstream.app(inner, answer.receive, answer.send)
        return answer.models()
    except Exception as error:
        # TimeoutError is one of them, and so is whatever an app in this process raises.
        kind, why = type(error).__name__, one_line(error)
        logger.warning("An upstream could not be asked for its models: %s: %s", kind, why)
        return None


def _path(upstream: Upstream) -> str | None:
    """Where the upstream's models are: beside its endpoint, unless that has a name of its own."""
    endpoint = upstream.path or f"/v1{ENDPOINTS['chat']}"
    for ending in ENDPOINTS.values():
        if endpoint.endswith(ending):
            return endpoint.removesuffix(ending) + "/models"
    return None


class _Answer:
    """What an upstream sends for its list, up to a size."""

    def __init__(self) -> None:
        self._status = 0
        self._body = b""
        self._asked = False

    async def receive(self) -> Message:
        if self._asked:
            await asyncio.get_running_loop().create_future()
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
        self._body += message.get("body", b"")
        if len(self._body) > MAX_BYTES:
            raise ValueError(f"the list is larger than {MAX_BYTES} bytes")

    def models(self) -> Listed | None:
        """The models by id; raises ValueError for a body that is no JSON."""
        if self._status != 200:
            return None
        document = loads(self._body)
        # OpenAI's shape, and the bare list of Together.
        listed = document.get("data") if isinstance(document, dict) else document
        if not isinstance(listed, list):
            return None
        named = [model for model in listed if isinstance(model, dict) and isinstance(model.get("id"), str)]
        return {model["id"]: _model(model["id"], model) for model in named[:MAX_MODELS]}


def _may_ask(scope: Scope, name: str) -> bool:
    """Whether the client's key is for this model."""
    patterns = extension(scope).get("models")
    return patterns is None or any(fits(name, pattern) for pattern in patterns)


def _model(name: str, listed: JSON | None = None) -> JSON:
    """A model as clients know it, with what its upstream tells besides."""
    told = listed or {}
    created, owner = told.get("created"), told.get("owned_by")
    return {
        **told,
        "id": name,
        "object": "model",
        "created": created if isinstance(created, int) else 0,
        "owned_by": owner if isinstance(owner, str) else NAME,
    }
