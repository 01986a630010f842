"""One receiver of webhooks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import SplitResult, urlsplit

from responses_asgi.errors import ConfigurationError
from responses_asgi.webhooks.addresses import is_public, literal
from responses_asgi.webhooks.events import EVENTS
from responses_asgi.webhooks.signature import key_of

__all__ = ["Webhook"]

_URL = re.compile(r"[!-\[\]-~]+")  # printable ASCII without space and backslash
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, repr=False)
class Webhook:
    """Who is told what, and how it is signed.

    - `url`: where events are posted to; `https://` only, unless `allow_private`. Without user name, password
      and fragment. It is part of no message, log line or record, except for its host.
    - `secrets`: one or more; the events are signed with each, so that a receiver can go from one to the next.
      `whsec_...` ones are base64, as the OpenAI SDK and Standard Webhooks have them, others are taken as they
      are.
    - `events`: the types that are sent; all four by default.
    - `allow_private`: also to private addresses (loopback, the local network, a cloud's metadata service),
      and over `http://`. For receivers of your own, and for tests.

    Raises ConfigurationError for what cannot work, and for addresses that are not allowed. Names are checked
    at each delivery.

    >>> Webhook("https://service.example/hooks/t0ken", ["whsec_c2VjcmV0"], events=["response.failed"])
    Webhook('https://service.example/...', events=('response.failed',))
    """

    url: str
    secrets: Sequence[str] = field(repr=False)
    events: Sequence[str] = EVENTS
    allow_private: bool = False

    def __post_init__(self) -> None:
        for name in ("secrets", "events"):
            value = getattr(self, name)
            if isinstance(value, str | bytes) or not value:
                raise ConfigurationError(f"{name} of a webhook must be a list of one or more texts")
            object.__setattr__(self, name, tuple(value))
        unknown = [event for event in self.events if event not in EVENTS]
        if unknown:
            raise ConfigurationError(
                f"events of a webhook: got {unknown[0]!r}, expected some of {', '.join(EVENTS)}"
            )
        _check_url(self.url, self.allow_private)
        _ = self.keys

    def __repr__(self) -> str:
        private = ", allow_private=True" if self.allow_private else ""
        return f"Webhook('{self.site}/...', events={self.events!r}{private})"

    @cached_property
    def keys(self) -> tuple[bytes, ...]:
        """What events are signed with."""
        return tuple(map(key_of, self.secrets))

    @cached_property
    def id(self) -> str:
        """The same for the same URL, in every process; does not tell it."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:24]

    @property
    def site(self) -> str:
        """Scheme, host and port of the URL; the rest may hold a secret."""
        return f"{self._split.scheme}://{self._split.netloc}"

    @property
    def host(self) -> str:
        """The host of the URL, an IPv6 address without brackets."""
        return self._split.hostname or ""

    @property
    def port(self) -> int:
        """The port of the URL, or that of its scheme."""
        return self._split.port or _PORTS[self._split.scheme]

    @property
    def authority(self) -> str:
        """Host and port as they stand in the URL: what the Host header says."""
        return self._split.netloc

    def url_at(self, address: str) -> str:
        """The URL with this address in place of the host."""
        host = f"[{address}]" if ":" in address else address
        return self._split._replace(netloc=f"{host}:{self.port}").geturl()

    @cached_property
    def _split(self) -> SplitResult:
        return urlsplit(self.url)


def _check_url(url: str, allow_private: bool) -> None:
    """Raises ConfigurationError; the URL is not shown, it may hold a secret."""
    schemes = ("https", "http") if allow_private else ("https",)
    if not (isinstance(url, str) and _URL.fullmatch(url)):
        raise ConfigurationError("url of a webhook must be of ASCII characters, all others percent-encoded")
    try:
        split = urlsplit(url)
        valid = split.scheme in schemes and bool(split.hostname) and split.port != 0
    except ValueError:
        raise ConfigurationError("url of a webhook is none: its host or port cannot be read") from None
    if not valid:
        allowed = " or ".join(f"{scheme}://" for scheme in schemes)
        hint = "" if allow_private else "; http:// needs allow_private=True"
        raise ConfigurationError(f"url of a webhook must begin with {allowed} and name a host{hint}")
    if "@" in split.netloc or "#" in url:
        raise ConfigurationError("url of a webhook must hold no user name, password or fragment")
    address = literal(split.hostname or "")
    if address is not None and not allow_private and not is_public(address):
        raise ConfigurationError(
            f"url of a webhook leads to {address}, which is not public; allow_private=True allows it"
        )
