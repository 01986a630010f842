"""Recorded exchanges beside the project, read where they lie, and an app that replays one of them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from responses_asgi.testing.recordings import Cuts, Recording, play_recording
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
    """Answers every request as the recording does: same status, headers and bytes."""

    def __init__(self, recording: JSON, *, cuts: Cuts = "recorded") -> None:
        self._recording = Recording(recording)
        self._cuts = cuts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await play_recording(self._recording, send, cuts=self._cuts)
