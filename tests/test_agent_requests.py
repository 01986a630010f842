"""What coding agents send, on a Chat upstream: three shapes of Codex, and the tool loop with the OpenAI SDK.

The shapes are those that Codex CLI 0.169 was seen to send; which one depends on the name of the model.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import AsyncOpenAI

import responses_asgi
from responses_asgi import ResponsesMiddleware, ToolCall, Upstream
from responses_asgi.testing import FakeModel
from responses_asgi.translate.translator import History
from responses_asgi.types.json import JSON
from tests.agent_tools import SCHEMA, TOOLS, AgentTool, assert_sendable, losses_of
from tests.machine import Answer, answer, call, calls, delta, translator

IMAGE = "data:image/png;base64,AAAA"
PATCHING = "*** Begin Patch\n*** Add File: a.txt\n+hi\n*** End Patch\n"
FUNCTIONS: list[JSON] = [
    {
        "type": "function",
        "name": name,
        "strict": False,
        "parameters": {**SCHEMA, "additionalProperties": False},
    }
    for name in ("exec_command", "write_stdin", "update_plan", "view_image")
]
AGENTS: JSON = {
    "type": "namespace",
    "name": "multi_agent_v1",
    "description": "Agents.",
    "tools": [{**FUNCTIONS[0], "name": name} for name in ("spawn_agent", "wait_agent", "exec_command")],
}
WEB: JSON = {"type": "web_search", "external_web_access": False, "search_content_types": ["text", "image"]}
APPLY_PATCH: JSON = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edits files. This is a FREEFORM tool.",
    "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "*** Begin Patch" LF'},
}
TOOL_SEARCH: JSON = {
    "type": "tool_search",
    "execution": "client",
    "description": "Finds.",
    "parameters": SCHEMA,
}
CODE_MODE: JSON = {
    "type": "additional_tools",
    "role": "developer",
    "id": "at_1",
    "tools": [
        {
            "type": "namespace",
            "name": "functions",
            "description": "Code.",
            "tools": [{"type": "custom", "name": "exec", "format": {"type": "text"}}, *FUNCTIONS[:3]],
        },
        {"type": "namespace", "name": "clock", "description": "Time.", "tools": [FUNCTIONS[0]]},
        {"type": "namespace", "name": "collaboration", "description": "People.", "tools": [FUNCTIONS[1]]},
    ],
}


def message(role: str, *texts: str, **more: Any) -> JSON:
    content = [{"type": "input_text", "text": text} for text in texts]
    return {"type": "message", "role": role, "id": f"msg_{role}", "content": content, **more}


START = [
    message("developer", "You are a coding agent."),
    message("developer", "Skills."),
    message("user", "<environment_context>"),
    message("user", "Do it."),
]
COMMON: JSON = {
    "stream": True,
    "tool_choice": "auto",
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "thread",
    "client_metadata": {"thread": "thread", "x-codex-turn-metadata": "{}"},
}
SHAPES: dict[str, JSON] = {
    "fallback": {
        **COMMON,
        "parallel_tool_calls": True,
        "reasoning": {"summary": "auto"},
        "tools": [*FUNCTIONS, AGENTS, WEB],
        "input": START,
    },
    "classic": {
        **COMMON,
        "parallel_tool_calls": True,
        "reasoning": {"effort": "medium"},
        "text": {"verbosity": "low"},
        "tools": [*FUNCTIONS, APPLY_PATCH, TOOL_SEARCH, WEB],
        "input": START,
    },
    "code mode": {
        **COMMON,
        "parallel_tool_calls": False,
        "reasoning": {"effort": "medium", "context": "all_turns"},
        "input": [CODE_MODE, *START],
    },
}
# How the model calls one tool of each shape, and what the client is to see of it.
CALLED: dict[str, tuple[str, str, JSON]] = {
    "fallback": (
        "multi_agent_v1__exec_command",
        '{"x":1}',
        {"type": "function_call", "name": "exec_command", "namespace": "multi_agent_v1"},
    ),
    "classic": (
        "apply_patch",
        json.dumps({"input": PATCHING}),
        {"type": "custom_tool_call", "name": "apply_patch", "input": PATCHING},
    ),
    "code mode": (
        "functions__exec",
        '{"input":"text(1)"}',
        {"type": "custom_tool_call", "name": "exec", "namespace": "functions", "input": "text(1)"},
    ),
}
shapes = pytest.mark.parametrize("shape", SHAPES)


def ask(body: JSON) -> tuple[JSON, list[tuple[str, str]]]:
    machine = translator(body)
    chat = machine.request()
    assert_sendable(chat)
    return chat, losses_of(machine.losses)


def turn(body: JSON, *fragments: JSON, text: str = "") -> Answer:
    """What the client sees when the model says this text and makes these calls."""
    chunks = [delta({"reasoning_content": "Hm."}), *([delta({"content": text})] if text else [])]
    return answer([*chunks, calls(*fragments), delta(finish="tool_calls")], body)


@shapes
def test_every_tool_is_offered_but_the_hosted_ones(shape: str) -> None:
    chat, losses = ask(SHAPES[shape])
    names = [tool["function"]["name"] for tool in chat["tools"]]
    assert (
        names
        == {
            "fallback": [
                *(tool["name"] for tool in FUNCTIONS),
                *(f"multi_agent_v1__{name}" for name in ("spawn_agent", "wait_agent", "exec_command")),
            ],
            "classic": [*(tool["name"] for tool in FUNCTIONS), "apply_patch", "tool_search"],
            "code mode": [
                "functions__exec",
                *(f"functions__{tool['name']}" for tool in FUNCTIONS[:3]),
                "clock__exec_command",
                "collaboration__write_stdin",
            ],
        }[shape]
    )
    assert [part["role"] for part in chat["messages"]] == ["system", "system", "user", "user"]
    assert chat["tool_choice"] == "auto"
    assert chat["parallel_tool_calls"] is (shape != "code mode")
    dropped = {path for path, action in losses if action == "dropped"}
    assert "client_metadata" in dropped
    assert ("tools[5]" in dropped or "tools[6]" in dropped) is (shape != "code mode")


@shapes
def test_a_call_comes_back_and_goes_into_the_history(shape: str) -> None:
    body = SHAPES[shape]
    name, written, seen = CALLED[shape]
    result = turn(body, call(0, "call_1", name, written), text="Let me see.")
    thought, said, called = result.response["output"]
    assert called == {**called, **seen}
    assert all(event["item"]["id"] for event in result.events if event["type"].endswith("item.done"))
    # Codex sends reasoning without its status, and everything else as it was.
    thought = {key: value for key, value in thought.items() if key != "status"}
    output = {"type": f"{called['type']}_output", "id": "fco_1", "call_id": "call_1", "output": "done"}
    chat, _ = ask({**body, "input": [*body["input"], thought, said, called, output]})
    *_, assistant, told = chat["messages"]
    assert assistant["content"] == "Let me see."
    [again] = assistant["tool_calls"]
    assert (again["id"], again["function"]["name"]) == ("call_1", name)
    assert json.loads(again["function"]["arguments"]) == json.loads(written)
    assert told == {"role": "tool", "tool_call_id": "call_1", "content": "done"}


def test_a_resumed_session_with_images_and_an_interrupted_turn() -> None:
    image = {"type": "input_image", "image_url": IMAGE, "detail": "original"}
    history = [
        *START,
        {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "view_image", "arguments": "{}"},
        {"type": "function_call", "id": "fc_2", "call_id": "b", "name": "exec_command", "arguments": "{}"},
        {"type": "function_call_output", "id": "fco_1", "call_id": "a", "output": [image]},
        {"type": "function_call_output", "id": "fco_2", "call_id": "b", "output": "ok"},
        {"type": "function_call", "id": "fc_3", "call_id": "c", "name": "exec_command", "arguments": '{"x'},
        message("developer", "The user interrupted the turn."),
        message("user", "<image name=a>", "Go on."),
    ]
    chat, losses = ask({**SHAPES["fallback"], "input": history})
    roles = [part["role"] for part in chat["messages"]]
    assert roles[4:] == ["assistant", "tool", "tool", "user", "assistant", "tool", "system", "user"]
    moved = chat["messages"][7]["content"]
    assert moved[1] == {"type": "image_url", "image_url": {"url": IMAGE, "detail": "high"}}
    assert json.loads(chat["messages"][8]["tool_calls"][0]["function"]["arguments"]) == {"arguments": '{"x'}
    assert {
        ("input[6].output[0].detail", "clamped"),
        ("input[6].output[0]", "emulated"),
        ("input[8].arguments", "emulated"),
        ("input[8]", "emulated"),
    } <= set(losses)


def test_tools_that_a_search_found_can_be_called_and_lead_back() -> None:
    body = SHAPES["classic"]
    result = turn(body, call(0, "call_1", "tool_search", '{"x":1}'))
    searched = result.response["output"][-1]
    assert searched == {**searched, "type": "tool_search_call", "execution": "client", "arguments": {"x": 1}}
    found = {
        "type": "tool_search_output",
        "call_id": "call_1",
        "status": "completed",
        "execution": "client",
        "tools": [{**AGENTS, "name": "mcp__calendar", "tools": [{**FUNCTIONS[0], "defer_loading": True}]}],
    }
    body = {**body, "input": [*body["input"], searched, found]}
    chat, _ = ask(body)
    assert chat["tools"][-1]["function"]["name"] == "mcp__calendar__exec_command"
    assert chat["messages"][-1]["content"].endswith(": mcp__calendar__exec_command")
    called = turn(body, call(0, "call_2", "mcp__calendar__exec_command", "{}")).response["output"][-1]
    assert (called["name"], called["namespace"]) == ("exec_command", "mcp__calendar")
    # Items of earlier turns that a store gives back declare tools as well as those of the request.
    later = translator({"input": "Hi"}, history=History([searched, found]))
    assert [tool["function"]["name"] for tool in later.request()["tools"]] == ["mcp__calendar__exec_command"]


# With the SDK


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
async def test_the_sdk_reads_the_stream_and_sends_its_items_back(tool: AgentTool) -> None:
    fake = FakeModel()
    fake.on(tool_result=False).say(ToolCall(tool.sent_as, json.loads(tool.written)))
    fake.on(tool_result=True).say("Done.")
    app = ResponsesMiddleware(Upstream.asgi(fake), store=None)
    async with responses_asgi.client(app) as client:
        body: Any = {"model": "m", "tools": [tool.definition]}
        first = await final(client, input="Go", **body)
        [item] = first.output
        assert item.type == tool.item["type"]
        shown = item.to_dict()
        assert shown == {**shown, **tool.item}
        result: Any = {**tool.answer, "call_id": item.call_id, "id": item.call_id}
        user = {"type": "message", "role": "user", "content": "Go"}
        second = await final(client, input=[user, shown, result], **body)
    assert second.output_text == "Done."
    told = fake.requests[-1].chat["messages"]
    assert told[-1] == {**told[-1], "role": "tool", "content": tool.told}


async def final(client: AsyncOpenAI, **request: Any) -> Any:
    """The final response of `stream()`, which checks the identity of items on the way."""
    async with client.responses.stream(**request) as stream:
        return await stream.get_final_response()
