"""Exceptions of httpx and httpx2, which are of the same names, as the errors that clients are told.

The table is by name, so that neither library needs to be imported for it.
"""

from __future__ import annotations

from typing import NamedTuple

from responses_asgi.errors import UpstreamError

__all__ = ["NEVER_SENT", "error_for", "is_network_error", "was_never_sent"]


class Answer(NamedTuple):
    status: int
    code: str
    message: str


# Exception name -> answer. The most special class of an exception that is found here counts.
# Source: https://www.python-httpx.org/exceptions/
ANSWERS = {
    "ConnectTimeout": Answer(504, "upstream_timeout", "The upstream took too long to accept the connection."),
    "ReadTimeout": Answer(504, "upstream_timeout", "The upstream was silent for too long."),
    "WriteTimeout": Answer(504, "upstream_timeout", "The upstream took too long to read the request."),
    "PoolTimeout": Answer(503, "upstream_busy", "All connections to the upstream are in use."),
    "ConnectError": Answer(502, "upstream_unreachable", "The upstream cannot be reached."),
    "ProxyError": Answer(502, "upstream_unreachable", "The proxy before the upstream cannot be used."),
    "UnsupportedProtocol": Answer(502, "upstream_unreachable", "The upstream's URL cannot be used."),
    "InvalidURL": Answer(502, "upstream_unreachable", "The upstream's URL cannot be used."),
    "DecodingError": Answer(502, "upstream_unreadable", "The upstream's answer could not be decoded."),
    "HTTPError": Answer(502, "upstream_disconnected", "The upstream closed the connection."),
    "StreamError": Answer(502, "upstream_disconnected", "The upstream's answer could not be read."),
}

# What the libraries say of the head of an answer that is longer than they take. They have no exception of its
# own for that: h11 of httpx 100 KiB, then aiohttp the number of lines and the length of one.
_TOO_LONG = ("Receive buffer too long", "Too many headers received", "Got more than")
_HEAD_TOO_LONG = Answer(
    502, "upstream_unreadable", "The upstream's answer has more, or longer, headers than can be read."
)

NEVER_SENT = frozenset({"ConnectError", "ConnectTimeout"})
"""Failures before the first byte of the request left, after which it may be sent again."""

_LIBRARIES = frozenset({"httpx", "httpx2"})

# What their network streams raise, which WebSockets are carried on.
_NETWORK_LIBRARIES = frozenset({"httpcore", "httpcore2"})


def error_for(error: Exception) -> UpstreamError | None:
    """The error a client is told, or None when the exception is of neither library."""
    for name in _names(error):
        if name in ANSWERS:
            answer = ANSWERS[name]
            if name == "HTTPError" and any(words in str(error) for words in _TOO_LONG):
                answer = _HEAD_TOO_LONG
            return UpstreamError(answer.message, status=answer.status, code=answer.code)
    return None


def was_never_sent(error: Exception) -> bool:
    """Whether the request certainly did not reach the server."""
    return not NEVER_SENT.isdisjoint(_names(error))


def is_network_error(error: Exception) -> bool:
    """Whether a connection's network stream failed, and not the code that uses it."""
    return type(error).__module__.partition(".")[0] in _NETWORK_LIBRARIES


def _names(error: Exception) -> list[str]:
    return [kind.__name__ for kind in type(error).__mro__ if kind.__module__.partition(".")[0] in _LIBRARIES]
