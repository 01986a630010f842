"""A Chat Completions create body -> the Responses body that asks the same.

Every field is in one of the tables below or has its own rule; a field in none of them is the client's own
extension and is carried. What a table or rule does not carry is reported or refused, never just left out.
Two fields are left to the exchange: `n` becomes several upstream calls, and `stop` a cut made here.
"""

from __future__ import annotations

import re

from responses_asgi.errors import InvalidRequestError
from responses_asgi.loss import Losses
from responses_asgi.profiles import Profile
from responses_asgi.translate.content import responses_text_format
from responses_asgi.translate.input_items import Recall, input_items
from responses_asgi.translate.reasoning import ENCRYPTED_INCLUDE, responses_reasoning
from responses_asgi.translate.responses_tools import responses_tool_choice, responses_tools
from responses_asgi.translate.to_chat_request import CARRIED, LOGPROBS_INCLUDE
from responses_asgi.types.json import JSON

__all__ = ["DROPPED_HERE", "REJECTED_HERE", "to_responses_request"]

# Fields without a Responses counterpart that only refine the request: field -> why it is left out.
DROPPED_HERE: dict[str, str] = {
    "input": "the input is made from `messages`",
    "seed": "Responses has no seed; sampling cannot be repeated",
}

# Fields the answer would be wrong without: field -> what is missing.
REJECTED_HERE: dict[str, str] = {
    "audio": "Responses does not answer in audio",
    "background": "a Chat client cannot come back for the answer",
    "logit_bias": "Responses has no token biases",
    "prediction": "Responses has no predicted outputs",
}

# Fields with a rule of their own below, or in the modules it calls.
_RULED = frozenset(
    {
        "model",
        "messages",
        "tools",
        "tool_choice",
        "functions",
        "function_call",
        "web_search_options",
        "max_completion_tokens",
        "max_tokens",
        "response_format",
        "verbosity",
        "text",
        "reasoning_effort",
        "reasoning",
        "logprobs",
        "top_logprobs",
        "include",
        "modalities",
        "store",
        "stream_options",
        "stop",
        "n",
    }
)

_KNOWN = _RULED.union(CARRIED, DROPPED_HERE, REJECTED_HERE)

# Carried beside the fields of the shared table.
_ALSO_CARRIED = ("parallel_tool_calls", "stream")

# The Chat fields that ask for a Responses field of another name.
_ASKED_BY: dict[str, tuple[str, ...]] = {
    "include": ("include", "logprobs"),
    "max_output_tokens": ("max_completion_tokens", "max_tokens"),
    "reasoning": ("reasoning", "reasoning_effort"),
    "text": ("text", "response_format", "verbosity"),
    "tools": ("tools", "functions", "web_search_options"),
}

# Values that ask for nothing.
_NEUTRAL = {"frequency_penalty": 0, "presence_penalty": 0, "store": False, "stream": False}


def to_responses_request(
    body: JSON, *, profile: Profile, losses: Losses, recall: Recall | None = None
) -> JSON:
    """The Responses body for a validated Chat Completions body.

    `recall(call_id)` gives the Responses items (reasoning, message, calls, with their ids) of the earlier
    answer that made this tool call, or () when they are forgotten. `body` is not changed. What is dropped,
    clamped or emulated goes into `losses`. Raises InvalidRequestError, with the exact path, for what can be
    neither carried nor left out.

    >>> from responses_asgi.profiles import profile_for
    >>> body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    >>> to_responses_request(body, profile=profile_for("generic"), losses=Losses())["input"]
    [{'type': 'message', 'role': 'user', 'content': 'Hi'}]
    """
    _refuse(body)
    # Chat keeps nothing unless told to, Responses keeps everything unless told not to.
    stored = bool(body.get("store"))
    request: JSON = {} if body.get("model") is None else {"model": body["model"]}
    request["input"] = input_items(
        body["messages"], stored=stored, profile=profile, losses=losses, recall=recall
    )
    request |= _tools(body, profile, losses)
    request |= _output(body, profile, losses)
    request |= _logprobs(body, losses)
    carried = (*CARRIED, *_ALSO_CARRIED)
    request |= {name: body[name] for name in carried if body.get(name) not in (None, {})}
    request |= _single_call(body, losses)
    request["store"] = stored
    include = _include(body, profile)
    if include:
        request["include"] = include
    _report_left_out(body, losses)
    _keep_back(request, body, profile, losses)
    extra = {name: value for name, value in body.items() if name not in _KNOWN and value is not None}
    return {**extra, **request}


