"""All keys of a configuration in one table, made from the models that check them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, get_args, get_origin

from pydantic.fields import FieldInfo

from responses_asgi.config.models import Config, ModelConfig, Section, TargetConfig
from responses_asgi.config.values import ProfileConfig

__all__ = ["KEYS", "NAME", "PREFIX", "Key", "known_keys"]

PREFIX = "RESPONSES_ASGI_"
"""What the names of the environment variables begin with."""

NAME = "NAME"
"""In a path: a name that the user chooses."""


class Key(NamedTuple):
    """One key: its path, its field with type and default, and what it means."""

    path: tuple[str, ...]
    field: FieldInfo
    description: str

    @property
    def name(self) -> str:
        """The path with dots."""
        return ".".join(self.path)

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return PREFIX + "__".join(part.upper() for part in self.path)


def _keys(section: type[Section], path: tuple[str, ...] = ()) -> Iterator[Key]:
    for name, field in section.model_fields.items():
        here = (*path, name)
        below, named = _section(field.annotation)
        yield Key(here, field, " ".join((field.description or "").split()))
        if below is not None and not issubclass(below, ModelConfig):
            yield from _keys(below, (*here, NAME) if named else here)


def _section(annotation: Any) -> tuple[type[Section] | None, bool]:
    """The section that a field holds, and whether it holds several by name."""
    if get_origin(annotation) is dict:
        return _section(get_args(annotation)[1])[0], True
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, Section):
            return kind, False
    return None, False


KEYS: tuple[Key, ...] = tuple(_keys(Config))
"""Every key, in the order of the documentation; those of profiles are the fields of `Profile`."""

# Keys whose own keys are names of the operator's.
_NAMED = frozenset({("upstreams",), ("models",), ("webhooks",), ("rate_limits", "models")})

_OF_A_MODEL = ("upstream", "model", "chat", "responses")


def known_keys(location: Sequence[object]) -> list[str]:
    """The keys that there are below a place of the configuration; names and numbers in it may be any."""
    place = tuple(NAME if tuple(location[:i]) in _NAMED else str(key) for i, key in enumerate(location))
    if place[:1] == ("models",):
        return [*_OF_A_MODEL] if len(place) == 2 else list(TargetConfig.model_fields)
    if place == ("upstreams", NAME, "profile"):
        return list(ProfileConfig.model_fields)
    return [key.path[-1] for key in KEYS if key.path[:-1] == place]
