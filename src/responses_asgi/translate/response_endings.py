"""How a Responses upstream ends its answer, in the forms of the servers, and what keeps it from being one."""

from __future__ import annotations

from collections.abc import Iterable

from responses_asgi.errors import APIError, UpstreamError, error_from_payload
from responses_asgi.types.json import JSON

__all__ = ["CLIENT_ACTS", "incomplete_reason", "is_response", "not_answered", "refuse_acts", "told_response"]

# Items that wait for the client to act; Chat cannot say them, and without an answer the turn cannot go on.
CLIENT_ACTS = frozenset(
    {
        "apply_patch_call",
        "computer_call",
        "local_shell_call",
        "mcp_approval_request",
        "shell_call",
        "tool_search_call",
    }
)

# Names of the events that end an answer, after `response.`; the last one is what the realtime API says.
_ENDINGS = frozenset({"completed", "incomplete", "failed", "cancelled", "done"})
_UNENDED = (None, "in_progress", "queued")


def is_response(document: JSON) -> bool:
    """Whether a document that is no event is a response, whatever its server calls the object.

    >>> is_response({"object": "response"}), is_response({"output": []}), is_response({"choices": []})
    (True, True, False)
    """
    return document.get("object") == "response" or (
        isinstance(document.get("output"), list) and "type" not in document
    )


def told_response(event: JSON) -> JSON | None:
    """The response that a terminal event tells; None for any other event.

    Its status is the event's own where it has none. Some servers put the fields on the event itself:
    BerriAI/litellm#22102.

    >>> told_response({"type": "response.completed", "output": []})
    {'output': [], 'status': 'completed'}
    """
    prefix, _, ending = str(event.get("type")).partition(".")
    if prefix != "response" or ending not in _ENDINGS:
        return None
    response = event.get("response")
    if not isinstance(response, dict):
        if event.get("error"):
            return None
        response = {name: value for name, value in event.items() if name not in ("type", "sequence_number")}
    if ending != "done" and response.get("status") in _UNENDED:
        response = {**response, "status": ending}
    return response


def refuse_acts(items: Iterable[JSON]) -> None:
    """Raise UpstreamError for an item that waits for the client, unless the upstream answered it itself."""
    told = list(items)
    answered = [item["call_id"] for item in told if item.get("call_id") and _is_output(item)]
    for item in told:
        kind = str(item.get("type"))
        if kind in CLIENT_ACTS and item.get("execution") != "server" and item.get("call_id") not in answered:
            message = f"The upstream asks the client for a {kind}, which Chat Completions cannot say."
            raise UpstreamError(message, status=502, code="unsupported_output")


def incomplete_reason(response: JSON) -> str | None:
    """Why a response is incomplete, as text whatever the server puts there; None where it does not say.

    >>> incomplete_reason({"incomplete_details": {"reason": "content_filter"}})
    'content_filter'
    """
    details = response.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else details
    return None if reason is None else str(reason)


def not_answered(response: JSON) -> APIError:
    """The error of a response that is no answer."""
    error, status = response.get("error"), response.get("status")
    if error:
        return error_from_payload({"error": error})
    message = f"The upstream's response has the status {status!r}; expected completed or incomplete."
    return UpstreamError(message, status=502, code="server_error")


def _is_output(item: JSON) -> bool:
    return str(item.get("type")).endswith("_output")
