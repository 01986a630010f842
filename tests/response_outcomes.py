"""What becomes of every part of an answer: one row per property, item type and event, both ways.

A row holds an example and its expected outcome: `Carried` (found, equal, at the named place), `Lost`
(reported under the path), `Failed` (the answer becomes an error of this code), or `Idle`: nothing is made of
it, and nothing is lost.
"""

from __future__ import annotations

from responses_asgi.types.json import JSON
from tests.outcomes import Carried, Failed, Idle, Lost, Row

FRAME = Idle("every answer has its own")
ECHO = Idle("an echo of the request")
COPY = Idle("said elsewhere in the answer as well")
PADDING = Idle("padding without meaning")

# Chat Completions -> Responses

TEXT: JSON = {"role": "assistant", "content": "Hey"}
MODERATION: JSON = {
    side: {"type": "moderation_results", "model": "m", "results": [{"flagged": False, "categories": {}}]}
    for side in ("input", "output")
}
RESPONSE_MODERATION: JSON = {
    side: {"type": "moderation_result", "model": "m", "flagged": False, "categories": {}}
    for side in ("input", "output")
}
CALL: JSON = {
    "index": 0,
    "id": "call_1",
    "type": "function",
    "function": {"name": "f", "arguments": '{"x":1}'},
}
CITATION: JSON = {"url": "https://a.test", "title": "A", "start_index": 0, "end_index": 3}
SCORE: JSON = {"token": "Hey", "logprob": -0.5, "bytes": [72], "top_logprobs": []}

# Property of a `chat.completion` and of its chunks.
COMPLETION: list[Row] = [
    Row("choices", [{"index": 0, "message": TEXT}], Carried("output[0].content[0].text", "Hey")),
    Row(
        "choices",
        [{"index": 0, "message": TEXT}, {"index": 1, "message": TEXT}],
        Lost("choices[1]"),
    ),
    Row("created", 1_700_000_000, FRAME),
    Row("id", "chatcmpl-1", FRAME),
    Row("metadata", {"k": "v"}, Lost("metadata")),
    Row("model", "gpt-5.5", Carried("model", "gpt-5.5")),
    Row("moderation", MODERATION, Carried("moderation", RESPONSE_MODERATION)),
    Row("object", "chat.completion", FRAME),
    Row("obfuscation", "aZ3", PADDING),
    Row("service_tier", "flex", Carried("service_tier", "flex")),
    Row("service_tier", "on_demand", Lost("service_tier")),
    Row("system_fingerprint", "fp_1", Carried("system_fingerprint", "fp_1")),
    Row("usage", {"prompt_tokens": 2, "completion_tokens": 3}, Carried("usage.total_tokens", 5)),
    # Not in the schema: the server's own fields.
    Row("citations", ["https://a.test"], Carried("citations", ["https://a.test"])),
    Row("prompt", [], Lost("prompt")),
    Row("error", {"message": "no", "code": "rate_limit_exceeded"}, Failed("rate_limit_exceeded")),
]

# Property of a choice, whole and streamed.
CHOICE: list[Row] = [
    Row("delta", TEXT, Carried("output[0].content[0].text", "Hey")),
    Row("finish_reason", "stop", Carried("status", "completed")),
    Row("finish_reason", "length", Carried("incomplete_details.reason", "max_output_tokens")),
    Row("finish_reason", "content_filter", Carried("incomplete_details.reason", "content_filter")),
    Row("finish_reason", "error", Failed("server_error")),
    Row("finish_reason", "whim", Lost("choices[0].finish_reason")),
    Row("index", 0, FRAME),
    Row("logprobs", {"content": [SCORE]}, Carried("output[0].content[0].logprobs", [SCORE])),
    Row("logprobs.content", [SCORE], Carried("output[0].content[0].logprobs", [SCORE])),
    Row("logprobs.refusal", [SCORE], Lost("choices[0].logprobs.refusal")),
    Row("message", TEXT, Carried("output[0].content[0].text", "Hey")),
    Row("stop_reason", 7, Lost("choices[0].stop_reason")),
]

