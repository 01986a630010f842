"""The rules of a legal Chat Completions stream by name."""

from __future__ import annotations

__all__ = ["CHAT_RULES"]

# Sources: the Chat documents, and what the stream accumulators of the published clients do with a repetition
# (they concatenate it) and with a gap (they throw).
CHAT_RULES: dict[str, str] = {
    # The bytes
    "utf-8": "the stream is UTF-8",
    "sse-form": "a chunk is one data line and a blank line, without an event line",
    "json": "the data of a chunk is one JSON object",
    "done-marker": "[DONE] ends every answer, once, and nothing else; it does not follow an error",
    # The chunks
    "shape": "every field has a value of its own type",
    "object": "object is chat.completion.chunk",
    "chunk-id": "the completion has an id, the same in every chunk",
    "created": "created is an integer, the same in every chunk",
    "model": "model is a string, the same in every chunk",
    "choices": "a chunk has choices, each once; only the usage chunk has none",
    "choice-index": "the indices of the choices are dense from 0",
    "unfinished": "a stream has a choice, and ends with the finish_reason of every choice, or with an error",
    # The choices
    "role": "a choice says the role assistant once, in its first chunk",
    "text": "content, refusal and reasoning are strings",
    "empty-chunk": "a chunk says something; a choice's first one and its finish may be empty",
    "reasoning-field": "reasoning is said in one field only",
    "annotations": "annotations are a list of objects with their fields under the name of their type",
    "logprobs": "logprobs is null, or has content and refusal, and whole entries",
    "finish-reason": "finish_reason is null, or one of the API's own",
    "finish-content": "the chunk with finish_reason says nothing else",
    "after-finish": "nothing of a choice follows its finish_reason",
    "finish-fits": "finish_reason is tool_calls only after tool calls and function_call only after one; "
    "it is stop only without them",
    # The calls
    "tool-index": "the indices of tool calls are dense from 0 in the order of their first fragments",
    "tool-start": "the first fragment of a call has id, type and name",
    "tool-id": "every call has an id of its own",
    "tool-repeat": "id, type and name of a call are said once",
    "arguments": "arguments and input are strings under the type of their call",
    "function-call": "a function_call says its name once and first, and is the only call",
    # The end
    "usage": "usage has the three figures as integers",
    "usage-key": "usage is null until the usage chunk if it was asked for, and else no key",
    "usage-chunk": "usage comes once, if asked for, in a chunk without choices; only an error may follow",
    "error": "an error chunk has message, type, param and code",
    "after-error": "nothing follows an error chunk",
}
