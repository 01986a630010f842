"""One row per kind of server. Each row cites a public document, or the id of a recorded exchange."""

from __future__ import annotations

from dataclasses import replace

from responses_asgi.profiles.profile import OPENAI_ONLY, Profile

__all__ = ["ROWS"]

_UP_TO_HIGH = {"minimal": "low", "xhigh": "high", "max": "high"}

# Models that reason, as OpenAI names them, also behind a gateway (`openai/gpt-5.6-sol`).
_OPENAI_REASONING = r"(^|/)(o\d|gpt-([5-9]|\d\d)|codex)(?!.*chat)"

_HOSTED = Profile(name="", text_parts=True, call_content=None, returned_reasoning="text")

# Responses as OpenAI serves it: no penalties, and a reasoning item without `encrypted_content` is looked up
# among the stored ones: vercel/ai#7543, responses-openai-flue-v1-latest-8a660d.
_OPENAI = replace(
    _HOSTED,
    returned_reasoning="encrypted",
    encrypted_reasoning=_OPENAI_REASONING,
    responses_withheld=frozenset({"frequency_penalty", "presence_penalty"}),
)

# Chat templates refuse a system message that is not the first one: ggml-org/llama.cpp#20215,
# vllm-project/vllm#43590, sgl-project/sglang#40082.
_TEMPLATED = replace(_HOSTED, merge_system=True)

