"""The house model: a small order desk that reasons, answers and calls tools, the same way every time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from examples.fastapi_app.schemas import ChatRequest, Message

__all__ = ["Call", "Text", "Thought", "think"]

ORDERS: dict[str, dict[str, Any]] = {
    "A-1001": {"item": "Moka pot", "quantity": 1, "status": "delivered", "city": "Oslo", "days_left": 0},
    "A-1002": {"item": "Espresso cups", "quantity": 6, "status": "shipped", "city": "Lisbon", "days_left": 2},
    "A-1003": {"item": "Burr grinder", "quantity": 1, "status": "packed", "city": "Paris", "days_left": 4},
}
CITIES = ("Berlin", "Lisbon", "Oslo", "Paris", "Tokyo")
ORDER_NUMBER = re.compile(r"\bA-\d{4}\b")


class Thought(NamedTuple):
    text: str


class Text(NamedTuple):
    text: str


class Call(NamedTuple):
    name: str
    arguments: dict[str, Any]


def think(request: ChatRequest) -> Iterator[Thought | Text | Call]:
    """What the model does with a conversation: thoughts, then tool calls or the answer's words."""
    last = request.messages[-1]
    if last.role == "tool":
        yield from _read_tool_results(request.messages)
        return
    question = last.text
    calls = list(_useful_calls(question, request)) if request.tool_choice != "none" else []
    if calls:
        names = " and ".join(sorted({call.name for call in calls}))
        yield from _words(Thought, f"I cannot know this by myself. {names} can tell me.")
        yield from calls
    elif numbers := ORDER_NUMBER.findall(question):
        yield from _words(Thought, f"The question names {', '.join(numbers)}. Let me look in the order book.")
        yield from _words(Text, _about_orders(numbers, request))
    else:
        yield from _words(
            Text, f"I am the order desk. Ask me about {', '.join(ORDERS)}, or about the weather."
        )


def _useful_calls(question: str, request: ChatRequest) -> Iterator[Call]:
    """The declared tools that help with this question; one call per city or order that it names."""
    for tool in request.tools:
        name = tool.function.name
        if "weather" in name and "weather" in question.lower():
            cities = [city for city in CITIES if city.lower() in question.lower()]
            yield from (Call(name, {"city": city}) for city in cities)
        elif "order" in name:
            yield from (Call(name, {"order_number": number}) for number in ORDER_NUMBER.findall(question))


def _about_orders(numbers: list[str], request: ChatRequest) -> str:
    form = request.response_format
    if form is not None and form.json_schema is not None:
        known = {"order_number": numbers[0], **ORDERS.get(numbers[0], {})}
        wanted = form.json_schema.json_schema.get("properties", {})
        return json.dumps({field: known.get(field) for field in wanted})
    return " ".join(map(_about_order, numbers))


def _about_order(number: str) -> str:
    order = ORDERS.get(number)
    if order is None:
        return f"There is no order {number}."
    what = f"Order {number} ({order['quantity']} x {order['item']} to {order['city']})"
    when = f", {order['days_left']} days to go" if order["days_left"] else ""
    return f"{what} is {order['status']}{when}."


def _read_tool_results(messages: list[Message]) -> Iterator[Thought | Text]:
    asked = {call.id: call.function for message in messages for call in message.tool_calls}
    results = [message for message in messages if message.role == "tool"]
    yield from _words(
        Thought, f"{len(results)} tool result{'s' * (len(results) > 1)} came back. I can answer now."
    )
    for result in results:
        call = asked.get(result.tool_call_id or "")
        about = ", ".join(map(str, json.loads(call.arguments).values())) if call else "your question"
        yield from _words(Text, f"For {about}: {result.text}. ")


def _words(kind: type[Thought] | type[Text], sentence: str) -> Iterator[Thought | Text]:
    """Cut a sentence into the pieces that a model would stream."""
    return (kind(piece) for piece in re.findall(r"\s*\S+\s*$|\s*\S+", sentence))
