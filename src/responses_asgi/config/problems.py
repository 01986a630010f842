"""What is wrong with a configuration: each problem with the path of its key, all of them at once.

A value that may be a secret is never shown: one that came from a variable, or stands under such a key.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from responses_asgi.config.keys import known_keys
from responses_asgi.errors import ConfigurationError

__all__ = ["FromVariable", "Problem", "ProblemsError", "key_path", "problems_of"]

MOST_SHOWN_CHARS = 60

_SECRET = frozenset({"api_key", "headers", "keys_store", "proxy", "set", "store", "url"})
_PLAIN = re.compile(r"[\w-]+")

# pydantic's word for a type of error -> how it is said here. The rest is said in pydantic's words.
_SAID = {
    "missing": "is needed",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "list_type": "must be a list",
    "string_type": "must be text",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
}


class FromVariable(str):
    """Text in which a variable was expanded; it may be a secret."""

    __slots__ = ()


class Problem(NamedTuple):
    """`path` is that of the key, as in `upstreams.vllm.read_timeout`; "" where it is about the whole."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ProblemsError(ConfigurationError):
    """A configuration that cannot work: all `problems` that were found; `source` is where it came from."""

    def __init__(self, problems: Sequence[Problem], source: str | None = None) -> None:
        self.problems = list(problems)
        where = f"{source}: " if source else ""
        lines = [str(problem) for problem in self.problems]
        if len(lines) == 1:
            super().__init__(where + lines[0])
        else:
            super().__init__("\n  ".join([f"{where}{len(lines)} problems", *lines]))


def key_path(location: Sequence[object]) -> str:
    """The path of a key as it is told.

    >>> key_path(["models", "gpt-5.5", "each", 0, "upstream"])
    'models["gpt-5.5"][0].upstream'
    """
    said = ""
    for place, key in enumerate(location):
        if isinstance(key, int):
            said += f"[{key}]"
        elif key == "[key]" or (location[0] == "models" and place == 2 and key == "each"):
            continue  # said by pydantic, or by us, about a place that has no name of its own
        elif _PLAIN.fullmatch(str(key)):
            said += f".{key}" if said else str(key)
        else:
            said += f'["{key}"]'
    return said


def problems_of(error: ValidationError) -> list[Problem]:
    """What pydantic found, in the words of this package."""
    return [Problem(key_path(each["loc"]), _message(each)) for each in error.errors(include_url=False)]


def _message(found: Mapping[str, Any]) -> str:
    kind, location, given = found["type"], found["loc"], found["input"]
    if kind == "extra_forbidden":
        return _unknown(str(location[-1]), known_keys(location[:-1]))
    message = _SAID.get(kind) or found["msg"].removeprefix("Value error, ").replace(
        "Input should be", "must be"
    )
    return (
        message
        if kind in ("missing", "value_error") or not _shown(location, given)
        else f"{message}, got {given!r}"
    )


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    return f"there is no such key; {hint}"


def _shown(location: Sequence[object], given: object) -> bool:
    """Whether the value may be told."""
    if isinstance(given, FromVariable) or _SECRET.intersection(map(str, location)):
        return False
    return given is None or (isinstance(given, str | int | float) and len(repr(given)) <= MOST_SHOWN_CHARS)
