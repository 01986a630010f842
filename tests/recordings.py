"""Recorded exchanges beside the project, read where they lie, and an app that replays one of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from responses_asgi.types.asgi import Receive, Scope, Send

JSON = dict[str, Any]

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "recordings"
COUNTS: Counter[str] = Counter()
"""What was compared and found equal, told at the end of the test run."""

MISSING = f"the recordings are not here: {FOLDER} does not exist"


def recordings(api: str) -> list[JSON]:
    """All recordings of one API, in the order of their ids."""
    files = sorted(FOLDER.glob(f"{api}/*/*.json"), key=lambda file: file.stem)
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


class Replay:
    """Answers every request as the recording does: same status, headers and bytes.

    `cuts` says in which lengths the body is sent: `recorded` (as it came from the network; whole where that
    was not kept), `whole`, or a number of bytes.
    """

    def __init__(self, recording: JSON, *, cuts: str | int = "recorded") -> None:
        self._response = recording["response"]
        self._cuts = cuts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        headers = [(n.lower().encode(), v.encode("latin-1")) for n, v in self._response["headers"].items()]
        await send({"type": "http.response.start", "status": self._response["status"], "headers": headers})
        for piece in self._pieces():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _pieces(self) -> Iterator[bytes]:
        body = self._response["body"].encode()
        lengths = self._response.get("chunk_lengths") if self._cuts == "recorded" else None
        size = self._cuts if isinstance(self._cuts, int) else len(body) or 1
        start = 0
        for length in lengths or [size] * -(-len(body) // size):
            yield body[start : start + length]
            start += length
