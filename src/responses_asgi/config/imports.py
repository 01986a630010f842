"""Objects that a configuration names: `module:name`."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from operator import attrgetter
from typing import Any

from responses_asgi.errors import ConfigurationError

__all__ = ["imported"]


def imported(path: str) -> Any:
    """The object; modules are also found in the current directory, as every ASGI server finds them.

    Raises ConfigurationError, which names what is missing, what the module raised, or what cannot be called.
    """
    module_name, _, name = path.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = import_module(module_name)
    except Exception as error:
        raise ConfigurationError(
            f"{module_name} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    try:
        found = attrgetter(name)(module)
    except AttributeError:
        raise ConfigurationError(f"there is no {name!r} in {module_name}") from None
    if not callable(found):
        raise ConfigurationError(f"{path} is of type {type(found).__name__}, which cannot be called")
    return found
