"""A script: what the model says to which request, in order, by rules or by a function."""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from responses_asgi.testing.faults import BrokenOff, Cut, Fault, Stall
from responses_asgi.testing.model_request import ModelRequest
from responses_asgi.testing.pace import Clock, Pace
from responses_asgi.testing.scripted import Turn
from responses_asgi.testing.vocabulary import SAYABLE, Say, piece_of
from responses_asgi.upstreams.answers import Piece
from responses_asgi.upstreams.upstream import WireAPI

__all__ = ["Reply", "Rule", "Script", "ScriptedTurn", "Unscripted", "When", "pieces_of", "reply_of"]

Pattern: TypeAlias = "str | re.Pattern[str]"


class Reply:
    """An answer with more than its words: `Reply("Hi", Usage(3, 1), faults=[Cut(40)])`.

    - `parts`: what is said, in order.
    - `faults`: a fault, or several, that its events and bytes meet on their way.
    - `pace`: how fast it is said; None: as the fake model says everything.
    - `when`: in a list of turns, what the request must be like; any other is unscripted.
    """

    def __init__(
        self,
        *parts: Say | Cut | Stall,
        faults: Fault | Sequence[Fault] = (),
        pace: Pace | None = None,
        when: When | None = None,
    ) -> None:
        self.parts: Any = parts
        self.faults = [faults] if isinstance(faults, Fault) else list(faults)
        self.pace = pace
        self.when = when

    def __repr__(self) -> str:
        return f"Reply({', '.join(map(repr, self.parts))})"


