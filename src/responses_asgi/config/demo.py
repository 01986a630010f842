"""The built-in model: a first try needs no server and no key. It is honest about being none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from responses_asgi.types.json import JSON, dumps
from responses_asgi.upstreams.answers import ChatRequest, Finish, Piece, Reasoning, ToolCall, Usage

__all__ = ["demo"]

PAUSE = 0.01
"""Seconds between words, so that one sees the answer stream."""

# How deep an example of a schema goes; a schema may contain itself.
MOST_LEVELS = 8

_PLAIN: dict[str, Any] = {"string": "example", "number": 1, "integer": 1, "boolean": True, "null": None}


async def demo(request: ChatRequest) -> AsyncIterator[Piece]:
    """Answer as a model would, without one: it reasons, calls an offered tool, keeps to a JSON schema.

    Each word counts as a token.
    """
    last = request["messages"][-1]
    called = _tool_for(request, last)
    yield Reasoning("I am the demo of responses-asgi, so I do not really think. ")
    yield Reasoning(f"The last message is from the {last['role']}.")
    if called is not None:
        yield Reasoning(f" I can call {called['name']}.")
        yield ToolCall(called["name"], dumps(example(called.get("parameters") or {})).decode())
        return
    asked = sum(len(_text(message).split()) for message in request["messages"])
    limit = request.get("max_completion_tokens") or request.get("max_tokens")
    said = 0
    for word in _words(request, last):
        if said == limit:
            yield Finish("length")
            break
        await asyncio.sleep(PAUSE)
        yield word
        said += 1
    yield Usage(asked, said)


def _tool_for(request: ChatRequest, last: JSON) -> JSON | None:
    """The function to call: the one that is demanded, or named in the question, else the first."""
    choice = request.get("tool_choice") or "auto"
    functions = [tool["function"] for tool in request.get("tools") or () if tool.get("type") == "function"]
    if not functions or choice == "none" or last["role"] == "tool":
        return None
    wanted = choice["function"]["name"] if isinstance(choice, dict) and "function" in choice else None
    question = _text(last)
    ranked = sorted(functions, key=lambda each: (each["name"] != wanted, each["name"] not in question))
    found: JSON = ranked[0]
    return found


def _words(request: ChatRequest, last: JSON) -> Iterator[str]:
    format = request.get("response_format") or {}
    if format.get("type") == "json_schema":
        said = dumps(example(format["json_schema"].get("schema") or {})).decode()
    elif format.get("type") == "json_object":
        said = dumps({"demo": True, "you_said": _text(last)}).decode()
    elif last["role"] == "tool":
        said = f"The tool answered: {_text(last)}"
    else:
        said = (
            f"This is the built-in demo of responses-asgi, not a model. You said {_text(last)!r}. "
            "Start me with --upstream URL to talk to a real one."
        )
    for number, word in enumerate(said.split(" ")):
        yield word if number == 0 else f" {word}"


def _text(message: JSON) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(part["text"] for part in content if isinstance(part.get("text"), str))


def example(schema: JSON, levels: int = MOST_LEVELS, root: JSON | None = None) -> Any:
    """A small value of the schema: of what usual schemas say, not of all that JSON Schema can say.

    >>> example({"type": "object", "properties": {"unit": {"enum": ["C", "F"]}, "days": {"type": "integer"}}})
    {'unit': 'C', 'days': 1}
    """
    root = schema if root is None else root
    reference = schema.get("$ref")
    if levels == 0:
        return None
    if isinstance(reference, str) and reference.startswith("#"):
        found: Any = root
        for key in filter(None, reference[1:].split("/")):
            found = found.get(key, {}) if isinstance(found, dict) else {}
        return example(found, levels - 1, root)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return example(schema[key][0], levels - 1, root)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "array":
        return [example(schema.get("items") or {}, levels - 1, root)]
    if kind == "object" or "properties" in schema:
        return {
            name: example(each, levels - 1, root) for name, each in (schema.get("properties") or {}).items()
        }
    return _PLAIN.get(str(kind), "example")