# Property of a message or delta.
MESSAGE: list[Row] = [
    Row(
        "annotations",
        [{"type": "url_citation", "url_citation": CITATION}],
        Carried("output[0].content[0].annotations", [{"type": "url_citation", **CITATION}]),
    ),
    Row("annotations", [{"type": "whim", "whim": {}}], Lost("choices[0].message.annotations")),
    Row("audio", {"id": "audio_1", "data": "AAAA"}, Lost("choices[0].message.audio")),
    Row("content", "Hey", Carried("output[0].content[0].text", "Hey")),
    Row("content", [{"type": "text", "text": "Hey"}], Carried("output[0].content[0].text", "Hey")),
    Row("content", [{"type": "image"}, {"type": "text", "text": "Hey"}], Lost("choices[0].message.content")),
    Row("function_call", {"name": "f", "arguments": "{}"}, Carried("output[1].name", "f")),
    Row("refusal", "No.", Carried("output[0].content[1]", {"type": "refusal", "refusal": "No."})),
    Row("role", "assistant", FRAME),
    Row("tool_calls", [CALL], Carried("output[1].call_id", "call_1")),
    # Not in the schema: what reasoning models say, and whatever else.
    Row("reasoning_content", "hm", Carried("output[0].content[0]", {"type": "reasoning_text", "text": "hm"})),
    Row("reasoning", "hm", Carried("output[0].content[0].text", "hm")),
    Row(
        "reasoning_details",
        [{"type": "reasoning.summary", "summary": "hm"}],
        Carried("output[0].summary", [{"type": "summary_text", "text": "hm"}]),
    ),
    Row("mood", "good", Lost("choices[0].message.mood")),
]

# Property of a tool call.
TOOL_CALL: list[Row] = [
    Row("custom", {"name": "c", "input": "a"}, Carried("output[0].input", "a"), also={"type": "custom"}),
    Row("function", {"name": "f", "arguments": "[]"}, Carried("output[0].arguments", "[]")),
    Row("function", {"name": "f", "arguments": "[]"}, Carried("output[0].name", "f")),
    Row("id", "call_7", Carried("output[0].call_id", "call_7")),
    Row("index", 0, FRAME),
    Row("type", "function", Carried("output[0].type", "function_call")),
    Row("extra_content", {"a": 1}, Carried("output[0].extra_content", {"a": 1})),
]

# Property of a Chat usage.
USAGE: list[Row] = [
    Row("completion_tokens", 3, Carried("usage.output_tokens", 3)),
    Row(
        "completion_tokens_details",
        {"reasoning_tokens": 1},
        Carried("usage.output_tokens_details.reasoning_tokens", 1),
    ),
    *(
        Row(f"completion_tokens_details.{name}", 1, Carried(f"usage.output_tokens_details.{name}", 1))
        for name in (
            "accepted_prediction_tokens",
            "audio_tokens",
            "reasoning_tokens",
            "rejected_prediction_tokens",
            "text_tokens",
        )
    ),
    Row("prompt_tokens", 2, Carried("usage.input_tokens", 2)),
    Row(
        "prompt_tokens_details", {"cached_tokens": 1}, Carried("usage.input_tokens_details.cached_tokens", 1)
    ),
    *(
        Row(f"prompt_tokens_details.{name}", 1, Carried(f"usage.input_tokens_details.{name}", 1))
        for name in ("audio_tokens", "cache_write_tokens", "cached_tokens", "image_tokens", "text_tokens")
    ),
    Row("total_tokens", 9, Carried("usage.total_tokens", 9)),
    # Not in the schema: other servers' names, and figures of their own.
    Row("prompt_cache_hit_tokens", 1, Carried("usage.input_tokens_details.cached_tokens", 1)),
    Row("cost", 0.5, Carried("usage.cost", 0.5)),
]

# Responses -> Chat Completions

PART: JSON = {"type": "output_text", "text": "Hey", "annotations": [], "logprobs": []}
ITEM: JSON = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [PART]}
CONTENT = "choices[0].message.content"
FINISH = "choices[0].finish_reason"
CALLS = "choices[0].message.tool_calls"
THOUGHT = "choices[0].message.reasoning_content"
FAILURE: JSON = {"code": "rate_limit_exceeded", "message": "no"}

