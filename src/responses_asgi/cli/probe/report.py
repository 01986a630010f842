"""The verdict in writing: a configuration file with the upstream, or Python; each change with its reason."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from responses_asgi.cli.probe.findings import Finding
from responses_asgi.cli.probe.verdict import Verdict

__all__ = ["as_python", "as_yaml"]

MOST_NAMED = 5
"""Of the profiles that would do."""


def as_yaml(found: Verdict, findings: Mapping[str, Finding], *, upstream: Mapping[str, str]) -> str:
    """A configuration that `serve` takes; `upstream` are the keys besides the profile."""
    lines = [
        *_head(found),
        "upstreams:",
        "  probed:",
        *(f"    {name}: {json.dumps(value)}" for name, value in upstream.items()),
        "    profile:",
        f"      base: {found.base.name}",
    ]
    for field, value, question in found.changes:
        lines.append(
            f"      {field}: {json.dumps(_plain(value))}  # {question}: {findings[_first(question)].says}"
        )
    return "\n".join(lines) + "\n"


def as_python(found: Verdict, findings: Mapping[str, Finding]) -> str:
    """A module with `PROFILE`."""
    lines = [
        *_head(found),
        "from dataclasses import replace",
        "",
        "from responses_asgi import PROFILES",
        "",
        "PROFILE = replace(",
        f'    PROFILES["{found.base.name}"],',
        '    name="probed",',
    ]
    for field, value, question in found.changes:
        lines.append(f"    {field}={_literal(value)},  # {question}: {findings[_first(question)].says}")
    return "\n".join([*lines, ")", ""])


def _head(found: Verdict) -> Iterator[str]:
    names = ", ".join(found.fit[:MOST_NAMED]) or "none"
    more = f" and {len(found.fit) - MOST_NAMED} more" if len(found.fit) > MOST_NAMED else ""
    yield f"# Built-in profiles that would do, the best first: {names}{more}."


def _first(questions: str) -> str:
    return questions.partition(", ")[0]


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else value


def _literal(value: Any) -> str:
    return f"frozenset({sorted(value)!r})" if isinstance(value, frozenset) else repr(value)
