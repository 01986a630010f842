"""Items as they are kept: as their client sent them, each with an id, and as lists show them.

1. What is given to the model again is what was sent, word for word; an id that was made here is beside the
   item, not in it, since servers look up ids that they do not know.
2. A list shows every item with its id, a message's text as a part, and a status, as the API does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from responses_asgi.errors import InvalidRequestError
from responses_asgi.translate.call_pairs import CALL_TYPES, OUTPUT_TYPES
from responses_asgi.translate.messages import item_type
from responses_asgi.types.json import JSON, loads

__all__ = [
    "COMPACTION_TRIGGER",
    "Entry",
    "Identify",
    "entries_of",
    "input_entries",
    "is_name",
    "is_unguessable",
    "listed",
    "own_entries",
    "replayed",
]

Identify = Callable[[str], str]
"""`(prefix) -> id`."""

# Type of an item -> how its ids begin. The API tells items apart by it, and refuses others.
ITEM_PREFIXES: dict[str, str] = {
    "apply_patch_call": "apc_",
    "apply_patch_call_output": "apco_",
    "code_interpreter_call": "ci_",
    "compaction": "cmp_",
    "computer_call": "cu_",
    "computer_call_output": "cuo_",
    "custom_tool_call": "ctc_",
    "custom_tool_call_output": "ctco_",
    "file_search_call": "fs_",
    "function_call": "fc_",
    "function_call_output": "fco_",
    "image_generation_call": "ig_",
    "local_shell_call": "lsh_",
    "local_shell_call_output": "lsho_",
    "mcp_approval_request": "mcpr_",
    "mcp_approval_response": "mcpa_",
    "mcp_call": "mcp_",
    "mcp_list_tools": "mcpl_",
    "message": "msg_",
    "reasoning": "rs_",
    "shell_call": "sh_",
    "shell_call_output": "sho_",
    "tool_search_call": "tsc_",
    "tool_search_output": "tso_",
    "web_search_call": "ws_",
}
OTHER_PREFIX = "item_"

# Types that are listed without a status.
_WITHOUT_STATUS = frozenset({"reasoning", "compaction", "additional_tools", "configuration_update"})

COMPACTION_TRIGGER = "compaction_trigger"
"""The last item of an input that asks for a compaction of all before it."""

MAX_ID_CHARS = 512
"""Ids that no look-up is made for are longer than this: those of some gateways have 250."""

UNGUESSABLE_CHARS = 24
"""As many letters and digits as nobody guesses: 96 bits in hexadecimal."""


class Entry(NamedTuple):
    """An item and the id it is kept under; `turn` is the id of the answer that it came with, if any."""

    id: str
    item: JSON
    turn: str = ""


def is_name(id: object) -> bool:
    """Whether anything can be kept under this id; what is no such name need not be looked up.

    >>> is_name("msg_1"), is_name("m" * 1000), is_name("a\\nb"), is_name(None)
    (True, False, False, False)
    """
    return isinstance(id, str) and 0 < len(id) <= MAX_ID_CHARS and id.isprintable()


def is_unguessable(id: str) -> bool:
    """Whether an id is long enough to be an authority by itself. Clients choose the ids of what they send, so
    that without a credential `msg_1` might be anybody's.

    >>> is_unguessable("msg_1"), is_unguessable("msg_" + "0123456789abcdef" * 2)
    (False, True)
    """
    return sum(letter.isalnum() for letter in id.partition("_")[2] or id) >= UNGUESSABLE_CHARS


def input_entries(given: str | Sequence[JSON] | None, new_id: Identify, path: str = "input") -> list[Entry]:
    """The entries of a request's input; a string is one user message.

    Raises InvalidRequestError for an id that nothing can be kept under.

    >>> input_entries("Hi", lambda prefix: prefix + "1")[0].id
    'msg_1'
    """
    if isinstance(given, str):
        given = [{"type": "message", "role": "user", "content": given}]
    for i, item in enumerate(given or ()):
        id = item.get("id")
        if isinstance(id, str) and id and not is_name(id):
            shown = id if len(id) <= 40 else f"{id[:40]}..."
            raise InvalidRequestError(
                f"'{path}[{i}].id' is {shown!r} ({len(id)} characters); expected at most {MAX_ID_CHARS} "
                "printable characters.",
                param=f"{path}[{i}].id",
                code="invalid_value",
            )
    return entries_of(given or (), new_id)


def entries_of(items: Sequence[JSON], new_id: Identify) -> list[Entry]:
    """The items under their own ids, or under new ones of their type."""
    return [Entry(_own_id(item) or new_id(prefix_of(item)), item) for item in items]


def own_entries(items: Sequence[JSON]) -> list[Entry]:
    """The items under their own ids, those without one under ""."""
    return [Entry(_own_id(item) or "", item) for item in items]


def prefix_of(item: JSON) -> str:
    """How the ids of such items begin."""
    return ITEM_PREFIXES.get(item_type(item), OTHER_PREFIX)


def listed(entry: Entry) -> JSON:
    """The item as a list of items shows it.

    >>> listed(Entry("msg_1", {"role": "user", "content": "Hi"}))["content"]
    [{'type': 'input_text', 'text': 'Hi'}]
    """
    kind = item_type(entry.item)
    shown: JSON = {**entry.item, "id": entry.id, "type": kind}
    if kind == "message" and isinstance(shown.get("content"), str):
        shown["content"] = [_text_part(shown.get("role"), shown["content"])]
    if kind == "reasoning":
        shown.setdefault("summary", [])
    if kind not in _WITHOUT_STATUS and not shown.get("status"):
        shown["status"] = "completed"
    return shown


def replayed(entries: Sequence[Entry]) -> list[Entry]:
    """Items of earlier turns as the model is given them again.

    A call that was cut off is left out: its arguments are no JSON, which servers refuse, and nobody ran it.
    The status of reasoning is no input. An output is of the kind that its call asks for. What asked for a
    compaction is left out, too: it has been honoured.
    """
    kinds: dict[Any, str] = {}
    kept = []
    for entry in entries:
        item = entry.item
        kind = item.get("type")
        if kind == COMPACTION_TRIGGER:
            continue
        if kind in CALL_TYPES:
            if _cut_off(item):
                continue
            kinds[item.get("call_id")] = f"{kind}_output"
        elif kind in OUTPUT_TYPES:
            item = {**item, "type": kinds.get(item.get("call_id"), kind)}
        elif kind == "reasoning":
            item = {key: value for key, value in item.items() if key != "status"}
        kept.append(entry._replace(item=item))
    return kept


def _own_id(item: JSON) -> str | None:
    id: Any = item.get("id")
    return id if is_name(id) else None


def _text_part(role: object, text: str) -> JSON:
    if role == "assistant":
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "input_text", "text": text}


def _cut_off(item: JSON) -> bool:
    if item.get("status") != "incomplete" or item["type"] != "function_call":
        return False
    try:
        loads(item.get("arguments") or "")
    except ValueError:
        return True
    return False
