"""Tools of agents over a Chat upstream: offered, called, answered, for every type and every policy."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from responses_asgi.errors import InvalidRequestError
from responses_asgi.loss import Losses
from responses_asgi.profiles import PROFILES, Profile
from responses_asgi.profiles.profile import ToolPolicy
from responses_asgi.translate.to_chat_request import to_chat_request
from responses_asgi.types.json import JSON
from responses_asgi.types.responses import validate_request
from tests.agent_tools import (
    HOSTED,
    LARK,
    PATCH,
    SCHEMA,
    TOOLS,
    AgentTool,
    assert_sendable,
    losses_of,
    pieces,
)
from tests.machine import GENERIC, STOP, Answer, answer, call, calls, delta, whole
from tests.schemas import FOLDER, assert_events_fit, assert_response_fits

OTHER: JSON = {"type": "function", "name": "other", "parameters": SCHEMA}
USER: JSON = {"type": "message", "role": "user", "content": "Go"}
tools = pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
profiles = pytest.mark.parametrize("profile", [GENERIC, PROFILES["openai"], PROFILES["mistral"]], ids=str)


def sent(profile: Profile = GENERIC, **body: Any) -> tuple[JSON, list[tuple[str, str]]]:
    losses = Losses()
    request = validate_request({"model": "m", "input": [USER], **body})
    chat = to_chat_request(request, profile=profile, losses=losses)
    assert_sendable(chat)
    return chat, losses_of(losses)


def called(
    name: str,
    written: str,
    body: JSON,
    *,
    streamed: bool = True,
    size: int = 5,
    native: bool = False,
    **more: Any,
) -> Answer:
    """The answer in which the model calls this one tool."""
    if native:
        fragment: JSON = {"id": "call_a", "type": "custom", "custom": {"name": name, "input": written}}
    else:
        fragment = call(id="call_a", name=name, arguments=written)
    if not streamed:
        return answer([whole({"tool_calls": [fragment]}, "tool_calls")], body, **more)
    kind, field = ("custom", "input") if native else ("function", "arguments")
    first = {**fragment, "index": 0, kind: {**fragment[kind], field: ""}}
    rest = [calls({"index": 0, kind: {field: piece}}) for piece in pieces(written, size)]
    return answer([calls(first), *rest, delta(finish="tool_calls")], body, **more)


# Every type, every policy


@tools
@profiles
@pytest.mark.parametrize("streamed", [True, False])
def test_a_call_there_and_back(tool: AgentTool, profile: Profile, streamed: bool) -> None:
    body: JSON = {"tools": [OTHER, tool.definition]}
    chat, losses = sent(profile, **body)
    names = [offered[offered["type"]]["name"] for offered in chat["tools"]]
    assert names == ["other", tool.sent_as]
    # Emulations are told, and strict requests have them, too.
    native = tool.native and (profile.custom_tools or tool.definition["type"] == "function")
    assert {action for _, action in losses} == (set() if native else {"emulated"})

    # A profile with custom tools is answered in kind.
    in_kind = profile.custom_tools and tool.item["type"] == "custom_tool_call"
    written = tool.item["input"] if in_kind else tool.written
    result = called(tool.sent_as, written, body, streamed=streamed, native=in_kind, profile=profile)
    [item] = result.response["output"]
    assert item == {**item, **tool.item, "status": "completed", "call_id": "call_a"}
    if FOLDER.exists():
        assert_events_fit(result.events, "openai")
        assert_response_fits(result.response, "openai")

    replayed = [USER, item, {**tool.answer, "call_id": "call_a", "id": "out_1"}]
    if tool.answer["type"] == "local_shell_call_output":
        replayed[-1] = {**tool.answer, "id": "call_a"}
    chat, losses = sent(profile, **body, input=replayed)
    _, assistant, told = chat["messages"]
    [again] = assistant["tool_calls"]
    assert told["content"] == tool.told
    if in_kind:
        assert again["custom"] == {"name": tool.sent_as, "input": written}
    else:
        assert again["function"]["name"] == tool.sent_as
        expected = tool.said_again or tool.written
        assert json.loads(again["function"]["arguments"]) == json.loads(expected)
    assert all(action == "emulated" for _, action in losses)


@tools
@pytest.mark.parametrize("policy", ["drop", "error"])
@pytest.mark.parametrize("streamed", [True, False])
def test_a_policy_keeps_the_type_from_the_upstream(
    tool: AgentTool, policy: ToolPolicy, streamed: bool
) -> None:
    kind = tool.definition["type"]
    profile = replace(GENERIC, tool_policy={kind: policy})
    body: JSON = {"tools": [tool.definition]}
    if policy == "error":
        with pytest.raises(InvalidRequestError) as caught:
            sent(profile, **body)
        assert caught.value.param == "tools[0].type"
    else:
        chat, losses = sent(profile, **body)
        assert "tools" not in chat
        assert losses == [("tools[0]", "dropped")]
    # A model that calls it all the same is heard: a call of a name that it made up.
    result = called(tool.sent_as, tool.written, body, streamed=streamed, profile=profile)
    assert result.calls == [(tool.sent_as, tool.written)]


@pytest.mark.parametrize("tool", HOSTED, ids=lambda tool: str(tool["type"]))
@pytest.mark.parametrize("policy", [None, "drop", "error"])
def test_what_the_service_would_run_is_left_out(tool: JSON, policy: ToolPolicy | None) -> None:
    profile = replace(GENERIC, tool_policy={tool["type"]: policy} if policy else {})
    if policy == "error":
        with pytest.raises(InvalidRequestError, match=str(tool["type"])):
            sent(profile, tools=[OTHER, tool])
        return
    chat, losses = sent(profile, tools=[OTHER, tool], tool_choice="required")
    assert [offered["function"]["name"] for offered in chat["tools"]] == ["other"]
    assert losses == [("tools[1]", "dropped")]
    with pytest.raises(InvalidRequestError) as caught:
        sent(profile, tools=[tool], tool_choice="required")
    assert caught.value.param == "tool_choice"
    with pytest.raises(InvalidRequestError) as caught:
        sent(profile, tools=[OTHER, tool], tool_choice={"type": tool["type"]})
    assert caught.value.param == "tool_choice.type"


def test_a_policy_holds_inside_of_namespaces_too() -> None:
    profile = replace(GENERIC, tool_policy={"custom": "drop"})
    custom = {"type": "custom", "name": "c"}
    space = {"type": "namespace", "name": "n", "tools": [OTHER, custom]}
    chat, losses = sent(profile, tools=[space])
    assert [offered["function"]["name"] for offered in chat["tools"]] == ["n__other"]
    assert ("tools[0].tools[1]", "dropped") in losses
    with pytest.raises(InvalidRequestError) as caught:
        sent(replace(GENERIC, tool_policy={"custom": "error"}), tools=[space])
    assert caught.value.param == "tools[0].tools[1].type"


def test_what_a_namespace_cannot_hold_is_left_out() -> None:
    inner = {"type": "namespace", "name": "inner", "tools": [OTHER]}
    chat, losses = sent(tools=[{"type": "namespace", "name": "n", "tools": [inner, {"type": "web_search"}]}])
    assert "tools" not in chat
    assert losses == [
        ("tools[0]", "emulated"),
        ("tools[0].tools[0]", "dropped"),
        ("tools[0].tools[1]", "dropped"),
    ]


# How tools are offered


def test_a_grammar_is_told_in_words_where_it_cannot_be_sent() -> None:
    custom = TOOLS["custom"].definition
    chat, losses = sent(tools=[custom])
    function = chat["tools"][0]["function"]
    assert function["description"].startswith("Edits files.\n\n")
    assert f"```lark\n{LARK['definition']}\n```" in function["description"]
    assert function["parameters"]["required"] == ["input"]
    assert function["parameters"]["additionalProperties"] is False
    assert losses == [("tools[0]", "emulated"), ("tools[0].format", "emulated")]
    regex = {
        "type": "custom",
        "name": "c",
        "format": {"type": "grammar", "syntax": "regex", "definition": "a+"},
    }
    assert "regular expression" in sent(tools=[regex])[0]["tools"][0]["function"]["description"]
    chat, losses = sent(PROFILES["openai"], tools=[custom])
    assert chat["tools"][0] == {
        "type": "custom",
        "custom": {
            "name": "apply",
            "description": "Edits files.",
            "format": {
                "type": "grammar",
                "grammar": {"syntax": "lark", "definition": LARK["definition"]},
            },
        },
    }
    assert losses == []


def test_a_namespace_is_described_once() -> None:
    space = {
        "type": "namespace",
        "name": "crm",
        "description": "Customers.",
        "tools": [
            {"type": "function", "name": "find", "description": "Finds one."},
            {"type": "function", "name": "add"},
        ],
    }
    chat, _ = sent(tools=[space])
    first, second = (offered["function"] for offered in chat["tools"])
    assert first["description"] == "Finds one.\n\nOf the tools of 'crm': Customers."
    assert "description" not in second


def test_skills_of_a_local_shell_are_told() -> None:
    skill = {"name": "pdf", "description": "Reads PDFs.", "path": "/skills/pdf"}
    chat, _ = sent(tools=[{"type": "shell", "environment": {"type": "local", "skills": [skill, "odd"]}}])
    assert "- pdf (/skills/pdf): Reads PDFs." in chat["tools"][0]["function"]["description"]


def test_tools_that_load_later_are_there_at_once() -> None:
    deferred = {**OTHER, "defer_loading": True}
    chat, losses = sent(tools=[deferred, {"type": "tool_search", "execution": "client"}])
    names = [offered["function"]["name"] for offered in chat["tools"]]
    assert names == ["other", "tool_search"]
    assert losses == [("tools[1]", "emulated"), ("tools[0].defer_loading", "emulated")]
    assert "query" in chat["tools"][1]["function"]["parameters"]["properties"]


def test_tools_found_by_the_service_are_sent_and_the_search_is_not() -> None:
    searched: list[JSON] = [
        {"type": "tool_search_call", "execution": "server", "call_id": None, "arguments": {"paths": ["f"]}},
        {"type": "tool_search_output", "execution": "server", "call_id": None, "tools": [OTHER]},
        {"type": "function_call", "call_id": "c", "name": "other", "namespace": "other", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "1"},
    ]
    chat, losses = sent(input=[USER, *searched], tools=[{**OTHER, "defer_loading": True}])
    assert [offered["function"]["name"] for offered in chat["tools"]] == ["other"]
    # What OpenAI calls a namespace of its own is the function itself.
    assert chat["messages"][1]["tool_calls"][0]["function"]["name"] == "other"
    assert losses == [("input[1]", "dropped"), ("input[2]", "emulated")]


def test_a_search_may_find_nothing_or_whole_namespaces() -> None:
    search: JSON = {"type": "tool_search", "execution": "client"}
    asked = {"type": "tool_search_call", "execution": "client", "call_id": "s", "arguments": '{"q":1}'}
    found: JSON = {"type": "tool_search_output", "call_id": "s", "tools": []}
    chat, _ = sent(tools=[search], input=[USER, asked, found])
    assert chat["messages"][1]["tool_calls"][0]["function"]["arguments"] == '{"q":1}'
    assert chat["messages"][2]["content"] == "No tool was found."
    found["tools"] = [{"type": "namespace", "name": "n", "tools": [OTHER, {"type": "custom", "name": "c"}]}]
    chat, _ = sent(tools=[search], input=[USER, asked, found])
    assert chat["messages"][2]["content"].endswith(": n__other, n__c")
    assert [tool["function"]["name"] for tool in chat["tools"]] == ["tool_search", "n__other", "n__c"]


@profiles
def test_shells_beside_functions_of_their_names(profile: Profile) -> None:
    mine = {"type": "function", "name": "shell", "parameters": SCHEMA}
    chat, _ = sent(profile, tools=[{"type": "shell"}, mine])
    names = [offered["function"]["name"] for offered in chat["tools"]]
    assert names[1] == "shell"
    assert names[0].startswith("shell_")
    result = called(names[0], '{"commands":["ls"]}', {"tools": [{"type": "shell"}, mine]})
    assert result.response["output"][0]["type"] == "shell_call"
    assert called("shell", "{}", {"tools": [{"type": "shell"}, mine]}).calls == [("shell", "{}")]


# Choices


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "custom", "name": "apply"}, "apply"),
        ({"type": "shell"}, "shell"),
        ({"type": "apply_patch"}, "apply_patch"),
        ({"type": "tool_search"}, "tool_search"),
        ({"type": "function", "name": "spawn"}, "multi_agent__spawn_d243c9b5"),
        ({"type": "function", "name": "spawn", "namespace": "multi.agent"}, "multi_agent__spawn_d243c9b5"),
        ({"type": "custom", "name": "exec", "namespace": "functions"}, "functions__exec"),
    ],
)
def test_a_choice_names_the_tool_as_it_is_sent(choice: JSON, expected: str) -> None:
    body: JSON = {"tools": [tool.definition for tool in TOOLS.values()], "tool_choice": choice}
    named = {"type": "function", "function": {"name": expected}}
    assert sent(**body)[0]["tool_choice"] == named
    in_kind = {"type": "custom", "custom": {"name": expected}} if choice["type"] == "custom" else named
    assert sent(PROFILES["openai"], **body)[0]["tool_choice"] == in_kind


def test_a_choice_that_two_namespaces_have_must_say_which() -> None:
    spaces = [{"type": "namespace", "name": name, "tools": [OTHER]} for name in ("a", "b")]
    with pytest.raises(InvalidRequestError) as caught:
        sent(tools=spaces, tool_choice={"type": "function", "name": "other"})
    assert caught.value.param == "tool_choice.name"
    choice = {"type": "function", "name": "other", "namespace": "b"}
    assert sent(tools=spaces, tool_choice=choice)[0]["tool_choice"]["function"]["name"] == "b__other"


def test_allowed_tools_of_all_kinds() -> None:
    allowed: JSON = {
        "type": "allowed_tools",
        "mode": "required",
        "tools": [
            {"type": "namespace", "name": "multi.agent"},
            {"type": "custom", "name": "apply"},
            {"type": "local_shell"},
            {"type": "web_search"},
            {"type": "namespace", "name": "gone"},
        ],
    }
    body: JSON = {"tools": [tool.definition for tool in TOOLS.values()], "tool_choice": allowed}
    chat, losses = sent(**body)
    names = [offered["function"]["name"] for offered in chat["tools"]]
    assert names == ["apply", "multi_agent__spawn_d243c9b5", "local_shell"]
    assert chat["tool_choice"] == "required"
    assert [path for path, action in losses if action == "dropped"] == [
        "tool_choice.tools[3]",
        "tool_choice.tools[4]",
    ]
    chat, _ = sent(PROFILES["openai"], **body)
    assert chat["tool_choice"]["allowed_tools"]["tools"] == [
        {"type": "function", "function": {"name": "multi_agent__spawn_d243c9b5"}},
        {"type": "custom", "custom": {"name": "apply"}},
        {"type": "function", "function": {"name": "local_shell"}},
    ]


# What models write


@pytest.mark.parametrize(
    ("kind", "written", "expected"),
    [
        ("shell", "ls -l", {"commands": ["ls -l"]}),
        ("shell", '"ls -l"', {"commands": ["ls -l"]}),
        ("shell", '["git","log -1"]', {"commands": ["git 'log -1'"]}),
        ("shell", '{"command":["git","log -1"]}', {"commands": ["git 'log -1'"]}),
        ("shell", '{"commands":"ls"}', {"commands": ["ls"]}),
        ("shell", '{"script":"ls"}', {"commands": ["ls"]}),
        ("shell", '{"a":"ls","b":1}', {"commands": ['{"a":"ls","b":1}']}),
        ("shell", '{"command":[""]}', {"commands": ["''"]}),
        ("shell", "{}", {"commands": []}),
        ("shell", "", {"commands": []}),
        ("shell", '{"commands":[1]}', {"commands": ['{"commands":[1]}']}),
        ("local_shell", "ls -l", {"command": ["sh", "-c", "ls -l"]}),
        (
            "local_shell",
            '{"command":"ls","env":{"A":"b"}}',
            {"command": ["sh", "-c", "ls"], "env": {"A": "b"}},
        ),
        ("local_shell", '{"commands":["ls"]}', {"command": ["ls"]}),
        ("local_shell", "{}", {"command": []}),
    ],
)
def test_commands_in_other_forms(kind: str, written: str, expected: JSON) -> None:
    result = called(kind, written, {"tools": [{"type": kind}]})
    action = result.response["output"][0]["action"]
    assert action == {**action, **expected}
    assert losses_of(result.losses) == [(f"output.{kind}_call", "emulated")]
    if FOLDER.exists():
        assert_events_fit(result.events, "openai")


@pytest.mark.parametrize(
    ("written", "operation"),
    [
        ('{"type":"delete_file","path":"a","diff":"x"}', {"type": "delete_file", "path": "a"}),
        ('{"type":"create_file","path":"a"}', {"type": "create_file", "path": "a", "diff": ""}),
        (
            '{"type":"rename","path":"a"}',
            {"type": "update_file", "path": "a", "diff": '{"type":"rename","path":"a"}'},
        ),
        (PATCH, {"type": "update_file", "path": "", "diff": PATCH}),
        ("[1]", {"type": "update_file", "path": "", "diff": "[1]"}),
    ],
)
def test_patches_in_other_forms(written: str, operation: JSON) -> None:
    result = called("apply_patch", written, {"tools": [{"type": "apply_patch"}]})
    assert result.response["output"][0]["operation"] == operation
    assert bool(result.losses) == (operation["type"] == "update_file")


def test_a_search_in_words() -> None:
    body: JSON = {"tools": [TOOLS["tool_search"].definition]}
    assert called("tool_search", "weather", body).response["output"][0]["arguments"] == "weather"


@pytest.mark.parametrize("native", [True, False])
def test_what_stands_beside_the_input_is_reported(native: bool) -> None:
    body: JSON = {"tools": [TOOLS["custom"].definition]}
    written = '{"input":"a","why":"b"}'
    result = called("apply", written, body, native=native)
    assert result.response["output"][0]["input"] == (written if native else "a")
    assert losses_of(result.losses) == ([] if native else [("output.custom_tool_call.input", "dropped")])


def test_a_custom_tool_that_was_offered_in_kind_may_be_called_as_a_function() -> None:
    tool = TOOLS["custom"]
    result = called(tool.sent_as, tool.written, {"tools": [tool.definition]}, profile=PROFILES["openai"])
    assert result.response["output"][0]["input"] == PATCH


@tools
@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("end", ["length", None])
def test_calls_that_are_cut_off(tool: AgentTool, streamed: bool, end: str | None) -> None:
    body: JSON = {"tools": [tool.definition]}
    cut = tool.written[:-3]
    if streamed:
        chunks = [calls(call(0, "call_a", tool.sent_as, cut)), *([delta(finish=end)] if end else [])]
    else:
        chunks = [
            whole({"tool_calls": [call(id="call_a", name=tool.sent_as, arguments=cut)]}, end or "error")
        ]
    result = answer(chunks, body, marker=False)
    [item] = result.response["output"]
    assert (item["type"], item["status"]) == (tool.item["type"], "incomplete")
    assert result.response["status"] == ("incomplete" if end else "failed")
    # Nobody may act on half an action.
    assert not (item.get("action") or {}).get("commands")
    assert not (item.get("operation") or {}).get("diff")
    # The history has it as a call without a result.
    chat, _ = sent(**body, input=[USER, item, {"role": "user", "content": "Again"}])
    assert [message["role"] for message in chat["messages"]] == ["user", "assistant", "tool", "user"]


def test_a_call_that_is_cut_before_its_arguments_is_begun_and_no_more() -> None:
    body: JSON = {"tools": [{"type": "shell"}]}
    result = answer([calls(call(0, "call_a", "shell")), delta(finish="length")], body)
    [item] = result.response["output"]
    assert (item["action"]["commands"], item["status"], list(result.losses)) == ([], "incomplete", [])


def test_an_empty_command_is_one() -> None:
    result = called("shell", '{"commands":["","ls"]}', {"tools": [{"type": "shell"}]})
    assert result.response["output"][0]["action"]["commands"] == ["", "ls"]
    assert result.types.count("shell_call_command.delta") == 1


def test_parallel_calls_of_all_kinds() -> None:
    body: JSON = {"tools": [tool.definition for tool in TOOLS.values()]}
    opened = [calls(call(i, f"call_{i}", tool.sent_as, "")) for i, tool in enumerate(TOOLS.values())]
    said = [
        calls(call(i, arguments=tool.written[at : at + 4]))
        for at in range(0, max(len(tool.written) for tool in TOOLS.values()), 4)
        for i, tool in enumerate(TOOLS.values())
    ]
    result = answer([*opened, *said, delta(finish="tool_calls")], body)
    for item, tool in zip(result.response["output"], TOOLS.values(), strict=True):
        assert item == {**item, **tool.item}
    # All outputs come later, in another order.
    answers = [
        {**tool.answer, "call_id": f"call_{i}"} for i, tool in reversed(list(enumerate(TOOLS.values())))
    ]
    chat, _ = sent(**body, input=[USER, *result.response["output"], *answers])
    assert [message["role"] for message in chat["messages"]] == ["user", "assistant", *["tool"] * len(TOOLS)]
    assert [message["content"] for message in chat["messages"][2:]] == [tool.told for tool in TOOLS.values()]


def test_names_that_the_model_makes_up_are_functions() -> None:
    body: JSON = {"tools": [TOOLS["namespace"].definition]}
    for name in ("spawn", "multi.agent.spawn", "other__spawn", "é"):
        assert called(name, "{}", body).calls == [(name, "{}")]
    text = answer([calls({"index": 0, "id": "a", "custom": {"name": "what", "input": "x"}}), STOP], body)
    assert text.response["output"][0] == {**text.response["output"][0], "name": "what", "input": "x"}


@tools
def test_answers_without_their_call(tool: AgentTool) -> None:
    chat, losses = sent(tools=[tool.definition], input=[USER, {**tool.answer, "call_id": "gone"}])
    assert [message["role"] for message in chat["messages"]] == ["user", "assistant", "tool"]
    assert chat["messages"][2]["content"] == tool.told
    assert ("input[1]", "emulated") in losses
    made_up = chat["messages"][1]["tool_calls"][0]["function"]["name"]
    assert made_up == (
        tool.sent_as if "name" in tool.answer or tool.sent_as in SELF_NAMED else "unknown_function"
    )


SELF_NAMED = ("shell", "local_shell", "apply_patch", "tool_search")


def test_a_shell_of_before_names_its_call_in_many_ways() -> None:
    asked: JSON = {**TOOLS["local_shell"].item, "id": "lsh_1", "call_id": "call_a"}
    for names in ({"call_id": "call_a", "id": "x"}, {"id": "call_a"}, {"id": "lsh_1"}):
        chat, losses = sent(input=[USER, asked, {**TOOLS["local_shell"].answer, **names}])
        assert chat["messages"][2]["content"] == '{"output":"a"}'
        assert losses == [("input[1]", "emulated")]


def test_an_answer_without_an_id_is_not_given_to_a_call_of_another_kind() -> None:
    asked = [{**TOOLS[kind].item, "call_id": kind} for kind in ("function", "shell")]
    answers = [{**TOOLS[kind].answer, "call_id": None} for kind in ("shell", "function")]
    chat, _ = sent(input=[USER, *asked, *answers])
    assert [message["content"] for message in chat["messages"][2:]] == ["42", TOOLS["shell"].told]


def test_commands_of_a_container_are_shown_to_the_model() -> None:
    container = {"type": "container_reference", "container_id": "cntr_1"}
    asked: JSON = {**TOOLS["shell"].item, "call_id": "a", "environment": container}
    chat, losses = sent(input=[USER, asked, {**TOOLS["shell"].answer, "call_id": "a"}])
    assert chat["messages"][1]["tool_calls"][0]["function"]["name"] == "shell"
    assert ("input[1].environment", "dropped") in losses


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"type": "shell_call", "call_id": "a"}, "input[0].action"),
        ({"type": "local_shell_call", "call_id": "a", "action": "ls"}, "input[0].action"),
        ({"type": "apply_patch_call", "call_id": "a", "operation": None}, "input[0].operation"),
        ({"type": "shell_call_output", "call_id": "a", "output": 5}, "input[0].output"),
        ({"type": "tool_search_output", "call_id": "a", "tools": [{"name": "f"}]}, "input[0].tools[0].type"),
        ({"type": "apply_patch_call_output", "call_id": "a", "output": []}, "input[0].output"),
    ],
)
def test_items_that_cannot_be_read_are_refused_with_their_place(item: JSON, param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        validate_request({"model": "m", "input": [item]})
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({"type": "namespace", "name": "n", "tools": [{"type": "function"}]}, "tools[0].tools[0].name"),
        ({"type": "namespace", "name": "n", "tools": [5]}, "tools[0].tools[0]"),
        ({"type": "custom", "name": "c", "format": "lark"}, "tools[0].format"),
        ({"type": "shell", "environment": "local"}, "tools[0].environment"),
        ({"type": "tool_search", "parameters": []}, "tools[0].parameters"),
    ],
)
def test_tools_that_cannot_be_read_are_refused_with_their_place(tool: JSON, param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        validate_request({"model": "m", "input": "Hi", "tools": [tool]})
    assert caught.value.param == param
