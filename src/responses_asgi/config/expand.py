"""Environment variables in the texts of a file: `$NAME`, `${NAME}`, `${NAME:-default}`; `$$` is a dollar."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

from responses_asgi.config.problems import FromVariable, Problem, key_path

__all__ = ["expanded"]

_VARIABLE = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?P<braced>[A-Za-z_]\w*)(?::-(?P<default>[^}]*))?\}|(?P<bare>[A-Za-z_]\w*))"
)


def expanded(value: Any, problems: list[Problem], location: Sequence[object] = ()) -> Any:
    """The value with the variables in its texts replaced; one that is not set is a problem of its key.

    A default stands in for a variable that is not set or empty. Keys are left as they are. A text in which a
    variable stood becomes a `FromVariable`.

    >>> expanded({"cost": "5 $$ or ${NO_SUCH:-more}"}, [])
    {'cost': '5 $ or more'}
    """
    if isinstance(value, dict):
        return {key: expanded(each, problems, (*location, key)) for key, each in value.items()}
    if isinstance(value, list):
        return [expanded(each, problems, (*location, i)) for i, each in enumerate(value)]
    return _text(value, problems, location) if isinstance(value, str) else value


def _text(text: str, problems: list[Problem], location: Sequence[object]) -> str:
    replaced = False

    def replace(found: re.Match[str]) -> str:
        nonlocal replaced
        if found["dollar"]:
            return "$"
        replaced = True
        name, default = found["braced"] or found["bare"], found["default"]
        value = os.environ.get(name)
        if value is None and default is None:
            problems.append(Problem(key_path(location), f"the environment variable {name} is not set"))
        return (value or default or "") if default is not None else (value or "")

    made = _VARIABLE.sub(replace, text)
    return FromVariable(made) if replaced else made
