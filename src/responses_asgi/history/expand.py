"""A request with what it refers to: earlier turns, a conversation, single items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from responses_asgi.history.chain import MAX_ITEMS, Kept, message_items, replay
from responses_asgi.history.items import Entry, is_unguessable, own_entries, replayed
from responses_asgi.history.misses import keeps_nothing
from responses_asgi.history.requests import StateRequest
from responses_asgi.loss import Losses
from responses_asgi.translate.call_pairs import CALL_TYPES, OUTPUT_TYPES
from responses_asgi.translate.messages import item_type
from responses_asgi.types.checks import missing, wrong
from responses_asgi.types.json import JSON

__all__ = ["before", "new_messages", "refuse_references", "resolved", "with_results"]

_SAID_ALREADY = "it stands in the conversation already"


async def before(
    kept: Kept, owner: str, asked: StateRequest, losses: Losses, max_items: int = MAX_ITEMS
) -> list[Entry]:
    """What comes before the request's own input. Raises InvalidRequestError for ids that lead nowhere."""
    if asked.previous is not None:
        return await replay(kept, owner, asked.previous, losses=losses, max_items=max_items)
    if asked.conversation is None:
        return []
    return replayed(await kept.conversations.entries(owner, asked.conversation, most=max_items))


async def resolved(
    kept: Kept, owner: str, entries: Sequence[Entry], history: Sequence[Entry], losses: Losses
) -> list[Entry]:
    """The request's input with the items that it refers to in their places.

    A reference to what stands in the request or in its history already adds nothing, and is reported.
    Raises InvalidRequestError, param `input[i].id`, for one that leads nowhere.
    """
    said = {entry.id for entry in history}
    said |= {entry.id for entry in entries if not _is_reference(entry)}
    found: list[Entry] = []
    for i, entry in enumerate(entries):
        if not _is_reference(entry):
            found.append(entry)
        elif not entry.item.get("id"):
            raise missing(f"input[{i}].id")
        elif not isinstance(entry.item["id"], str):
            raise wrong(f"input[{i}].id", "Input should be a valid string", entry.item["id"])
        elif entry.id in said:
            losses.report(f"input[{i}]", "emulated", _SAID_ALREADY)
        else:
            said.add(entry.id)
            found.append(await _find(kept, owner, entry.id, f"input[{i}].id"))
    return found


def refuse_references(given: Any) -> None:
    """Refuse references to items where nothing is kept."""
    if isinstance(given, list):
        for i, item in enumerate(given):
            if item_type(item) == "item_reference":
                raise keeps_nothing(f"input[{i}].id")


def new_messages(messages: Sequence[JSON], history: Sequence[Entry], losses: Losses) -> list[JSON]:
    """The messages without the instructions that stand in the history already: Chat clients send theirs with
    every request, and many servers take none but at the beginning."""
    said = {
        (entry.item.get("role"), _text(entry.item.get("content")))
        for entry in history
        if item_type(entry.item) == "message"
    }
    kept = []
    for i, message in enumerate(messages):
        role = message.get("role")
        if role in ("system", "developer") and (role, _text(message.get("content"))) in said:
            losses.report(f"messages[{i}]", "emulated", _SAID_ALREADY)
        else:
            kept.append(message)
    return kept


def with_results(
    messages: Sequence[JSON], history: Sequence[Entry], losses: Losses
) -> tuple[list[JSON], list[Entry]]:
    """The messages without the results of calls that the history ends with, and the history with them.

    A call and its result belong together: where they are looked at apart, each is taken for one that misses
    the other, which would be made up.
    """
    calls = [entry.item for entry in history if entry.item.get("type") in CALL_TYPES]
    answered = {entry.item.get("call_id") for entry in history if entry.item.get("type") in OUTPUT_TYPES}
    waiting = [call for call in calls if call.get("call_id") not in answered]
    rest: list[JSON] = []
    results: list[JSON] = []
    for i, message in enumerate(messages):
        if message.get("role") == "assistant":
            rest += messages[i:]
            break
        call = next((call for call in waiting if _is_result(message, call)), None)
        if call is None:
            rest.append(message)
        else:
            waiting.remove(call)
            results += [{**item, "call_id": call["call_id"]} for item in message_items([message], losses)]
    return rest, replayed([*history, *own_entries(results)])


def _is_result(message: JSON, call: JSON) -> bool:
    """Whether the message answers the call: by its id, in the older form by the function's name."""
    if message.get("role") == "tool":
        return message.get("tool_call_id") == call.get("call_id")
    return message.get("role") == "function" and message.get("name") == call.get("name")


def _is_reference(entry: Entry) -> bool:
    return item_type(entry.item) == "item_reference"


async def _find(kept: Kept, owner: str, id: str, param: str) -> Entry:
    found = None
    if owner or is_unguessable(id):
        found = await kept.responses.find_item(owner, id) or await kept.conversations.find_item(owner, id)
    if found is None:
        raise kept.misses.error("item", id, status=400, param=param)
    return Entry(id, found.item)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text")) for part in content or ())
