"""What Codex CLI is told of the bridge: as arguments, as lines, and in its configuration file.

Source of the keys: https://developers.openai.com/codex/config-reference
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from responses_asgi.errors import ConfigurationError

__all__ = ["PROVIDER", "arguments", "config_path", "lines", "settings", "write"]

PROVIDER = "responses-asgi"
"""What Codex calls the bridge."""

_TABLE = f"[model_providers.{PROVIDER}]"
_KEY = re.compile(r"""\s*["']?(?P<name>[\w-]+)["']?\s*=""")


def settings(base_url: str, model: str | None = None) -> dict[str, Any]:
    """What Codex is configured with; without `model` it goes on asking for its own."""
    named = {"model": model} if model else {}
    provider = {
        "name": PROVIDER,
        "base_url": base_url,
        "wire_api": "responses",
        "supports_websockets": True,
    }
    return {**named, "model_provider": PROVIDER, "model_providers": {PROVIDER: provider}}


def arguments(values: Mapping[str, Any]) -> list[str]:
    """The settings as arguments of `codex`, which come before its command.

    >>> arguments({"model_provider": "a", "model_providers": {"a": {"base_url": "http://b"}}})
    ['-c', 'model_provider="a"', '-c', 'model_providers.a.base_url="http://b"']
    """
    return [word for path, value in _flat(values) for word in ("-c", f"{path}={json.dumps(value)}")]


def lines(values: Mapping[str, Any]) -> str:
    """The settings as text for a configuration file."""
    top, table = _parts(values)
    return "\n".join([*top, "", *table, ""])


def config_path() -> Path:
    """Where Codex looks for its configuration: in `CODEX_HOME`, else in `~/.codex`."""
    home = os.environ.get("CODEX_HOME")
    return (Path(home) if home else Path.home() / ".codex") / "config.toml"


def write(path: Path, values: Mapping[str, Any]) -> None:
    """Put the settings into the configuration file; all else in it stays as it is.

    Lines that said something else before are kept as comments. Raises ConfigurationError when the file is no
    TOML, or is laid out so that it cannot be edited without a change to more than these settings.
    """
    path = path.resolve()
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    try:
        found = tomllib.loads(before)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from None
    after = _edited(before, values)
    if not _says(after, _merged(found, values)):
        raise ConfigurationError(f"{path} cannot be edited safely. Put this into it:\n\n{lines(values)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(after, encoding="utf-8")
    if path.exists():
        shutil.copymode(path, new)
    new.replace(path)


def _edited(text: str, values: Mapping[str, Any]) -> str:
    top, table = _parts(values)
    head: list[str] = []
    rest: list[str] = []
    place = head
    for line in text.splitlines():
        if line.lstrip().startswith("["):
            ours = line.split("#")[0].strip() == _TABLE
            place = [] if ours else rest
        key = _KEY.match(line)
        stale = place is head and key is not None and key["name"] in values
        if not (stale and line in top):
            place.append(f"# {line}" if stale else line)
    while rest and not rest[-1].strip():
        rest.pop()
    blocks = [top, head, rest, table]
    return "\n\n".join("\n".join(block).strip("\n") for block in blocks if any(block)) + "\n"


def _parts(values: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The lines that stand before all tables, and the table of the bridge."""
    top = [f"{key} = {json.dumps(value)}" for key, value in values.items() if not isinstance(value, Mapping)]
    provider = values["model_providers"][PROVIDER]
    return top, [_TABLE, *(f"{key} = {json.dumps(value)}" for key, value in provider.items())]


def _says(text: str, expected: Mapping[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == expected
    except tomllib.TOMLDecodeError:
        return False


def _merged(found: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    providers = found.get("model_providers", {}) | values["model_providers"]
    return {**found, **values, "model_providers": providers}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