def _refuse(body: JSON) -> None:
    for name, reason in REJECTED_HERE.items():
        if body.get(name):
            raise InvalidRequestError(
                f"'{name}' cannot be honoured: {reason}.", param=name, code="unsupported_parameter"
            )
    for i, modality in enumerate(body.get("modalities") or ()):
        if modality != "text":
            raise InvalidRequestError(
                f"'modalities[{i}]' is {modality!r}, but Responses answers in text only.",
                param=f"modalities[{i}]",
                code="unsupported_parameter",
            )


def _tools(body: JSON, profile: Profile, losses: Losses) -> JSON:
    tools = responses_tools(body, profile=profile, losses=losses)
    choice = responses_tool_choice(body, tools, profile=profile, losses=losses)
    return ({"tools": tools} if tools else {}) | ({} if choice is None else {"tool_choice": choice})


def _single_call(body: JSON, losses: Losses) -> JSON:
    """An answer in the older form holds one call only."""
    if not body.get("functions") or body.get("tools"):
        return {}
    if body.get("parallel_tool_calls"):
        losses.report("parallel_tool_calls", "clamped", "an answer to `functions` holds one call")
    return {"parallel_tool_calls": False}


def _output(body: JSON, profile: Profile, losses: Losses) -> JSON:
    """Length, form and effort of the answer; what the client says in Responses terms is kept."""
    request = _limit(body, profile, losses)
    text: JSON = dict(body.get("text") or {})
    format = responses_text_format(body.get("response_format"), losses=losses)
    if format is not None:
        text["format"] = format
    if body.get("verbosity") is not None:
        text["verbosity"] = body["verbosity"]
    if text:
        request["text"] = text
    reasoning = responses_reasoning(body, profile=profile, losses=losses)
    return request | ({} if reasoning is None else {"reasoning": reasoning})


def _limit(body: JSON, profile: Profile, losses: Losses) -> JSON:
    newer, older = body.get("max_completion_tokens"), body.get("max_tokens")
    name, limit = ("max_tokens", older) if newer is None else ("max_completion_tokens", newer)
    if limit is None:
        return {}
    if newer is not None and older not in (None, newer):
        losses.report("max_tokens", "dropped", "`max_completion_tokens` is given too")
    least = profile.min_output_tokens
    if limit < least:
        losses.report(name, "clamped", f"Responses takes no limit below {least}")
    return {"max_output_tokens": max(limit, least)}


def _logprobs(body: JSON, losses: Losses) -> JSON:
    count = body.get("top_logprobs")
    if count is not None and body.get("logprobs") is False:
        losses.report("top_logprobs", "dropped", "`logprobs` is false")
        return {}
    return {} if count is None else {"top_logprobs": count}


def _include(body: JSON, profile: Profile) -> list[str]:
    """What must be asked for by name, after what the client itself asks for in Responses terms."""
    wanted: list[str] = list(body.get("include") or ())
    logprobs = body.get("logprobs")
    if logprobs or (logprobs is None and body.get("top_logprobs") is not None):
        wanted.append(LOGPROBS_INCLUDE)
    if profile.encrypted_reasoning and not body.get("store") and _reasons(body, profile.encrypted_reasoning):
        wanted.append(ENCRYPTED_INCLUDE)
    return list(dict.fromkeys(wanted))


def _reasons(body: JSON, models: str) -> bool:
    """Whether the model reasons: by its name, or since the client says how hard it should."""
    return body.get("reasoning_effort") not in (None, "none") or bool(
        re.search(models, body.get("model") or "")
    )


def _report_left_out(body: JSON, losses: Losses) -> None:
    for name, reason in DROPPED_HERE.items():
        if body.get(name) is not None:
            losses.report(name, "dropped", reason)
    if body.get("stop"):
        losses.report("stop", "emulated", "the answer is cut here; the upstream does not know of it")
    for key, value in (body.get("stream_options") or {}).items():
        if value and key != "include_usage":
            losses.report(f"stream_options.{key}", "dropped", "the stream is made here, without it")


def _keep_back(request: JSON, body: JSON, profile: Profile, losses: Losses) -> None:
    """Take out what the profile does not send."""
    for name in sorted(profile.responses_withheld & request.keys()):
        del request[name]
        for asked in _ASKED_BY.get(name, (name,)):
            if body.get(asked) not in (None, _NEUTRAL.get(asked)):
                losses.report(asked, "dropped", f"{profile.name} does not take {name}")
