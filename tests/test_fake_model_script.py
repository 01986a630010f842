"""Which turn of a script a request gets, what functions see, and how strict mode tells a mismatch."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest

from responses_asgi import client
from responses_asgi.testing import (
    Error,
    FakeModel,
    ModelRequest,
    Reply,
    ToolCall,
    Unscripted,
    When,
)


async def told(fake: FakeModel, text: str = "Hi", *, model: str = "m", **body: Any) -> str:
    async with client(fake, max_retries=0) as sdk:
        said = await sdk.responses.create(model=model, input=body.pop("input", text), **body)
        return said.output_text or said.output[0].type


def conversation(*texts: str, result: str | None = None) -> Any:
    """User messages with answers between them; or a call and its result at the end."""
    items: list[Any] = []
    for number, text in enumerate(texts):
        items += [{"role": "assistant", "content": "Yes."}] if number else []
        items.append({"role": "user", "content": text})
    if result is not None:
        items.append({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"})
        items.append({"type": "function_call_output", "call_id": "c", "output": result})
    return items


@pytest.mark.parametrize(
    ("when", "fits", "does_not"),
    [
        ({"text": "WEATHER"}, {"text": "How is the weather?"}, {"text": "Hi"}),
        ({"text": re.compile(r"^\d+$")}, {"text": "42"}, {"text": "42 or so"}),
        ({"tool_result": True}, {"input": conversation("Hi", result="sun")}, {"text": "Hi"}),
        ({"tool_result": False}, {"text": "Hi"}, {"input": conversation("Hi", result="sun")}),
        (
            {"tool_result": "SUN"},
            {"input": conversation("Hi", result="sunny")},
            {"input": conversation("Hi", result="rain")},
        ),
        ({"tool_result": re.compile("^s")}, {"input": conversation("Hi", result="sun")}, {"text": "Hi"}),
        ({"turn": 1}, {"input": conversation("a", "b")}, {"text": "a"}),
        ({"model": "gpt"}, {"model": "gpt"}, {"model": "gpt-2"}),
        ({"model": re.compile("gpt")}, {"model": "gpt-2"}, {"model": "m"}),
        ({"where": lambda request: request.body.get("temperature") == 0}, {"temperature": 0}, {}),
        ({"text": "a", "turn": 1}, {"input": conversation("b", "a")}, {"input": conversation("a", "b")}),
    ],
)
async def test_matchers(when: Any, fits: Any, does_not: Any) -> None:
    fake = FakeModel()
    fake.on(**when).say("It fits.")
    fake.on().say("It does not.")
    assert await told(fake, **fits) == "It fits."
    assert await told(fake, **does_not) == "It does not."


async def test_the_api_can_be_matched() -> None:
    fake = FakeModel("else")
    fake.on(api="chat").say("chat")
    assert await told(fake) == "else"
    completion = await client(fake).chat.completions.create(
        model="m", messages=[{"role": "user", "content": "Hi"}]
    )
    assert completion.choices[0].message.content == "chat"


async def test_a_rule_says_its_turns_in_order_and_repeats_the_last() -> None:
    fake = FakeModel(["listed"])
    fake.on(text="a").say("one", "two")
    fake.on(text="b", times=1).say("once")
    fake.on(text="nothing to say")
    assert [await told(fake, text) for text in ("a", "b", "a", "b", "a")] == [
        "one",
        "once",
        "two",
        "listed",
        "two",
    ]


async def test_an_agent_loop_by_rules() -> None:
    fake = FakeModel()
    fake.on(tool_result=False).say(Error(429, retry_after=0), ToolCall("weather", {"city": "Oslo"}))
    fake.on(tool_result="sun").say("It is sunny.")
    async with client(fake) as sdk:
        call = (await sdk.responses.create(model="m", input="Weather?")).output[0]
        assert call.type == "function_call"
    assert await told(fake, input=conversation("Weather?", result="sun")) == "It is sunny."


async def test_functions_see_the_request_and_may_be_of_any_form() -> None:
    fake = FakeModel()

    @fake.on(text="plain")
    def plain(request: ModelRequest) -> str:
        return request.text.upper()

    @fake.on(text="async")
    async def later(request: ModelRequest) -> Any:
        return Reply("I am ", request.model)

    @fake.on(text="generator")
    def pieces(request: ModelRequest) -> Iterator[str]:
        yield "one "
        yield "two"

    @fake.on(text="stream")
    async def stream(request: ModelRequest) -> AsyncIterator[str]:
        yield "three "
        yield "four"

    @fake.on(text="nested")
    def nested(request: ModelRequest) -> Any:
        return plain

    answers = [await told(fake, text) for text in ("plain", "async", "generator", "stream", "nested")]
    assert answers == ["PLAIN", "I am m", "one two", "three four", "NESTED"]
    assert plain.__name__ == "plain"


async def test_one_function_can_be_the_whole_script() -> None:
    def parrot(request: ModelRequest) -> Any:
        if request.number == 1:
            raise Error(503, "No more.")
        return request.text

    fake = FakeModel(parrot)
    assert await told(fake, "Polly?") == "Polly?"
    with pytest.raises(openai.InternalServerError, match="No more"):
        await told(fake)


async def test_a_function_that_fails_is_told_and_fails_the_test() -> None:
    def broken(request: ModelRequest) -> str:
        return request.body["missing"]  # type: ignore[no-any-return]  # it never returns

    fake = FakeModel(broken)
    with pytest.raises(openai.InternalServerError, match="script failed at request 0: KeyError") as caught:
        await told(fake)
    assert caught.value.response.headers["x-should-retry"] == "false"
    with pytest.raises(Unscripted, match="KeyError"):
        fake.verify()


async def test_a_generator_that_fails_is_told_in_the_stream_and_fails_the_test() -> None:
    def broken(request: ModelRequest) -> Iterator[str]:
        yield "The fox"
        raise LookupError("no more foxes")

    fake = FakeModel(broken)
    with pytest.raises(openai.APIError, match="no more foxes"):
        async for _ in await client(fake).responses.create(model="m", input="Hi", stream=True):
            pass
    with pytest.raises(Unscripted, match="no more foxes"):
        fake.verify()


async def test_what_cannot_be_said_is_told() -> None:
    with pytest.raises(openai.InternalServerError, match="cannot say 42"):
        await told(FakeModel([[42]]))
    with pytest.raises(openai.InternalServerError, match="cannot say 42"):
        await told(FakeModel([42]))


async def test_after_the_last_turn_the_script_says_so() -> None:
    fake = FakeModel(["one"])
    assert await told(fake) == "one"
    with pytest.raises(openai.InternalServerError) as caught:
        await told(fake, "And now?")
    assert caught.value.code == "unscripted"
    assert "turn 0: any request, the last of 1 (has been said)" in caught.value.message
    nothing = FakeModel([])
    with pytest.raises(openai.InternalServerError, match="expects no request at all"):
        await told(nothing)


EXPECTED = """\
The script has no turn for request 1 (responses).
It asks:
    model: 'm'
    turn: 0
    text: 'What time is it?'
    tool_result: None
    tools: ['clock']
