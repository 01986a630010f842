"""Part one: the FastAPI example under a real uvicorn, driven by the official openai client."""

from __future__ import annotations

import json
import time
from typing import Any

import openai
from openai import OpenAI
from pydantic import BaseModel

from examples.demo.page import Page
from responses_asgi.testing import assert_valid_stream

__all__ = ["show"]

WEATHER = {"Lisbon": "24 degrees and sunny", "Oslo": "3 degrees and snow"}
WEATHER_TOOL: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city, now.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


class Order(BaseModel):
    """What the client wants an answer to look like."""

    order_number: str
    item: str
    status: str
    days_left: int


def show(page: Page, base_url: str) -> int:
    """Show each way a Responses client asks; returns how many answers were read."""
    client = OpenAI(base_url=f"{base_url}/v1", api_key="anybody", max_retries=0)
    _streamed(page, client)
    _tools(page, client)
    _whole(page, client)
    _losses(page, client)
    _mounted(page, OpenAI(base_url=f"{base_url}/mounted/v1", api_key="anybody", max_retries=0))
    return 7


def _streamed(page: Page, client: OpenAI) -> None:
    question = "Where is A-1002?"
    page.scene("Reasoning and text, streamed", f'client.responses.stream(model="house", input="{question}")')
    types: list[str] = []
    words: list[str] = []
    arrivals: list[float] = []
    began = time.perf_counter()
    with client.responses.stream(model="house", input=question) as stream:
        for event in stream:
            types.append(event.type)
            if event.type == "response.reasoning_text.delta":
                page.speak("thought", event.delta, "dim")
            elif event.type == "response.output_text.delta":
                page.speak("answer", event.delta, "bold")
                words.append(event.delta)
                arrivals.append(time.perf_counter() - began)
        final = stream.get_final_response()
    page.fact("events", _in_short(types))
    page.fact(
        "timing", f"first word after {arrivals[0] * 1e3:.0f} ms, last after {arrivals[-1] * 1e3:.0f} ms"
    )
    if usage := final.usage:
        thinking = usage.output_tokens_details.reasoning_tokens
        page.fact(
            "usage", f"{usage.input_tokens} in, {usage.output_tokens} out, {thinking} of them reasoning"
        )
    page.check(
        final.output_text == "".join(words)
        and [item.type for item in final.output] == ["reasoning", "message"],
        "the final object says what was streamed",
    )
    raw = client.responses.with_raw_response.create(model="house", input=question, stream=True)
    page.check(
        assert_valid_stream(raw.http_response.read())["status"] == "completed",
        "the raw bytes are a legal stream",
    )


def _tools(page: Page, client: OpenAI) -> None:
    question = "How is the weather in Lisbon and in Oslo?"
    page.scene("A tool round trip", f'client.responses.create(input="{question}", tools=[get_weather])')
    conversation: list[Any] = [{"role": "user", "content": question}]
    tools: list[Any] = [WEATHER_TOOL]
    first = client.responses.create(model="house", input=conversation, tools=tools)
    calls = [item for item in first.output if item.type == "function_call"]
    conversation += [item.to_dict(mode="json") for item in first.output]
    for call in calls:
        result = WEATHER[json.loads(call.arguments)["city"]]
        page.fact("calls", f"{call.name}({call.arguments})  ->  {result}")
        conversation.append({"type": "function_call_output", "call_id": call.call_id, "output": result})
    second = client.responses.create(model="house", input=conversation, tools=tools)
    page.fact("answer", second.output_text)
    page.check(
        len(calls) == 2 and all(result in second.output_text for result in WEATHER.values()),
        "two parallel calls, and both results reached the model",
    )


def _whole(page: Page, client: OpenAI) -> None:
    page.scene("One whole JSON answer, read into a model", "client.responses.parse(text_format=Order)")
    answer = client.responses.parse(model="house", input="Look up A-1003.", text_format=Order)
    page.fact("answer", repr(answer.output_parsed))
    page.check(
        answer.output_parsed is not None and answer.output_parsed.item == "Burr grinder",
        "text.format reached the service as response_format, and its JSON came back typed",
    )


def _losses(page: Page, client: OpenAI) -> None:
    page.scene(
        "What Chat Completions cannot carry is told, not swallowed",
        'client.responses.with_raw_response.create(..., reasoning={"summary": "auto"})',
    )
    raw = client.responses.with_raw_response.create(
        model="house", input="Where is A-1001?", reasoning={"summary": "auto"}, truncation="auto"
    )
    page.fact("answer", raw.parse().output_text)
    report = raw.headers.get("x-responses-asgi-loss", "")
    page.fact("header", f"x-responses-asgi-loss: {report}", "yellow")
    page.check("reasoning.summary;dropped" in report, "the loss report names the field")
    malformed: list[Any] = [{"type": "message", "role": "user", "content": 5}]
    try:
        client.responses.create(model="house", input=malformed)
    except openai.BadRequestError as error:
        page.fact("refused", f"400, param {error.param}", "yellow")
        page.check(
            error.param is not None and "content" in error.param,
            "a malformed request is a 400 that says where",
        )
    else:
        page.check(False, "a malformed request is a 400 that says where")


def _mounted(page: Page, client: OpenAI) -> None:
    page.scene(
        "A Python generator, mounted in the same app",
        'app.mount("/mounted/v1", ResponsesMiddleware(Upstream.handler(answer)))',
    )
    answer = client.responses.create(model="concierge", input="Are you open on Saturday?")
    page.fact("answer", answer.output_text)
    page.check(answer.output_text == "On Saturday: 10 to 14.", "the generator's words came through")


def _in_short(types: list[str]) -> str:
    """Event types in order, runs counted: created, in_progress, 12 x output_text.delta ..."""
    runs: list[list[Any]] = []
    for name in (kind.removeprefix("response.") for kind in types):
        if runs and runs[-1][0] == name:
            runs[-1][1] += 1
        else:
            runs.append([name, 1])
    middle = [f"{count} x {name}" for name, count in runs if count > 1]
    return f"{len(types)}: {runs[0][0]}, {runs[1][0]}, ... {', '.join(middle)} ... {runs[-1][0]}"
