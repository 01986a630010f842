"""The section `rate_limits`: what each client may ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from responses_asgi.config.section import ImportPath, Seconds, Section
from responses_asgi.limits import Limit, RateLimits
from responses_asgi.limits.rate_limits import WhenDown

__all__ = ["LimitConfig", "RateLimitsConfig", "make_rate_limits"]

Count = Annotated[int, Field(gt=0)]


class LimitConfig(Section):
    """What one client may ask for of these models, together."""

    requests: Count | None = None
    """Requests in each period. Default: any number."""

    tokens: Count | None = None
    """Tokens in each period, in and out. Default: any number."""

    concurrent: Count | None = None
    """Answers that are made at the same time. Default: any number."""

    period: Count = 60
    """The period, in seconds."""


class RateLimitsConfig(Section):
    """What each client may ask for (extra `ratelimit`). Without this section there are no limits."""

    models: dict[str, LimitConfig | None]
    """Model name, `*` in it for any text, to its limit; null for none. The models of a pattern share it."""

    store: str = "memory"
    """What counts: `memory`, each process for itself, or the URL of a Redis that they share."""

    who: ImportPath | None = None
    """The function of the ASGI scope that says whose budget it is, as `module:name`. Default: the owner
    (issued key, credential), else the client's address."""

    output_tokens: Annotated[int, Field(ge=0)] = 1_000
    """Tokens taken for an answer until it is known what it took."""

    when_down: WhenDown = "refuse"
    """While Redis does not answer: `refuse` requests, with 503, or `allow` them."""

    timeout: Seconds = 2.0
    """Seconds that Redis may take to answer."""


def make_rate_limits(
    config: RateLimitsConfig, imported: Callable[[str, str], Any]
) -> Callable[[], RateLimits]:
    """Makes the limits of the section. `imported` finds what a `module:name` under a key names."""
    who = imported(config.who, "who") if config.who is not None else None

    def make() -> RateLimits:
        models = {
            name: None if limit is None else Limit(**limit.model_dump())
            for name, limit in config.models.items()
        }
        return RateLimits(
            models,
            store=config.store,
            who=who,
            output_tokens=config.output_tokens,
            when_down=config.when_down,
            timeout=config.timeout,
        )

    return make
