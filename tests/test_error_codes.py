"""Error codes that clients act on, recognised from what other servers say."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest

from responses_asgi.error_codes import CODES, GENERIC_CODES, NAMES, WORDINGS
from responses_asgi.errors import ERROR_STATUSES, error_from_payload
from responses_asgi.types.json import JSON
from tests.chat_machine import answer as chat_answer
from tests.machine import answer, delta
from tests.recordings import FOLDER, MISSING, recordings

CONTEXT, QUOTA, RATE, OVERLOADED, PROMPT = CODES

# Who says it, the HTTP status, the error object or the whole body, and what it means.
SAID: list[tuple[str, int, Any, str]] = [
    (
        "openai",
        400,
        {"message": "This model's maximum context length is 4097 tokens.", "code": "context_length_exceeded"},
        CONTEXT,
    ),
    ("openai", 429, {"message": "Slow down", "type": "tokens", "code": "rate_limit_exceeded"}, RATE),
    ("openai", 429, {"message": "You exceeded your current quota.", "type": "insufficient_quota"}, QUOTA),
    ("openai", 503, {"message": "The engine is currently overloaded, please try again later"}, OVERLOADED),
    (
        "openai",
        400,
        {"message": "Invalid prompt: your prompt was flagged as potentially violating our usage policy."},
        PROMPT,
    ),
    (
        "azure",
        429,
        {
            "code": "429",
            "message": "Requests to the ChatCompletions_Create Operation have exceeded token rate limit.",
        },
        RATE,
    ),
    ("azure", 429, {"code": "RateLimitReached", "message": "Your requests have exceeded the limit."}, RATE),
    (
        "vllm",
        400,
        {
            "message": "You passed 1015 input tokens and requested 10 output tokens. However, the model's "
            "context length is only 1024 tokens, resulting in a maximum input length of 1014 tokens.",
            "type": "BadRequestError",
            "param": "input_tokens",
            "code": 400,
        },
        CONTEXT,
    ),
    (
        "vllm",
        400,
        {"message": "The decoder prompt (length 10127) is longer than the maximum model length of 8192."},
        CONTEXT,
    ),
    (
        "sglang",
        400,
        {"message": "The input (61709 tokens) is longer than the model's context length (40960 tokens)."},
        CONTEXT,
    ),
    (
        "sglang",
        400,
        {"message": "Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens)."},
        CONTEXT,
    ),
    ("sglang", 503, {"message": "The request queue is full."}, OVERLOADED),
    (
        "llamacpp",
        400,
        {"code": 400, "message": "too big", "type": "exceed_context_size_error", "n_ctx": 512},
        CONTEXT,
    ),
    ("ollama", 400, {"message": "prompt too long; exceeded max context length by 9 tokens"}, CONTEXT),
    (
        "lmstudio",
        400,
        "The number of tokens to keep from the initial prompt is greater than the context length "
        "(n_keep: 13055>= n_ctx: 4096).",
        CONTEXT,
    ),
    (
        "lmstudio",
        400,
        "Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with "
        "context length of only 4096 tokens, which is not enough.",
        CONTEXT,
    ),
    ("lmstudio", 400, "Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)", CONTEXT),
    (
        "deepseek",
        402,
        {"message": "Insufficient Balance", "type": "unknown_error", "code": "invalid_request_error"},
        QUOTA,
    ),
    (
        "deepseek",
        400,
        {"message": "Content Exists Risk", "type": "invalid_request_error", "code": "invalid_request_error"},
        PROMPT,
    ),
    ("deepseek", 503, {"message": "Service is too busy."}, OVERLOADED),
    (
        "anthropic",
        400,
        {"type": "invalid_request_error", "message": "prompt is too long: 201130 tokens > 200000 maximum"},
        CONTEXT,
    ),
    (
        "anthropic",
        400,
        {"type": "invalid_request_error", "message": "Your credit balance is too low to access the API."},
        QUOTA,
    ),
    ("anthropic", 529, {"type": "overloaded_error", "message": "Try later"}, OVERLOADED),
    (
        "gemini",
        400,
        [
            {
                "error": {
                    "code": 400,
                    "message": "The input token count (1196265) exceeds the maximum of tokens.",
                    "status": "INVALID_ARGUMENT",
                }
            }
        ],
        CONTEXT,
    ),
    (
        "gemini",
        429,
        {
            "code": 429,
            "message": "You exceeded your current quota, please check your plan.\nPlease retry in 23.5s.",
            "status": "RESOURCE_EXHAUSTED",
        },
        RATE,
    ),
    ("gemini", 503, {"code": 503, "message": "Visibility check", "status": "UNAVAILABLE"}, OVERLOADED),
    (
        "mistral",
        400,
        {
            "object": "error",
            "message": "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
            "type": "invalid_request_invalid_args",
            "code": "3051",
        },
        CONTEXT,
    ),
    (
        "mistral",
        429,
        {"object": "error", "message": "Service tier capacity exceeded for this model.", "code": None},
        OVERLOADED,
    ),
    ("groq", 400, {"message": "Please reduce the length of the messages or completion."}, CONTEXT),
    ("groq", 503, {"message": "qwen is currently over capacity. Please try again and back off."}, OVERLOADED),
    (
        "openrouter",
        400,
        {
            "code": 400,
            "message": "Provider returned error",
            "metadata": {"raw": '{"error":{"message":"Input is too long for requested model."}}'},
        },
        CONTEXT,
    ),
    (
        "openrouter",
        402,
        {"code": 402, "message": "This request requires more credits, or fewer max_tokens."},
        QUOTA,
    ),
    ("together", 422, {"message": "`inputs` tokens + `max_new_tokens` must be <= 8193"}, CONTEXT),
    (
        "fireworks",
        400,
        {"code": "invalid_request_error", "message": "The prompt is too long: 40177, model maximum: 32767"},
        CONTEXT,
    ),
    (
        "xai",
        400,
        "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        CONTEXT,
    ),
    (
        "xai",
        403,
        {
            "code": "The caller does not have permission to execute the specified operation",
            "error": "Your newly created team doesn't have any credits yet.",
        },
        QUOTA,
    ),
    ("xai", 429, "Your team has either used all available credits or reached its spending limit.", QUOTA),
    ("perplexity", 400, {"message": "too much", "type": "too_many_prompt_tokens", "code": 400}, CONTEXT),
    (
        "copilot",
        400,
        {"message": "prompt token count of 138898 exceeds the limit of 64000"}
        | {"code": "model_max_prompt_tokens_exceeded"},
        CONTEXT,
    ),
    ("moonshot", 400, {"message": "Your request exceeded model token limit: 262144"}, CONTEXT),
    ("moonshot", 429, {"message": "suspended", "type": "exceeded_current_quota_error"}, QUOTA),
    ("moonshot", 429, {"message": "request reached max request: 3, please try again after 1 s"}, RATE),
    (
        "qwen",
        400,
        {
            "code": "invalid_parameter_error",
            "message": "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 9]",
        },
        CONTEXT,
    ),
    ("qwen", 400, {"code": "Arrearage", "message": "Access denied."}, QUOTA),
    ("qwen", 400, {"code": "data_inspection_failed", "message": "Input"}, PROMPT),
    ("zai", 429, {"code": "1113", "message": "余额不足或无可用资源包,请充值。"}, QUOTA),
    ("zai", 400, {"code": "1261", "message": "Prompt exceeds max length"}, CONTEXT),
    ("cerebras", 429, {"message": "High traffic", "code": "queue_exceeded"}, OVERLOADED),
    ("huggingface", 402, "You have exceeded your monthly included credits for Inference Providers.", QUOTA),
]


def body(said: Any) -> Any:
    """The body that an error object, a sentence, or a whole body is sent in."""
    whole = isinstance(said, list) or (isinstance(said, dict) and ("error" in said or "object" in said))
    return said if whole else {"error": said}


@pytest.mark.parametrize(
    ("status", "said", "meaning"),
    [pytest.param(*row[1:], id=f"{row[0]}-{row[3]}-{number}") for number, row in enumerate(SAID)],
)
def test_what_servers_say_gets_the_code_that_clients_act_on(status: int, said: Any, meaning: str) -> None:
    error = error_from_payload(body(said), status=status)
    assert (error.code, error.status) == (meaning, status)
    inside = error_from_payload(body(said))
    assert inside.code == meaning
    assert inside.message == error.message


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("tool_use_failed", "Rate limit exceeded"),
        ("model_not_found", "The model is overloaded with names"),
        ("content_filter", "The prompt was flagged by the content management policy"),
        ("rate_limit_exceeded", "Please reduce the length of the messages"),
        ("string_above_max_length", "prompt is too long"),
    ],
)
def test_a_code_of_its_own_that_says_more_stays(code: str, message: str) -> None:
    error = error_from_payload({"error": {"message": message, "code": code}}, status=400)
    assert error.code == code
    assert "upstream_code" not in error.extra


@pytest.mark.parametrize(
    ("message", "status", "code"),
    [
        ("The image is too long", 400, None),
        ("Invalid API key", 401, "invalid_api_key"),
        ("max_tokens must be at least 1", 400, None),
        ("Internal error", 500, "server_error"),
        ("The function f is given twice", 400, None),
        ("", 400, None),
        ("Try later", 529, OVERLOADED),
    ],
)
def test_other_errors_mean_what_they_meant(message: str, status: int, code: str | None) -> None:
    assert error_from_payload({"error": {"message": message}}, status=status).code == code


def test_the_code_that_was_replaced_is_kept_beside() -> None:
    error = error_from_payload({"error": {"message": "x", "code": "RateLimitReached"}}, status=429)
    assert error.error_object()["upstream_code"] == "RateLimitReached"
    repeated = error_from_payload({"error": {"message": "prompt is too long", "code": 400}}, status=400)
    assert "upstream_code" not in repeated.extra


@pytest.mark.parametrize("code", CODES)
def test_inside_a_200_the_meaning_tells_the_status(code: str) -> None:
    name = next(name for name, known in NAMES.items() if known == code != name or name == code)
    error = error_from_payload({"error": {"message": "m", "type": name}})
    assert (error.code, error.status) == (code, ERROR_STATUSES[code])
    # A status that was said is believed.
    assert error_from_payload({"error": {"message": "m", "type": name, "code": 502}}).status == 502


def test_every_row_is_in_use_and_says_where_it_is_from() -> None:
    assert all(row.code in CODES and row.source for row in WORDINGS)
    assert set(NAMES.values()) == set(CODES)
    assert not GENERIC_CODES & NAMES.keys()
    patterns = [row.pattern for row in WORDINGS]
    assert len(set(patterns)) == len(patterns)
    for row in WORDINGS:
        # Long texts are searched for each of them: none may look further than it says.
        assert not re.search(r"(?<!\\)[.\]][*+]", row.pattern), row


def test_an_error_amid_a_chat_stream_has_the_code_on_responses() -> None:
    said = {"error": {"message": "prompt is too long: 9 tokens > 8 maximum", "code": 400}}
    result = answer([delta({"content": "Hm"}), said])
    assert result.response["error"]["code"] == CONTEXT
    [told] = [event for event in result.events if event["type"] == "error"]
    assert (told["code"], told["error"]["code"]) == (CONTEXT, CONTEXT)


def test_an_error_amid_a_responses_stream_has_the_code_on_chat() -> None:
    failed = {"status": "failed", "error": {"code": "server_error", "message": "Overloaded, try later"}}
    result = chat_answer(
        [
            {"type": "response.created", "response": {"id": "resp_1", "model": "m", "output": []}},
            {"type": "response.failed", "response": {"id": "resp_1", "model": "m", "output": [], **failed}},
        ]
    )
    assert result.completion["error"]["code"] == OVERLOADED


# The recordings

# What the errors in the recordings mean; any other of them means none of the five.
RECORDED = {
    ("azure", 429): RATE,
    ("llamacpp", 400): CONTEXT,
    ("ollama", 400): CONTEXT,
    ("openrouter", 429): RATE,
    ("openrouter", 403): PROMPT,
    ("perplexity", 400): CONTEXT,
}
MENTION = re.compile("context|too long|rate limit|violates", re.IGNORECASE)


@pytest.mark.skipif(not FOLDER.exists(), reason=MISSING)
def test_the_errors_of_the_recordings() -> None:
    seen: Counter[tuple[str, int]] = Counter()
    for recording in [*recordings("chat"), *recordings("responses")]:
        status, text = recording["response"]["status"], recording["response"]["body"] or ""
        if status < 400:
            continue
        said: JSON = json.loads(text)
        error = error_from_payload(said, status=status)
        assert error.status == status
        key = (recording["provider"], status)
        expected = RECORDED.get(key) if MENTION.search(text) else None
        assert (error.code if error.code in CODES else None) == expected, recording["id"]
        seen[key] += expected is not None
        own = said.get("error")
        own = own.get("code") if isinstance(own, dict) else None
        if expected is None and isinstance(own, str) and not own.isdecimal():
            assert error.code == own
    assert {key for key, count in seen.items() if count} == RECORDED.keys()
