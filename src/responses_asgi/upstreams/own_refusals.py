"""A server that does not take the operator's own credential: no affair of the client, whose own may be good.

As it stands, a 401 would have the client believe that its key is bad, and throw it away. So it is told a 502,
with nothing of the server's words, which quote keys in part; they are for the operator. What servers answer
with a 403 although it is about the request, or about money, is told with the status that clients know for it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from typing import Any, NamedTuple

from responses_asgi.error_codes import CODES
from responses_asgi.errors import ERROR_STATUSES, APIError, UpstreamError, error_from_payload
from responses_asgi.types.json import loads
from responses_asgi.upstreams.client_errors import error_for
from responses_asgi.upstreams.headers import DECODED
from responses_asgi.upstreams.masking import masked

__all__ = [
    "AUTHENTICATION_FAILED",
    "OWN",
    "PERMISSION_DENIED",
    "refusal_of_own",
    "told_of_own",
    "unreadable_of_own",
]

_logger = logging.getLogger("responses_asgi.upstream")

AUTHENTICATION_FAILED = "upstream_authentication_failed"
PERMISSION_DENIED = "upstream_permission_denied"


OWN = "responses_asgi.own"
"""Where the `http.response.start` of a bridged request says that the operator's credential was shown."""


class _Refused(NamedTuple):
    code: str
    message: str


# HTTP status of the server -> what the client is told with a 502.
_REFUSED: Mapping[int, _Refused] = {
    401: _Refused(
        AUTHENTICATION_FAILED,
        "The upstream does not accept the credential that this service has for it (HTTP 401).",
    ),
    403: _Refused(
        PERMISSION_DENIED,
        "The upstream does not allow this to the credential that this service has for it (HTTP 403).",
    ),
}

# Headers of the server's answer that stay: for support, and for when to come back.
_KEPT = ("x-request-id", "request-id", "retry-after", "retry-after-ms")

# Encodings that are none.
PLAIN = frozenset({"", "identity"})

MAX_BYTES = 65_536


async def refusal_of_own(response: Any, *, site: str, secrets: Iterable[bytes]) -> UpstreamError | None:
    """What a client is told of this answer to a request with the operator's credential; None: the answer.

    `response` is of httpx or httpx2, its body unread; `site` names the server in the log; `secrets` are not
    repeated.
    """
    refused = _REFUSED.get(response.status_code)
    if refused is None:
        return None
    kept = {name: response.headers[name] for name in _KEPT if name in response.headers}
    told = await _error_of(response, secrets)
    if told is not None and told.code in CODES:
        return UpstreamError(
            told.message, status=ERROR_STATUSES[told.code], code=told.code, headers=kept, extra=told.extra
        )
    _logger.error(
        "%s answered HTTP %s to this service's own credential%s",
        site,
        response.status_code,
        f": {told.code!r}" if told is not None else "",
    )
    # Asking again brings the same, until the operator has seen to it.
    return UpstreamError(
        refused.message, status=502, code=refused.code, headers={**kept, "x-should-retry": "false"}
    )


def unreadable_of_own(response: Any) -> UpstreamError | None:
    """What a client is told of an error in an encoding that cannot be undone here, in which the operator's
    credential would not be found; None: it can be read, or is none. No server was asked for an encoding."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if response.status_code < 400 or encoding in PLAIN or encoding in DECODED:
        return None
    kept = {name: response.headers[name] for name in _KEPT if name in response.headers}
    return UpstreamError(
        f"The upstream answered HTTP {response.status_code}, in an encoding that it was not asked for: "
        f"{encoding!r:.60}.",
        status=response.status_code,
        code="upstream_unreadable",
        headers=kept,
    )


def told_of_own(error: APIError) -> APIError:
    """What a client is told of an error that an answer of status 200 tells, to the operator's credential.

    >>> told_of_own(UpstreamError("Bad key sk-a***9.", status=401, code="invalid_api_key")).code
    'upstream_authentication_failed'
    """
    refused = _REFUSED.get(error.status)
    if refused is None or error.code in CODES:
        return error
    _logger.error("An upstream's answer refuses this service's own credential: %r", error.code)
    return UpstreamError(refused.message, status=502, code=refused.code, headers={"x-should-retry": "false"})


async def _error_of(response: Any, secrets: Iterable[bytes]) -> UpstreamError | None:
    """The error in the answer's body, if that can be read."""
    decoded = response.headers.get("content-encoding", "").strip().lower() in DECODED
    body = b""
    try:
        async with aclosing(response.aiter_bytes() if decoded else response.aiter_raw()) as pieces:
            async for piece in pieces:
                body += piece
                if len(body) > MAX_BYTES:
                    return None
        return error_from_payload(loads(masked(body, secrets)), status=response.status_code)
    except ValueError:
        return None
    except Exception as error:
        if error_for(error) is None:
            raise
        return None