The script expects:
  on: text='weather', model=re.compile('gpt')
    - text: 'weather'
    + text: 'What time is it?'
    - model: re.compile('gpt')
    + model: 'm'
  on: where=is_late (has been said)
    - where: is_late
    + where: False
  turn 0: tool_result=True, turn=1
    - tool_result: True
    + tool_result: None
    - turn: 1
    + turn: 0"""


def is_late(request: ModelRequest) -> bool:
    return request.text == "late"


async def test_strict_mode_compares_what_was_asked_with_what_is_expected() -> None:
    fake = FakeModel([Reply("Sunny.", when=When(tool_result=True, turn=1))], strict=True)
    fake.on(text="weather", model=re.compile("gpt")).say(ToolCall("weather", {}))
    fake.on(where=is_late, times=1).say("Good night.")
    assert await told(fake, "late") == "Good night."
    clock: Any = {"type": "function", "name": "clock", "parameters": {}}
    with pytest.raises(openai.InternalServerError) as caught:
        await told(fake, "What time is it?", tools=[clock])
    assert caught.value.body["message"] == EXPECTED  # type: ignore[index]  # it is the error object
    with pytest.raises(Unscripted) as problem:
        fake.verify()
    assert str(problem.value).startswith(EXPECTED)
    assert "turn 0: Reply('Sunny.')" in str(problem.value)
    assert "on(text='weather', model=re.compile('gpt'))" in str(problem.value)


async def test_rules_alone_are_a_script_too() -> None:
    fake = FakeModel()
    fake.on(text="a").say("A")
    with pytest.raises(openai.InternalServerError, match="no turn for request 0"):
        await told(fake, "b")


async def test_a_turn_waits_for_the_request_it_is_meant_for() -> None:
    fake = FakeModel([Reply("A", when=When(text="a")), "B"])
    with pytest.raises(openai.InternalServerError, match="text='a'"):
        await told(fake, "b")
    assert [await told(fake, "a"), await told(fake, "b")] == ["A", "B"]


async def test_as_a_context_manager_it_fails_the_block() -> None:
    unsaid = "not said to its end:\n  turn 1: 'two'"
    with pytest.raises(Unscripted, match=unsaid), FakeModel(["one", "two"], strict=True) as fake:
        await told(fake)
    with pytest.raises(Unscripted, match="no turn for request 0") as caught, FakeModel([]) as fake:
        await told(fake)
    assert isinstance(caught.value.__context__, openai.InternalServerError)
    with pytest.raises(ZeroDivisionError), FakeModel(["one"], strict=True):
        raise ZeroDivisionError
    with FakeModel(["one"]) as fake:
        pass
    with FakeModel(["one"], strict=True) as fake:
        await told(fake)
