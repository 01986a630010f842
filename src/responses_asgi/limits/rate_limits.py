"""The limits of a component: which of them a request falls under, and whose budget it is."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias, get_args

from responses_asgi.errors import APIError, ConfigurationError, StoreError
from responses_asgi.exchange import Interception
from responses_asgi.exchange.attempt import Asked
from responses_asgi.limits.admission import Admission, Budget
from responses_asgi.limits.counters import Counters, MemoryCounters, RedisCounters
from responses_asgi.limits.limit import Limits, rules_of
from responses_asgi.limits.slots import MemorySlots, RedisSlots, Slots
from responses_asgi.limits.tokens import input_tokens, output_limit
from responses_asgi.owners import issued_to
from responses_asgi.sinks import Header
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
    - `who`: `(scope) -> str | None`, sync or async: whose budget it is. Default, and for None: the issued
      key, else the owner of what is kept (`principal`, user of the host app, credential), else the client's
      address. A credential that nobody checks is a name that anybody can make up.
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
        budget = await self._budget(model, asked.scope, asked.owner)
        if budget is None:
            return Interception()
        given = cost = 0
        if budget.limit.tokens is not None:
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

    def refused(self, scope: Scope, client: WireAPI | None, error: APIError) -> None:
        """What is not let in, or cannot be read, takes nothing."""

    async def aclose(self) -> None:
        """Close the connections of the running event loop; a later request opens new ones."""
        await self._counters.aclose()
        if self._connections is not None:
            await self._connections.aclose()

    async def count(self, scope: Scope, owner: str) -> Sequence[Header]:
        """Count a request that nobody here reads, under the limit for every model; what its answer tells.

        Raises APIError: 429 where the budget is used up, 503 where that is not known.
        """
        budget = await self._budget("", scope, owner)
        if budget is None or budget.limit.requests is None:
            return ()
        admission = Admission(budget._replace(limit=replace(budget.limit, tokens=None)), "", cost=0)
        try:
            await admission.admit(at_once=False)
        except StoreError:
            if not self._allows:
                raise
        return admission.headers

    async def _budget(self, model: str, scope: Scope, owner: str) -> Budget | None:
        """The budget of a client for a model; None: there is no limit."""
        rule = next((rule for rule in self._rules if rule.matches(model)), None)
        if rule is None or rule.limit is None:
            return None
        return Budget(await self._key(scope, owner, rule.name), rule.limit, self._counters, self._slots)

    async def _key(self, scope: Scope, owner: str, rule: str) -> str:
        """The name of the budget, in which nothing of a client can be read."""
        said: Any = self._who(scope) if self._who is not None else None
        if inspect.isawaitable(said):
            said = await said
        told = (("who", str(said) if said else ""), ("key", issued_to(scope) or ""), ("owner", owner))
        address = (scope.get("client") or ("",))[0]
        whose = next((each for each in told if each[1]), ("at", address))
        return hashlib.sha256("\0".join((*whose, rule)).encode("utf-8", "surrogatepass")).hexdigest()[:32]
