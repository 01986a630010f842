"""Chat messages -> Responses items.

1. Every message stands where it stood, also system and developer ones; an assistant message becomes its
   reasoning, its text and its calls, in this order.
2. What is remembered of the answer that made the calls of an assistant message replaces all of it, since
   it holds what Chat cannot: reasoning, ids, the order of text and calls.
3. Responses demands an output for every call and a call for every output; what is missing is made up, never
   dropped. The older function messages have no ids; they are given some.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from responses_asgi.errors import InvalidRequestError
from responses_asgi.loss import Losses
from responses_asgi.profiles import Profile
from responses_asgi.translate.call_pairs import CALL_TYPES, OUTPUT_TYPES, pair_calls
from responses_asgi.translate.chat_parts import flat_annotation
from responses_asgi.translate.content import responses_part
from responses_asgi.translate.messages import UNANSWERED, UNNAMED_FUNCTION
from responses_asgi.translate.reasoning import REASONING_KEYS, reasoning_items
from responses_asgi.types.json import JSON, loads

__all__ = ["Recall", "input_items"]

Recall = Callable[[str], Sequence[JSON]]
"""Tool-call id -> the items of the answer that made the call, or () when they are forgotten."""

# The longest call_id of `FunctionCallOutputItemParam`.
MAX_CALL_ID = 64

_INSTRUCTION_KEYS = frozenset({"role", "content", "name"})
_ASSISTANT_KEYS = _INSTRUCTION_KEYS.union(
    {"refusal", "audio", "tool_calls", "function_call", "annotations"}, REASONING_KEYS
)
_OUTPUT_KEYS = _INSTRUCTION_KEYS | {"tool_call_id"}
_CALL_KEYS = frozenset({"id", "type", "index", "function", "custom"})

# Type of a Chat call -> type of the item, and where both keep what the call says.
_CALLS = {"function": ("function_call", "arguments"), "custom": ("custom_tool_call", "input")}


class _Entry(NamedTuple):
    path: str
    item: JSON


def input_items(
    messages: Sequence[JSON],
    *,
    stored: bool,
    profile: Profile,
    losses: Losses,
    recall: Recall | None = None,
) -> list[JSON]:
    """The Responses input for validated Chat messages.

    `stored` tells whether the upstream keeps its items, so that an id is enough for it to find them.
    Raises InvalidRequestError, with the exact path, for what can neither be carried nor left out.
    """
    history = _History(profile, losses, stored=stored)
    remembered = _remembered(messages, recall, losses) if recall else {}
    for i, message in enumerate(messages):
        history.add(f"messages[{i}]", message, remembered.get(i, ()))
    return _completed(history.entries, losses)


class _History:
    """Collects the items of one message after the other."""

    def __init__(self, profile: Profile, losses: Losses, *, stored: bool) -> None:
        self.entries: list[_Entry] = []
        self._profile = profile
        self._losses = losses
        self._stored = stored

    def add(self, path: str, message: JSON, remembered: Sequence[JSON]) -> None:
        role = message["role"]
        if role in ("tool", "function"):
            self._output(path, message)
        elif role == "assistant":
            self._lose_name(path, message)
            if message.get("audio") is not None:
                raise InvalidRequestError(
                    f"'{path}.audio' refers to earlier audio, which Responses cannot; send its transcript.",
                    param=f"{path}.audio",
                    code="unsupported_parameter",
                )
            if remembered:
                self._replay(path, message, remembered)
            else:
                self._assistant(path, message)
        else:
            self._lose_name(path, message)
            content = self._content(path, message)
            self._append(path, _message(role, content) | _extra(message, _INSTRUCTION_KEYS))

    def _append(self, path: str, item: JSON) -> None:
        self.entries.append(_Entry(path, item))

    def _lose_name(self, path: str, message: JSON) -> None:
        if message.get("name"):
            self._losses.report(f"{path}.name", "dropped", "Responses messages have no name")

    def _content(self, path: str, message: JSON) -> str | list[JSON]:
        content = message.get("content") or ""
        if isinstance(content, str):
            return content
        converted = (
            responses_part(
                part,
                f"{path}.content[{i}]",
                role=message["role"],
                profile=self._profile,
                losses=self._losses,
            )
            for i, part in enumerate(content)
        )
        return [part for part in converted if part] or ""

    # The assistant

    def _assistant(self, path: str, message: JSON) -> None:
        for item in reasoning_items(message, path, profile=self._profile, losses=self._losses):
            self._append(path, item)
        said = self._said(path, message)
        calls = message.get("tool_calls") or []
        extra = _extra(message, _ASSISTANT_KEYS)
        if said or not (calls or message.get("function_call")):
            self._append(path, _message("assistant", said) | extra)
        else:
            for key in extra:
                self._losses.report(f"{path}.{key}", "dropped", "there is no text that it could go with")
        for i, call in enumerate(calls):
            where = f"{path}.tool_calls[{i}]"
            self._append(where, _call(call, where))
        if message.get("function_call"):
            where = f"{path}.function_call"
            self._losses.report(where, "emulated", "sent as a call with an id of its own")
            self._append(where, _call({"function": message["function_call"]}, where))

    def _said(self, path: str, message: JSON) -> str | list[JSON]:
        """A string when that says it all: the document knows parts of the assistant only with an id."""
        content, annotations = message.get("content") or "", message.get("annotations")
        if isinstance(content, str):
            flat = [flat_annotation(entry)[0] for entry in annotations or ()]
            parts = [{"type": "output_text", "text": content, "annotations": flat}] if content else []
        else:
            parts = self._said_parts(path, content)
            if annotations:
                reason = "it is unknown which part they belong to"
                self._losses.report(f"{path}.annotations", "dropped", reason)
        if message.get("refusal"):
            parts.append({"type": "refusal", "refusal": message["refusal"]})
        if len(parts) == 1 and parts[0] == {
            "type": "output_text",
            "text": parts[0].get("text"),
            "annotations": [],
        }:
            return str(parts[0]["text"])
        return parts or ""

    def _said_parts(self, path: str, content: list[JSON]) -> list[JSON]:
        parts: list[JSON] = []
        for i, part in enumerate(content):
            where = f"{path}.content[{i}]"
            if part["type"] == "thinking":
                continue
            made = responses_part(part, where, role="assistant", profile=self._profile, losses=self._losses)
            if made and made["type"] in ("output_text", "refusal"):
                parts.append(made)
            elif made:
                self._losses.report(where, "dropped", "assistant messages of Responses hold text only")
        return parts

    def _replay(self, path: str, message: JSON, remembered: Sequence[JSON]) -> None:
        """The items of an earlier answer, as the upstream takes them back.

        Where reasoning must be left out, the ids of the others go too: they refer to it (laravel/ai#1052).
        """
        added = [f"{path}.{key}" for key in _extra(message, _ASSISTANT_KEYS)]
        for i, call in enumerate(message["tool_calls"]):
            added += [f"{path}.tool_calls[{i}].{key}" for key in _extra(call, _CALL_KEYS)]
        for place in added:
            self._losses.report(place, "dropped", "the answer is sent as it was, with its reasoning")
        lookup = self._profile.returned_reasoning == "encrypted" and not self._stored
        kept = [item for item in remembered if not (lookup and _unreadable(item))]
        if len(kept) < len(remembered):
            reason = f"{self._profile.name} has neither encrypted nor stored the reasoning before it"
            self._losses.report(path, "dropped", reason)
        left_out = {"id"} if len(kept) < len(remembered) else set()
        for item in kept:
            status = {"status"} if item.get("type") == "reasoning" else set()
            self._append(path, _extra(item, frozenset(left_out | status)))

    # Outputs

    def _output(self, path: str, message: JSON) -> None:
        item: JSON = {
            "type": "function_call_output",
            "call_id": message.get("tool_call_id") or None,
            "output": self._content(path, message),
            **_extra(message, _OUTPUT_KEYS),
        }
        if message.get("name"):
            item["name"] = message["name"]
        self._append(path, item)


def _message(role: str, content: str | list[JSON]) -> JSON:
    return {"type": "message", "role": role, "content": content}


def _extra(item: JSON, known: frozenset[str]) -> JSON:
    """Fields that neither protocol names; they are carried."""
    return {key: value for key, value in item.items() if key not in known and value is not None}


def _call(call: JSON, path: str) -> JSON:
    kind = call.get("type") or ("custom" if call.get("custom") else "function")
    if kind not in _CALLS:
        raise InvalidRequestError(
            f"'{path}.type' is {kind!r}, which Responses cannot carry.",
            param=f"{path}.type",
            code="unsupported_parameter",
        )
    item_type, key = _CALLS[kind]
    definition = call[kind]
    said = definition[key] if kind == "custom" else definition[key] or "{}"
    extra = _extra(definition, frozenset({"name", key, "type"})) | _extra(call, _CALL_KEYS)
    made = {"type": item_type, "call_id": call.get("id") or None, "name": definition["name"], key: said}
    return made | extra


# Remembered items


def _remembered(messages: Sequence[JSON], recall: Recall, losses: Losses) -> dict[int, list[JSON]]:
    """Position of an assistant message -> the items that it is replaced with.

    From the last message to the first, since servers that count their calls from 0 in every answer use an id
    again: what is remembered is the latest answer, and no item may be sent twice.
    """
    found: dict[int, list[JSON]] = {}
    used: set[str] = set()
    for i in reversed(range(len(messages))):
        calls = messages[i].get("tool_calls") if messages[i]["role"] == "assistant" else None
        known = (list(recall(call["id"])) for call in calls or () if call.get("id"))
        items = next(filter(None, known), [])
        names = {str(item.get(key)) for item in items for key in ("id", "call_id") if item.get(key)}
        if not items or names & used:
            continue
        if _agree(messages[i], items, f"messages[{i}]"):
            used |= names
            found[i] = items
        else:
            losses.report(f"messages[{i}]", "dropped", "its reasoning, since the message has been changed")
    return found


def _agree(message: JSON, items: list[JSON], path: str) -> bool:
    """Whether the message still says what was answered: the same calls, and the same text if any."""
    if message.get("function_call"):
        return False
    made = [_told(item) for item in items if item.get("type") in CALL_TYPES]
    calls = enumerate(message["tool_calls"])
    if made != [_told(_call(call, f"{path}.tool_calls[{i}]")) for i, call in calls]:
        return False
    said = _squeezed([message])
    return not said or said == _squeezed([item for item in items if item.get("type") == "message"])


def _told(call: JSON) -> tuple[Any, ...]:
    """What makes two calls the same. Clients write arguments anew, with other spaces."""
    said = call.get("arguments")
    with contextlib.suppress(ValueError):
        said = loads(said or "{}")
    return call.get("type"), call.get("call_id"), call.get("name"), call.get("input"), said


def _squeezed(messages: Sequence[JSON]) -> str:
    """Texts and refusals of messages without any white space: how they are joined says nothing."""
    pieces: list[Any] = []
    for message in messages:
        content = message.get("content") or ""
        parts = [{"text": content}] if isinstance(content, str) else content
        pieces += [part.get("text") or part.get("refusal") for part in [*parts, message]]
    return "".join("".join(piece for piece in pieces if isinstance(piece, str)).split())


def _unreadable(item: JSON) -> bool:
    return item.get("type") == "reasoning" and not item.get("encrypted_content")


# Calls and outputs


def _completed(entries: list[_Entry], losses: Losses) -> list[JSON]:
    """The items with every call answered and every output asked for, each under an id of its own."""
    given = [entry.item for entry in entries]
    pairs = pair_calls(given)
    ids = {position: _fitting(call_id) for position, call_id in pairs.ids.items()}
    items: list[JSON] = []
    unanswered: list[JSON] = []
    for position, (path, item) in enumerate(entries):
        kind = item.get("type")
        if kind not in CALL_TYPES:
            items += unanswered
            unanswered = []
        if kind in CALL_TYPES:
            items.append({**item, "call_id": ids[position]})
            if position not in pairs.output_of:
                losses.report(path, "emulated", "a result was made up for a call without one")
                unanswered.append(_output_of(item, ids[position], {"output": UNANSWERED}))
        elif kind in OUTPUT_TYPES:
            call = pairs.call_of.get(position)
            if call is None:
                losses.report(path, "emulated", "a call was made up for an output without one")
                name = item.get("name") or UNNAMED_FUNCTION
                made = {"type": "function_call", "call_id": ids[position], "name": name, "arguments": "{}"}
                items += [made, _output_of(made, ids[position], item)]
            else:
                if item.get("name") not in (None, given[call].get("name")):
                    losses.report(f"{path}.name", "dropped", "the call has another name")
                items.append(_output_of(given[call], ids[call], item))
        else:
            items.append(item)
    return items + unanswered


def _output_of(call: JSON, call_id: str, output: JSON) -> JSON:
    """The output item, of the kind that the call asks for; its name is that of the call."""
    rest = {key: value for key, value in output.items() if key not in ("type", "call_id", "name")}
    return {"type": f"{call['type']}_output", "call_id": call_id, **rest}


def _fitting(call_id: str) -> str:
    """`call_id` itself, or its fixed stand-in where it is too long."""
    if len(call_id) <= MAX_CALL_ID:
        return call_id
    return f"call_{hashlib.sha256(call_id.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