# Property of a response.
RESPONSE: list[Row] = [
    *(
        Row(name, value, ECHO)
        for name, value in {
            "background": False,
            "conversation": {"id": "conv_1"},
            "frequency_penalty": 0.5,
            "instructions": "Be brief.",
            "max_output_tokens": 99,
            "max_tool_calls": 3,
            "metadata": {"k": "v"},
            "parallel_tool_calls": False,
            "presence_penalty": 0.5,
            "previous_response_id": "resp_0",
            "prompt": {"id": "pmpt_1"},
            "prompt_cache_key": "k",
            "prompt_cache_options": {"ttl": "30m"},
            "prompt_cache_retention": "24h",
            "reasoning": {"effort": "low"},
            "safety_identifier": "s",
            "store": True,
            "temperature": 0.5,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [{"type": "function", "name": "f"}],
            "top_logprobs": 3,
            "top_p": 0.5,
            "truncation": "auto",
            "user": "u",
        }.items()
    ),
    Row("completed_at", 1_700_000_000, FRAME),
    Row("created_at", 1_700_000_000, FRAME),
    Row("error", FAILURE, Failed("rate_limit_exceeded"), also={"status": "failed"}),
    Row("id", "resp_1", FRAME),
    Row(
        "incomplete_details",
        {"reason": "max_output_tokens"},
        Carried(FINISH, "length"),
        also={"status": "incomplete"},
    ),
    Row(
        "incomplete_details",
        {"reason": "content_filter"},
        Carried(FINISH, "content_filter"),
        also={"status": "incomplete"},
    ),
    Row(
        "incomplete_details",
        {"reason": "whim"},
        Lost("incomplete_details.reason"),
        also={"status": "incomplete"},
    ),
    Row("model", "gpt-5.5", Carried("model", "gpt-5.5")),
    Row("moderation", RESPONSE_MODERATION, Carried("moderation.input.type", "moderation_results")),
    Row("object", "response", FRAME),
    Row("output", [ITEM], Carried(CONTENT, "Hey")),
    Row("output_text", "Hey", COPY),
    Row("service_tier", "flex", Carried("service_tier", "flex")),
    Row("service_tier", "ultrafast", Lost("service_tier")),
    Row("status", "completed", Carried(FINISH, "stop")),
    Row("status", "in_progress", Failed("server_error")),
    Row("usage", {"input_tokens": 2, "output_tokens": 3}, Carried("usage.prompt_tokens", 2)),
    # Not in the schemas: the server's own fields.
    Row("citations", ["https://a.test"], Carried("citations", ["https://a.test"])),
    Row("choices", [], Lost("choices")),
]

# Property of a Responses usage.
RESPONSE_USAGE: list[Row] = [
    Row("input_tokens", 2, Carried("usage.prompt_tokens", 2)),
    Row(
        "input_tokens_details", {"cached_tokens": 1}, Carried("usage.prompt_tokens_details.cached_tokens", 1)
    ),
    Row("input_tokens_details.cached_tokens", 1, Carried("usage.prompt_tokens_details.cached_tokens", 1)),
    Row(
        "input_tokens_details.cache_write_tokens",
        1,
        Carried("usage.prompt_tokens_details.cache_write_tokens", 1),
    ),
    Row("output_tokens", 3, Carried("usage.completion_tokens", 3)),
    Row(
        "output_tokens_details",
        {"reasoning_tokens": 1},
        Carried("usage.completion_tokens_details.reasoning_tokens", 1),
    ),
    Row(
        "output_tokens_details.reasoning_tokens",
        1,
        Carried("usage.completion_tokens_details.reasoning_tokens", 1),
    ),
    Row("total_tokens", 9, Carried("usage.total_tokens", 9)),
]

ACT = Failed("unsupported_output")

