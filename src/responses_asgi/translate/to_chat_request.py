"""A Responses create body -> the Chat Completions body that asks the same.

Every field is in one of the tables below or has its own rule; a field in none of them is the client's own
extension and is carried. What a table or rule does not carry is reported or refused, never just left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from responses_asgi.errors import InvalidRequestError
from responses_asgi.loss import Losses
from responses_asgi.profiles import Profile
from responses_asgi.translate.chat_tools import chat_tool_choice, chat_tools
from responses_asgi.translate.content import chat_response_format
from responses_asgi.translate.messages import chat_messages
from responses_asgi.translate.reasoning import ENCRYPTED_INCLUDE, chat_reasoning
from responses_asgi.translate.tool_table import ToolTable, tool_table
from responses_asgi.types.json import JSON

__all__ = ["CARRIED", "DROPPED", "REJECTED", "to_chat_request"]

# Fields of the same name and meaning in Chat Completions.
CARRIED = (
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "metadata",
    "service_tier",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "moderation",
)

# Fields without a Chat counterpart that only refine the request: field -> why it is left out.
DROPPED: dict[str, str] = {
    "access_programs": "Chat Completions has no access programs",
    "client_metadata": "Chat Completions has no such field",
    "comparison_response_id": "Chat Completions has no cache diagnostics",
    "context_management": "Chat Completions does not manage the context",
    "image": "Chat Completions has no image settings",
    "max_tool_calls": "it limits hosted tools, of which none are run",
    "prewarm": "Chat Completions has no cache warm-up",
}

# Fields that ask for something this service does not have: field -> (code, what is missing).
REJECTED: dict[str, tuple[str, str]] = {
    "previous_response_id": (
        "previous_response_not_found",
        "this service keeps no responses; send the whole conversation as `input`",
    ),
    "conversation": (
        "unsupported_parameter",
        "this service keeps no conversations; send the whole conversation as `input`",
    ),
    "background": ("unsupported_parameter", "this service does not run responses in the background"),
    "prompt": ("unsupported_parameter", "this service has no stored prompts"),
}

# Fields with a rule of their own below.
_RULED = frozenset(
    {
        "model",
        "input",
        "instructions",
        "messages",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "reasoning",
        "text",
        "include",
        "top_logprobs",
        "max_output_tokens",
        "store",
        "stream",
        "stream_options",
        "truncation",
        "n",
    }
)

_CARRIED = frozenset(CARRIED)
_KNOWN = _RULED.union(CARRIED, DROPPED, REJECTED)

# prompt_cache_options keys that Chat Completions lacks.
_CACHE_OPTIONS_ONLY_HERE = ("comparison_response_id", "prewarm")

TIERS_ONLY_HERE = frozenset({"ultrafast"})

LOGPROBS_INCLUDE = "message.output_text.logprobs"


def to_chat_request(
    body: JSON,
    *,
    profile: Profile,
    losses: Losses,
    items: Sequence[JSON] = (),
    history: Sequence[JSON] = (),
    tools: Callable[[Losses], ToolTable] | None = None,
) -> JSON:
    """The Chat Completions body for a validated Responses body.

    `history` are the items of earlier turns, which come before its input; `items` of earlier rounds of this
    turn follow it. `tools` makes their table; None: it is made here.

    `body` is not changed. What is dropped, clamped or emulated goes into `losses`. Raises
    InvalidRequestError, with the exact path, for what can be neither carried nor left out.

    >>> from responses_asgi.profiles import profile_for
    >>> to_chat_request({"model": "m", "input": "Hi"}, profile=profile_for("generic"), losses=Losses())
    {'model': 'm', 'messages': [{'role': 'user', 'content': 'Hi'}]}
    """
    _refuse_state(body)
    chat: JSON = {} if body.get("model") is None else {"model": body["model"]}
    if tools is None:
        table = tool_table(body, profile=profile, history=history, losses=losses)
    else:
        table = tools(losses)
    chat["messages"] = chat_messages(
        body, items, profile=profile, losses=losses, history=history, table=table
    )
    if not chat["messages"]:
        # What came before may be nothing: a warm-up, or a new conversation.
        raise InvalidRequestError(
            "There is nothing to answer: neither 'input' nor what comes before it holds a message.",
            param="input",
            code="missing_required_parameter",
        )
    chat |= _tools(body, table, profile, losses)
    chat |= _output(body, profile, losses)
    chat |= _logprobs(body)
    if not _CARRIED.isdisjoint(body):
        chat |= {name: body[name] for name in CARRIED if body.get(name) not in (None, {})}
    chat |= _stream(body, profile, losses)
    _report_left_out(body, losses)
    _keep_back(chat, body, profile, losses)
    extra = {name: value for name, value in body.items() if name not in _KNOWN and value is not None}
    return {**extra, **chat}


def _refuse_state(body: JSON) -> None:
    for name, (code, reason) in REJECTED.items():
        if body.get(name):
            raise InvalidRequestError(f"'{name}' cannot be honoured: {reason}.", param=name, code=code)


def _tools(body: JSON, table: ToolTable, profile: Profile, losses: Losses) -> JSON:
    tools = chat_tools(table, profile=profile, losses=losses)
    choice, tools = chat_tool_choice(body.get("tool_choice"), tools, table, profile=profile, losses=losses)
    if not tools:
        return {}
    chat: JSON = {"tools": list(tools.values())}
    if choice is not None:
        chat["tool_choice"] = choice
    if body.get("parallel_tool_calls") is not None:
        chat["parallel_tool_calls"] = body["parallel_tool_calls"]
    return chat


def _output(body: JSON, profile: Profile, losses: Losses) -> JSON:
    """Length, form and effort of the answer."""
    chat: JSON = {}
    if body.get("max_output_tokens") is not None:
        chat[profile.token_limit_field] = body["max_output_tokens"]
    text = body.get("text") or {}
    format = chat_response_format(text.get("format"), profile=profile, losses=losses)
    if format is not None:
        chat["response_format"] = format
    if text.get("verbosity") is not None:
        chat["verbosity"] = text["verbosity"]
    for key in text:
        if key not in ("format", "verbosity"):
            losses.report(f"text.{key}", "dropped", "Chat Completions has no such property")
    return chat | chat_reasoning(body.get("reasoning"), profile=profile, losses=losses)


def _logprobs(body: JSON) -> JSON:
    """Log probabilities are asked for by count, by `include`, or by both."""
    count = body.get("top_logprobs")
    if not (count or LOGPROBS_INCLUDE in (body.get("include") or ())):
        return {}
    return {"logprobs": True} if count is None else {"logprobs": True, "top_logprobs": count}


def _stream(body: JSON, profile: Profile, losses: Losses) -> JSON:
    for key, value in (body.get("stream_options") or {}).items():
        if value:
            losses.report(f"stream_options.{key}", "dropped", "the stream is made here, without it")
    if body.get("stream") is None:
        return {}
    if body["stream"] and profile.stream_usage:
        return {"stream": True, "stream_options": {"include_usage": True}}
    return {"stream": body["stream"]}


def _report_left_out(body: JSON, losses: Losses) -> None:
    for name, reason in () if DROPPED.keys().isdisjoint(body) else DROPPED.items():
        if body.get(name) is not None:
            losses.report(name, "dropped", reason)
    if body.get("store"):
        losses.report("store", "dropped", "this service keeps no responses")
    if body.get("truncation") not in (None, "disabled"):
        losses.report(
            "truncation", "dropped", "the upstream decides what happens to a context that is too long"
        )
    if body.get("messages") is not None:
        losses.report("messages", "dropped", "the messages are made from `input`")
    if body.get("n") not in (None, 1):
        losses.report("n", "clamped", "a response has one answer")
    for i, name in enumerate(body.get("include") or ()):
        if name == ENCRYPTED_INCLUDE:
            losses.report(f"include[{i}]", "emulated", "a token of this service, for its own reading")
        elif name != LOGPROBS_INCLUDE:
            losses.report(f"include[{i}]", "dropped", f"{name!r} belongs to a tool the service does not run")


def _keep_back(chat: JSON, body: JSON, profile: Profile, losses: Losses) -> None:
    """Take out what the profile does not send, and what Chat Completions lacks within carried fields."""
    options: Any = chat.get("prompt_cache_options")
    for key in _CACHE_OPTIONS_ONLY_HERE:
        if options and options.get(key) is not None:
            losses.report(f"prompt_cache_options.{key}", "dropped", DROPPED[key])
            chat["prompt_cache_options"] = options = {k: v for k, v in options.items() if k != key}
    if chat.get("service_tier") in TIERS_ONLY_HERE:
        losses.report("service_tier", "dropped", f"Chat Completions has no tier {chat.pop('service_tier')!r}")
    withheld = profile.withheld
    if profile.thinking_on and profile.thinking_on.items() <= chat.items():
        withheld |= profile.thinking_withheld
    for name in sorted(withheld & chat.keys()):
        del chat[name]
        for path in _asked_by(name, body):
            losses.report(path, "dropped", f"{profile.name} does not take {name}")


def _asked_by(name: str, body: JSON) -> list[str]:
    """The paths in the Responses body that asked for a Chat field."""
    if name == "logprobs":
        include = body.get("include") or []
        return [f"include[{i}]" for i, entry in enumerate(include) if entry == LOGPROBS_INCLUDE]
    return ["text.verbosity" if name == "verbosity" else name]
