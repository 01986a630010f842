"""How a turn begins where nothing is stored.

| client, upstream | |
| --- | --- |
| Chat, any; Responses, Responses | the request as it is: state is the upstream's own affair |
| Responses, Chat | whatever needs a store is refused |
| on a connection | its latest response can be continued in both of the latter: that is put before the input |
"""

from __future__ import annotations

from responses_asgi.history.begin import open_input, without_summarized
from responses_asgi.history.expand import refuse_references
from responses_asgi.history.items import Entry, Identify, input_entries
from responses_asgi.history.misses import STATELESS, keeps_nothing
from responses_asgi.history.recent import Recent
from responses_asgi.history.requests import without
from responses_asgi.history.resent import keeping_nothing, resent
from responses_asgi.history.sealed import open_items
from responses_asgi.history.turn import Turn
from responses_asgi.loss import Losses
from responses_asgi.profiles import Profile
from responses_asgi.seal import Seals
from responses_asgi.translate.translator import History
from responses_asgi.types.json import JSON

__all__ = ["begin_over_chat", "begin_over_responses"]

PREVIOUS = "previous_response_id"

# Fields that need a store: field -> error code.
_STATEFUL = {PREVIOUS: "previous_response_not_found", "conversation": "unsupported_parameter"}


def begin_over_chat(
    body: JSON,
    owner: str,
    *,
    new_id: Identify,
    seals: Seals | None,
    profile: Profile | None,
    recent: Recent | None,
    max_items: int,
) -> Turn:
    """The turn of a Responses request to a Chat upstream.

    Raises InvalidRequestError for what needs a store.
    """
    before = _before(body, recent, max_items)
    for name, code in _STATEFUL.items():
        if body.get(name) and not (name == PREVIOUS and before is not None):
            raise keeps_nothing(name, code=code)
    refuse_references(body.get("input"))
    losses = Losses()
    if body.get("store"):
        losses.report("store", "dropped", STATELESS)
    own = () if recent is None else input_entries(body.get("input"), new_id)
    request = without(open_input(body, owner, seals, losses), ("store", PREVIOUS))
    given = body.get("input")
    items: list[JSON] = []
    if before or isinstance(given, list):
        sent = [entry.item for entry in before or ()]
        items = open_items(sent, seals, owner, losses, PREVIOUS)
        sent += given if isinstance(given, list) else []
        request, items = without_summarized(request, items, sent, blank=True)
    echo = {"store": False, **_echo(body, before)}
    return Turn(request, owner, history=History(items, echo), losses=losses, entries=[*(before or ()), *own])


def begin_over_responses(
    body: JSON,
    owner: str,
    *,
    new_id: Identify,
    seals: Seals | None,
    profile: Profile | None,
    recent: Recent | None,
    max_items: int,
) -> Turn:
    """The turn of a Responses request to an upstream that speaks Responses, too.

    What this connection does not remember may be known to the upstream, whose turn's items are then not known
    here.
    """
    if recent is None:
        return Turn(body, owner)
    before = _before(body, recent, max_items)
    own = input_entries(body.get("input"), new_id)
    elsewhere = before is None and any(body.get(name) for name in _STATEFUL)
    losses = Losses()
    request = body if before is None else without(body, (PREVIOUS,))
    if body.get("store") is False:
        request = keeping_nothing(request, profile)
    items = resent([entry.item for entry in before or ()], profile, losses, PREVIOUS)
    return Turn(
        request,
        owner,
        history=History(items, _echo(body, before)),
        losses=losses,
        entries=None if elsewhere else [*(before or ()), *own],
    )


def _before(body: JSON, recent: Recent | None, max_items: int) -> list[Entry] | None:
    """The items of the connection's own response that is continued; None when it is none of these."""
    known = None if recent is None else recent.find(body.get(PREVIOUS) or None)
    return None if known is None else known.replayed(max_items)


def _echo(body: JSON, before: list[Entry] | None) -> JSON:
    return {} if before is None else {PREVIOUS: body[PREVIOUS]}
