"""Responses items -> Chat messages.

1. What the assistant says and calls between two other messages is one round: one assistant message, its
   calls last, each answered by a tool message directly after it. A round ends as soon as an output has been
   seen and something new of the assistant arrives.
2. Calls without output and outputs without call are completed, since Chat demands both; never dropped.
3. Tool messages take text only: images and files of outputs follow in a user message.
4. Reasoning belongs to the round it stands in; a message of somebody else ends its claim.
5. An answer that broke off and ends the history is to be gone on with. Servers differ in what they make of
   such an end: some refuse it, some go on, most begin anew, so that all of them are asked to go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from responses_asgi.errors import InvalidRequestError
from responses_asgi.loss import Losses
from responses_asgi.profiles import Profile
from responses_asgi.translate.call_pairs import CallPairs, pair_calls
from responses_asgi.translate.content import chat_content, chat_part, is_text, joined_text
from responses_asgi.translate.reasoning import give_back
from responses_asgi.translate.tool_kinds import CUSTOM, FUNCTION, call_kind, output_kind
from responses_asgi.translate.tool_table import DECLARING, HISTORY, ToolTable
from responses_asgi.types.json import JSON

__all__ = ["DROPPED_ITEMS", "HISTORY", "REJECTED_ITEMS", "chat_messages", "item_type"]

# Items that only record what a service did or was set to: the model can go on without them.
DROPPED_ITEMS: dict[str, str] = {
    "code_interpreter_call": "Chat Completions cannot show earlier calls of hosted tools",
    "configuration_update": "Chat Completions has one configuration per request",
    "file_search_call": "Chat Completions cannot show earlier calls of hosted tools",
    "image_generation_call": "Chat Completions cannot show earlier calls of hosted tools",
    "mcp_call": "Chat Completions cannot show earlier calls of hosted tools",
    "mcp_list_tools": "Chat Completions cannot show earlier calls of hosted tools",
    "program": "Chat Completions has no programs that call tools",
    "program_output": "Chat Completions has no programs that call tools",
    "tool_search_call": "the service that searched has no call that could be shown",
    "web_search_call": "Chat Completions cannot show earlier calls of hosted tools",
}

# Items that the model must see, or that ask for something: leaving them out would falsify the answer. Types
# that are in no table are treated like these.
REJECTED_ITEMS: dict[str, str] = {
    "compaction": "only the service that compacted the conversation can read it",
    "compaction_trigger": "it must be the last item of the input, and is for a service that compacts",
    "computer_call": "Chat Completions has no computer tool",
    "computer_call_output": "Chat Completions has no computer tool",
    "mcp_approval_request": "this service runs no MCP tools",
    "mcp_approval_response": "this service runs no MCP tools",
}

UNANSWERED = "No result of this call was recorded; its outcome is unknown."
UNNAMED_FUNCTION = "unknown_function"
ATTACHED = "The output is attached to the next message."
FILLER = "OK"
GO_ON = "Your answer was cut off. Go on exactly where it ends, and repeat nothing of it."

_MESSAGE_KEYS = frozenset({"type", "role", "content", "id", "status", "phase"})
_CALL_KEYS = frozenset(
    {"type", "id", "call_id", "name", "status", "created_by", "namespace", "caller", "async"}
    | {"arguments", "input", "action", "operation", "execution", "environment"}
)
_OUTPUT_KEYS = frozenset(
    {"type", "id", "call_id", "output", "status", "name", "namespace", "caller", "created_by"}
    | {"tools", "execution", "max_output_length"}
)


def item_type(item: JSON) -> str:
    """The type of an input item; messages and references may leave it out.

    >>> item_type({"role": "user", "content": "Hi"}), item_type({"id": "msg_1"})
    ('message', 'item_reference')
    """
    return item.get("type") or ("message" if "role" in item else "item_reference")


def chat_messages(
    body: JSON,
    items: Sequence[JSON],
    *,
    profile: Profile,
    losses: Losses,
    history: Sequence[JSON] = (),
    table: ToolTable | None = None,
) -> list[JSON]:
    """The Chat messages of a Responses request; `history` comes before its input, `items` come after it.

    `table` has the names upstream of the tools that the request declares.
    Raises InvalidRequestError, with the exact path, for an item that can neither be carried nor left out.
    """
    given = body.get("input")
    entries: list[tuple[str, JSON]]
    if isinstance(given, list):
        entries = [(f"input[{i}]", item) for i, item in enumerate([*given, *items])]
    else:
        first = [] if given is None else [("input", {"role": "user", "content": given})]
        entries = first + [(f"input[{i}]", item) for i, item in enumerate(items, len(first))]
    entries[:0] = [(f"{HISTORY}[{i}]", item) for i, item in enumerate(history)]
    writer = _MessageWriter(entries, profile, losses, table or ToolTable())
    if body.get("instructions"):
        writer.system("instructions", {"role": "system", "content": body["instructions"]})
    for position, (path, item) in enumerate(entries):
        writer.add(position, path, item)
    return writer.finish()


@dataclass(slots=True)
class _Round:
    """What the assistant does between two other messages."""

    said: list[list[JSON]] = field(default_factory=list)
    """The Chat text parts of each message item."""

    refusals: list[str] = field(default_factory=list)
    calls: list[tuple[int, str, JSON]] = field(default_factory=list)
    """Position, path and Chat tool call of each call item."""

    thoughts: list[tuple[str, JSON]] = field(default_factory=list)
    extra: JSON = field(default_factory=dict)
    answered: bool = False
    """An output of one of the calls has been passed."""

    @property
    def is_empty(self) -> bool:
        return not (self.said or self.refusals or self.calls or self.thoughts or self.answered)


class _MessageWriter:
    """Collects messages in order, one round of the assistant at a time."""

    def __init__(
        self, entries: list[tuple[str, JSON]], profile: Profile, losses: Losses, table: ToolTable
    ) -> None:
        self._entries = entries
        self._profile = profile
        self._losses = losses
        self._table = table
        items = [item for _, item in entries]
        self._pairs: CallPairs = pair_calls(items, id_length=profile.call_id_length)
        self._messages: list[JSON] = []
        self._leading: list[str] = []
        self._round = _Round()

    def add(self, position: int, path: str, item: JSON) -> None:
        kind = item_type(item)
        if kind == "message" and item["role"] == "assistant":
            self._assistant(path, item)
        elif kind == "message":
            self._end_round()
            if item["role"] == "user":
                self._append(
                    {"role": "user", "content": self._content(path, item), **_extra(item, _MESSAGE_KEYS)}
                )
            else:
                self.system(path, item)
        elif call_kind(item):
            self._call(position, path, item)
        elif output_kind(item):
            self._output(position, path, item)
        elif kind == "reasoning":
            self._open_round().thoughts.append((path, item))
        elif kind in DECLARING:
            if item["tools"]:
                self._losses.report(path, "emulated", "these tools are sent with those of the request")
        elif kind in DROPPED_ITEMS:
            self._losses.report(path, "dropped", DROPPED_ITEMS[kind])
        else:
            raise _cannot_carry(kind, path)

    def finish(self) -> list[JSON]:
        self._end_round()
        path, last = self._entries[-1] if self._entries else ("", {})
        if last.get("role") == "assistant" and last.get("status") == "incomplete":
            self._losses.report(path, "emulated", "the model is asked to go on where its answer was cut off")
            self._append({"role": "user", "content": GO_ON})
        if self._leading:
            return [{"role": "system", "content": "\n\n".join(self._leading)}, *self._messages]
        return self._messages

    def system(self, path: str, item: JSON) -> None:
        """A system or developer message: in its place, or joined to the leading one."""
        content = self._content(path, item)
        if self._profile.merge_system and isinstance(content, list) and all(map(is_text, content)):
            content = joined_text(content)
        if self._profile.merge_system and isinstance(content, str):
            if self._messages:
                self._losses.report(path, "emulated", "moved to the one system message at the front")
            self._leading.append(content)
            return
        role = item["role"] if self._profile.developer_role else "system"
        self._append({"role": role, "content": content, **_extra(item, _MESSAGE_KEYS)})

    # Rounds

    def _open_round(self) -> _Round:
        """The round that something new of the assistant belongs to."""
        if self._round.answered:
            self._end_round()
        return self._round

    def _assistant(self, path: str, item: JSON) -> None:
        current = self._open_round()
        current.extra |= _extra(item, _MESSAGE_KEYS)
        if item.get("phase"):
            self._losses.report(f"{path}.phase", "dropped", "Chat messages have no phase")
        content = item["content"]
        if isinstance(content, str):
            current.said.append([{"type": "text", "text": content}])
            return
        parts: list[JSON] = []
        for i, part in enumerate(content):
            where = f"{path}.content[{i}]"
            if part["type"] == "refusal" and "refusal" not in self._profile.withheld:
                current.refusals.append(part["refusal"])
                continue
            chat = chat_part(part, where, profile=self._profile, losses=self._losses)
            if chat and chat["type"] == "text":
                parts.append(chat)
            elif chat:
                self._losses.report(where, "dropped", "assistant messages of Chat hold text only")
        current.said.append(parts)

    def _call(self, position: int, path: str, item: JSON) -> None:
        current = self._open_round()
        for key in ("caller", "async"):
            if item.get(key):
                self._losses.report(f"{path}.{key}", "dropped", f"Chat tool calls have no {key}")
        call_id, call = self._pairs.ids[position], self._chat_call(path, item)
        current.calls.append((position, path, {"id": call_id, **call, **_extra(item, _CALL_KEYS)}))

    def _chat_call(self, path: str, item: JSON) -> JSON:
        """The call under the name that its tool has upstream."""
        kind, namespace = call_kind(item) or FUNCTION, item.get("namespace")
        if namespace and kind.function is not None:
            self._losses.report(f"{path}.namespace", "dropped", "a tool of this type is in none")
            namespace = None
        name = self._table.name_of(kind, item.get("name") or "", namespace)
        if namespace and name != item["name"]:
            self._losses.report(f"{path}.namespace", "emulated", "a part of the name")
        if kind is CUSTOM and self._profile.custom_tools:
            return {"type": "custom", "custom": {"name": name, "input": item["input"]}}
        arguments = kind.arguments(item)
        if kind is CUSTOM:
            self._losses.report(path, "emulated", "sent as a function call with the argument `input`")
        elif kind is not FUNCTION:
            self._losses.report(path, "emulated", "sent as a function call")
        elif arguments != (item["arguments"] or "{}"):
            self._losses.report(f"{path}.arguments", "emulated", "no JSON, sent as a text inside of one")
        environment = (item.get("environment") or {}).get("type", "local")
        if environment != "local":
            self._losses.report(f"{path}.environment", "dropped", "Chat tool calls have no environment")
        return _function_call(name, arguments)

    def _output(self, position: int, path: str, item: JSON) -> None:
        call = self._pairs.call_of.get(position)
        if call is not None:
            # It is sent with its call; here it only tells that the round has been answered.
            self._round.answered |= any(call == known for known, _, _ in self._round.calls)
            return
        self._losses.report(path, "emulated", "a call was made up for an output without one")
        current = self._open_round()
        kind, name = output_kind(item) or FUNCTION, item.get("name") or UNNAMED_FUNCTION
        made = _function_call(self._table.name_of(kind, name, item.get("namespace")), "{}")
        current.calls.append((position, path, {"id": self._pairs.ids[position], **made}))
        self._pairs.output_of[position] = position
        current.answered = True

    def _end_round(self) -> None:
        current = self._round
        if current.is_empty:
            return
        self._round = _Round()
        if not (current.said or current.refusals or current.calls):
            for path, _ in current.thoughts:
                self._losses.report(path, "dropped", "no message of the assistant follows it")
            return
        message: JSON = {"role": "assistant", "content": self._said(current), **current.extra}
        if current.refusals:
            message["refusal"] = "\n".join(current.refusals)
        if current.calls:
            message["tool_calls"] = [call for _, _, call in current.calls]
        give_back(message, current.thoughts, profile=self._profile, losses=self._losses)
        self._append(message)
        attached: list[JSON] = []
        for position, path, call in current.calls:
            self._append(self._tool_message(position, path, call, attached))
        if attached:
            self._append({"role": "user", "content": attached})

    def _said(self, current: _Round) -> str | list[JSON] | None:
        parts = [part for said in current.said for part in said]
        if not all(map(is_text, parts)):
            return parts
        texts = ["".join(part["text"] for part in said) for said in current.said]
        text = "\n\n".join(filter(None, texts))
        if text or not (current.calls or current.refusals):
            return text
        return self._profile.call_content if current.calls else None

    # Outputs

    def _tool_message(self, position: int, path: str, call: JSON, attached: list[JSON]) -> JSON:
        """The answer to a call; parts that a tool message cannot hold are put into `attached`."""
        message: JSON = {"role": "tool", "tool_call_id": call["id"], "content": UNANSWERED}
        where = self._pairs.output_of.get(position)
        if where is None:
            self._losses.report(path, "emulated", "a result was made up for a call without one")
            return message
        place, item = self._entries[where]
        message |= _extra(item, _OUTPUT_KEYS)
        output = (output_kind(item) or FUNCTION).result(item, self._table.found(item))
        if isinstance(output, str):
            message["content"] = output
            return message
        texts: list[JSON] = []
        others: list[JSON] = []
        output_path = f"{place}.output"
        for i, part in enumerate(output):
            chat = chat_part(part, f"{output_path}[{i}]", profile=self._profile, losses=self._losses)
            if chat and chat["type"] == "text":
                texts.append(chat)
            elif chat:
                self._losses.report(
                    f"{output_path}[{i}]", "emulated", "moved to the user message that follows"
                )
                others.append(chat)
        if others:
            name = call[call["type"]]["name"]
            attached += [{"type": "text", "text": f"Output of {name} ({call['id']}):"}, *others]
        message["content"] = chat_content(texts, lists=self._profile.tool_parts)
        if not texts and others:
            message["content"] = ATTACHED
        return message

    # Messages

    def _content(self, path: str, item: JSON) -> str | list[JSON]:
        content = item["content"]
        if isinstance(content, str):
            return content
        converted = (
            chat_part(part, f"{path}.content[{i}]", profile=self._profile, losses=self._losses)
            for i, part in enumerate(content)
        )
        return chat_content([part for part in converted if part], lists=self._profile.text_parts)

    def _append(self, message: JSON) -> None:
        if (
            message["role"] == "user"
            and not self._profile.user_after_tool
            and self._messages
            and self._messages[-1]["role"] == "tool"
        ):
            self._messages.append({"role": "assistant", "content": FILLER})
        self._messages.append(message)


def _extra(item: JSON, known: frozenset[str]) -> JSON:
    """Fields that neither protocol names; they are carried."""
    if item.keys() <= known:
        return {}
    return {key: value for key, value in item.items() if key not in known and value is not None}


def _function_call(name: str, arguments: str) -> JSON:
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def _cannot_carry(kind: str, path: str) -> InvalidRequestError:
    if kind == "item_reference":
        return InvalidRequestError(
            f"'{path}' refers to an item by id, but this service keeps no items; send the item itself.",
            param=f"{path}.id",
            code="unsupported_parameter",
        )
    reason = REJECTED_ITEMS.get(kind, "Chat Completions has no such item")
    return InvalidRequestError(
        f"'{path}.type' is {kind!r}: {reason}.", param=f"{path}.type", code="unsupported_parameter"
    )
