"""Where a configuration comes from: flags, then the environment, then `.env`, then the YAML file.

The first that says something about a key counts. What `.env` says becomes part of the process's environment,
so that `api_key_env`, `$NAME` in the file, proxies and imported hooks find it there, too.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from dotenv import load_dotenv
from pydantic import ValidationError
from pydantic_core import from_json
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from responses_asgi.config.expand import expanded
from responses_asgi.config.keys import PREFIX
from responses_asgi.config.models import Config
from responses_asgi.config.problems import FromVariable, Problem, key_path, problems_of
from responses_asgi.errors import ConfigurationError

__all__ = ["DOTENV", "Loaded", "load"]

DOTENV = Path(".env")


class Loaded(NamedTuple):
    """What was read: `config` is what is left without the values that `problems` are about.

    `upstreams` are the names of all upstreams, also of those that a problem took out; `mentioned` are all
    texts under `models`.
    """

    config: Config
    problems: list[Problem]
    upstreams: frozenset[str]
    mentioned: frozenset[str]


class _Environment(Config, BaseSettings):
    """The keys as pydantic-settings looks for them in the environment."""

    model_config = SettingsConfigDict(
        extra="ignore", env_prefix=PREFIX, env_nested_delimiter="__", enable_decoding=False
    )


def load(
    file: str | Path | None = None,
    *,
    flags: Mapping[str, Any] | None = None,
    env_file: str | Path | None = None,
) -> Loaded:
    """Read and check all sources.

    `file` is in YAML; `flags` come before all else, in the form of the file; `env_file` is read in place of
    `.env`, which need not be there. Raises ConfigurationError for a file that cannot be read.
    """
    _adopt(env_file)
    problems: list[Problem] = []
    written = {} if file is None else expanded(_read(Path(file)), problems)
    problems += _written_keys(written)
    problems += _unknown_variables()
    given: dict[str, Any] = reduce(_over, (written, _environment(), dict(flags or {})))
    config = _checked(given, problems)
    upstreams = given.get("upstreams")
    names = map(str, upstreams) if isinstance(upstreams, dict) else ()
    return Loaded(config, problems, frozenset(names), frozenset(_texts(given.get("models"))))


def _adopt(env_file: str | Path | None) -> None:
    if env_file is not None and not Path(env_file).is_file():
        raise ConfigurationError(f"there is no file {env_file}")
    load_dotenv(env_file or DOTENV)


class _Loader(yaml.SafeLoader):
    """YAML in which a key can stand only once, and a date is text: Azure's versions look like dates."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} stands here for the second time", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _read(file: Path) -> dict[str, Any]:
    try:
        document = yaml.load(file.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else str(file)
        raise ConfigurationError(f"{where}: {getattr(error, 'problem', None) or 'is not YAML'}") from None
    if not isinstance(document, dict):
        raise ConfigurationError(f"{file} must hold a mapping of keys, such as `upstreams:`")
    return document


def _written_keys(written: Mapping[str, Any]) -> Iterator[Problem]:
    """A file is read by many, so that no key of a server may stand in it."""
    upstreams = written.get("upstreams")
    for name, upstream in upstreams.items() if isinstance(upstreams, dict) else ():
        key = upstream.get("api_key") if isinstance(upstream, dict) else None
        if key is not None and not isinstance(key, FromVariable):
            yield Problem(
                key_path(("upstreams", name, "api_key")),
                "must be taken from the environment: write $NAME, or name the variable in api_key_env",
            )


def _unknown_variables() -> Iterator[Problem]:
    for name in sorted(os.environ):
        key = name.removeprefix(PREFIX).partition("__")[0].lower()
        if name.startswith(PREFIX) and key not in Config.model_fields:
            yield Problem(name, f"there is no key {key!r} that this environment variable could set")


def _environment() -> dict[str, Any]:
    """What the environment sets; lists and mappings as JSON."""
    found: dict[str, Any] = _decoded(EnvSettingsSource(_Environment)())
    return found


def _decoded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _decoded(each) for key, each in value.items()}
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return from_json(value)
        except ValueError:  # it is told where it is checked, with its key
            return value
    return value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _over(lower: Any, upper: Any) -> Any:
    """Two layers as one: mappings are united, of anything else the upper one counts."""
    if isinstance(lower, dict) and isinstance(upper, dict):
        return {**lower, **{key: _over(lower.get(key), value) for key, value in upper.items()}}
    return upper


def _checked(given: dict[str, Any], problems: list[Problem]) -> Config:
    """The configuration; what is wrong goes into `problems`, and is left out for the rest to be checked."""
    while True:
        try:
            return Config.model_validate(given)
        except ValidationError as error:
            told = {problem.path for problem in problems}
            problems += [found for found in problems_of(error) if found.path not in told]
            for each in error.errors(include_url=False, include_context=False):
                given = _without(given, each["loc"])


def _without(value: Any, location: tuple[int | str, ...]) -> Any:
    """The value without what lies at the end of the location, as far as that leads."""
    key, *rest = location
    if isinstance(value, dict) and key in value:
        inner = value[key]
        there = rest and isinstance(inner, dict) and rest[0] in inner
        others = {name: each for name, each in value.items() if name != key}
        return {**others, key: _without(inner, tuple(rest))} if there else others
    return value