ROWS = (
    # What any chat endpoint understands. No reasoning goes back, since unknown fields may be forbidden.
    Profile(name="generic"),
    # https://platform.openai.com/docs/api-reference/chat/create
    replace(
        _OPENAI,
        name="openai",
        hosts=("openai.com",),
        developer_role=True,
        tool_parts=True,
        token_limit_field="max_completion_tokens",
        allowed_tools=True,
        custom_tools=True,
        withheld=frozenset(),
    ),
    # Older api-versions refuse `developer` and unknown fields: https://learn.microsoft.com/azure/ai-foundry.
    # <think>: chat-azure-deepseek-r1-reasoning-streaming-6921d0.
    replace(
        _OPENAI,
        name="azure",
        hosts=(
            "openai.azure.com",
            "services.ai.azure.com",
            "cognitiveservices.azure.com",
            "inference.ai.azure.com",
        ),
        base_path="/openai/v1",
        think_tags=True,
        token_limit_field="max_completion_tokens",
        withheld=OPENAI_ONLY - {"metadata", "prompt_cache_key", "refusal", "service_tier", "verbosity"},
    ),
    # `reasoning` is read back, `reasoning_content` no longer: vllm-project/vllm#38488,
    # chat-vllm-d1edbcabe604-7887f4. <think> without a reasoning parser: chat-vllm-440d2fa92833-d391f2.
    replace(
        _TEMPLATED,
        name="vllm",
        think_tags=True,
        video_parts=True,
        effort_values=_UP_TO_HIGH,
        reasoning_field="reasoning",
    ),
    # chat-llamacpp-openaicompatiblethinking-llama-cpp-gpt-oss-thinking-streaming-bebe41
    # <think>: chat-llamacpp-sampling-matrix-max-tokens-one-40f51b.
    replace(_TEMPLATED, name="llamacpp", think_tags=True, reasoning_field="reasoning_content"),
    # https://docs.sglang.ai/basic_usage/openai_api_completions.html
    replace(
        _TEMPLATED, name="sglang", think_tags=True, video_parts=True, reasoning_field="reasoning_content"
    ),
    # https://lmstudio.ai/docs/app/api/endpoints/openai
    replace(_TEMPLATED, name="lmstudio", think_tags=True),
    # https://docs.ollama.com/api/openai-compatibility
    # chat-ollama-ng-ollama-cloud-gpt-oss-120b-can-use-tools-in-multi-turn-conversations-a855b4
    replace(_HOSTED, name="ollama", hosts=("ollama.com",), call_content="", reasoning_field="reasoning"),
    # https://api-docs.deepseek.com/guides/thinking_mode: turns with tool calls must carry reasoning_content,
    # even "": chat-deepseek-test-deepseek-deferred-capability-with-thinking-37c3bb. json_object only, and
    # content is text: https://api-docs.deepseek.com/api/create-chat-completion.
    replace(
        _HOSTED,
        name="deepseek",
        hosts=("deepseek.com",),
        base_path="",
        effort_values={"minimal": "high", "low": "high", "medium": "high", "xhigh": "max"},
        thinking_on={"thinking": {"type": "enabled"}},
        thinking_off={"thinking": {"type": "disabled"}},
        thinking_withheld=frozenset({"logprobs", "top_logprobs"}),
        reasoning_field="reasoning_content",
        reasoning_required=True,
        json_schema=False,
        strict_tools=False,
        tool_images=False,
    ),
    # Ids: langchain-ai/langchain#24668. A message between tool and user, and thinking parts:
    # chat-mistral-multimodal-tool-return-matrix-tool-return-content-url-document-mistral-0600cd,
    # chat-mistral-small-latest-preserves-thinking-signatures-between-turns-when-provided-2e7af1.
    replace(
        _HOSTED,
        name="mistral",
        hosts=("mistral.ai",),
        user_after_tool=False,
        call_content="",
        call_id_length=9,
        effort_values=dict.fromkeys(("minimal", "low", "medium", "xhigh", "max"), "high"),
        reasoning_field="thinking",
        stream_usage=False,
        withheld=OPENAI_ONLY | {"user"},
    ),
    # https://console.groq.com/docs/openai, https://console.groq.com/docs/reasoning
    # <think>: chat-groq-deepseek-r1-distill-llama-70b-reasoning-streaming-3072ca.
    replace(
        _HOSTED,
        name="groq",
        hosts=("groq.com",),
        base_path="/openai/v1",
        think_tags=True,
        token_limit_field="max_completion_tokens",
        effort_values=_UP_TO_HIGH,
        reasoning_field="reasoning",
        withheld=OPENAI_ONLY | {"logprobs", "top_logprobs"},
    ),
    # chat-xai-openaicompatiblecommon-xai-grok-code-fast-tool-baac8d, chat-xai-grok-3-tool-round-trip-2-345985
    # Encrypted reasoning:
    # responses-xai-can-use-tools-without-parameters-in-multi-turn-streaming-conversations-41f42d
    replace(
        _HOSTED,
        name="xai",
        hosts=("x.ai",),
        encrypted_reasoning=r"grok-[4-9](?!.*non-reasoning)",
        token_limit_field="max_completion_tokens",
        effort_values=_UP_TO_HIGH,
        reasoning_field="reasoning_content",
    ),
    # https://docs.together.ai/docs/openai-api-compatibility
    replace(
        _HOSTED,
        name="together",
        hosts=("together.xyz", "together.ai"),
        think_tags=True,
        effort_values=_UP_TO_HIGH,
    ),
    # https://docs.fireworks.ai/guides/reasoning
    # chat-fireworks-accounts-fireworks-models-gpt-oss-20b-basic-851322
    replace(
        _HOSTED,
        name="fireworks",
        hosts=("fireworks.ai",),
        base_path="/inference/v1",
        think_tags=True,
        effort_values=_UP_TO_HIGH,
        reasoning_field="reasoning_content",
    ),
    # reasoning_details go back with their signatures: chat-openrouter-openroutercommon-gemini-tool-33a4c1.
    # Some models behind it refuse `developer`: chat-openrouter-google-gemma-3n-e4b-it-free-streaming-337ccf.
    replace(
        _HOSTED,
        name="openrouter",
        hosts=("openrouter.ai",),
        encrypted_reasoning=_OPENAI_REASONING,
        base_path="/api/v1",
        video_parts=True,
        effort_values={"max": "xhigh"},
        reasoning_field="reasoning_details",
    ),
    # chat-vercel-gateway-vercelthinking-claude-sonnet-4-sig-thinking-60e729
    replace(
        _HOSTED,
        name="vercel-gateway",
        hosts=("ai-gateway.vercel.sh",),
        effort_values={"max": "xhigh"},
        reasoning_field="reasoning_details",
    ),
    # https://ai.google.dev/gemini-api/docs/openai: signatures travel in `extra_content` of the calls.
    replace(
        _HOSTED,
        name="gemini",
        hosts=("generativelanguage.googleapis.com",),
        base_path="/v1beta/openai",
        effort_values={"xhigh": "high", "max": "high"},
    ),
    # https://inference-docs.cerebras.ai/resources/openai: 400 for the penalties and parallel_tool_calls.
    replace(
        _HOSTED,
        name="cerebras",
        hosts=("cerebras.ai",),
        token_limit_field="max_completion_tokens",
        effort_values=_UP_TO_HIGH,
        reasoning_field="reasoning",
        withheld=OPENAI_ONLY | {"frequency_penalty", "presence_penalty", "parallel_tool_calls"},
    ),
    # https://help.aliyun.com/en/model-studio/qwen-api-via-openai-chat-completions: some models think only in
    # streams, so thinking is only ever switched off.
    replace(
        _HOSTED,
        name="qwen",
        hosts=("dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com", "dashscope-us.aliyuncs.com"),
        base_path="/compatible-mode/v1",
        call_content="",
        effort_values=_UP_TO_HIGH,
        thinking_off={"enable_thinking": False},
        reasoning_field="reasoning_content",
        strict_tools=False,
    ),
    # https://java.agentscope.io/v2/en/integration/model/kimi: low, high, max; no `strict`; reasoning is kept.
    replace(
        _HOSTED,
        name="moonshot",
        hosts=("moonshot.ai", "moonshot.cn", "kimi.ai", "kimi.com"),
        token_limit_field="max_completion_tokens",
        effort_values={"minimal": "low", "medium": "high", "xhigh": "max"},
        thinking_off={"thinking": {"type": "disabled"}},
        reasoning_field="reasoning_content",
        reasoning_required=True,
        strict_tools=False,
    ),
    # chat-zai-test-zai-preserved-thinking-round-trip-70132b; json_object only: https://docs.z.ai.
    # chat-zai-openaicompatiblethinking-zai-glm-4-7-flash-thinking-streaming-499f74
    replace(
        _HOSTED,
        name="zai",
        hosts=("z.ai", "bigmodel.cn"),
        base_path="/api/paas/v4",
        effort_values=_UP_TO_HIGH,
        thinking_on={"thinking": {"type": "enabled"}},
        thinking_off={"thinking": {"type": "disabled"}},
        reasoning_field="reasoning_content",
        json_schema=False,
    ),
    # https://docs.perplexity.ai/api-reference/chat-completions-post: no functions, no logprobs.
    # chat-perplexity-chat-streaming-responses-perplexity-sonar-supports-streaming-responses-c4e1c9
    replace(
        _HOSTED,
        name="perplexity",
        hosts=("perplexity.ai",),
        base_path="",
        think_tags=True,
        merge_system=True,
        effort_values={"xhigh": "high", "max": "high"},
        withheld=OPENAI_ONLY | {"logprobs", "parallel_tool_calls", "tools", "top_logprobs"},
    ),
    # chat-huggingface-openaicompatiblecommon-huggingface-kimi-k2-multi-tool-streaming-4c4489
    replace(_HOSTED, name="huggingface", hosts=("huggingface.co",)),
    # chat-databricks-test-databricks-data-extraction-7ba068
    replace(
        _HOSTED,
        name="databricks",
        hosts=("cloud.databricks.com", "azuredatabricks.net", "gcp.databricks.com"),
        base_path="/serving-endpoints",
    ),
    # Recordings of chat/copilot: text parts in system messages, null content beside calls.
    # Encrypted reasoning: responses-copilot-reasoning-roundtrip-nonstreaming-549f6c.
    replace(_OPENAI, name="copilot", hosts=("githubcopilot.com",), base_path=""),
    # chat-avian-openaicompatiblethinking-avian-kimi-thinking-streaming-83e7cc
    replace(_HOSTED, name="avian", hosts=("avian.io",), reasoning_field="reasoning_content"),
)
