"""Asking a store that may be away for a moment."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from itertools import chain, repeat
from typing import TypeVar

from responses_asgi.errors import APIError, VersionConflictError

__all__ = ["insist"]

T = TypeVar("T")

logger = logging.getLogger("responses_asgi")

# Seconds between tries.
_PAUSES = (0.05, 0.1, 0.2, 0.5)
_PAUSE = 1.0


async def insist(ask: Callable[[], Awaitable[T]], *, seconds: float, doing: str) -> T:
    """Ask until the store has done it; what is asked must be the same if it is done twice.

    Raises what the store raises when it is asked after these seconds, so that it is asked a second time even
    by a program that was asleep for longer; at once a VersionConflictError, and an error that will
    not pass (something is too large to be kept). `doing` is for the log: "keep the end of resp_1".
    """
    deadline = time.monotonic() + seconds
    pauses = chain(_PAUSES, repeat(_PAUSE))
    told = False
    while True:
        is_last = time.monotonic() >= deadline
        try:
            return await ask()
        except Exception as error:
            # A user's own store may raise anything.
            passing = not isinstance(error, APIError) or error.status >= 500
            if isinstance(error, VersionConflictError) or not passing or is_last:
                raise
            if not told:
                logger.warning("It was not possible to %s, which is tried again: %s", doing, error)
                told = True
        await asyncio.sleep(next(pauses))
