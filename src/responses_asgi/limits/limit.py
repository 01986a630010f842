"""What may be limited, and which limit a model has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from responses_asgi.errors import ConfigurationError

__all__ = ["Limit", "Limits", "Rule", "rules_of"]

ANY = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What one client may ask for; None: any number.

    - `requests`, `tokens`: in each `period` of so many whole seconds, which slides.
    - `concurrent`: answers that are made for it at the same time, streams and others.

    Raises ConfigurationError for what is no limit.

    >>> Limit(requests=60, tokens=100_000).period
    60
    """

    requests: int | None = None
    tokens: int | None = None
    concurrent: int | None = None
    period: int = 60

    def __post_init__(self) -> None:
        for name in ("requests", "tokens", "concurrent", "period"):
            given = getattr(self, name)
            if given is not None and (not isinstance(given, int) or given < 1):
                raise ConfigurationError(f"{name} must be a whole number from 1, got {given!r}")


Limits: TypeAlias = "Limit | Mapping[str, Limit | None]"
"""One limit for every model; or by model name or pattern with one `*`: its limit, or None for none."""


class Rule(NamedTuple):
    """The limit of the models that `name` stands for, which share it."""

    name: str
    limit: Limit | None

    def matches(self, model: str) -> bool:
        """Whether it is for this model."""
        before, star, after = self.name.partition(ANY)
        if not star:
            return model == self.name
        return len(model) >= len(before) + len(after) and model.startswith(before) and model.endswith(after)


def rules_of(limits: Limits) -> list[Rule]:
    """The rules, those first that count first: names, then patterns by their length.

    Raises ConfigurationError where there are none.

    >>> [rule.name for rule in rules_of({"*": None, "gpt-*": Limit(requests=5), "gpt-5": Limit(requests=1)})]
    ['gpt-5', 'gpt-*', '*']
    """
    given = {ANY: limits} if isinstance(limits, Limit) else limits
    if not isinstance(given, Mapping) or not given:
        raise ConfigurationError(f"limits must be a Limit, or map model names to such, got {limits!r:.100}")
    for name, limit in given.items():
        if not isinstance(name, str) or not name or name.count(ANY) > 1:
            raise ConfigurationError(
                f"limits: a key is a model name, or a pattern with one '*', got {name!r}"
            )
        if not isinstance(limit, Limit | None):
            raise ConfigurationError(f"limits[{name!r}] must be a Limit, got {type(limit).__name__}")
    return sorted(
        (Rule(*entry) for entry in given.items()), key=lambda rule: (ANY in rule.name, -len(rule.name))
    )
