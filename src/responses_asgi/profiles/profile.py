"""What a profile can say about a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["OPENAI_ONLY", "OTHER_TOOLS", "Profile", "ToolPolicy"]

ToolPolicy = Literal["drop", "error"]

OTHER_TOOLS = "*"
"""In a tool policy: every type but `function` that is not named itself."""

ReturnedReasoning = Literal["sealed", "text", "encrypted"]
ReasoningField = Literal["reasoning_content", "reasoning", "reasoning_details", "thinking"]

# Fields of requests, messages and parts that only OpenAI is known to take; unknown ones are often a 400.
OPENAI_ONLY = frozenset(
    {
        "metadata",
        "moderation",
        "prompt_cache_breakpoint",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "refusal",
        "safety_identifier",
        "service_tier",
        "verbosity",
    }
)


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of server. The defaults are those of `generic`.

    What speaks of Responses is about upstreams that are asked in that protocol; all else is about Chat.

    A variant is made with `dataclasses.replace`:

    >>> from dataclasses import replace
    >>> from responses_asgi.profiles import PROFILES
    >>> replace(PROFILES["vllm"], name="our vllm", think_tags=False).token_limit_field
    'max_tokens'
    """

    name: str
    """What the configuration, the log and `/health` call it."""

    hosts: tuple[str, ...] = ()
    """Host names this row is guessed from; each also stands for its sub-domains."""

    base_path: str = "/v1"
    """Where `/chat/completions` lies when a base URL has no path of its own."""

    think_tags: bool = False
    """Answers may begin with `<think>...</think>` inside the text; they are split into reasoning."""

    done_completes: bool = False
    """`[DONE]` after content counts as finished even when no finish_reason came."""

    developer_role: bool = False
    """The role `developer` is known; otherwise such messages are sent as `system`."""

    merge_system: bool = False
    """System messages must be a single one at the very front; all are joined there."""

    user_after_tool: bool = True
    """A user message may follow a tool message; otherwise a short assistant message is put between."""

    text_parts: bool = False
    """Content that is only text may be a list of parts; otherwise it is joined into one string."""

    tool_parts: bool = False
    """The content of a tool message may be a list of text parts."""

    tool_images: bool = True
    """Images of tool results can be shown to the model, in a user message after them; otherwise what the
    service's own tools answer is told in text only."""

    video_parts: bool = False
    """`video_url` parts are understood."""

    call_content: str | None = ""
    """`content` of an assistant message that holds nothing but tool calls: "" or None."""

    call_id_length: int | None = None
    """Tool-call ids must be exactly this many letters and digits; others are rewritten, always alike."""

    token_limit_field: Literal["max_completion_tokens", "max_tokens"] = "max_tokens"
    """The name of the output limit."""

    effort_values: Mapping[str, str] = field(default_factory=dict, hash=False)
    """`reasoning.effort` values that must be sent as another one; the rest goes through as it is."""

    thinking_on: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Fields that switch thinking on; sent beside `reasoning_effort`."""

    thinking_off: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Fields that stand for `reasoning.effort: none`; when set, `reasoning_effort` is not sent with them."""

    thinking_withheld: frozenset[str] = frozenset()
    """Chat fields that must not be sent while `thinking_on` is."""

    reasoning_field: ReasoningField | None = None
    """Where an assistant message takes earlier reasoning back; None: not at all."""

    reasoning_required: bool = False
    """Assistant messages with tool calls must carry `reasoning_field`, if need be empty."""

    stream_usage: bool = True
    """`stream_options: {"include_usage": true}` is understood."""

    json_schema: bool = True
    """`response_format: json_schema` is understood; otherwise `json_object` is asked for."""

    strict_tools: bool = True
    """Function tools may carry `strict`."""

    custom_tools: bool = False
    """Tools of type `custom` are understood; otherwise they are sent as functions with one argument."""

    allowed_tools: bool = False
    """`tool_choice: allowed_tools` is understood; otherwise the tools are filtered here."""

    tool_policy: Mapping[str, ToolPolicy] = field(default_factory=dict, hash=False)
    """Tool types that are never sent: a request with one is answered without it (`drop`, reported), or is a
    400 (`error`). `"*"` stands for all types but `function` that are not named. What is not in it is sent
    where the upstream's API has it."""

    withheld: frozenset[str] = OPENAI_ONLY
    """Chat fields that are never sent; one the client asked for is reported as dropped."""

    returned_reasoning: ReturnedReasoning = "sealed"
    """How a Responses upstream takes reasoning back that a Chat client shows as text or details: `text` as
    items with that text; `sealed` also with the details as the token of this package; `encrypted` not at
    all, since only its own encrypted items, or those it has stored, are valid there."""

    encrypted_reasoning: str | None = None
    """Models (a regular expression searched in the name) that are asked for `reasoning.encrypted_content`
    when the Responses upstream stores nothing. A model that does not reason may answer that with 400."""

    min_output_tokens: int = 16
    """The least `max_output_tokens` that a Responses upstream takes; a smaller limit is raised."""

    responses_withheld: frozenset[str] = frozenset()
    """Responses fields that are never sent; one the client asked for is reported as dropped."""
