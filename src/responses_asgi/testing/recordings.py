"""Recorded exchanges: one JSON file for each request and its answer, and an answer played as it came.

| field | meaning |
| --- | --- |
| `id` | the file's name without `.json` |
| `api`, `provider` | `chat` or `responses`; who answered |
| `streaming` | whether the answer is an event stream |
| `request` | `method`, `path` with query, `body` (null where it is none or was not kept, with a `note`) |
| `response` | `status`, `headers`, `body` as text |
| `response.chunk_lengths` | optional: the bytes of each piece that arrived |
| `response.chunk_times` | optional: the seconds from the request to each piece |
| `response.redactions` | optional: how many identifiers were replaced |
| `source`, `fidelity`, `tags` | where it is from; for people, not read here |
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Literal

from responses_asgi.errors import ConfigurationError
from responses_asgi.testing.pace import Clock, RealClock
from responses_asgi.types.asgi import Send
from responses_asgi.types.json import JSON

__all__ = ["Cuts", "Recording", "load_recordings", "play_recording"]

Cuts = Literal["recorded", "whole"] | int
"""The pieces of an answer: as it came (whole where that was not kept), whole, or of this many bytes."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded exchange; `document` is the content of its file."""

    document: JSON

    @property
    def id(self) -> str:
        return str(self.document.get("id"))

    @property
    def request(self) -> JSON:
        request: JSON = self.document["request"]
        return request

    @property
    def response(self) -> JSON:
        response: JSON = self.document["response"]
        return response

    def pieces(self, cuts: Cuts = "recorded") -> Iterator[bytes]:
        """The body of the answer in pieces."""
        body = str(self.response["body"]).encode()
        lengths = self.response.get("chunk_lengths") if cuts == "recorded" else None
        size = cuts if isinstance(cuts, int) else len(body) or 1
        places = accumulate(lengths or [size] * -(-len(body) // size), initial=0)
        return (body[start:end] for start, end in pairwise(places))

    def waits(self) -> Iterator[float]:
        """The seconds before each piece; none where they were not recorded."""
        times: list[float] = self.response.get("chunk_times") or []
        return (end - start for start, end in pairwise([0.0, *times]))

    def save(self, folder: Path) -> None:
        """Write the file of this recording."""
        text = json.dumps(self.document, indent=1, ensure_ascii=False)
        (folder / f"{self.id}.json").write_text(text + "\n", encoding="utf-8")


def load_recordings(*paths: str | Path) -> list[Recording]:
    """The recordings in these files and folders, subfolders included, in the order of their paths.

    Raises ConfigurationError for a path without recordings, and for a file that is none.
    """
    recordings = []
    for path in map(Path, paths):
        files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
        if not files or not path.exists():
            raise ConfigurationError(f"there are no recordings at {path}")
        recordings += [_load(file) for file in files]
    return recordings


def _load(file: Path) -> Recording:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        recording = Recording(document)
        recording.request["path"], recording.response["status"], recording.response["body"]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{file} is not a recording: {error!r}") from None
    return recording


async def play_recording(
    recording: Recording,
    send: Send,
    *,
    cuts: Cuts = "recorded",
    timed: bool = False,
    clock: Clock | None = None,
) -> None:
    """Send the recorded answer: same status, headers and bytes.

    `timed`: each piece after the time it took, as `clock` tells it (None: real time); otherwise at once.
    """
    response, clock = recording.response, clock or RealClock()
    waits = recording.waits() if timed and cuts == "recorded" else iter(())
    named = (response.get("headers") or {}).items()
    headers = [(name.lower().encode(), str(value).encode("latin-1")) for name, value in named]
    pieces = recording.pieces(cuts)
    await clock.sleep(next(waits, 0.0))
    await send({"type": "http.response.start", "status": response["status"], "headers": headers})
    for number, piece in enumerate(pieces):
        if number:
            await clock.sleep(next(waits, 0.0))
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
