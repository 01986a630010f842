"""Tools that the service runs, as users of the OpenAI SDK see them: a gateway on loopback in front of a
server that speaks one API only, and a real MCP server that is a program."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI

from responses_asgi import Gateway, Hosted, MCPServer, Upstream
from responses_asgi.hosted import HostedLimits
from responses_asgi.testing import assert_valid_chat_stream, assert_valid_stream
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.answers import ToolCall
from tests.hosted_servers import alive, mcp, started, stdio
from tests.loopback import served, until

LIMITS = HostedLimits(call_timeout=60.0, start_wait=60.0, retry_first=0.05, retry_most=0.2)
CALLING = "Call "
_KEY = {"Authorization": "Bearer k"}


class Model:
    """A server that calls what it is told to (`Call NAME ARGUMENTS`), and says what came of it."""

    def __init__(self) -> None:
        self.asked: list[JSON] = []

    async def __call__(self, request: JSON) -> AsyncIterator[Any]:
        self.asked.append(request)
        asked = [message for message in request["messages"] if message["role"] == "user"]
        wanted = asked[-1]["content"]
        after = request["messages"][request["messages"].index(asked[-1]) + 1 :]
        results = [message["content"] for message in after if message["role"] == "tool"]
        if wanted.startswith(CALLING) and not results:
            _, name, arguments = wanted.split(" ", 2)
            yield ToolCall(name, json.loads(arguments), call_id=f"call_{len(self.asked)}")
        else:
            for word in ("It", " says ", f"{results}."):
                yield word


@dataclass
class Place:
    """A running service."""

    url: str
    client: AsyncOpenAI
    model: Model
    app: Gateway

    async def bytes_of(self, path: str, **body: Any) -> bytes:
        """A stream as it is sent."""
        async with httpx.AsyncClient(base_url=self.url, timeout=120, headers=_KEY) as client:
            answer = await client.post(path, json={"model": "m", "stream": True, **body})
            assert answer.status_code == 200, answer.text
            return answer.content


@asynccontextmanager
async def place(
    *, api: Any = "chat", server: MCPServer | None = None, **settings: Any
) -> AsyncIterator[Place]:
    """A gateway in front of an HTTP server that speaks this API, with the tools of a server `s`."""
    model = Model()
    hosted = Hosted(servers={"s": server or stdio()}, limits=LIMITS, **settings)
    async with served(
        Gateway(Upstream.handler(model, api="chat")) if api == "responses" else _chat(model)
    ) as up:
        gateway = Gateway(Upstream.http(f"{up}/v1", api=api), hosted=hosted, store="memory")
        try:
            async with (
                served(gateway, ws="websockets-sansio") as url,
                AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0, timeout=120) as client,
            ):
                yield Place(url, client, model, gateway)
        finally:
            await gateway.aclose()


def _chat(model: Model) -> Any:
    """The handler as an HTTP server of Chat Completions alone."""
    return Upstream.handler(model, api="chat").app


def as_sent(event: Any) -> JSON:
    """An event of the SDK as it was sent: the SDK reads times as floats, and adds the lane of a socket."""
    told: JSON = json.loads(event.to_json())
    told.pop("stream_id", None)
    for name in ("created_at", "completed_at"):
        if name in told.get("response", {}) and told["response"][name] is not None:
            told["response"][name] = int(told["response"][name])
    return told


def items(response: Any) -> list[str]:
    return [item.type for item in response.output]


ADD = 'Call s__add {"a": 20, "b": 22}'
SPOKEN = pytest.mark.parametrize("api", ["chat", "responses"])


@SPOKEN
async def test_a_responses_client_streams_a_call(api: str) -> None:
    async with place(api=api) as here:
        tools: Any = [mcp("s", require_approval="never", allowed_tools=["add"])]
        async with here.client.responses.stream(model="m", input=ADD, tools=tools) as stream:
            events = [event async for event in stream]
            response = await stream.get_final_response()
        assert items(response) == ["mcp_list_tools", "mcp_call", "message"]
        listed, call, _ = response.output
        assert [tool.name for tool in listed.tools] == ["add"]
        assert (call.server_label, call.name, call.output, call.status) == ("s", "add", "42", "completed")
        assert json.loads(call.arguments) == {"a": 20, "b": 22}
        assert response.output_text == "It says ['42']."
        kinds = [event.type for event in events]
        for kind in (
            "mcp_list_tools.completed",
            "mcp_call.in_progress",
            "mcp_call_arguments.done",
            "mcp_call.completed",
        ):
            assert kinds.count(f"response.{kind}") == 1
        raw = await here.bytes_of("/v1/responses", input=ADD, tools=tools)
        assert assert_valid_stream(raw)["status"] == "completed"
        offered = here.model.asked[0]["tools"][0]["function"]
        assert offered["name"] == "s__add"
        assert offered.get("strict") is (None if api == "chat" else False)


async def test_a_failing_tool_is_an_error_that_the_sdk_knows() -> None:
    async with place() as here:
        response = await here.client.responses.create(model="m", input='Call s__fail {"reason": "no paper"}')
        [call] = [item for item in response.output if item.type == "mcp_call"]
        assert call.status == "failed"
        assert call.error is not None
        assert call.error.type == "mcp_tool_execution_error"
        assert "no paper" in str(call.error.content)
        assert "no paper" in response.output_text


async def test_a_websocket_turn_runs_tools() -> None:
    async with place() as here, here.client.responses.connect() as connection:
        whole: list[Any] = []
        for question, before in ((ADD, None), ("And?", "first")):
            events: list[JSON] = []
            more = {"previous_response_id": whole[0].id} if before else {}
            await connection.response.create(model="m", input=question, store=False, **more)
            async for event in connection:
                events.append(as_sent(event))
                if event.type in ("response.completed", "error"):
                    break
            assert_valid_stream(events)
            whole.append(event.response)
        assert items(whole[0]) == ["mcp_call", "message"]
        assert whole[0].output_text == "It says ['42']."
        roles = [message["role"] for message in here.model.asked[-1]["messages"]]
        assert roles == ["user", "assistant", "tool", "assistant", "user"]


async def test_a_background_response_is_polled_and_its_stream_resumed() -> None:
    async with place() as here:
        created = await here.client.responses.create(model="m", input=ADD, background=True)
        assert created.status in ("queued", "in_progress")
        async with asyncio.timeout(60):
            read = created
            while read.status != "completed":
                await asyncio.sleep(0.02)
                read = await here.client.responses.retrieve(created.id)
        assert items(read) == ["mcp_call", "message"]
        seen: list[JSON] = []
        async with await here.client.responses.create(
            model="m", input=ADD, background=True, stream=True
        ) as stream:
            async for event in stream:
                seen.append(as_sent(event))
                if event.type == "response.mcp_call.in_progress":
                    break
        id = seen[0]["response"]["id"]
        async with await here.client.responses.retrieve(
            id, stream=True, starting_after=seen[-1]["sequence_number"]
        ) as stream:
            seen += [as_sent(event) async for event in stream]
        final = assert_valid_stream(seen)
        assert [item["type"] for item in final["output"]] == ["mcp_call", "message"]


@SPOKEN
@pytest.mark.parametrize("store", [True, False])
async def test_a_call_is_agreed_to(api: str, store: bool, tmp_path: Path) -> None:
    """With what is stored, and with a client that carries all items itself."""
    log = tmp_path / "log"
    async with place(api=api, server=stdio(log)) as here:
        tools: Any = [mcp("s", require_approval="always", allowed_tools=["add"])]
        about: Any = {"model": "m", "tools": tools, "store": store}
        first = await here.client.responses.create(input=ADD, **about)
        assert items(first) == ["mcp_list_tools", "mcp_approval_request"]
        question: Any = first.output[-1]
        answer = {"type": "mcp_approval_response", "approval_request_id": question.id, "approve": True}
        carried: list[Any] = [{"role": "user", "content": ADD}]
        carried += [item.to_dict(mode="json") for item in first.output]
        raw = await here.bytes_of(
            "/v1/responses",
            **(
                {"input": [answer], "previous_response_id": first.id}
                if store
                else {"input": [*carried, answer]}
            ),
            tools=tools,
            store=store,
        )
        second = assert_valid_stream(raw)
        assert [item["type"] for item in second["output"]] == ["mcp_call", "message"]
        call = second["output"][0]
        assert (call["output"], call["approval_request_id"]) == ("42", question.id)
        third = await here.client.responses.create(
            **(
                {"input": "And?", "previous_response_id": second["id"]}
                if store
                else {"input": [*carried, answer, *second["output"], {"role": "user", "content": "And?"}]}
            ),
            **about,
        )
        # The call is not made again, and the model still knows of it.
        assert items(third) == ["message"]
        assert [m["role"] for m in here.model.asked[-1]["messages"]] == [
            "user",
            "assistant",
            "tool",
            "assistant",
            "user",
        ]


@SPOKEN
@pytest.mark.parametrize("progress", [False, True])
async def test_a_chat_client_profits(api: str, progress: bool) -> None:
    async with place(api=api, progress=progress) as here:
        messages: Any = [{"role": "user", "content": ADD}]
        stream = await here.client.chat.completions.create(model="m", messages=messages, stream=True)
        chunks = [chunk async for chunk in stream]
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        thought = "".join(
            getattr(chunk.choices[0].delta, "reasoning_content", None) or ""
            for chunk in chunks
            if chunk.choices
        )
        assert text == "It says ['42']."
        assert thought == ('Calls s.add: {"a":20,"b":22}' if progress else "")
        assert not any(chunk.choices[0].delta.tool_calls for chunk in chunks if chunk.choices)
        raw = await here.bytes_of("/v1/chat/completions", messages=messages)
        assert assert_valid_chat_stream(raw)["choices"][0]["finish_reason"] == "stop"


async def test_a_server_that_is_killed_in_a_call(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with place(server=stdio(log)) as here:
        asking = asyncio.create_task(here.bytes_of("/v1/responses", input="Call s__hang {}"))
        await until(lambda: log.exists() and "hang began" in log.read_text(), 60)
        os.kill(started(log)[0], signal.SIGKILL)
        response = assert_valid_stream(await asking)
        assert response["status"] == "completed"
        assert response["output"][0]["status"] == "failed"
        assert "MCP server s failed" in response["output"][1]["content"][0]["text"]
        again = await here.client.responses.create(model="m", input=ADD)
        assert again.output_text == "It says ['42']."
        assert len(started(log)) == 2
    await until(lambda: not alive(started(log)[1]), 30)