# Type of an output item -> the item (alone) and its outcome.
ITEMS: list[Row] = [
    Row("additional_tools", {"tools": []}, Lost("output.additional_tools")),
    Row("apply_patch_call", {"call_id": "c", "operation": {}}, ACT),
    Row("apply_patch_call_output", {"call_id": "c"}, Lost("output.apply_patch_call_output")),
    Row("code_interpreter_call", {"code": "1"}, Lost("output.code_interpreter_call")),
    Row("compaction", {"encrypted_content": "x"}, Lost("output.compaction")),
    Row("computer_call", {"call_id": "c"}, ACT),
    Row("computer_call_output", {"call_id": "c"}, Lost("output.computer_call_output")),
    Row(
        "custom_tool_call",
        {"call_id": "c", "name": "patch", "input": "a"},
        Carried(CALLS, [{"id": "c", "type": "custom", "custom": {"name": "patch", "input": "a"}}]),
    ),
    Row("custom_tool_call_output", {"call_id": "c", "output": "x"}, Lost("output.custom_tool_call_output")),
    Row("file_search_call", {"queries": []}, Lost("output.file_search_call")),
    Row(
        "function_call",
        {"call_id": "c", "name": "f", "arguments": "{}"},
        Carried(CALLS, [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]),
    ),
    Row("function_call", {"call_id": "c", "name": "f", "arguments": "{}"}, Carried(FINISH, "tool_calls")),
    Row("function_call_output", {"call_id": "c", "output": "x"}, Lost("output.function_call_output")),
    Row("image_generation_call", {"result": "AAAA"}, Lost("output.image_generation_call")),
    Row("local_shell_call", {"call_id": "c", "action": {}}, ACT),
    Row("local_shell_call_output", {"output": "x"}, Lost("output.local_shell_call_output")),
    Row("mcp_approval_request", {"name": "t"}, ACT),
    Row("mcp_approval_response", {"approve": True}, Lost("output.mcp_approval_response")),
    Row("mcp_call", {"name": "t", "output": "x"}, Lost("output.mcp_call")),
    Row("mcp_list_tools", {"tools": []}, Lost("output.mcp_list_tools")),
    Row("message", {"role": "assistant", "content": [PART]}, Carried(CONTENT, "Hey")),
    Row("program", {"code": ""}, Lost("output.program")),
    Row("program_output", {"result": ""}, Lost("output.program_output")),
    Row("reasoning", {"summary": [{"type": "summary_text", "text": "hm"}]}, Carried(THOUGHT, "hm")),
    Row("shell_call", {"call_id": "c", "action": {}}, ACT),
    Row("shell_call_output", {"call_id": "c", "output": []}, Lost("output.shell_call_output")),
    Row("tool_search_call", {"call_id": "c"}, ACT),
    Row("tool_search_call", {"call_id": "c", "execution": "server"}, Lost("output.tool_search_call")),
    Row("tool_search_output", {"tools": []}, Lost("output.tool_search_output")),
    Row("web_search_call", {"status": "completed"}, Lost("output.web_search_call")),
    Row("acme:thing", {"a": 1}, Lost("output.acme:thing")),
]

CALLER: JSON = {"type": "program", "caller_id": "p"}

# Property of an item that has a counterpart -> its outcome.
ITEM_FIELDS: list[Row] = [
    Row("message.content", [PART], Carried(CONTENT, "Hey")),
    Row("message.id", "msg_7", FRAME),
    Row("message.phase", "commentary", Lost("output.message.phase")),
    Row("message.role", "assistant", FRAME),
    Row("message.status", "completed", COPY),
    Row("message.type", "message", Carried("choices[0].message.role", "assistant")),
    Row("message.mood", "good", Lost("output.message.mood")),
    Row("reasoning.content", [{"type": "reasoning_text", "text": "raw"}], Carried(THOUGHT, "raw")),
    Row("reasoning.encrypted_content", "x", Lost("output.reasoning.encrypted_content")),
    Row("reasoning.id", "rs_7", FRAME),
    Row("reasoning.status", "completed", COPY),
    Row("reasoning.summary", [{"type": "summary_text", "text": "sum"}], Carried(THOUGHT, "sum")),
    Row("reasoning.type", "reasoning", Carried(THOUGHT, "hm")),
    Row("function_call.arguments", "[]", Carried(f"{CALLS}[0].function.arguments", "[]")),
    Row("function_call.call_id", "call_7", Carried(f"{CALLS}[0].id", "call_7")),
    Row("function_call.caller", CALLER, Lost("output.function_call.caller")),
    Row("function_call.id", "fc_7", FRAME),
    Row("function_call.name", "g", Carried(f"{CALLS}[0].function.name", "g")),
    Row("function_call.namespace", "n", Lost("output.function_call.namespace")),
    Row("function_call.status", "completed", COPY),
    Row("function_call.type", "function_call", Carried(f"{CALLS}[0].type", "function")),
    Row("custom_tool_call.call_id", "call_7", Carried(f"{CALLS}[0].id", "call_7")),
    Row("custom_tool_call.caller", CALLER, Lost("output.custom_tool_call.caller")),
    Row("custom_tool_call.id", "ctc_7", FRAME),
    Row("custom_tool_call.input", "b", Carried(f"{CALLS}[0].custom.input", "b")),
    Row("custom_tool_call.name", "d", Carried(f"{CALLS}[0].custom.name", "d")),
    Row("custom_tool_call.namespace", "n", Lost("output.custom_tool_call.namespace")),
    Row("custom_tool_call.status", "completed", COPY),
    Row("custom_tool_call.type", "custom_tool_call", Carried(f"{CALLS}[0].type", "custom")),
]

