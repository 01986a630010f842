"""Functions of the host that implement the API's hosted tools: what a request gets of them, and calls."""

from __future__ import annotations

import inspect
import secrets
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from functools import partial
from typing import Any, NamedTuple

from responses_asgi.errors import ConfigurationError, InvalidRequestError
from responses_asgi.hosted.limits import HostedLimits
from responses_asgi.hosted.pieces import result_of_pieces
from responses_asgi.hosted.python_tools import marked_timeout
from responses_asgi.hosted.tool import HostedTool, Run
from responses_asgi.hosted.type_calls import NEW, ImageCall, TypeCall, call_of
from responses_asgi.hosted.type_results import found_of, images_of
from responses_asgi.hosted.type_settings import check_settings
from responses_asgi.translate.hosted_calls import HostedResult, Tell
from responses_asgi.translate.hosted_kind import objects
from responses_asgi.translate.hosted_kinds import (
    HOSTED_KINDS,
    HostedKind,
    Typed,
    included,
    is_asked_for,
    kinds_of,
    row_of,
)
from responses_asgi.translate.hosted_works import LOOKS
from responses_asgi.translate.tool_table import DECLARING
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.context import ExchangeContext
from responses_asgi.upstreams.own_thread import OwnThread

__all__ = ["TypeOffer", "TypeTools"]

TypeFunction = Callable[..., Any]

# What a request that does not name the tool says of it.
_DEFAULTS: Mapping[str, JSON] = {
    "code_interpreter": {"container": {"type": "auto"}},
    "shell": {"environment": {"type": "container_auto"}},
}


class TypeOffer(NamedTuple):
    """What a request gets: tools, the positions of their definitions, and the body without what is theirs."""

    tools: Sequence[HostedTool]
    replaced: Sequence[int]
    body: JSON


class TypeTools:
    """The functions by the names of the kinds that they implement.

    Raises ConfigurationError for a name that is none, and for what cannot be called.
    """

    def __init__(
        self, functions: Mapping[str, TypeFunction], limits: HostedLimits, *, unseen: bool = False
    ) -> None:
        for name, function in functions.items():
            if name not in HOSTED_KINDS:
                raise ConfigurationError(f"types: {name!r} is none of {', '.join(HOSTED_KINDS)}")
            if not callable(function):
                raise ConfigurationError(f"types.{name}: expected a function, got {type(function).__name__}")
        self._functions = dict(functions)
        self._limits = limits
        self._unseen = unseen

    @property
    def names(self) -> dict[str, str]:
        """The kinds, and the functions that stand for them in earlier turns."""
        return {name: HOSTED_KINDS[name].function for name in self._functions}

    def unseen(self) -> TypeTools:
        """Those that are of use to a client that is shown no items."""
        kept = {
            name: function for name, function in self._functions.items() if not HOSTED_KINDS[name].to_be_seen
        }
        return TypeTools(kept, self._limits, unseen=True)

    def offered(self, body: JSON, items: Sequence[JSON], always: Collection[str]) -> TypeOffer:
        """The tools of a request with these items; of the kinds in `always`, also where it names none.

        Raises InvalidRequestError for settings that are wrong, and for two definitions that ask for the same.
        """
        tools = body.get("tools") or []
        wanted = self._wanted(tools)
        # Of what items declare, the last counts.
        named = {_types(tool)[0]: tool for tool in (*wanted.values(), *self._declared(body, items))}
        made = [*named.values(), *self._unasked(always, [*tools, *named.values()])]
        asked = body.get("include") or []
        shown, left = included(asked, [kind for tool in made for kind in self._kinds(tool["type"])])
        if shown:
            body = {**body, "include": left}
        if self._unseen:
            # The items are for the next turn alone, which has to know all that was found.
            asked = [name for kind in HOSTED_KINDS.values() for name in kind.include]
        offered = [tool for definition in made for tool in self._made(definition, asked, items)]
        return TypeOffer(offered, list(wanted), body)

    def are_shown(self, items: Sequence[JSON]) -> bool:
        """Whether items show calls of these kinds."""
        rows = (row_of(item) for item in items)
        return any(row is not None and row.name in self._functions for row in rows)

    def _wanted(self, tools: Sequence[JSON]) -> dict[int, JSON]:
        """The definitions that are implemented here, by their positions."""
        wanted: dict[int, JSON] = {}
        for i, tool in enumerate(tools):
            if not is_asked_for(tool, self._functions):
                continue
            if any(tool["type"] in _types(other) for other in wanted.values()):
                raise InvalidRequestError(
                    f"'tools[{i}]' is a second tool of type {tool['type']!r}; expected one.",
                    param=f"tools[{i}].type",
                    code="invalid_value",
                )
            check_settings(tool, f"tools[{i}]")
            wanted[i] = tool
        return wanted

    def _declared(self, body: JSON, items: Sequence[JSON]) -> Iterator[JSON]:
        """The definitions that items hold; those of the request's own are checked."""
        given = body.get("input")
        known = len(items) - (len(given) if isinstance(given, list) else 0)
        for i, item in enumerate(items):
            tools = objects(item.get("tools")) if item.get("type") in DECLARING else []
            for j, tool in enumerate(tools):
                if is_asked_for(tool, self._functions):
                    if i >= known:
                        check_settings(tool, f"input[{i - known}].tools[{j}]")
                    yield tool

    def _unasked(self, names: Collection[str], tools: Sequence[JSON]) -> list[JSON]:
        """Definitions of these kinds for a request that has none of them."""
        types = dict.fromkeys(kind.tools[0] for kind in HOSTED_KINDS.values() if kind.name in names)
        had = {kind.tools[0] for tool in tools for kind in kinds_of(tool.get("type"))}
        return [{"type": type_, **_DEFAULTS.get(type_, {})} for type_ in types if type_ not in had]

    def _kinds(self, type_: object) -> list[HostedKind]:
        return [kind for kind in kinds_of(type_) if kind.name in self._functions]

    def _made(
        self, definition: JSON, include: Iterable[object], items: Sequence[JSON]
    ) -> Iterator[HostedTool]:
        kinds = self._kinds(definition["type"])
        tool = {**definition, **_container(definition, items)}
        shown, _ = included(include, kinds)
        for kind in kinds:
            function = self._functions[kind.name]
            yield HostedTool(
                label="",
                name=kind.function,
                description=kind.about(tool),
                parameters=kind.parameters,
                typed=Typed(kind, tool, shown, self._limits.result_chars),
                timeout=marked_timeout(function) or self._limits.call_timeout,
                result_chars=self._limits.result_chars,
                run=self._runner(kind, function, tool),
            )

    def _runner(self, kind: HostedKind, function: TypeFunction, tool: JSON) -> Run:
        async def run(arguments: JSON, context: ExchangeContext, tell: Tell) -> HostedResult:
            call = call_of(kind, arguments, tool, context)
            found = found_of(call, await _called(function, call, partial(_seen, call, tell)))
            result = result_of_pieces(
                [kind.told(found, 1), *images_of(found)],
                failed=False,
                chars=self._limits.result_chars,
                image_bytes=self._limits.image_bytes,
            )
            return result._replace(found=found)

        return run


