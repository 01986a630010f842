"""The response object before anything was answered: the request's settings, echoed with defaults."""

from __future__ import annotations

from responses_asgi.types.events import Dialect
from responses_asgi.types.json import JSON

__all__ = ["RESPONSE_FIELDS", "new_response"]

# Field -> value when the request does not say. One superset satisfies the OpenAI document and Open Responses,
# which wants every one of these present and the numbers never null.
DEFAULTS: JSON = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "service_tier": "auto",
    "temperature": 1.0,
    "tool_choice": "auto",
    "top_logprobs": 0,
    "top_p": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "truncation": "disabled",
}
# Echoed only when the request had them: the OpenAI document has no null for these.
OPTIONAL = ("user", "prompt_cache_retention", "prompt_cache_options")

# Every field of a response that either document names: its own state and the echo of its request.
RESPONSE_FIELDS = frozenset(
    {
        *DEFAULTS,
        *OPTIONAL,
        "background",
        "billing",
        "completed_at",
        "conversation",
        "created_at",
        "error",
        "id",
        "incomplete_details",
        "model",
        "object",
        "output",
        "output_text",
        "prompt",
        "reasoning",
        "status",
        "store",
        "text",
        "tools",
        "usage",
    }
)

# What Open Responses cannot express in an echo (its enums are narrower), and what stands there instead.
_OPEN_EFFORTS = {"minimal": "low", "max": "xhigh"}


def new_response(body: JSON, *, response_id: str, created_at: int, dialect: Dialect) -> JSON:
    """A full response object in status `in_progress`, with every echo field that either dialect requires.

    `store` is false: nothing is kept. Sources: `Response` of the OpenAI document, `ResponseResource` of Open
    Responses.
    """
    given = {name: value for name, value in body.items() if name in DEFAULTS and value is not None}
    response: JSON = {
        "id": response_id,
        "object": "response",
        "created_at": created_at,
        "status": "in_progress",
        "background": False,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "model": body.get("model"),
        "output": [],
        "reasoning": _reasoning(body, dialect),
        "store": False,
        "text": _text(body, dialect),
        "tools": _tools(body, dialect),
        "usage": None,
        **DEFAULTS,
        **given,
    }
    if dialect == "openresponses" and not _open_tool_choice(response["tool_choice"]):
        response["tool_choice"] = "auto"
    response |= {name: body[name] for name in OPTIONAL if body.get(name) is not None}
    return response


def _reasoning(body: JSON, dialect: Dialect) -> JSON:
    asked = body.get("reasoning") or {}
    effort = asked.get("effort")
    if dialect == "openresponses":
        effort = _OPEN_EFFORTS.get(str(effort), effort)
    summary = asked.get("summary") or asked.get("generate_summary")
    return {"effort": effort, "summary": summary}


def _text(body: JSON, dialect: Dialect) -> JSON:
    asked = body.get("text") or {}
    format_ = asked.get("format") or {"type": "text"}
    if dialect == "openresponses" and format_.get("type") == "json_schema":
        # Its document types the echoed schema as null and wants the other three present.
        format_ = {
            "type": "json_schema",
            "name": format_.get("name"),
            "description": format_.get("description") or "",
            "schema": None,
            "strict": bool(format_.get("strict")),
        }
    return {"format": format_, "verbosity": asked.get("verbosity") or "medium"}


def _tools(body: JSON, dialect: Dialect) -> list[JSON]:
    tools: list[JSON] = []
    for tool in body.get("tools") or []:
        if tool.get("type") == "function":
            tools.append({"description": None, "parameters": None, "strict": None, **tool})
        elif dialect == "openai":
            tools.append(tool)
    return tools


def _open_tool_choice(choice: object) -> bool:
    return not isinstance(choice, dict) or choice.get("type") in ("function", "allowed_tools")