# The items that a row above changes one property of.
WHOLE_ITEMS: dict[str, JSON] = {
    "message": {"type": "message", "content": [PART]},
    "reasoning": {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}]},
    "function_call": {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    "custom_tool_call": {"type": "custom_tool_call", "call_id": "c", "name": "c", "input": "a"},
}

FILE: JSON = {"type": "file_citation", "file_id": "f", "index": 0, "filename": "a"}

# Type of a part, or a property of it -> the part (alone in its item) and its outcome.
PARTS: list[Row] = [
    Row("output_text", {"text": "Hey"}, Carried(CONTENT, "Hey")),
    Row("output_text.type", {"text": "Hey"}, Carried(CONTENT, "Hey")),
    Row("output_text.text", {"text": "Hey"}, Carried(CONTENT, "Hey")),
    Row(
        "output_text.annotations",
        {"text": "Hey", "annotations": [{"type": "url_citation", **CITATION}]},
        Carried("choices[0].message.annotations", [{"type": "url_citation", "url_citation": CITATION}]),
    ),
    *(
        Row(
            "output_text.annotations",
            {"text": "Hey", "annotations": [{**FILE, "type": kind}]},
            Lost("output.message.annotations"),
        )
        for kind in ("file_citation", "container_file_citation", "file_path")
    ),
    Row(
        "output_text.logprobs",
        {"text": "Hey", "logprobs": [SCORE]},
        Carried("choices[0].logprobs.content", [SCORE]),
    ),
    Row("output_text.mood", {"text": "Hey", "mood": "good"}, Lost("output.message.content.mood")),
    Row("refusal", {"refusal": "No."}, Carried("choices[0].message.refusal", "No.")),
    Row("refusal.type", {"refusal": "No."}, Carried("choices[0].message.refusal", "No.")),
    Row("refusal.refusal", {"refusal": "No."}, Carried("choices[0].message.refusal", "No.")),
    Row("reasoning_text", {"text": "hm"}, Carried(THOUGHT, "hm")),
    Row("reasoning_text.type", {"text": "hm"}, Carried(THOUGHT, "hm")),
    Row("reasoning_text.text", {"text": "hm"}, Carried(THOUGHT, "hm")),
    Row("summary_text", {"text": "hm"}, Carried(THOUGHT, "hm")),
    Row("summary_text.type", {"text": "hm"}, Carried(THOUGHT, "hm")),
    Row("summary_text.text", {"text": "hm"}, Carried(THOUGHT, "hm")),
    Row("output_audio", {"data": "AAAA"}, Lost("output.message.content.output_audio")),
]

# Stream events. Places are those of a chunk.
DELTA = "choices[0].delta"
AT: JSON = {"item_id": "i", "output_index": 0}
IN_PART: JSON = {**AT, "content_index": 0}
IN_SUMMARY: JSON = {**AT, "summary_index": 0}
OPEN_CALL: JSON = {"type": "function_call", "id": "i", "call_id": "c", "name": "f", "arguments": ""}
DONE_CALL: JSON = {**OPEN_CALL, "arguments": "{}"}
NAMED_CUSTOM: JSON = {"type": "custom_tool_call", "id": "i", "call_id": "c", "name": "f", "input": ""}
ANSWER: JSON = {"object": "response", "model": "gpt-5.5", "output": []}


def _of_item(kind: str, *steps: str) -> list[Row]:
    """Events that only tell how the work on an item goes on; the item itself is what is reported."""
    outcome = ACT if kind == "shell_call" else Lost(f"output.{kind}")
    return [Row(f"response.{step}", AT, outcome, also={"type": kind, "id": "i"}) for step in steps]