ScriptedTurn: TypeAlias = (
    "Say | Cut | Stall | Reply | Turn | Sequence[Say | Cut | Stall] | Callable[[ModelRequest], Any]"
)
"""What the model says to one request: something, a list of it, a `Reply`, a raw `Turn`, or a function.

The function is called with the request, in the event loop. It may be async, or a generator, and return or
yield what a turn can be; what it raises as an `Error` is the answer.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """What a request must be like; what is None does not matter.

    - `text`: of the last user message: a string that it contains, in any case, or a pattern that is found.
    - `tool_result`: whether the request tells the result of a tool; or what the last result contains.
    - `turn`: how many answers of the model the conversation holds.
    - `model`, `api`: what was asked; a string is the whole name.
    - `where`: a function of the request.
    """

    text: Pattern | None = None
    tool_result: bool | Pattern | None = None
    turn: int | None = None
    model: Pattern | None = None
    api: WireAPI | None = None
    where: Callable[[ModelRequest], bool] | None = None

    def mismatches(self, request: ModelRequest) -> list[tuple[str, object, object]]:
        """What of this the request is not: (name, expected, got)."""
        result = request.tool_result
        checks = (
            ("text", self.text, request.text, _found(self.text, request.text)),
            ("tool_result", self.tool_result, result, _told(self.tool_result, result)),
            ("turn", self.turn, request.turn, self.turn == request.turn),
            ("model", self.model, request.model, _named(self.model, request.model)),
            ("api", self.api, request.api, self.api == request.api),
            ("where", self.where, False, self.where is not None and self.where(request)),
        )
        return [(name, want, got) for name, want, got, fits in checks if want is not None and not fits]

    def __str__(self) -> str:
        said = [(field.name, getattr(self, field.name)) for field in fields(self)]
        return (
            ", ".join(f"{name}={_shown(value)}" for name, value in said if value is not None) or "any request"
        )


class Rule:
    """What the model says to the requests that fit; made by `FakeModel.on`."""

    def __init__(self, when: When, times: int | None) -> None:
        self.when = when
        self.turns: list[ScriptedTurn] = []
        self.said = 0
        self._times = times

    def say(self, *turns: ScriptedTurn) -> Rule:
        """Say these, one for each request; the last one is said again to all that follow."""
        self.turns.extend(turns)
        return self

    def __call__(self, function: Callable[[ModelRequest], Any]) -> Callable[[ModelRequest], Any]:
        """As a decorator: the function says it."""
        self.say(function)
        return function

    @property
    def exhausted(self) -> bool:
        return not self.turns or (self._times is not None and self.said >= self._times)

    def next(self) -> ScriptedTurn:
        turn = self.turns[min(self.said, len(self.turns) - 1)]
        self.said += 1
        return turn


class Unscripted(AssertionError):
    """A request came for which the script has no turn; the message compares the two."""


class Script:
    """Finds the turn for each request: by the rules in their order, else the next of the list."""

    def __init__(self, turns: Sequence[ScriptedTurn] | ScriptedTurn | None) -> None:
        self._listed = _is_list(turns)
        self._turns: Any = turns
        self.position = 0
        self.rules: list[Rule] = []

    def turn_for(self, request: ModelRequest) -> ScriptedTurn | None:
        """The turn for this request; None where there is no script at all. Raises Unscripted."""
        for rule in self.rules:
            if not rule.exhausted and not rule.when.mismatches(request):
                return rule.next()
        if not self._listed:
            if self._turns is None and self.rules:
                raise Unscripted(self._compared(request))
            turn: ScriptedTurn | None = self._turns
            return turn
        if self.position >= len(self._turns):
            raise Unscripted(self._compared(request))
        turn = self._turns[self.position]
        if isinstance(turn, Reply) and turn.when is not None and turn.when.mismatches(request):
            raise Unscripted(self._compared(request))
        self.position += 1
        return turn

    def unsaid(self) -> list[str]:
        """The turns that no request has asked for."""
        listed = self._turns[self.position :] if self._listed else ()
        return [
            *(f"turn {number}: {turn!r}" for number, turn in enumerate(listed, self.position)),
            *(f"on({rule.when})" for rule in self.rules if not rule.said),
        ]

    def _compared(self, request: ModelRequest) -> str:
        """What was asked, and what the script expects instead."""
        turns = [
            f"The script has no turn for request {request.number} ({request.api}).",
            "It asks:",
            *(f"    {name}: {value!r}" for name, value in _asked(request)),
        ]
        expected = list(self._expectations())
        turns.append("The script expects:" if expected else "The script expects no request at all.")
        for name, when, over in expected:
            turns.append(f"  {name}: {when}{over}")
            for what, want, got in when.mismatches(request):
                turns += [f"    - {what}: {_shown(want)}", f"    + {what}: {_shown(got)}"]
        return "\n".join(turns)

    def _expectations(self) -> Iterator[tuple[str, When, str]]:
        for rule in self.rules:
            yield "on", rule.when, " (has been said)" if rule.exhausted else ""
        if not self._listed:
            return
        if self.position < len(self._turns):
            turn = self._turns[self.position]
            yield f"turn {self.position}", getattr(turn, "when", None) or When(), ""
        elif self._turns:
            yield f"turn {self.position - 1}", When(), f", the last of {len(self._turns)} (has been said)"


async def reply_of(turn: Any, request: ModelRequest) -> Reply | Turn:
    """The turn as a reply; a function is called. Raises the APIError that a function raises."""
    if callable(turn) and not isinstance(turn, SAYABLE):
        result = turn(request)
        return await reply_of(await result if inspect.isawaitable(result) else result, request)
    if isinstance(turn, Reply | Turn):
        return turn
    reply = Reply()
    reply.parts = turn if _is_many(turn) else [turn]
    return reply


async def pieces_of(parts: Any, clock: Clock) -> AsyncGenerator[Piece]:
    """What is said as the pieces of an answer; raises APIError for an error and BrokenOff for a cut."""
    async with aclosing(_said(parts)) as said:
        async for each in said:
            match each:
                case Cut():
                    raise BrokenOff(clean=each.clean)
                case Stall():
                    await clock.sleep(each.seconds)
                case _ if isinstance(each, SAYABLE):
                    yield piece_of(each)
                case _:
                    raise TypeError(f"a model cannot say {each!r}")


async def _said(parts: Any) -> AsyncGenerator[Any]:
    if isinstance(parts, AsyncIterable):
        async for part in parts:
            yield part
    else:
        for part in parts:
            yield part


def _is_many(turn: object) -> bool:
    """Whether it is a list or a generator of what can be said; some pieces are tuples themselves."""
    return not isinstance(turn, SAYABLE) and isinstance(turn, Iterable | AsyncIterable)


def _is_list(turns: object) -> bool:
    return not isinstance(turns, SAYABLE) and isinstance(turns, Sequence)


def _found(pattern: Pattern | None, text: str) -> bool:
    if isinstance(pattern, re.Pattern):
        return pattern.search(text) is not None
    return pattern is None or pattern.casefold() in text.casefold()


def _told(expected: bool | Pattern | None, result: str | None) -> bool:
    if isinstance(expected, bool):
        return expected == (result is not None)
    return result is not None and _found(expected, result)


def _named(expected: Pattern | None, name: str) -> bool:
    return expected.search(name) is not None if isinstance(expected, re.Pattern) else expected == name


def _asked(request: ModelRequest) -> list[tuple[str, object]]:
    names = ("model", "turn", "text", "tool_result", "tools")
    return [(name, getattr(request, name)) for name in names]


def _shown(value: object) -> str:
    if isinstance(value, re.Pattern):
        return f"re.compile({value.pattern!r})"
    return getattr(value, "__name__", None) or repr(value)
