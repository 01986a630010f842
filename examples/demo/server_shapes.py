"""Part two: streams in the shapes of real servers, played by a scripted app, read by the openai client."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx2
import openai
from openai import AsyncOpenAI
from openai.types.responses import Response

from examples.demo.page import Page
from examples.demo.taps import Tap, is_live, print_side_by_side
from responses_asgi import ASGITransport, ResponsesMiddleware, Upstream
from responses_asgi.testing import FakeModel, assert_valid_stream
from responses_asgi.testing.shapes import SHAPES, Shape

__all__ = ["show"]

SHOWN = {
    "reasoning_content": "DeepSeek reasons before it answers",
    "parallel calls in one chunk": "Parallel calls, all in one chunk",
    "connection cut": "The connection is cut",
}
"""Name of a shape -> title, for those that are shown side by side."""

BLOCK = 64


async def show(page: Page) -> int:
    """Show some shapes side by side, then check all of them; returns how many answers were read."""
    for name, title in SHOWN.items():
        await _side_by_side(page, SHAPES[name], title)
    page.scene(f"All {len(SHAPES)} shapes that the package knows")
    kept = [shape for shape in SHAPES.values() if await _as_promised(page, shape)]
    page.check(
        len(kept) == len(SHAPES), f"{len(kept)} of {len(SHAPES)} mean to the client what the server meant"
    )
    return len(SHOWN) + len(SHAPES)


async def _side_by_side(page: Page, shape: Shape, title: str) -> None:
    page.scene(title)
    page.fact("server", shape.says)
    log: list[tuple[str, str]] = []
    bridge = _bridge(shape, log)
    async with (
        bridge.lifespan(),
        AsyncOpenAI(
            base_url="http://bridge/v1",
            api_key="none",
            max_retries=0,
            http_client=httpx2.AsyncClient(transport=ASGITransport(Tap(bridge, "out", log))),
        ) as client,
    ):
        try:
            stream: Any = await client.responses.create(**shape.request(stream=True))
            async for event in stream:
                if event.type in ("response.completed", "response.incomplete", "response.failed"):
                    client_says = _in_short(event.response)
        except openai.APIError as error:
            client_says = f"raises openai.{type(error).__name__}: {error.message}"
    print_side_by_side(page, log)
    page.fact("client", client_says, "bold")
    page.check(is_live(log), "each delta had left before the next chunk came")


def _bridge(shape: Shape, log: list[tuple[str, str]]) -> ResponsesMiddleware:
    """The shape behind the bridge. A cut answer is sent in small blocks, so that it can be watched."""
    turn = replace(shape.turn, block=BLOCK) if shape.turn.cut_after else shape.turn
    played = Tap(FakeModel([turn]), "in", log)
    return ResponsesMiddleware(Upstream.asgi(played, profile=shape.profile))


async def _as_promised(page: Page, shape: Shape) -> bool:
    """Whether the bridge's stream is legal and says what the shape means; if not, it is noted on the page."""
    bridge = _bridge(shape, [])
    transport = ASGITransport(bridge, raise_app_exceptions=False)
    async with bridge.lifespan(), httpx2.AsyncClient(transport=transport) as client:
        reply = await client.post("http://bridge/v1/responses", json=shape.request(stream=True))
    try:
        got = _meaning(reply)
    except AssertionError as error:
        got = {"broken": str(error)}
    wanted = {"status": shape.answer.status, "text": shape.answer.text, "calls": list(shape.answer.calls)}
    if shape.answer.status.startswith("http:"):
        wanted = {"status": shape.answer.status}
    if got != wanted:
        page.problems.append(f"{shape.name}: wanted {wanted}, got {got}")
    return got == wanted


def _meaning(reply: httpx2.Response) -> dict[str, Any]:
    """Status, text and calls of an answer. Raises AssertionError when its stream is not legal."""
    if reply.status_code >= 400:
        return {"status": f"http:{reply.status_code}"}
    final = assert_valid_stream(reply.content)
    parts = [part for item in final["output"] if item["type"] == "message" for part in item["content"]]
    calls = [item for item in final["output"] if item["type"].endswith("_call")]
    reason = (final.get("incomplete_details") or {}).get("reason")
    return {
        "status": f"{final['status']}:{reason}" if reason else final["status"],
        "text": "".join(part.get("text", "") for part in parts),
        "calls": [(call["name"], call.get("arguments", call.get("input"))) for call in calls],
    }


def _in_short(response: Response) -> str:
    calls = [f"{item.name}({item.arguments})" for item in response.output if item.type == "function_call"]
    said = calls or [repr(response.output_text)]
    tokens = f", {response.usage.total_tokens} tokens" if response.usage else ""
    return f"{response.status}: {', '.join(said)}{tokens}"
