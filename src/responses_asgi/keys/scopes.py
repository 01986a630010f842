"""What a key may be limited to, as words.

| scope | what it opens |
|---|---|
| `responses`, `chat`, `embeddings`, `audio`, ... | one API: the first segment of its paths |
| `*` | every API |
| `admin` | the routes that manage keys, and what `metrics` opens; nothing else |
| `metrics` | a gateway's figures for Prometheus, and nothing else |
| `model:NAME` | models of this name, in which one `*` stands for any text |

A key without scopes of APIs has every API, one without those of models every model. What is the operator's is
opened by `admin` and `metrics` only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from responses_asgi.errors import InvalidRequestError

__all__ = ["ADMIN", "EVERY", "METRICS", "MODEL", "Allowed", "check_scopes", "fits"]

ADMIN = "admin"
METRICS = "metrics"
EVERY = "*"
MODEL = "model:"

MAX_SCOPES = 64
MAX_CHARS = 200

_API = re.compile(r"[A-Za-z0-9_.-]+|\*", re.ASCII)

# Paths that several scopes open, by their first segment. The list of models is needed with every API, so that
# it is open to every key but an admin's.
_OPENED_BY = {
    "conversations": frozenset({"responses", "chat"}),
    "convert": frozenset({"responses", "chat"}),
    "proxy": frozenset({"responses"}),
}


class Allowed(NamedTuple):
    """What the scopes of a key come to; None: no limit."""

    apis: frozenset[str] | None = None
    models: tuple[str, ...] | None = None
    admin: bool = False
    metrics: bool = False

    @classmethod
    def by(cls, scopes: Iterable[str]) -> Allowed:
        """Read the scopes of a key.

        >>> Allowed.by(["chat", "model:gpt-*"]).api("chat"), Allowed.by(["admin"]).api("chat")
        (True, False)
        """
        named = list(scopes)
        models = tuple(scope[len(MODEL) :] for scope in named if scope.startswith(MODEL))
        others = frozenset(scope for scope in named if not scope.startswith(MODEL))
        every = not others or EVERY in others
        apis = None if every else others - {ADMIN, METRICS}
        return cls(apis, models or None, ADMIN in others, bool(others & {ADMIN, METRICS}))

    def api(self, segment: str) -> bool:
        """Whether paths with this first segment are open; "" is the root."""
        if self.apis is None:
            return True
        if segment == "models":
            return bool(self.apis)
        return bool(self.apis & _OPENED_BY.get(segment, frozenset({segment})))

    def model(self, name: str) -> bool:
        """Whether this model may be asked."""
        return self.models is None or any(fits(name, pattern) for pattern in self.models)


def fits(model: str, pattern: str) -> bool:
    """Whether a model's name fits a pattern with at most one `*`.

    >>> fits("gpt-5.5", "gpt-*"), fits("gpt-5.5", "gpt")
    (True, False)
    """
    before, star, after = pattern.partition("*")
    if not star:
        return model == pattern
    return len(model) >= len(before) + len(after) and model.startswith(before) and model.endswith(after)


def check_scopes(scopes: object) -> tuple[str, ...]:
    """The scopes, each once. Raises InvalidRequestError for what cannot be one."""
    if not isinstance(scopes, Sequence) or isinstance(scopes, str | bytes):
        raise _wrong("a list of strings", scopes)
    if len(scopes) > MAX_SCOPES:
        raise _wrong(f"at most {MAX_SCOPES}", f"{len(scopes)} of them")
    for i, scope in enumerate(scopes):
        if not isinstance(scope, str) or len(scope) > MAX_CHARS or not _is_scope(scope):
            raise _wrong(
                "the name of an API such as 'responses', '*', 'admin', or 'model:NAME' with at most one '*'",
                scope,
                f"scopes[{i}]",
            )
    return tuple(dict.fromkeys(scopes))


def _is_scope(scope: str) -> bool:
    if scope.startswith(MODEL):
        name = scope[len(MODEL) :]
        return bool(name.strip()) and name.count("*") <= 1 and name.isprintable()
    return _API.fullmatch(scope) is not None


def _wrong(expected: str, got: object, path: str = "scopes") -> InvalidRequestError:
    return InvalidRequestError(
        f"Invalid '{path}': expected {expected}, got {repr(got)[:MAX_CHARS]}.",
        param=path,
        code="invalid_value",
    )
