"""How many examples Hypothesis tries: few among the other tests, many in `make fuzz`."""

from __future__ import annotations

import os

from hypothesis import settings

__all__ = ["SCALE", "examples"]

SCALE = int(os.environ.get("RESPONSES_ASGI_EXAMPLES", "1"))
"""What the environment multiplies every number of examples by."""


def examples(number: int) -> settings:
    """The settings of a test that has so many examples in a usual run; a decorator, as `@settings` is.

    >>> examples(50).max_examples // SCALE
    50
    """
    return settings(max_examples=number * SCALE)
