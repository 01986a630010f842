"""Paths that everybody may have."""

from __future__ import annotations

from collections.abc import Sequence

from responses_asgi.errors import ConfigurationError

__all__ = ["OpenPaths"]

_READING = ("GET", "HEAD")


class OpenPaths:
    """Entries such as `/docs`, `/static/*` (all below it) and `POST /login`; without a method GET and HEAD.

    Raises ConfigurationError for an entry that is none.

    >>> OpenPaths(["/docs"]).lead_to("GET", "/docs"), OpenPaths(["/docs"]).lead_to("GET", "/docs/x")
    (True, False)
    """

    def __init__(self, entries: Sequence[str]) -> None:
        self._exact: set[tuple[str, str]] = set()
        self._below: list[tuple[str, str]] = []
        for entry in [entries] if isinstance(entries, str) else entries:
            method, _, path = entry.strip().rpartition(" ")
            if not path.startswith("/") or path.count("*") > path.endswith("/*"):
                raise ConfigurationError(f"open_paths: expected a path such as '/docs', got {entry!r}")
            for verb in [method.strip().upper()] if method else _READING:
                if path.endswith("*"):
                    self._below.append((verb, path[:-1]))
                else:
                    self._exact.add((verb, path))

    def lead_to(self, method: str, path: str) -> bool:
        """Whether a request to this path, below the mount point, is open."""
        if (method, path) in self._exact:
            return True
        # Who reads a path may take `..` for the way out of it, and so may who reads it next.
        straight = not {"..", "."} & set(path.replace("\\", "/").split("/"))
        return straight and any(method == verb and path.startswith(below) for verb, below in self._below)
