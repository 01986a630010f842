"""The error codes that clients act on, recognised from the names and sentences that other servers use.

Clients shorten a conversation, wait, or give up by the code alone: Codex retries `rate_limit_exceeded`, and
tells the user of the other four without another try. Most servers have words of their own for these. Rows are
tried from the first to the last. A source is an issue or a page where the words are quoted, or the id of a
recorded exchange.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["CODES", "GENERIC_CODES", "NAMES", "WORDINGS", "Wording", "recognised", "says_nothing"]

CONTEXT = "context_length_exceeded"
QUOTA = "insufficient_quota"
RATE = "rate_limit_exceeded"
OVERLOADED = "server_is_overloaded"
PROMPT = "invalid_prompt"

CODES = (CONTEXT, QUOTA, RATE, OVERLOADED, PROMPT)

# A server's own error code, type or status, in lower case -> the code that clients know.
NAMES: dict[str, str] = {
    **{code: code for code in CODES},
    # llama.cpp and Perplexity in the recordings
    "exceed_context_size_error": CONTEXT,
    "too_many_prompt_tokens": CONTEXT,
    # microsoft/copilot-intellij-feedback#94
    "model_max_prompt_tokens_exceeded": CONTEXT,
    # https://learn.microsoft.com/azure/ai-foundry
    "tokens_limit_reached": CONTEXT,
    "ratelimitreached": RATE,
    # https://docs.anthropic.com/en/api/errors
    "overloaded_error": OVERLOADED,
    "rate_limit_error": RATE,
    # https://platform.moonshot.ai/docs/api/chat, MoonshotAI/MoonshotAI-Cookbook#16
    "engine_overloaded_error": OVERLOADED,
    "exceeded_current_quota_error": QUOTA,
    "rate_limit_reached_error": RATE,
    # https://docs.mistral.ai: the API's reference of errors
    "rate_limited": RATE,
    "service_tier_capacity_exceeded": OVERLOADED,
    # https://inference-docs.cerebras.ai/support/error
    "queue_exceeded": OVERLOADED,
    "request_quota_exceeded": RATE,
    "token_quota_exceeded": RATE,
    "too_many_requests": RATE,
    "too_many_requests_error": RATE,
    # https://help.aliyun.com/en/model-studio/error-code
    "arrearage": QUOTA,
    "data_inspection_failed": PROMPT,
    "datainspectionfailed": PROMPT,
    "limit_requests": RATE,
    "throttling": RATE,
    "throttling.allocationquota": RATE,
    "throttling.ratequota": RATE,
    # https://cloud.google.com/apis/design/errors
    "resource_exhausted": RATE,
    "unavailable": OVERLOADED,
    # https://openrouter.ai/docs/api-reference/errors
    "insufficient_credits": QUOTA,
    "payment_required": QUOTA,
}

# Codes that say no more than the status does; a sentence that says more is worth more.
GENERIC_CODES = frozenset(
    {
        "api_error",
        "bad_request",
        "badrequest",
        "badrequesterror",
        "error",
        "forbidden",
        "internal_error",
        "internal_server_error",
        "internalservererror",
        "invalid-argument",
        "invalid_argument",
        "invalid_parameter_error",
        "invalid_request",
        "invalid_request_error",
        "invalidparameter",
        "permission_denied",
        "provider_error",
        "server_error",
        "service_unavailable",
        "unknown_error",
        "upstream_error",
    }
)

_NAME = re.compile(r"[A-Za-z][\w.-]*")


class Wording(NamedTuple):
    """A piece of an error's sentence, what it means, and who says so."""

    code: str
    pattern: str
    source: str


