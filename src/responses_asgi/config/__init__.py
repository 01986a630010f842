"""The configuration of `responses-asgi serve`: from YAML, `.env`, the environment and flags to a `Gateway`.

1. `load` reads all sources, puts them over each other, and checks each value.
2. `set_up` makes the upstreams and the app, and raises all problems at once, each with its key's path.
3. Each key is declared once, in `models`; `KEYS` and docs/configuration.md are made of that.
"""

from __future__ import annotations

from responses_asgi.config.build import DEMO, Setup, keys_of, set_up
from responses_asgi.config.checks import SHARED_STORE
from responses_asgi.config.keys import KEYS, PREFIX, Key
from responses_asgi.config.models import Config
from responses_asgi.config.problems import Problem, ProblemsError
from responses_asgi.config.sources import Loaded, load

__all__ = [
    "DEMO",
    "KEYS",
    "PREFIX",
    "SHARED_STORE",
    "Config",
    "Key",
    "Loaded",
    "Problem",
    "ProblemsError",
    "Setup",
    "keys_of",
    "load",
    "set_up",
]
