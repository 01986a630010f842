"""How fast a scripted model speaks, in what pieces, and by which clock."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Protocol

from responses_asgi.testing.vocabulary import words
from responses_asgi.types.json import JSON

__all__ = ["Clock", "ManualClock", "Pace", "RealClock", "fragments"]


ARGUMENTS_SIZE = 8


class Clock(Protocol):
    """What a scripted model waits by."""

    async def sleep(self, seconds: float) -> None:
        """Wait; for ever when `seconds` is infinite."""


class RealClock:
    """Waits in real time."""

    async def sleep(self, seconds: float) -> None:
        if seconds == math.inf:
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that a test holds in its hand: nothing waits in real time.

    By itself it jumps: whoever sleeps is woken at once, and `now` and `slept` tell how long that would have
    been. With `jump=False` it stands still until `advance`. It serves one event loop. Who sleeps for ever is
    never woken by either.

    >>> clock = ManualClock()
    >>> asyncio.run(clock.sleep(1.5))
    >>> clock.now, clock.slept
    (1.5, [1.5])
    """

    def __init__(self, *, jump: bool = True) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self._jump = jump
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._came = asyncio.Event()

    @property
    def sleeping(self) -> int:
        """How many sleep now."""
        return sum(not sleeper.done() for _, _, sleeper in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self._jump and seconds != math.inf:
            self.now += seconds
            await asyncio.sleep(0)
            return
        sleeper = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, len(self.slept), sleeper))
        self._came.set()
        await sleeper

    async def sleeper(self) -> None:
        """Wait until somebody sleeps."""
        while not self.sleeping:
            self._came.clear()
            await self._came.wait()

    def advance(self, seconds: float) -> None:
        """Let time pass, and wake those whose time has come."""
        self.now += seconds
        while self._sleepers and self._sleepers[0][0] <= self.now < math.inf:
            _, _, sleeper = heapq.heappop(self._sleepers)
            if not sleeper.done():
                sleeper.set_result(None)


@dataclass(frozen=True, slots=True)
class Pace:
    """How a stream is paced, and how text and arguments are cut into deltas.

    - `ttft`: seconds before the first delta.
    - `tokens_per_second`: deltas each second; None: as fast as they are read.
    - `jitter`: each wait is up to this share longer or shorter, from 0 to 1.
    - `chunk_size`: characters in a delta; 0: not cut, None: a word of text, some characters of arguments.

    A whole answer is given when the stream would have ended.
    """

    ttft: float = 0.0
    tokens_per_second: float | None = None
    jitter: float = 0.0
    chunk_size: int | None = None

    def waits(self, random: Random) -> Iterator[float]:
        """The seconds to wait before each delta."""
        yield self._varied(self.ttft, random)
        while True:
            yield self._varied(1 / self.tokens_per_second if self.tokens_per_second else 0.0, random)

    def _varied(self, seconds: float, random: Random) -> float:
        return seconds * (1 + self.jitter * random.uniform(-1, 1)) if self.jitter else seconds

    def cut(self, text: str, *, arguments: bool = False) -> list[str]:
        """The text in pieces; at least one."""
        if self.chunk_size is None and not arguments:
            return list(words(text)) or [text]
        size = ARGUMENTS_SIZE if self.chunk_size is None else self.chunk_size or len(text) or 1
        return [text[start : start + size] for start in range(0, len(text), size)] or [text]


def fragments(chunk: JSON, pace: Pace, *, whole_calls: bool = False) -> Iterator[JSON]:
    """A chunk of a whole piece as the chunks of its fragments; scored text and `whole_calls` stay whole."""
    choice: JSON = chunk["choices"][0] if len(chunk.get("choices") or ()) == 1 else {}
    delta: JSON = choice.get("delta") or {}
    called: list[JSON] = delta.get("tool_calls") or []
    said = [(name, text) for name, text in delta.items() if name != "role" and isinstance(text, str) and text]
    if len(said) == 1 and not choice.get("logprobs"):
        (name, text), rest = said[0], {k: v for k, v in delta.items() if k != said[0][0]}
        for number, piece in enumerate(pace.cut(text)):
            yield _with(chunk, choice, {**(rest if number == 0 else {}), name: piece})
    elif len(called) == 1 and not whole_calls:
        function = called[0]["function"]
        opened = {**called[0], "function": {**function, "arguments": ""}}
        yield _with(chunk, choice, {**delta, "tool_calls": [opened]})
        for piece in pace.cut(function["arguments"], arguments=True):
            fragment = {"index": called[0]["index"], "function": {"arguments": piece}}
            yield _with(chunk, choice, {"tool_calls": [fragment]})
    else:
        yield chunk


def _with(chunk: JSON, choice: JSON, delta: JSON) -> JSON:
    return {**chunk, "choices": [{**choice, "delta": delta}]}