WORDINGS: tuple[Wording, ...] = (
    # OpenAI, Azure, vLLM, DeepSeek, OpenRouter, Mistral, Fireworks, Databricks and others.
    Wording(CONTEXT, r"maximum context length", "vllm-project/vllm#20409, fw-ai/cookbook#134"),
    Wording(CONTEXT, r"model's context length", "QwenLM/Qwen3#1321, harbor-framework/harbor#996"),
    Wording(CONTEXT, r"longer than the maximum model length", "Gabesarch/grounded-rl#16"),
    Wording(
        CONTEXT,
        r"exceeds? the (available )?context (size|length|window)",
        "llama.cpp in the recordings",
    ),
    Wording(CONTEXT, r"exceeded max(imum)? context length", "Ollama in the recordings"),
    Wording(CONTEXT, r"exceeds the maximum allowed length", "sgl-project/sglang#4048"),
    Wording(CONTEXT, r"(prompt|input) is too long", "anthropics/claude-code#11281"),
    Wording(CONTEXT, r"exceed context limit", "https://docs.anthropic.com/en/docs/build-with-claude"),
    Wording(CONTEXT, r"input token count.{0,80}exceeds the maximum", "https://ai.google.dev/gemini-api/docs"),
    Wording(CONTEXT, r"maximum prompt length is \d", "https://docs.x.ai"),
    Wording(CONTEXT, r"reduce the length of the (messages|prompt|input)", "https://console.groq.com/docs"),
    Wording(
        CONTEXT, r"(greater than|overflows?\b.{0,80}\bwith) (the )?context length", "anomalyco/opencode#2259"
    ),
    Wording(CONTEXT, r"n_keep \(?\d+\)?\s*>=\s*n_ctx", "anomalyco/opencode#11141"),
    Wording(CONTEXT, r"exceeded model token limit", "MoonshotAI/kimi-cli#2011"),
    Wording(CONTEXT, r"model max length exceeded", "MoonshotAI/MoonshotAI-Cookbook#18"),
    Wording(CONTEXT, r"prompt token count of \d+ exceeds the limit", "opencode-ai/opencode#305"),
    Wording(CONTEXT, r"range of input length should be", "QwenLM/qwen-code#98"),
    Wording(
        CONTEXT,
        r"max_new_tokens\b.{0,4}must be <=",
        "https://huggingface.co/docs/text-generation-inference",
    ),
    Wording(CONTEXT, r"total length of all messages is too long", "Perplexity in the recordings"),
    Wording(CONTEXT, r"context window exceeds limit", "https://platform.minimax.io/docs"),
    Wording(
        CONTEXT, r"prompt exceeds max(imum)? (context )?length", "https://docs.z.ai/api-reference/api-code"
    ),
    Wording(
        CONTEXT, r"body too large for .{0,80}max size: \d+ tokens", "https://docs.github.com/github-models"
    ),
    # Said of the minute as well as of the month; what may be asked again soon is no lack of money.
    Wording(
        RATE, r"exceeded your current quota.{0,600}\bretry in\b", "https://ai.google.dev/gemini-api/docs"
    ),
    Wording(QUOTA, r"exceeded your current quota", "https://platform.openai.com/docs/guides/error-codes"),
    Wording(QUOTA, r"insufficient(_| )(account )?(balance|credits?|funds|quota)", "Aider-AI/aider#4851"),
    Wording(QUOTA, r"credit balance is too low", "https://docs.anthropic.com/en/api/errors"),
    Wording(QUOTA, r"requires more credits", "can1357/oh-my-pi#9569"),
    Wording(QUOTA, r"used all available credits", "continuedev/continue#10373"),
    Wording(QUOTA, r"(doesn't|does not) have any credits", "continuedev/continue#12670"),
    Wording(QUOTA, r"(run|ran) out of credits", "Wei-Shaw/sub2api#4069"),
    Wording(
        QUOTA, r"exceeded your monthly included credits", "https://huggingface.co/docs/inference-providers"
    ),
    Wording(QUOTA, r"account is in good standing", "https://help.aliyun.com/en/model-studio/error-code"),
    Wording(QUOTA, r"余额不足", "continuedev/continue#10296"),
    Wording(OVERLOADED, r"\boverloaded\b", "MoonshotAI/MoonshotAI-Cookbook#16, Anthropic, Gemini, OpenAI"),
    Wording(OVERLOADED, r"\b(over|at) capacity\b", "https://console.groq.com/docs/errors"),
    Wording(OVERLOADED, r"service is too busy", "https://api-docs.deepseek.com/quick_start/error_codes"),
    Wording(OVERLOADED, r"experiencing high (demand|traffic)", "pollinations/pollinations#6260"),
    Wording(OVERLOADED, r"tier capacity exceeded", "continuedev/continue#6185"),
    Wording(OVERLOADED, r"request queue is full", "https://docs.sglang.ai"),
    Wording(RATE, r"rate limit (is |was |has been )?(exceeded|reached)", "OpenRouter in the recordings"),
    Wording(RATE, r"exceeded .{0,60}rate limit", "alex-wolf-ps/dbchatprov2#2, Azure in the recordings"),
    Wording(RATE, r"too many requests", "RFC 6585"),
    Wording(RATE, r"reached max (request|organization)", "harry0703/MoneyPrinterTurbo#339"),
    Wording(RATE, r"resource (has been )?exhausted", "google-gemini/gemini-cli#14811"),
    Wording(PROMPT, r"prompt was flagged", "https://platform.openai.com/docs/guides/safety-best-practices"),
    Wording(PROMPT, r"content exists risk", "deepseek-ai/awesome-deepseek-integration#13"),
    Wording(PROMPT, r"content violates usage guidelines", "xAI behind OpenRouter in the recordings"),
    Wording(
        PROMPT,
        r"data may contain inappropriate content",
        "https://help.aliyun.com/en/model-studio/error-code",
    ),
    Wording(
        PROMPT,
        r"request was rejected because it was considered high risk",
        "https://platform.moonshot.ai/docs",
    ),
)

_PATTERNS = [(row.code, re.compile(row.pattern, re.IGNORECASE | re.DOTALL)) for row in WORDINGS]


def recognised(names: Iterable[object], sentence: str) -> str | None:
    """The code that clients act on, for an error with these codes or types and this sentence; None: no such.

    >>> recognised(["invalid_request_error"], "prompt is too long: 210000 tokens > 200000 maximum")
    'context_length_exceeded'
    >>> recognised(["overloaded_error"], ""), recognised([None], "The model is not known.")
    ('server_is_overloaded', None)
    """
    told = (code for code, pattern in _PATTERNS if pattern.search(sentence))
    named = (NAMES[name.lower()] for name in names if isinstance(name, str) and name.lower() in NAMES)
    return next(told, None) or next(named, None)


def says_nothing(code: object) -> bool:
    """Whether a server's error code may be replaced: there is none, it is a number, a sentence or a common
    one, or it is another name of a code that clients know.

    >>> says_nothing(None), says_nothing("3051"), says_nothing("invalid_request_error")
    (True, True, True)
    >>> says_nothing("model_not_found")
    False
    """
    if not isinstance(code, str) or not _NAME.fullmatch(code):
        return True
    return code not in CODES and (code.lower() in GENERIC_CODES or code.lower() in NAMES)