EVENTS: list[Row] = [
    Row("response.created", {"response": ANSWER}, Carried("model", "gpt-5.5")),
    Row("response.in_progress", {"response": ANSWER}, Carried("model", "gpt-5.5")),
    Row("response.queued", {"response": ANSWER}, COPY),
    Row("response.completed", {"response": {**ANSWER, "status": "completed"}}, Carried(FINISH, "stop")),
    Row(
        "response.incomplete",
        {
            "response": {
                **ANSWER,
                "status": "incomplete",
                "incomplete_details": {"reason": "max_output_tokens"},
            }
        },
        Carried(FINISH, "length"),
    ),
    Row(
        "response.failed",
        {"response": {**ANSWER, "status": "failed", "error": FAILURE}},
        Failed("rate_limit_exceeded"),
    ),
    Row("error", {**FAILURE, "param": None}, Failed("rate_limit_exceeded")),
    Row("keepalive", {}, PADDING),
    Row(
        "response.output_item.added",
        {"output_index": 0, "item": OPEN_CALL},
        Carried(f"{DELTA}.tool_calls[0].id", "c"),
    ),
    Row(
        "response.output_item.done",
        {"output_index": 0, "item": DONE_CALL},
        Carried(f"{DELTA}.tool_calls[0].function.arguments", "{}"),
    ),
    Row("response.content_part.added", {**IN_PART, "part": {**PART, "text": ""}}, COPY),
    Row("response.content_part.done", {**IN_PART, "part": {**PART, "text": ""}}, COPY),
    Row("response.output_text.delta", {**IN_PART, "delta": "Hey"}, Carried(f"{DELTA}.content", "Hey")),
    Row("response.output_text.done", {**IN_PART, "text": "Hey"}, Carried(f"{DELTA}.content", "Hey")),
    Row(
        "response.output_text.annotation.added",
        {**IN_PART, "annotation_index": 0, "annotation": {"type": "url_citation", **CITATION}},
        Carried(f"{DELTA}.annotations[0].url_citation", CITATION),
    ),
    Row("response.refusal.delta", {**IN_PART, "delta": "No."}, Carried(f"{DELTA}.refusal", "No.")),
    Row("response.refusal.done", {**IN_PART, "refusal": "No."}, Carried(f"{DELTA}.refusal", "No.")),
    *(
        Row(
            f"response.{family}.{step}", {**IN_PART, field: "hm"}, Carried(f"{DELTA}.reasoning_content", "hm")
        )
        for family in ("reasoning_text", "reasoning")
        for step, field in (("delta", "delta"), ("done", "text"))
    ),
    Row("response.reasoning_summary_part.added", {**IN_SUMMARY, "part": {"type": "summary_text"}}, COPY),
    Row("response.reasoning_summary_part.done", {**IN_SUMMARY, "part": {"type": "summary_text"}}, COPY),
    *(
        Row(
            f"response.reasoning_summary_text.{step}",
            {**IN_SUMMARY, field: "hm"},
            Carried(f"{DELTA}.reasoning_content", "hm"),
        )
        for step, field in (("delta", "delta"), ("done", "text"))
    ),
    *(
        Row(
            f"response.function_call_arguments.{step}",
            {**AT, field: "{}"},
            Carried(f"{DELTA}.tool_calls[0].function.arguments", "{}"),
            also=OPEN_CALL,
        )
        for step, field in (("delta", "delta"), ("done", "arguments"))
    ),
    *(
        Row(
            f"response.custom_tool_call_input.{step}",
            {**AT, field: "a"},
            Carried(f"{DELTA}.tool_calls[0].custom.input", "a"),
            also=NAMED_CUSTOM,
        )
        for step, field in (("delta", "delta"), ("done", "input"))
    ),
    *(
        Row(f"response.audio.{step}", {"delta": "AAAA"}, Lost(f"response.audio.{step}"))
        for step in ("delta", "done", "transcript.delta", "transcript.done")
    ),
    *_of_item(
        "code_interpreter_call",
        "code_interpreter_call.completed",
        "code_interpreter_call.in_progress",
        "code_interpreter_call.interpreting",
        "code_interpreter_call_code.delta",
        "code_interpreter_call_code.done",
    ),
    *_of_item(
        "file_search_call",
        "file_search_call.completed",
        "file_search_call.in_progress",
        "file_search_call.searching",
    ),
    *_of_item(
        "image_generation_call",
        "image_generation_call.completed",
        "image_generation_call.generating",
        "image_generation_call.in_progress",
        "image_generation_call.partial_image",
    ),
    *_of_item(
        "mcp_call",
        "mcp_call.completed",
        "mcp_call.failed",
        "mcp_call.in_progress",
        "mcp_call_arguments.delta",
        "mcp_call_arguments.done",
    ),
    *_of_item(
        "mcp_list_tools", "mcp_list_tools.completed", "mcp_list_tools.failed", "mcp_list_tools.in_progress"
    ),
    *_of_item(
        "shell_call",
        "shell_call_command.added",
        "shell_call_command.delta",
        "shell_call_command.done",
        "shell_call_output_content.delta",
        "shell_call_output_content.done",
    ),
    *_of_item(
        "web_search_call",
        "web_search_call.completed",
        "web_search_call.in_progress",
        "web_search_call.searching",
    ),
    Row("response.whim", {"a": 1}, Lost("response.whim")),
]
