"""Part three: recorded answers of real servers, replayed as an upstream, where the recordings are present."""

from __future__ import annotations

import json
import re
import time
from collections import Counter, defaultdict
from itertools import accumulate
from typing import Any

import httpx2

from examples.demo.page import Page
from examples.demo.taps import Tap, print_side_by_side
from examples.serving import ROOT
from responses_asgi import PROFILES, ASGITransport, ResponsesMiddleware, Upstream
from responses_asgi.testing import FakeModel, Turn, assert_valid_stream

__all__ = ["FOLDER", "show"]

FOLDER = ROOT.parent / "shared" / "recordings" / "chat"
HEADINGS = (
    "server",
    "streams",
    "whole",
    "errors",
    "chunks in",
    "events out",
    "completed",
    "incomplete",
    "failed",
)


async def show(page: Page) -> int:
    """Replay every recorded Chat answer through the bridge; returns how many."""
    found = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*/*.json"))]
    table: dict[str, Counter[str]] = defaultdict(Counter)
    known_problems = len(page.problems)
    began = time.perf_counter()
    for recording in found:
        counts = table[recording["provider"]]
        try:
            counts.update(await _judge(recording))
        except AssertionError as error:
            page.problems.append(f"{recording['id']}: {error}")
    seconds = time.perf_counter() - began
    _print_table(page, table)
    page.line()
    page.check(
        len(page.problems) == known_problems,
        f"{len(found)} recorded answers in {seconds:.1f} s, every stream legal",
    )
    await _show_one(page, found)
    return len(found)


async def _judge(recording: dict[str, Any]) -> Counter[str]:
    """Ask the bridge for what was recorded. Raises AssertionError when the answer breaks a rule."""
    log: list[tuple[str, str]] = []
    reply = await _ask(recording, log)
    counts = Counter({"chunks in": sum(side == "in" for side, _ in log)})
    if recording["response"]["status"] >= 400:
        assert reply.status_code == recording["response"]["status"], f"HTTP status became {reply.status_code}"
        assert reply.json()["error"]["message"], "an error without a message"
        return counts + Counter(["errors"])
    if not reply.headers["content-type"].startswith("text/event-stream"):
        answer = reply.json()
        assert answer.get("object") == "response" or answer.get("error"), "neither a response nor an error"
        return counts + Counter(["whole", answer.get("status", "failed")])
    final = assert_valid_stream(reply.content)
    events = sum(side == "out" for side, _ in log)
    return counts + Counter({"streams": 1, final["status"]: 1, "events out": events})


async def _ask(recording: dict[str, Any], log: list[tuple[str, str]]) -> httpx2.Response:
    profile = PROFILES.get(recording["provider"], PROFILES["generic"])
    upstream = Tap(FakeModel([_turn(recording)]), "in", log)
    bridge = ResponsesMiddleware(Upstream.asgi(upstream, profile=profile))
    transport = ASGITransport(Tap(bridge, "out", log))
    async with bridge.lifespan(), httpx2.AsyncClient(transport=transport) as client:
        request = {"model": "recorded", "input": "Say it again.", "stream": recording["streaming"]}
        return await client.post("http://bridge/v1/responses", json=request)


def _turn(recording: dict[str, Any]) -> Turn:
    """The recorded answer in the pieces in which it came; where those were not recorded, event by event."""
    answer = recording["response"]
    body = answer["body"].encode()
    if lengths := answer.get("chunk_lengths"):
        ends = list(accumulate(lengths))
        pieces = [body[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    else:
        pieces = re.split(rb"(?<=\n\n)", body)
    return Turn(pieces, body, done=False, status=answer["status"], headers=answer["headers"])


def _print_table(page: Page, table: dict[str, Counter[str]]) -> None:
    page.line("   " + page.paint(_columns(HEADINGS), "dim"))
    total: Counter[str] = Counter()
    for provider, counts in sorted(table.items()):
        total += counts
        page.line("   " + _columns((provider, *(str(counts[head] or "·") for head in HEADINGS[1:]))))
    page.line("   " + page.paint(_columns(("all", *(str(total[head]) for head in HEADINGS[1:]))), "bold"))


def _columns(cells: tuple[str, ...]) -> str:
    numbers = zip(cells[1:], HEADINGS[1:], strict=True)
    return cells[0].ljust(16) + "".join(cell.rjust(max(9, len(head) + 2)) for cell, head in numbers)


async def _show_one(page: Page, found: list[dict[str, Any]]) -> None:
    """The shortest recorded stream that both reasons and calls a tool, side by side."""
    wanted = {"stream", "reasoning_content", "tool-calls"}
    able = [recording for recording in found if wanted <= set(recording["tags"])]
    if not able:
        return
    chosen = min(able, key=lambda recording: len(recording["response"]["body"]))
    log: list[tuple[str, str]] = []
    await _ask(chosen, log)
    page.scene(f"One of them: {chosen['provider']}, reasoning and a tool call, as recorded")
    print_side_by_side(page, log)
