"""How a turn begins: what the request refers to is found, and its body is made one without state.

| client, upstream | the upstream's request |
| --- | --- |
| any, Chat | the history, then the request's own input; no `store` |
| any, Responses | the same with `store: false`, and reasoning asked for in a form that can be sent again |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from responses_asgi.errors import InvalidRequestError
from responses_asgi.history.compaction import shortened
from responses_asgi.history.expand import before, new_messages, resolved, with_results
from responses_asgi.history.items import Entry, input_entries, is_unguessable
from responses_asgi.history.recent import Recent
from responses_asgi.history.requests import STATE_FIELDS, without
from responses_asgi.history.resent import keeping_nothing, resent
from responses_asgi.history.sealed import open_items
from responses_asgi.history.turn import Keeping, Turn
from responses_asgi.loss import Losses
from responses_asgi.profiles import Profile
from responses_asgi.seal import Seals
from responses_asgi.translate.translator import History
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.upstream import WireAPI

__all__ = ["begin_chat", "begin_responses", "open_input", "without_summarized"]


async def begin_responses(
    body: JSON,
    owner: str,
    keeping: Keeping,
    *,
    seals: Seals | None,
    spoken: WireAPI,
    profile: Profile | None,
    max_items: int,
    recent: Recent | None = None,
) -> Turn:
    """The turn of a Responses request; `recent`: what its connection remembers."""
    losses = Losses()
    asked = keeping.asked
    if body.get("background") and asked.detached is None:
        raise InvalidRequestError(
            "'background' cannot be honoured: this service does no background work. It is switched off, or "
            "the store is not one for it, as memory, SQLite and Redis are.",
            param="background",
            code="unsupported_parameter",
        )
    opened = open_input(body, owner, seals, losses)
    given = input_entries(body.get("input"), keeping.new_id)
    known = None if recent is None else recent.find(asked.previous)
    if known is None:
        history = await before(keeping.kept, owner, asked, losses, max_items)
    else:
        history = known.replayed(max_items)
    entries = await resolved(keeping.kept, owner, given, history, losses)
    items = open_items((entry.item for entry in history), seals, owner, losses, _origin(keeping))
    request = without(opened, (*STATE_FIELDS, "background"))
    if entries != given:
        open_found = partial(open_items, seals=seals, owner=owner, losses=losses)
        request = {**request, "input": _resolved_input(opened["input"], given, entries, open_found)}
    sent = [entry.item for entry in (*history, *entries)]
    request, items = without_summarized(request, items, sent, blank=spoken == "chat")
    if spoken == "responses":
        items = resent(items, profile, losses, _origin(keeping))
        request = keeping_nothing(request, profile)
        if isinstance(request.get("input"), list):
            request["input"] = resent(request["input"], profile, losses, "input")
    keeping = keeping._replace(entries=entries)
    if known is not None:
        # What is stored of this turn cannot refer to what is not stored.
        keeping = keeping._replace(entries=[*history, *entries], asked=asked._replace(previous=None))
    return Turn(
        request,
        owner,
        history=History(
            items, asked.echo(), asked.detached is not None, own_id("resp_", keeping) if asked.keep else None
        ),
        losses=losses,
        keeping=keeping,
        entries=None if recent is None else [*history, *entries],
    )


async def begin_chat(
    body: JSON,
    owner: str,
    keeping: Keeping,
    *,
    seals: Seals | None,
    spoken: WireAPI,
    profile: Profile | None,
    max_items: int,
) -> Turn:
    """The turn of a Chat request; the history of a stateful one is given as Responses items."""
    losses = Losses()
    asked = keeping.asked
    history = await before(keeping.kept, owner, asked, losses, max_items)
    request = without(body, STATE_FIELDS)
    messages = body["messages"]
    if history:
        messages = new_messages(messages, history, losses)
        rest, history = with_results(messages, history, losses)
        request = {**request, "messages": rest}
    sent = [entry.item for entry in history]
    items, _ = shortened(open_items(sent, seals, owner, losses, _origin(keeping)), [], sent)
    if spoken == "responses":
        items = resent(items, profile, losses, _origin(keeping))
    if asked.keep and request.get("metadata") and spoken == "chat":
        # OpenAI takes metadata only for what it stores itself.
        losses.report("metadata", "emulated", "it is kept here, with the completion")
        request = without(request, ("metadata",))
    return Turn(
        request,
        owner,
        history=History(items, own_id=own_id("chatcmpl-", keeping) if asked.keep else None),
        losses=losses,
        keeping=keeping._replace(messages=messages),
    )


def own_id(prefix: str, keeping: Keeping) -> Callable[[str], str]:
    """Keeps an upstream's id of an answer, unless it is one that other answers may have, or clients guess."""
    return lambda id: id if is_unguessable(id) else keeping.new_id(prefix)


def open_input(body: JSON, owner: str, seals: Seals | None, losses: Losses) -> JSON:
    """The body with the tokens of this service opened; itself when its input has none."""
    given = body.get("input")
    if not isinstance(given, list):
        return body
    opened = open_items(given, seals, owner, losses)
    return {**body, "input": opened} if opened != given else body


def without_summarized(
    request: JSON, items: list[JSON], sent: Sequence[JSON], *, blank: bool
) -> tuple[JSON, list[JSON]]:
    """The request and its history without what a summary stands for; see `shortened`."""
    given = request.get("input")
    own = given if isinstance(given, list) else []
    items, left = shortened(items, own, sent, blank=blank)
    return (request if left == own else {**request, "input": left}), items


def _resolved_input(
    opened: list[JSON],
    given: list[Entry],
    entries: list[Entry],
    open_found: Callable[[list[JSON]], list[JSON]],
) -> list[JSON]:
    """The input with its references resolved: what was opened already, and what is found, opened now."""
    known = {id(entry.item): item for entry, item in zip(given, opened, strict=True)}
    return [known.get(id(entry.item)) or open_found([entry.item])[0] for entry in entries]


def _origin(keeping: Keeping) -> str:
    """The parameter that the history came from."""
    return "conversation" if keeping.asked.previous is None else "previous_response_id"
