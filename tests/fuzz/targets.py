"""What is fuzzed: one row for each way in. An input that breaks a promise raises an exception.

A target reads bytes, of which often the first one chooses how the rest is read. What it may raise is nothing:
documented errors are caught in it, and everything else is a defect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from tests.fuzz import bodies, seeds, sockets, streams, tokens

__all__ = ["TARGETS", "Target"]

_JSON = ("{}", "[]", '""', "null", "true", "1e999", "NaN", "\\ud800", '":')
_SSE = ("data: ", "event: ", "\n\n", "\r\n\r\n", "\r\r", "[DONE]", ": ", "error: ")
_CHAT = (
    "choices", "delta", "message", "content", "reasoning_content", "reasoning_details", "refusal",
    "tool_calls", "function_call", "custom", "function", "arguments", "name", "finish_reason", "stop",
    "length", "usage", "index", "logprobs", "annotations", "error", "audio", "images", "<think>",
    "</think>", "role", "assistant",
)  # fmt: skip
_RESPONSES = (
    "response.created", "response.output_item.added", "response.output_item.done",
    "response.content_part.added", "response.output_text.delta", "response.output_text.done",
    "response.function_call_arguments.delta", "response.refusal.delta", "response.reasoning_text.delta",
    "response.reasoning_summary_text.delta", "response.custom_tool_call_input.delta", "response.completed",
    "response.incomplete", "response.failed", "output_index", "content_index", "item_id", "item", "output",
    "status", "incomplete_details", "reason", "function_call", "custom_tool_call", "reasoning", "message",
    "output_text", "call_id", "sequence_number",
)  # fmt: skip
_BODY = (
    "input", "instructions", "tools", "tool_choice", "previous_response_id", "conversation", "include",
    "text", "response_format", "format", "json_schema", "schema", "strict", "metadata", "stream_options",
    "functions", "temperature", "max_output_tokens", "max_completion_tokens", "truncation", "prompt",
    "parallel_tool_calls", "input_text", "input_image", "input_file", "image_url", "file",
    "encrypted_content", "summary", "namespace", "allowed_tools", "web_search", "mcp", "server_label",
    "item_reference", "compaction", "local_shell_call", "shell_call", "apply_patch_call", "operation",
    "action", "function_call_output", "tool", "developer", "user",
)  # fmt: skip
_SOCKET = (
    "response.create", "response.cancel", "response.steer", "ping", "stream_id", "wait", "$0", "$x", "\n",
    "~",
)  # fmt: skip


class Target(NamedTuple):
    """One way in. `run` raises for an input that breaks a promise; `words` are what inputs are made of.

    An input has at most `longest` bytes: enough for what is to be found, and few enough to try many.
    """

    about: str
    run: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]
    words: tuple[str, ...] = ()
    longest: int = seeds.LONGEST


TARGETS: dict[str, Target] = {
    "sse": Target(
        "event streams: the decoder and the chunk reader, whole and cut, with and without repeats",
        streams.events_are_the_same_however_they_are_cut,
        seeds.of_events,
        (*_SSE, *_JSON),
        longest=600,
    ),
    "chat-stream": Target(
        "what a Chat upstream sends, told to a Responses client",
        streams.chat_answers_become_legal_responses,
        partial(seeds.of_streams, "chat"),
        (*_SSE, *_JSON, *_CHAT),
    ),
    "responses-stream": Target(
        "what a Responses upstream sends, told to a Chat client",
        streams.responses_answers_become_legal_chat,
        partial(seeds.of_streams, "responses"),
        (*_SSE, *_JSON, *_RESPONSES),
    ),
    "requests": Target(
        "request bodies of both APIs: checked, translated for every profile, answered",
        bodies.requests_are_translated_or_refused,
        seeds.of_bodies,
        (*_JSON, *_CHAT, *_BODY),
    ),
    "tokens": Target(
        "sealed and readable tokens, reasoning details, keys, call ids",
        tokens.tokens_open_or_are_refused,
        seeds.of_tokens,
        ("sealed1.", "rd1.", "cs1.", "sk_", "."),
    ),
    "cursors": Target(
        "query strings of lists",
        tokens.pages_are_shown_or_refused,
        seeds.of_queries,
        ("after=", "limit=", "order=", "metadata[", "]=", "&", "starting_after=", "%5B"),
    ),
    "routes": Target(
        "ids, cursors and bodies at every route over what is kept",
        tokens.routes_answer_whatever_they_are_asked,
        seeds.of_routes,
        (
            "$r",
            "$c",
            "$i",
            "$t",
            "after=",
            "limit=",
            "stream=true",
            "starting_after=",
            *_JSON,
            "items",
            "metadata",
        ),
    ),
    "websocket": Target(
        "frames of a Responses client",
        sockets.every_frame_has_one_outcome,
        seeds.of_sockets,
        (*_JSON, *_SOCKET, "previous_response_id", "store", "generate", "input", "fail", "response_id"),
    ),
    "relayed": Target(
        "bytes of a server whose WebSocket is relayed",
        sockets.a_relayed_server_says_messages_or_ends,
        seeds.of_frames,
    ),
}