def _types(tool: JSON) -> tuple[str, ...]:
    """The names of the type of a definition, the usual one first."""
    return kinds_of(tool["type"])[0].tools


def _container(tool: JSON, items: Sequence[JSON]) -> JSON:
    """The container of a tool that has one: what the client names, that of earlier calls, or a new one."""
    if tool["type"] not in _DEFAULTS:
        return {}
    said: Any = tool.get("container") or tool.get("environment")
    known = said if isinstance(said, str) else (said or {}).get("container_id")
    if not known:
        calls = [item for item in items if (row := row_of(item)) and row.tools[0] == tool["type"]]
        places = [item.get("container_id") or _of_environment(item) for item in calls]
        known = next((place for place in reversed(places) if isinstance(place, str)), None)
    return {"container_id": known or f"cntr_{secrets.token_hex(24)}", NEW: not known}


def _of_environment(item: JSON) -> object:
    environment = item.get("environment")
    return environment.get("container_id") if isinstance(environment, dict) else None


async def _called(function: TypeFunction, call: TypeCall, see: Callable[[Any, int], Awaitable[None]]) -> Any:
    """What the function returns, or the last value that it yields; of those before, each is seen.

    One that blocks runs in a thread of its own.
    """
    if _is(function, inspect.iscoroutinefunction):
        return await function(call)
    if _is(function, inspect.isasyncgenfunction):
        return await _last(function(call), see)
    thread = OwnThread()
    try:
        answer = await thread.run(function, call)
        if inspect.isgenerator(answer):
            thread.close_at_end(answer.close)
            return await _last(_steps(answer, thread), see)
    finally:
        thread.end()
    return await answer if inspect.isawaitable(answer) else answer


def _is(function: TypeFunction, what: Callable[[Any], bool]) -> bool:
    own = getattr(function, "__call__", None)  # noqa: B004 - the method of an object, not whether there is one
    return what(function) or what(own)


async def _steps(generator: Iterator[Any], thread: OwnThread) -> AsyncGenerator[Any, None]:
    end = object()
    while (value := await thread.run(next, generator, end)) is not end:
        yield value


async def _last(values: AsyncGenerator[Any, None], see: Callable[[Any, int], Awaitable[None]]) -> Any:
    last, number = None, 0
    async with aclosing(values) as yielded:
        async for value in yielded:
            if number:
                await see(last, number)
            last, number = value, number + 1
    return last


async def _seen(call: TypeCall, tell: Tell, value: Any, number: int) -> None:
    """Tell a first sight of an image, as many as the request wants."""
    if isinstance(call, ImageCall) and number <= call.partial_images:
        await tell(_seen_image(found_of(call, value)))


def _seen_image(found: JSON) -> JSON:
    return {name: found[name] for name in ("result", *LOOKS)}
