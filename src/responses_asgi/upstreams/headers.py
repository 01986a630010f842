"""Which headers an HTTP upstream is sent and which of its own come back, and which endpoints may be called.

Both directions of the request are allow-lists: nothing of the client reaches the server unless it is named
here or by the operator. The answer's headers come back whole, except those that belong to one connection or
to the server's own site.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version

from responses_asgi.errors import ConfigurationError
from responses_asgi.upstreams.target import Endpoint

__all__ = [
    "CREDENTIALS",
    "DECODED",
    "FORWARDED",
    "Passthrough",
    "RequestHeaders",
    "answer_headers",
    "by_name",
]

# Request headers that are sent on. Sources: the OpenAI API reference, W3C Trace Context, and RFC 9110 for
# those of bodies and of parts of files. `baggage` is not among them: it may hold what the operator tells only
# its own services.
FORWARDED = frozenset(
    {
        "accept",
        "content-encoding",
        "content-type",
        "idempotency-key",
        "if-none-match",
        "if-range",
        "openai-beta",
        "openai-organization",
        "openai-project",
        "openai-safety-identifier",
        "range",
        "traceparent",
        "tracestate",
        "x-client-request-id",
        "x-request-id",
    }
)

CREDENTIALS = ("authorization", "api-key", "x-api-key")

_SENT = {name: name.encode("latin-1") for name in (*FORWARDED, *CREDENTIALS, "accept-encoding", "user-agent")}
"""Names as they are sent, once for all requests."""

# What `forward_headers` cannot name: credentials have their own rule, the rest belongs to one connection.
NEVER_FORWARDED = frozenset(
    {*CREDENTIALS, "accept-encoding", "connection", "content-length", "cookie", "expect", "host", "te"}
    | {"keep-alive", "proxy-authorization", "trailer", "transfer-encoding", "upgrade"}
    | {"sec-websocket-accept", "sec-websocket-extensions", "sec-websocket-key", "sec-websocket-protocol"}
    | {"sec-websocket-version"}
)

# Hop-by-hop headers (RFC 9110, 7.6.1), and those that speak for the upstream's own site or server process.
NOT_RETURNED = frozenset(
    {
        b"alt-svc",
        b"connection",
        b"date",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"sec-websocket-accept",
        b"sec-websocket-extensions",
        b"sec-websocket-protocol",
        b"server",
        b"set-cookie",
        b"strict-transport-security",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)

_OF_BODY = (b"content-encoding", b"content-length")
"""Headers that speak of a body as it came."""

# Encodings undone here when a server uses them unasked: a reader of events needs plain bytes.
DECODED = frozenset({"gzip", "deflate", "x-gzip"})

# With a key of the operator's only these can be called, and what lies below them: a key can do much more on
# its owner's account (list stored answers, delete models, read files) than a client of this service should.
DEFAULT_PASSTHROUGH = (
    "POST chat/completions",
    "POST completions",
    "responses",
    "GET models",
    "POST embeddings",
    "POST moderations",
    "POST audio",
    "POST images",
)


# Source: RFC 9110, 5.1 and 5.5
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class Passthrough:
    """The endpoints that may be called with a credential of the operator's.

    Each entry is an endpoint, which includes all below it, with a method before it or for any method.
    """

    def __init__(self, entries: Sequence[str] | None = None) -> None:
        self._rules: list[tuple[str | None, str]] = []
        for entry in DEFAULT_PASSTHROUGH if entries is None else entries:
            method, _, name = entry.strip().rpartition(" ")
            self._rules.append((method.strip().upper() or None, name.strip("/")))

    def allows(self, method: str, endpoint: Endpoint) -> bool:
        """Whether this method may be called there.

        >>> Passthrough(["GET models"]).allows("GET", Endpoint("models/llama", "models/llama"))
        True
        """
        method = "GET" if method == "HEAD" else method
        return any(
            verb in (None, method) and (endpoint.name == name or endpoint.name.startswith(name + "/"))
            for verb, name in self._rules
        )


class RequestHeaders:
    """Makes the headers of the requests to one server.

    `fixed` are set on every request; `forward` names headers of the client that are sent on besides the
    usual ones. Raises ConfigurationError where `forward` names one that would show the client's credentials,
    and for `fixed` ones that cannot be sent.
    """

    def __init__(self, fixed: Mapping[str, str], forward: Sequence[str] = ()) -> None:
        for name, value in fixed.items():
            # A value may be a secret, and is not shown.
            if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
                raise ConfigurationError(
                    f"headers: {name!r} cannot be sent; a name has letters, digits and '-', and a value the "
                    "characters of Latin-1 without line ends and other controls"
                )
        self._fixed = {name.lower(): value for name, value in fixed.items()}
        extra = {name.lower() for name in forward}
        if refused := sorted(extra & NEVER_FORWARDED):
            raise ConfigurationError(f"forward_headers cannot name {refused[0]!r}")
        self._forwarded = FORWARDED | extra

    def hold_credential(self) -> bool:
        """Whether the fixed headers hold a credential of the operator's."""
        return any(name in self._fixed for name in CREDENTIALS)

    def make(
        self,
        received: Mapping[str, str],
        *,
        set_by_hooks: Mapping[str, str],
        credential: Mapping[str, str],
    ) -> list[tuple[bytes, bytes]]:
        """The headers of one request; later sources win: the client, its or our credential, the operator."""
        headers = {name: value for name, value in received.items() if name in self._forwarded}
        headers["user-agent"] = user_agent()
        headers["accept-encoding"] = "identity"  # what is compressed cannot be read as it arrives
        headers |= credential
        headers |= self._fixed
        headers |= {name.lower(): value for name, value in set_by_hooks.items()}
        return [
            (_SENT.get(name) or name.encode("latin-1"), value.encode("latin-1"))
            for name, value in headers.items()
        ]


@functools.cache
def user_agent() -> str:
    """How the package introduces itself to servers."""
    return f"responses-asgi/{version('responses-asgi')}"


def by_name(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name; repeated ones joined as RFC 9110, 5.3 says."""
    found: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def answer_headers(
    headers: Iterable[tuple[bytes, bytes]], *, decoded: bool, retried: bool
) -> list[tuple[bytes, bytes]]:
    """The headers of the upstream's answer as they are sent on.

    `decoded`: the body's encoding was undone. `retried`: the request was sent more than once; a client that
    retried on top of that would multiply the load, so it is told not to.
    """
    left_out = set(_OF_BODY) if decoded else set()
    if retried:
        left_out.add(b"x-should-retry")
    kept: list[tuple[bytes, bytes]] = []
    for given, value in headers:
        name = given.lower()
        if name not in NOT_RETURNED:
            kept.append((name, value))
        elif name == b"connection":  # which names others of the kind
            left_out.update(token.strip().lower() for token in value.split(b","))
    if left_out:
        kept = [header for header in kept if header[0] not in left_out]
    if retried:
        kept.append((b"x-should-retry", b"false"))
    return kept
