"""A thread for one piece of blocking code: all its steps run there, one after the other, in one context."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, ParamSpec, TypeVar

__all__ = ["OwnThread"]

P = ParamSpec("P")
R = TypeVar("R")


class OwnThread:
    """Runs blocking steps for a coroutine, with a copy of its context variables.

    One thread for each user rather than the loop's pool: that pool is small, and a few handlers that wait for
    a slow model would keep all others out.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="responses-asgi")
        self._context = copy_context()
        self._close: Callable[[], Any] | None = None

    async def run(self, step: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run one step in the thread and wait for it."""
        call = partial(self._context.run, _stepped, partial(step, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    def close_at_end(self, close: Callable[[], Any] | None) -> None:
        """Have this called, in the thread, when the steps are over or given up."""
        self._close = close

    def end(self) -> None:
        """Let the thread end after the step it is in; nothing waits for it."""
        if self._close is not None:
            self._executor.submit(self._context.run, self._close)
        self._executor.shutdown(wait=False)


def _stepped(step: Callable[[], R]) -> R:
    """Take a step. No future can hold a StopIteration: who waits for it would wait for ever."""
    try:
        return step()
    except StopIteration as error:
        raise RuntimeError("the code has raised StopIteration") from error
