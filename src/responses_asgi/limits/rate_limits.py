"""The limits of a component: which of them a request falls under, and whose budget it is."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeAlias, get_args

from responses_asgi.errors import APIError, ConfigurationError, StoreError
from responses_asgi.exchange import Interception
from responses_asgi.exchange.attempt import Asked
from responses_asgi.limits.admission import Admission, Budget
from responses_asgi.limits.counters import Counters, MemoryCounters, RedisCounters
from responses_asgi.limits.limit import Limits, rules_of
from responses_asgi.limits.slots import MemorySlots, RedisSlots, Slots
from responses_asgi.limits.tokens import input_tokens, output_limit
from responses_asgi.stores.redis.connections import Connections
from responses_asgi.types.asgi import Scope
from responses_asgi.upstreams.upstream import Upstream, WireAPI

__all__ = ["RateLimits", "WhenDown", "Who"]

Who: TypeAlias = Callable[[Scope], "str | Awaitable[str | None] | None"]
"""`(scope) -> whose budget a request takes from`, sync or async; None: as if it were not given."""

WhenDown = Literal["refuse", "allow"]

MEMORY = "memory"
MAX_CONNECTIONS = 20


class RateLimits:
    """What each client may ask for: requests and tokens in a time, and answers at once. Extra `ratelimit`.

    - `limits`: a `Limit`, or limits by model name or pattern with one `*`, the name or the longest pattern
      first. The models of one pattern share its budget: name a model to give it one of its own.
    - `store`: `memory`, where each process counts for itself, or the URL of a Redis that they share.
    - `who`: `(scope) -> str | None`, sync or async: whose budget it is. Default, and for None: the owner of
      what is kept (issued key, user of the host app, credential), else the client's address. A credential
      that nobody checks is a name that anybody can make up.
    - `output_tokens`: so many tokens are taken for an answer, or fewer if the request allows fewer, until it
      is known what it has taken.
    - `when_down`: `refuse` (503) or `allow` what cannot be counted because Redis does not answer within
      `timeout` seconds.
    - `prefix`: that of the keys in Redis.

    A background response takes from the budget when it is asked for; how many are made at once is a matter of
    `BackgroundLimits`.

    Raises ConfigurationError and MissingExtraError.

    ```python
    app.add_middleware(ResponsesMiddleware, rate_limits=RateLimits(Limit(requests=60, concurrent=4)))
    ```
    """

    def __init__(
        self,
        limits: Limits,
        *,
        store: str = MEMORY,
        who: Who | None = None,
        output_tokens: int = 1_000,
        when_down: WhenDown = "refuse",
        timeout: float = 2.0,
        prefix: str = "responses_asgi:limits",
    ) -> None:
        if when_down not in get_args(WhenDown):
            raise ConfigurationError(f"when_down must be 'refuse' or 'allow', got {when_down!r}")
        self._rules = rules_of(limits)
        self._who = who
        self._output = output_tokens
        self._allows = when_down == "allow"
        self._counters: Counters
        self._slots: Slots
        self._connections: Connections | None = None
        if store == MEMORY:
            self._counters, self._slots = MemoryCounters(), MemorySlots()
        else:
            redis = Connections(
                store, client=None, cluster=False, timeout=timeout, max_connections=MAX_CONNECTIONS
            )
            self._counters = RedisCounters(redis, prefix=prefix)
            self._slots = RedisSlots(redis, prefix=prefix)
            self._connections = redis

    async def begin(self, asked: Asked, upstream: Upstream) -> Interception:
        """Take from the budget. Raises APIError: 429 where it is used up, 503 where that is not known."""
        model = str(asked.body.get("model") or "")
        rule = next((rule for rule in self._rules if rule.matches(model)), None)
        if rule is None or rule.limit is None:
            return Interception()
        budget = Budget(await self._key(asked, rule.name), rule.limit, self._counters, self._slots)
        given = cost = 0
        if rule.limit.tokens is not None:
            given = input_tokens(asked.body)
            cost = given + output_limit(asked.body, self._output)
        admission = Admission(budget, model, input_tokens=given, cost=cost)
        try:
            await admission.admit(at_once=asked.detached is None)
        except StoreError:
            if self._allows:
                return Interception()
            raise
        return admission

    def refused(self, scope: Scope, client: WireAPI, error: APIError) -> None:
        """What cannot be read takes nothing."""

    async def aclose(self) -> None:
        """Close the connections of the running event loop; a later request opens new ones."""
        await self._counters.aclose()
        if self._connections is not None:
            await self._connections.aclose()

    async def _key(self, asked: Asked, rule: str) -> str:
        """The name of the budget, in which nothing of a client can be read."""
        said: Any = self._who(asked.scope) if self._who is not None else None
        if inspect.isawaitable(said):
            said = await said
        address = (asked.scope.get("client") or ("",))[0]
        whose = ("who", str(said)) if said else ("owner", asked.owner) if asked.owner else ("at", address)
        return hashlib.sha256("\0".join((*whose, rule)).encode("utf-8", "surrogatepass")).hexdigest()[:32]
