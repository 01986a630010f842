"""What receivers are told: that a response has ended, and how.

Source: https://platform.openai.com/docs/api-reference/webhook-events
"""

from __future__ import annotations

import hashlib

from responses_asgi.types.json import JSON

__all__ = ["EVENTS", "event_for"]

# Status of a response -> type of the event.
_TYPES = {
    "completed": "response.completed",
    "failed": "response.failed",
    "incomplete": "response.incomplete",
    "cancelled": "response.cancelled",
}

EVENTS = tuple(_TYPES.values())
"""The types of all events."""


def event_for(response: JSON, *, now: float) -> JSON | None:
    """The event of a response that has ended; None for one that has not.

    Its id follows from the response and the type: whoever announces the same end again, after a crash or from
    another process, announces the same event, and receivers can tell.

    >>> event_for({"id": "resp_1", "status": "failed"}, now=1.5)
    {'id': 'evt_...', 'object': 'event', 'created_at': 1, 'type': 'response.failed', 'data': {'id': 'resp_1'}}
    """
    kind = _TYPES.get(response.get("status") or "")
    if kind is None:
        return None
    digest = hashlib.sha256(f"{kind} {response['id']}".encode("utf-8", "surrogatepass")).hexdigest()
    return {
        "id": f"evt_{digest[:48]}",
        "object": "event",
        "created_at": int(response.get("completed_at") or now),
        "type": kind,
        "data": {"id": response["id"]},
    }
