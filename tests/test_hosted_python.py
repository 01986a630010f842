"""Python functions as hosted tools: their schemas, their arguments, where they run, and what they answer."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from responses_asgi import ResponsesMiddleware, Upstream
from responses_asgi.errors import ConfigurationError
from responses_asgi.hosted import (
    Hosted,
    HostedLimits,
    HostedTool,
    ToolOutput,
    hosted_tool,
    tool,
)
from responses_asgi.testing import assert_valid_stream
from responses_asgi.translate.rounds import HostedResult
from responses_asgi.upstreams.answers import ToolCall
from responses_asgi.upstreams.context import ExchangeContext
from tests.asgi_driver import post
from tests.hosted_servers import asking, context, mcp, names, offered
from tests.hosted_types import Model

CONTEXT = context("alice", response_id="resp_1")
WHO: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


class Unit(Enum):
    celsius = "c"
    fahrenheit = "f"


class Place(BaseModel):
    city: str
    country: str = "FR"


@dataclass
class Forecast:
    place: str
    degrees: float


def weather(
    place: Place, days: Annotated[int, Field(ge=1, le=9)] = 1, unit: Unit = Unit.celsius, copy: bool = False
) -> Forecast:
    """Tells the weather.

    In every place there is.

    Args:
        place: Where to look,
            as exactly as possible.
        days (int): How many days.

    Returns:
        What is to come.
    """
    assert isinstance(place, Place)
    return Forecast(place.city, 20.5 if unit is Unit.celsius else 68.9)


async def run(function: Any, /, context: ExchangeContext = CONTEXT, **arguments: Any) -> HostedResult:
    return await hosted_tool(function).call(arguments, context)


def test_the_schema_is_that_of_the_hints_and_the_docstring() -> None:
    made = hosted_tool(weather)
    assert (made.label, made.name) == ("tools", "weather")
    assert made.description == "Tells the weather.\n\nIn every place there is."
    properties = made.parameters["properties"]
    assert list(properties) == ["place", "days", "unit", "copy"]
    assert made.parameters["required"] == ["place"]
    assert properties["place"]["description"] == "Where to look, as exactly as possible."
    assert properties["days"] == {
        "default": 1,
        "description": "How many days.",
        "maximum": 9,
        "minimum": 1,
        "type": "integer",
    }
    assert made.parameters["$defs"]["Place"]["required"] == ["city"]
    assert made.parameters["additionalProperties"] is False


def test_descriptions_in_the_style_of_sphinx() -> None:
    def find(what: str, where: Literal["here", "there"] = "here") -> str:
        """Finds things.

        :param what: The thing,
            in a word.
        :param str where: The place.
        :returns: it
        """
        return what + where

    made = hosted_tool(find)
    assert made.description == "Finds things."
    told = {name: field["description"] for name, field in made.parameters["properties"].items()}
    assert told == {"what": "The thing, in a word.", "where": "The place."}


async def test_arguments_are_read_and_answers_are_told_as_json() -> None:
    assert await run(weather, place={"city": "Nice"}, unit="f") == HostedResult(
        '{"place":"Nice","degrees":68.9}', False
    )


async def test_arguments_that_do_not_fit_are_told_to_the_model() -> None:
    wrong = await run(weather, place={}, days=10, colour="red")
    assert wrong.failed
    for said in ("place.city: Field required", "days: Input should be less", "colour: Extra inputs"):
        assert said in wrong.output
    assert (await hosted_tool(weather).call([], CONTEXT)).failed  # type: ignore[arg-type]  # what a model may write


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("text", "text"),
        (None, ""),
        (5, "5"),
        ([1, "a", None], '[1,"a",null]'),
        ({"a": {1}}, '{"a":[1]}'),
        (Place(city="Nice"), '{"city":"Nice","country":"FR"}'),
        (float("nan"), '"NaN"'),
        ({"half": "\ud83d"}, '{"half":"\\ud83d"}'),
        (Place(city="\ud83d"), '{"city":"\\ud83d","country":"FR"}'),
        (object, "\"<class 'object'>\""),
        (ToolOutput("out"), "out"),
        (ToolOutput({"a": 1}), '{"a":1}'),
        (HostedResult("raw"), "raw"),
    ],
)
async def test_every_answer_is_told(answer: Any, told: str) -> None:
    def give() -> Any:
        return answer

    assert await run(give) == HostedResult(told, False)


async def test_failures_are_told_and_never_raised() -> None:
    def broken() -> str:
        raise KeyError("no such order")

    async def silent() -> str:
        raise RuntimeError

    def given_up() -> ToolOutput:
        return ToolOutput("There is no such order.", failed=True)

    def late() -> str:
        raise TimeoutError("the database is slow")

    async def together() -> str:
        async with asyncio.TaskGroup() as group:
            group.create_task(silent())
            group.create_task(asyncio.to_thread(broken))
        return "never"

    assert (await run(together)).output in ("RuntimeError", "KeyError: 'no such order'")
    assert await run(broken) == HostedResult("KeyError: 'no such order'", True)
    assert await run(silent) == HostedResult("RuntimeError", True)
    assert await run(given_up) == HostedResult("There is no such order.", True)
    assert await run(late) == HostedResult("TimeoutError: the database is slow", True)


class Odd(BaseException):
    """What no handler of exceptions expects."""


def exits() -> str:
    sys.exit("usage: ...")


async def exits_in_the_loop() -> str:
    return exits()


def is_odd() -> str:
    raise Odd("not an Exception")


def stops() -> str:
    return next(iter([]))


async def awaits_what_was_cancelled() -> str:
    waiting = asyncio.get_running_loop().create_future()
    waiting.cancel()
    return str(await waiting)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (exits, "SystemExit: usage: ..."),
        (exits_in_the_loop, "SystemExit: usage: ..."),
        (is_odd, "Odd: not an Exception"),
        (stops, "RuntimeError: the code has raised StopIteration"),
        (awaits_what_was_cancelled, "CancelledError"),
    ],
)
async def test_functions_that_end_oddly_end_neither_the_server_nor_the_answer(
    function: Any, told: str
) -> None:
    model = Model([ToolCall(f"tools__{function.__name__}", {})], "Sorry.")
    app = ResponsesMiddleware(Upstream.handler(model), hosted=Hosted(tools=[function]))
    exchange = await post(app, {"model": "m", "input": "Hi", "stream": True}).run()
    response = assert_valid_stream(exchange.body)
    assert [item["status"] for item in response["output"]] == ["failed", "completed"]
    assert response["output"][0]["error"]["content"][0]["text"] == told
    assert model.asked[1]["messages"][-1]["content"] == told


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit])
async def test_what_ends_a_program_is_not_told_to_a_model(error: type[BaseException]) -> None:
    async def ends() -> str:
        raise error

    with pytest.raises(error):
        await run(ends)


async def test_sync_functions_run_in_a_thread_with_the_context() -> None:
    def where() -> list[Any]:
        return [WHO.get(), threading.current_thread() is threading.main_thread()]

    async def here() -> list[Any]:
        return [WHO.get(), threading.current_thread() is threading.main_thread()]

    WHO.set("alice")
    assert (await run(where)).output == '["alice",false]'
    assert (await run(here)).output == '["alice",true]'


async def test_blocking_tools_run_side_by_side() -> None:
    together = threading.Barrier(3, timeout=10)

    def meet() -> int:
        return together.wait()

    results = await asyncio.gather(*(run(meet) for _ in range(3)))
    assert not any(result.failed for result in results)


async def test_the_request_is_told_to_those_who_ask() -> None:
    def whose(greeting: str, context: ExchangeContext) -> str:
        return f"{greeting} {context.principal}, {context.response_id}, {context.request['model']}"

    async def maybe(context: ExchangeContext | None = None) -> str:
        return context.principal if context else "nobody"

    assert "context" not in hosted_tool(whose).parameters["properties"]
    assert (await run(whose, greeting="Hi")).output == "Hi alice, resp_1, m"
    assert (await run(maybe)).output == "alice"


async def test_too_slow_and_too_long() -> None:
    @tool(timeout=0.05)
    async def slow() -> str:
        await asyncio.sleep(60)
        return ""

    def long() -> str:
        return "x" * 1000

    assert await run(slow) == HostedResult("slow did not answer within 0.05 s.", True)
    made = hosted_tool(long, HostedLimits(result_chars=10))
    assert await made.call({}, CONTEXT) == HostedResult("xxxxxxxxxx\n[cut off: 10 of 1000 characters]", False)


async def test_a_client_that_leaves_cancels_the_tool() -> None:
    ended = []

    async def forever() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)
        return ""

    running = asyncio.create_task(run(forever))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended == [True]


def test_marked_functions_stay_functions() -> None:
    @tool(label="maths", name="sum", description="Adds.", approval=True, read_only=True, timeout=3)
    def add(a: int, b: int) -> int:
        return a + b

    assert add(1, 2) == 3
    made = hosted_tool(add)
    assert (made.label, made.name, made.description, made.approval) == ("maths", "sum", "Adds.", True)
    assert (made.annotations, made.timeout) == ({"read_only": True}, 3)
    assert tool(weather) is weather


async def test_objects_and_methods_are_tools_too() -> None:
    class Adder:
        """Adds one."""

        def __init__(self, one: int) -> None:
            self._one = one

        async def __call__(self, number: int) -> int:
            return number + self._one

        def twice(self, number: int) -> int:
            """Doubles."""
            return number * 2 * self._one

    assert (await run(Adder(1), number=2)).output == "3"
    assert (await run(Adder(1).twice, number=2)).output == "4"
    assert hosted_tool(Adder(1)).name == "Adder"
    assert (await run(lambda: 5)).output == "5"


@pytest.mark.parametrize("name", ["model_config", "schema", "_hidden", "copy"])
async def test_names_that_pydantic_uses_itself(name: str) -> None:
    scope: dict[str, Any] = {}
    exec(f"def f({name}: int) -> int:\n    return {name}", scope)
    assert list(hosted_tool(scope["f"]).parameters["properties"]) == [name]
    assert (await run(scope["f"], **{name: 5})).output == "5"


def no_hint(a) -> str:  # type: ignore[no-untyped-def]  # what is refused
    return str(a)


def starred(*a: int) -> str:
    return str(a)


def named(**a: int) -> str:
    return str(a)


def positional(a: int, /) -> str:
    return str(a)


def unknown(a: Nowhere) -> str:  # type: ignore[name-defined]  # noqa: F821 - what is refused
    return str(a)


def untellable(a: threading.Lock) -> str:  # type: ignore[valid-type]  # what is refused
    return str(a)


@pytest.mark.parametrize("function", [no_hint, starred, named, positional, unknown, untellable])
def test_functions_that_no_model_can_call(function: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"tool {function.__name__}: "):
        hosted_tool(function)


# Among the hosted tools


def price(item: str) -> str:
    """The price of an item."""
    return f"{item}: 5"


@tool(label="admin", approval=True)
def remove(item: str) -> str:
    return f"{item} is gone"


async def test_functions_are_offered_always_or_by_label() -> None:
    hosted = Hosted(tools=[price, remove], always=["tools"])
    offer = await offered(hosted, asking())
    assert offer.body["tools"] == [
        {
            "type": "function",
            "name": "tools__price",
            "description": "The price of an item.",
            "parameters": offer.tools["tools__price"].parameters,
            "strict": False,
        }
    ]
    assert offer.listed == []
    assert await offer.tools["tools__price"].call({"item": "tea"}, CONTEXT) == HostedResult("tea: 5", False)
    offer = await offered(hosted, asking(mcp("admin")))
    assert names(offer.body["tools"]) == ["admin__remove", "tools__price"]
    assert offer.tools["admin__remove"].approval
    assert [item["server_label"] for item in offer.listed] == ["admin"]
    assert hosted.health() == {"servers": {}, "tools": 2}


async def test_requests_say_which_functions_and_with_what_approval() -> None:
    hosted = Hosted(tools=[price, remove], always=False)
    assert await hosted.offer(asking(), CONTEXT) is None
    offer = await offered(hosted, asking(mcp("admin", require_approval="never")))
    assert not offer.tools["admin__remove"].approval
    offer = await offered(hosted, asking(mcp("tools", require_approval="always")))
    assert offer.tools["tools__price"].approval
    offer = await offered(hosted, asking(mcp("tools", allowed_tools=[])))
    assert offer.tools == {}


async def test_tools_made_by_hand() -> None:
    async def answer(arguments: Any, context: ExchangeContext) -> Any:
        return arguments

    made = HostedTool(label="own", name="echo", run=answer)
    offer = await offered(Hosted(tools=[made]), asking())
    assert await offer.tools["own__echo"].call({"a": 1}, CONTEXT) == HostedResult('{"a":1}', False)


def test_settings_that_cannot_work() -> None:
    with pytest.raises(ConfigurationError, match="two tools 'price'"):
        Hosted(tools=[price, price])
    with pytest.raises(ConfigurationError, match="always: there is no 'wiki'; known are tools"):
        Hosted(tools=[price], always=["wiki"])
    with pytest.raises(ConfigurationError, match="call_timeout must be above 0"):
        HostedLimits(call_timeout=0)
