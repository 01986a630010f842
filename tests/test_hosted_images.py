"""Images and structured content in results of tools: what models are shown, and what stands for it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    TextContent,
)

from responses_asgi import ResponsesMiddleware, ToolImage, ToolOutput, Upstream
from responses_asgi.hosted import Hosted, HostedLimits, hosted_tool
from responses_asgi.hosted.results import result_of
from responses_asgi.profiles import profile_for
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.testing import assert_valid_stream
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.answers import ToolCall
from tests.asgi_driver import post
from tests.hosted_servers import CONTEXT, QUICK, mcp, stdio

PNG = bytes.fromhex("89504e470d0a1a0a")
URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
NAMED = "[image: image/png, 8 bytes]"


def text(said: str) -> JSON:
    return {"type": "input_text", "text": said}


def image(media_type: str = "image/png") -> JSON:
    url = URL.replace("image/png", media_type)
    return {"type": "input_image", "image_url": url, "detail": "auto"}


async def run(value: Any, **limits: Any) -> Any:
    def give() -> Any:
        return value

    return await hosted_tool(give, HostedLimits(**limits)).call({}, CONTEXT)


@pytest.mark.parametrize(
    ("value", "output", "parts"),
    [
        (ToolImage(PNG), NAMED, [image()]),
        (["Look:", ToolImage(PNG)], f"Look:\n{NAMED}", [text("Look:"), image()]),
        ((ToolImage(PNG), {"a": 1}), f'{NAMED}\n{{"a":1}}', [image(), text('{"a":1}')]),
        (ToolImage(PNG, "image/webp"), "[image: image/webp, 8 bytes]", [image("image/webp")]),
        (ToolImage(PNG, "image/svg+xml"), "[image: image/svg+xml, 8 bytes]", []),
        (ToolImage(b""), "[image: image/png, 0 bytes]", []),
        (["no", "image"], '["no","image"]', []),
    ],
)
async def test_what_a_function_returns(value: Any, output: str, parts: list[JSON]) -> None:
    result = await run(value)
    assert (result.output, result.failed, list(result.parts)) == (output, False, parts)
    assert result.told == (parts or output)


async def test_a_failure_may_have_an_image() -> None:
    result = await run(ToolOutput(["The page:", ToolImage(PNG)], failed=True))
    assert result.failed
    assert result.told == [text("The page:"), image()]
    assert result.fields["error"]["content"][0]["text"] == f"The page:\n{NAMED}"


@pytest.mark.parametrize(("most", "shown"), [(7, 0), (8, 1), (15, 1), (16, 2)])
async def test_images_are_bounded(most: int, shown: int) -> None:
    result = await run([ToolImage(PNG), ToolImage(PNG)], image_bytes=most)
    assert len([part for part in result.parts if part["type"] == "input_image"]) == shown
    assert result.output == f"{NAMED}\n{NAMED}"


async def test_texts_beside_images_are_bounded_together() -> None:
    result = await run(["abc", ToolImage(PNG), "defg"], result_chars=5)
    assert result.parts[2] == text("de\n[cut off: 2 of 4 characters]")


def content(block: Any, **more: Any) -> Any:
    return CallToolResult(content=[block], **more)


def blob(media_type: str | None, data: str) -> EmbeddedResource:
    return EmbeddedResource(
        type="resource", resource=BlobResourceContents(uri="file:///a", mime_type=media_type, blob=data)
    )


DATA = base64.b64encode(PNG).decode()


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        (content(ImageContent(type="image", data=DATA, mime_type="image/PNG")), [ToolImage(PNG)]),
        (content(ImageContent(type="image", data="%%", mime_type="a")), "[image: a, which cannot be read]"),
        (content(ImageContent(type="image", data="é", mime_type="a")), "[image: a, which cannot be read]"),
        (content(blob("image/png", DATA)), [ToolImage(PNG)]),
        (content(blob("image/png", "%%")), "[file: file:///a, image/png, not shown]"),
        (content(blob(None, DATA)), "[file: file:///a, unknown type, not shown]"),
        (
            content(AudioContent(type="audio", data="AAAA", mime_type="audio/wav")),
            "[audio: audio/wav, 3 bytes, not shown]",
        ),
        (content(TextContent(type="text", text="a"), structured_content={"b": [1]}), 'a\n{"b":[1]}'),
        (content(TextContent(type="text", text='{"b": 1}'), structured_content={"b": 1}), '{"b": 1}'),
        (CallToolResult(content=[], structured_content={"b": 1}), '{"b":1}'),
        (
            content(
                ImageContent(type="image", data=DATA, mime_type="image/png"), structured_content={"b": 1}
            ),
            [ToolImage(PNG), '{"b":1}'],
        ),
        (CallToolResult(content=[], is_error=True), "The tool failed without a message."),
        (CallToolResult(content=[]), ""),
    ],
)
def test_what_an_mcp_server_answers(answer: Any, output: Any) -> None:
    assert result_of(answer, 1000).output == output


# Through whole exchanges


class Model:
    """Calls a tool, then answers; keeps what it was asked."""

    def __init__(self, name: str) -> None:
        self.asked: list[JSON] = []
        self._name = name

    async def __call__(self, request: JSON) -> AsyncIterator[Any]:
        self.asked.append(request)
        if len(self.asked) == 1:
            yield ToolCall(self._name, {}, call_id="call_1")
        else:
            yield "I see."


async def through(model: Model, hosted: Hosted, *, tools: Any = (), **record: Any) -> tuple[Any, Any]:
    losses: list[Any] = []

    async def after(snapshot: Any, lost: Any, timings: Any, context: Any) -> None:
        losses.extend(lost)

    upstream = Upstream.handler(model, after_exchange=after, **record)
    component = ResponsesMiddleware(upstream, hosted=hosted, store=MemoryStore())
    body: JSON = {"model": "m", "input": "Look.", "stream": True, "tools": list(tools)}
    async with hosted.resource():
        first = assert_valid_stream((await post(component, body, path="/v1/responses").run()).body)
        if first["output"][-1]["type"] == "mcp_approval_request":
            agreed = {"type": "mcp_approval_response", "approve": True}
            agreed["approval_request_id"] = first["output"][-1]["id"]
            body |= {"input": [agreed], "previous_response_id": first["id"]}
            first = assert_valid_stream((await post(component, body, path="/v1/responses").run()).body)
    await component.aclose()
    return first, losses


SHOWN = [
    {"type": "text", "text": "Output of s__picture (call_1):"},
    {"type": "image_url", "image_url": {"url": URL, "detail": "auto"}},
]


async def test_a_chat_server_is_shown_an_image_of_an_mcp_server() -> None:
    model = Model("s__picture")
    response, losses = await through(model, Hosted(servers={"s": stdio()}, limits=QUICK), api="chat")
    call = next(item for item in response["output"] if item["type"] == "mcp_call")
    assert call["output"] == f"Look:\n{NAMED}"
    *_, tool, user = model.asked[1]["messages"]
    assert (tool["role"], tool["content"]) == ("tool", "Look:")
    assert user == {"role": "user", "content": SHOWN}
    assert [loss.action for loss in losses if "output" in loss.path] == ["emulated"]


def picture() -> list[Any]:
    return ["Look:", ToolImage(PNG)]


async def test_a_responses_server_is_shown_it_in_the_output() -> None:
    model = Model("tools__picture")
    response, losses = await through(model, Hosted(tools=[picture]), api="responses")
    assert response["output"][0]["output"] == f"Look:\n{NAMED}"
    assert model.asked[1]["input"][-1]["output"] == [text("Look:"), image()]
    assert losses == []


@pytest.mark.parametrize("profile", ["deepseek", replace(profile_for("generic"), tool_images=False)])
async def test_a_server_without_eyes_is_told_the_text_and_the_loss_is_reported(profile: Any) -> None:
    model = Model("tools__picture")
    _, losses = await through(model, Hosted(tools=[picture]), api="chat", profile=profile)
    assert model.asked[1]["messages"][-1]["role"] == "tool"
    assert model.asked[1]["messages"][-1]["content"] == f"Look:\n{NAMED}"
    assert ("output.mcp_call.output", "dropped") in [(loss.path, loss.action) for loss in losses]


async def test_an_approved_call_may_show_an_image() -> None:
    model = Model("tools__picture")
    tools = [mcp("tools", require_approval="always")]
    response, _ = await through(model, Hosted(tools=[picture]), tools=tools, api="chat")
    assert response["output"][0]["output"] == f"Look:\n{NAMED}"
    assert model.asked[1]["messages"][-1]["content"][1] == SHOWN[1]
