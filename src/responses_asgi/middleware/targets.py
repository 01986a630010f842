"""Which paths of a client are ours, and where each of them leads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from responses_asgi.errors import ConfigurationError
from responses_asgi.types.asgi import Scope, raw_path, split_root
from responses_asgi.upstreams.upstream import ENDPOINTS, WireAPI

__all__ = ["DEFAULT_PATHS", "Target", "Targets", "split_root"]

DEFAULT_PATHS: dict[WireAPI, tuple[str, ...]] = {
    "responses": ("/responses", "/v1/responses", "/openai/responses", "/openai/v1/responses"),
    "chat": (
        "/chat/completions",
        "/v1/chat/completions",
        "/openai/chat/completions",
        "/openai/v1/chat/completions",
    ),
}
"""Where clients of each API call, besides Azure's `/openai/deployments/NAME/...`."""


class Target(NamedTuple):
    """Where one request goes: the `path` of the inner scope, and the model its own path named."""

    path: str
    model: str | None = None


class Targets:
    """The paths of one component.

    `client` is the API that is offered at `path` (None: its default paths), `spoken` the one that is asked at
    `upstream_path` (None: at the client's path, with another ending). Raises ConfigurationError when a path
    is none, or when no upstream path can be read off it.
    """

    def __init__(
        self, client: WireAPI, spoken: WireAPI, *, path: str | Sequence[str] | None, upstream_path: str | None
    ) -> None:
        self.upstream_path = _checked("upstream_path", upstream_path)
        self._ending = ENDPOINTS[client]
        self._upstream_ending = ENDPOINTS[spoken]
        self._azure = (
            re.compile(rf"(/openai/deployments/([^/]+)){re.escape(self._ending)}") if path is None else None
        )
        paths = DEFAULT_PATHS[client] if path is None else _paths(path)
        self._targets = {own: Target(self.upstream_path or self._sibling(own)) for own in paths}

    @property
    def bases(self) -> list[str]:
        """What stands before the ending of our own paths: where the other paths of the API lie, too."""
        return [path.removesuffix(self._ending) for path in self._targets if path.endswith(self._ending)]

    def find(self, path: str) -> Target | None:
        """Where a request to this path, below the mount point, goes; None when the path is not ours."""
        target = self._targets.get(path)
        if target is None and self._azure and (found := self._azure.fullmatch(path)):
            return Target(self.upstream_path or found[1] + self._upstream_ending, model=found[2])
        return target

    def rebased(self, scope: Scope, root: str, path: str) -> Scope:
        """The scope for an Upstream whose app has paths of its own, in which our mount point does not occur.

        A path that is not below the one where the app has its API is taken relative to that.
        """
        base = (self.upstream_path or "").removesuffix(self._upstream_ending)
        if base == self.upstream_path or (path + "/").startswith(base + "/"):
            base = ""
        if not (base or root or scope.get("root_path")) and scope.get("raw_path"):
            return scope
        raw: bytes = scope.get("raw_path") or raw_path(scope["path"])
        raw = raw_path(base) + raw.removeprefix(raw_path(root))
        changed = {"root_path": "", "path": base + path, "raw_path": raw}
        # Most often it is the same, and would be held as long as the answer streams.
        return (
            scope
            if all(scope.get(name) == value for name, value in changed.items())
            else {**scope, **changed}
        )

    def _sibling(self, client_path: str) -> str:
        if not client_path.endswith(self._ending):
            raise ConfigurationError(
                "upstream_path is needed: where the upstream's endpoint is cannot be read off the path "
                f"{client_path!r}"
            )
        return client_path.removesuffix(self._ending) + self._upstream_ending


def _paths(path: str | Sequence[str]) -> Sequence[str]:
    paths = [path] if isinstance(path, str) else list(path)
    if not paths:
        raise ConfigurationError("path must name at least one path")
    return [str(_checked("path", each)) for each in paths]


def _checked(name: str, path: str | None) -> str | None:
    """A path as servers write it in the scope."""
    if path is not None and (not path.startswith("/") or "?" in path or "#" in path):
        raise ConfigurationError(f"{name} must be a URL path that starts with '/', got {path!r}")
    return path
