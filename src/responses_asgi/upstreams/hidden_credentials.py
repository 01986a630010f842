"""Credentials that a client shows elsewhere than in its headers: in the query, and in WebSocket subprotocols.

They are taken out of both, always: URLs end up in logs, and a server that did not ask for the client's key
must not get it. A server that is to be shown the client's credential gets it as a header.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote_from_bytes, unquote_plus

__all__ = ["KEY_SUBPROTOCOL", "from_query", "from_subprotocols", "names_credential"]

# Query parameters that hold a credential. Sources: Azure OpenAI's realtime handshake (`api-key`), Azure API
# Management (`subscription-key`), RFC 6750, 2.3 (`access_token`), and the headers' own names. They are told
# by their letters, so that no spelling of them slips through.
KEY_PARAMETERS = frozenset({"apikey", "xapikey", "subscriptionkey", "ocpapimsubscriptionkey"})
TOKEN_PARAMETERS = frozenset({"accesstoken", "authorization"})

# Browsers cannot set headers on a WebSocket, so OpenAI reads their key from a subprotocol.
# Source: https://platform.openai.com/docs/guides/realtime-websocket
KEY_SUBPROTOCOL = "openai-insecure-api-key."

# What may stand in a URL as it is: any printable ASCII character but the one that would begin a fragment.
_PRINTABLE = bytes(range(0x21, 0x7F)).replace(b"#", b"").decode("ascii")


def from_query(query: bytes) -> tuple[str, dict[str, str]]:
    """The query without credentials, and the last of these as the header it stands for.

    >>> from_query(b"model=m&api-key=k")
    ('model=m', {'api-key': 'k'})
    """
    if not query:
        return "", {}
    text = quote_from_bytes(query, safe=_PRINTABLE)
    kept: list[str] = []
    found: dict[str, str] = {}
    for part in text.split("&"):
        raw_name, _, raw_value = part.partition("=")
        name, value = _letters(unquote_plus(raw_name)), unquote_plus(raw_value)
        if name in KEY_PARAMETERS:
            found = _as_header("api-key", value)
        elif name in TOKEN_PARAMETERS:
            found = _as_header("authorization", value)
        else:
            kept.append(part)
    return "&".join(kept), found


def names_credential(raw_name: str) -> bool:
    """Whether a query parameter of this name, as it stands in a URL, holds a credential.

    >>> names_credential("API%5Fkey"), names_credential("model")
    (True, False)
    """
    return _letters(unquote_plus(raw_name)) in KEY_PARAMETERS | TOKEN_PARAMETERS


def from_subprotocols(offered: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The subprotocols without credentials, and the credential as the header it stands for.

    >>> from_subprotocols(["realtime", "openai-insecure-api-key.k"])
    (['realtime'], {'authorization': 'Bearer k'})
    """
    if not offered:
        return [], {}
    kept = [name for name in offered if not name.lower().startswith(KEY_SUBPROTOCOL)]
    keys = [name[len(KEY_SUBPROTOCOL) :] for name in offered if name not in kept]
    return kept, _as_header("authorization", keys[-1]) if keys else {}


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _as_header(name: str, value: str) -> dict[str, str]:
    """Nothing for a value that no header can carry."""
    if not value or not value.isascii() or not value.isprintable():
        return {}
    if name == "authorization" and not value.lower().startswith("bearer "):
        return {name: f"Bearer {value}"}
    return {name: value}
