"""Hosted tools of the API in functions of the host: who gets them, what is refused, what fails, is kept."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from responses_asgi import (
    CodeOutput,
    ConfigurationError,
    Hosted,
    HostedLimits,
    SearchResult,
    ShellOutput,
    WebSearchCall,
    tool,
)
from responses_asgi.testing import assert_valid_chat_stream, assert_valid_stream
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.answers import Finish, ToolCall
from tests.hosted_types import (
    Model,
    asked,
    both_ways,
    calling,
    sdk,
    service,
    steps,
    streamed,
    types,
)

PAGE = SearchResult("https://a.test/", "A", "It is 5.")
WEB = {"type": "web_search"}
SHELL = {"type": "shell", "environment": {"type": "container_reference", "container_id": "cntr_1"}}
CODE = {"type": "code_interpreter", "container": {"type": "auto"}}


def search(call: WebSearchCall) -> SearchResult:
    return PAGE


def looked(*, again: int = 1) -> Model:
    return Model(*[calling("web_search", {"query": "q"}), "It is 5 [1]."] * again)


# Clients and upstreams


@pytest.mark.parametrize("spoken", ["chat", "responses"])
async def test_the_sdk_reads_it_streamed_and_whole(spoken: str) -> None:
    app = service(looked(again=2), Hosted(types={"web_search": search}), spoken=spoken)
    for response in await both_ways(app, input="Hi", tools=[WEB], include=["web_search_call.action.sources"]):
        assert types(response) == ["web_search_call", "message"]
        assert response["output"][0]["action"]["sources"] == [{"type": "url", "url": "https://a.test/"}]
        assert response["output"][1]["content"][0]["annotations"][0]["url"] == "https://a.test/"
        assert response["tools"][0]["type"] == "web_search"


@pytest.mark.parametrize("spoken", ["chat", "responses"])
async def test_every_upstream_is_offered_a_function(spoken: str) -> None:
    model = looked()
    hosted = Hosted(types={"web_search": search})
    events, _ = await streamed(
        service(model, hosted, spoken=spoken), [WEB], include=["web_search_call.results"]
    )
    assert list(model.offered()) == ["web_search"]
    assert model.results() == ["[1] A\nhttps://a.test/\nIt is 5."]
    assert not model.asked[0].get("include")
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


@pytest.mark.parametrize("spoken", ["chat", "responses"])
@pytest.mark.parametrize("always", [True, False])
async def test_chat_clients_get_the_answer(spoken: str, always: bool) -> None:
    model = looked(again=2)
    hosted = Hosted(types={"web_search": search}, always=["web_search"] if always else True)
    app = service(model, hosted, client="chat", spoken=spoken)
    request: Any = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    if not always:
        request["web_search_options"] = {}
    async with sdk(app) as client:
        whole = await client.chat.completions.create(**request)
    message = whole.choices[0].message
    assert message.content == "It is 5 [1]."
    assert message.annotations
    assert message.annotations[0].url_citation.url == "https://a.test/"
    assert not message.tool_calls
    exchange = await asked(app, {**request, "stream": True}, client="chat")
    told = assert_valid_chat_stream(exchange.body)
    assert told["choices"][0]["message"]["content"] == "It is 5 [1]."


@pytest.mark.parametrize("progress", [True, False])
async def test_a_chat_client_is_not_asked_to_run_the_commands_of_the_service(progress: bool) -> None:
    model = Model(calling("shell", {"commands": ["ls"]}), "There is a.")
    hosted = Hosted(types={"shell": lambda call: "a"}, always=["shell"], progress=progress)
    app = service(model, hosted, client="chat")
    exchange = await asked(
        app, {"messages": [{"role": "user", "content": "Hi"}], "stream": True}, client="chat"
    )
    choice = assert_valid_chat_stream(exchange.body)["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert choice["message"].get("reasoning_content") == ("Calls shell." if progress else None)


@pytest.mark.parametrize("spoken", ["chat", "responses"])
@pytest.mark.parametrize(
    ("name", "arguments", "found"),
    [
        ("web_search", {"query": "q"}, "A\nhttps://a.test/\nIt is 5."),
        ("code_interpreter", {"code": "print(5)"}, "5"),
        (
            "shell",
            {"commands": ["ls"]},
            '[{"stdout":"a","stderr":"","outcome":{"type":"exit","exit_code":0}}]',
        ),
    ],
)
async def test_a_chat_client_that_is_called_too_goes_on_from_what_was_found(
    spoken: str, name: str, arguments: JSON, found: str
) -> None:
    functions: Any = {"web_search": search, "code_interpreter": lambda call: "5", "shell": lambda call: "a"}
    model = Model([*calling(name, arguments), ToolCall("local", {}, call_id="call_2")], "Done.")
    app = service(model, Hosted(types=functions, always=list(functions)), client="chat", spoken=spoken)
    local = {"type": "function", "function": {"name": "local", "parameters": {"type": "object"}}}
    said: list[JSON] = [{"role": "user", "content": "Hi"}]
    first = await asked(app, {"messages": said, "tools": [local]}, client="chat")
    message = first.json["choices"][0]["message"]
    (call,) = message["tool_calls"]
    said += [message, {"role": "tool", "tool_call_id": call["id"], "content": "42"}]
    second = await asked(app, {"messages": said, "tools": [local]}, client="chat")
    assert second.json["choices"][0]["message"]["content"] == "Done."
    assert model.results() == [found, "42"]


@pytest.mark.parametrize("tier", [None, "flex"])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_chat_client_is_told_of_the_tier_what_the_upstream_says(
    tier: str | None, stream: bool
) -> None:
    def chunk(choices: list[JSON]) -> JSON:
        told = {"service_tier": tier} if tier else {}
        return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", **told} | {
            "choices": choices
        }

    said = [{"index": 0, "delta": {"content": "5"}, "finish_reason": "stop"}]
    model = Model(calling("web_search", {"query": "q"}), [chunk(said)])
    hosted = Hosted(types={"web_search": search}, always=["web_search"])
    request = {"messages": [{"role": "user", "content": "Hi"}], "stream": stream, "service_tier": "auto"}
    exchange = await asked(service(model, hosted, client="chat"), request, client="chat")
    whole = assert_valid_chat_stream(exchange.body) if stream else exchange.json
    assert whole.get("service_tier") == tier


@pytest.mark.parametrize(
    "item",
    [
        {"type": "code_interpreter_call", "environment": "linux"},
        {"type": "web_search_call", "results": [{"url": "https://a.test/", "title": 5}]},
        {"type": "shell_call_output", "call_id": "c", "output": [], "tools": "bash"},
        {"type": "mcp_approval_request", "id": ["mcpr_1"]},
        {"type": "mcp_list_tools", "server_label": {"a": 1}},
    ],
)
async def test_items_of_clients_may_hold_anything(item: JSON) -> None:
    def now() -> str:
        return "noon"

    types_ = {"web_search": search, "code_interpreter": lambda call: "5"}
    app = service(Model("Yes."), Hosted(types=types_, tools=[now]))
    exchange = await asked(app, {"input": [{"role": "user", "content": "Hi"}, item], "tools": [WEB, CODE]})
    assert exchange.status in (200, 400), exchange.body


async def test_images_that_are_no_base64_are_shown_to_the_client() -> None:
    drawn = "data:image/svg+xml,%3Csvg/%3E"
    model = Model(calling("code_interpreter", {"code": "draw()"}), "There it is.")
    hosted = Hosted(types={"code_interpreter": lambda call: CodeOutput(images=[drawn])})
    _, response = await streamed(service(model, hosted), [CODE], include=["code_interpreter_call.outputs"])
    assert response["output"][0]["outputs"] == [{"type": "image", "url": drawn}]
    assert model.results() == ["[image made: 1 of 1]"]


async def test_chat_clients_are_offered_nothing_that_they_cannot_see() -> None:
    model = Model("No.")
    app = service(
        model, Hosted(types={"image_generation": search}, always=["image_generation"]), client="chat"
    )
    exchange = await asked(app, {"messages": [{"role": "user", "content": "Hi"}]}, client="chat")
    assert exchange.status == 200
    assert not model.offered()


async def test_only_requests_that_name_a_type_get_it() -> None:
    model = Model("Hi.")
    exchange = await asked(service(model, Hosted(types={"web_search": search})), {"input": "Hi"})
    assert exchange.status == 200
    assert "tools" not in model.asked[0]


async def test_types_without_a_function_are_treated_as_ever() -> None:
    model = Model("Hi.")
    exchange = await asked(
        service(model, Hosted(types={"web_search": search})), {"input": "Hi", "tools": [CODE]}
    )
    assert exchange.status == 200
    assert "tools" not in model.asked[0]
    assert "tools[0]" in exchange.headers["x-responses-asgi-loss"]


async def test_a_function_of_the_client_keeps_its_name() -> None:
    model = Model(calling("web_search", {"q": "mine"}))
    own = {"type": "function", "name": "web_search", "parameters": {}, "strict": False}
    _, response = await streamed(service(model, Hosted(types={"web_search": search})), [own, WEB])
    assert types(response) == ["function_call"]
    assert len(model.offered()) == 2


async def test_types_that_items_declare() -> None:
    model = Model(calling("web_search", {"query": "q"}), "It is 5.", "Five.")
    app = service(model, Hosted(types={"web_search": search}))
    own = {"type": "function", "name": "mine", "parameters": {}, "strict": False}
    declared = {"type": "additional_tools", "tools": [{"type": "web_search_preview"}, own]}
    asking = [declared, {"role": "user", "content": "Hi"}]
    _, first = await streamed(app, [], input=asking, fits=False)
    assert types(first) == ["web_search_call", "message"]
    assert set(model.offered()) == {"web_search", "mine"}
    await streamed(app, [], input="In words?", previous_response_id=first["id"], fits=False)
    assert set(model.offered(2)) == {"web_search", "mine"}


async def test_what_items_declare_is_checked_and_the_last_counts() -> None:
    model = Model("Hi.")
    app = service(model, Hosted(types={"web_search": search, "file_search": search}))
    declared = {"type": "additional_tools", "tools": [{"type": "web_search"}, {"type": "file_search"}]}
    exchange = await asked(app, {"input": [{"role": "user", "content": "Hi"}, declared]})
    assert exchange.json["error"]["param"] == "input[1].tools[1].vector_store_ids"
    near = {"type": "web_search", "user_location": {"type": "approximate", "city": "Lyon"}}
    later = {"type": "additional_tools", "tools": [near]}
    await asked(app, {"input": [{"role": "user", "content": "Hi"}, later], "tools": [WEB]})
    assert "Lyon" in model.offered()["web_search"]["description"]


# Choices

ONE = {"type": "function", "function": {"name": "web_search"}}


@pytest.mark.parametrize("kind", ["web_search", "web_search_preview"])
async def test_a_type_can_be_demanded(kind: str) -> None:
    model = looked()
    app = service(model, Hosted(types={"web_search": search, "shell": search}))
    # The document knows only the older name here, the service takes both.
    await streamed(app, [WEB, SHELL], tool_choice={"type": kind}, fits=kind != "web_search")
    assert model.asked[0]["tool_choice"] == ONE
    assert model.asked[1].get("tool_choice") in (None, "auto")


async def test_of_several_ways_one_can_be_demanded() -> None:
    model = looked()
    app = service(
        model, Hosted(types={"web_search": search, "web_search.open_page": search, "shell": search})
    )
    await streamed(app, [WEB, SHELL], tool_choice={"type": "web_search"}, fits=False)
    assert set(model.offered()) == {"web_search", "open_page"}
    assert model.asked[0]["tool_choice"] == "required"


async def test_types_can_be_among_the_allowed_tools() -> None:
    model = looked()
    app = service(model, Hosted(types={"web_search": search, "shell": search}))
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search"}]}
    await streamed(app, [WEB, SHELL], tool_choice=choice)
    assert set(model.offered()) == {"web_search"}


# Mistakes


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({"type": "file_search"}, "tools[0].vector_store_ids"),
        ({"type": "file_search", "vector_store_ids": []}, "tools[0].vector_store_ids"),
        (
            {"type": "file_search", "vector_store_ids": ["vs_1"], "max_num_results": 99},
            "tools[0].max_num_results",
        ),
        (
            {"type": "file_search", "vector_store_ids": ["vs_1"], "ranking_options": {"score_threshold": 2}},
            "tools[0].ranking_options.score_threshold",
        ),
        ({"type": "web_search", "search_context_size": "huge"}, "tools[0].search_context_size"),
        ({"type": "web_search", "user_location": {"city": 5}}, "tools[0].user_location.city"),
        ({"type": "web_search", "filters": {"allowed_domains": "a"}}, "tools[0].filters.allowed_domains"),
        ({"type": "code_interpreter"}, "tools[0].container"),
        ({"type": "code_interpreter", "container": None}, "tools[0].container"),
        ({"type": "code_interpreter", "container": 5}, "tools[0].container"),
        ({"type": "code_interpreter", "container": {"type": "mine"}}, "tools[0].container.type"),
        ({"type": "image_generation", "size": "big"}, "tools[0].size"),
        ({"type": "image_generation", "partial_images": 4}, "tools[0].partial_images"),
        ({"type": "shell", "environment": {"type": "cloud"}}, "tools[0].environment.type"),
        (
            {"type": "shell", "environment": {"type": "container_reference"}},
            "tools[0].environment.container_id",
        ),
    ],
)
async def test_wrong_settings_are_refused(tool: JSON, param: str) -> None:
    names = ("web_search", "file_search", "code_interpreter", "image_generation", "shell")
    app = service(Model(), Hosted(types=dict.fromkeys(names, search)))
    exchange = await asked(app, {"input": "Hi", "tools": [tool]})
    assert exchange.status == 400
    assert exchange.json["error"]["param"] == param


async def test_a_type_is_asked_for_once() -> None:
    app = service(Model(), Hosted(types={"web_search": search}))
    exchange = await asked(app, {"input": "Hi", "tools": [WEB, {"type": "web_search_preview"}]})
    assert exchange.status == 400
    assert exchange.json["error"]["param"] == "tools[1].type"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"types": {"web_seek": search}}, "'web_seek' is none of web_search,"),
        ({"types": {"web_search": 5}}, "types.web_search: expected a function, got int"),
        ({"types": {"web_search": search}, "always": ["shell"]}, "there is no 'shell'; known are web_search"),
    ],
)
def test_what_cannot_be_implemented(options: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Hosted(**options)


async def test_health_names_the_types() -> None:
    assert Hosted(types={"web_search": search}).health() == {"servers": {}, "types": ["web_search"]}


# Failures


def broken(call: Any) -> Any:
    raise RuntimeError("the index is away")


@pytest.mark.parametrize(
    ("name", "definition", "arguments", "status"),
    [
        ("web_search", WEB, {"query": "q"}, "failed"),
        ("file_search", {"type": "file_search", "vector_store_ids": ["vs_1"]}, {"query": "q"}, "failed"),
        ("code_interpreter", CODE, {"code": "1"}, "failed"),
        ("image_generation", {"type": "image_generation"}, {"prompt": "p"}, "failed"),
        ("shell", SHELL, {"commands": ["ls"]}, "completed"),
    ],
)
async def test_a_function_that_fails_is_told_to_the_model(
    name: str, definition: JSON, arguments: JSON, status: str
) -> None:
    model = Model(calling(name, arguments), "Sorry.")
    events, response = await streamed(service(model, Hosted(types={name: broken})), [definition])
    assert response["output"][0]["status"] == status
    assert response["output"][-1]["content"][0]["text"] == "Sorry."
    assert model.results() == ["RuntimeError: the index is away"]
    assert not any(step.endswith("_call.completed") for step in steps(events, 0))
    if name == "shell":
        assert response["output"][1]["output"] == [
            {
                "stdout": "",
                "stderr": "RuntimeError: the index is away",
                "outcome": {"type": "exit", "exit_code": 1},
            }
        ]


@pytest.mark.parametrize(
    ("name", "definition", "arguments", "missing"),
    [
        ("web_search", WEB, {}, "query"),
        ("web_search", WEB, {"query": ""}, "query"),
        ("code_interpreter", CODE, {"code": []}, "code"),
        ("shell", SHELL, {"commands": []}, "commands"),
        ("image_generation", {"type": "image_generation"}, {"size": "1x1"}, "prompt"),
    ],
)
async def test_what_the_model_left_out_is_told_to_it(
    name: str, definition: JSON, arguments: JSON, missing: str
) -> None:
    model = Model(calling(name, arguments), "Sorry.")
    await streamed(service(model, Hosted(types={name: broken})), [definition])
    assert model.results() == [f"The argument '{missing}' is missing."]


@pytest.mark.parametrize("arguments", ['{"query":', '"what is it"', "[1]"])
async def test_arguments_that_are_no_object(arguments: str) -> None:
    model = Model([ToolCall("web_search", arguments, call_id="call_1")], "Sorry.")
    _, response = await streamed(service(model, Hosted(types={"web_search": search})), [WEB])
    assert response["output"][0]["status"] == "failed"


async def test_what_is_no_result_is_a_failure() -> None:
    model = looked()
    hosted = Hosted(types={"web_search": lambda call: [{"link": "https://a.test/"}]})
    _, response = await streamed(service(model, hosted), [WEB])
    assert response["output"][0]["status"] == "failed"
    assert "url" in model.results()[0]


async def test_calls_that_take_too_long() -> None:
    @tool(timeout=0.05)
    async def hang(call: WebSearchCall) -> Any:
        await asyncio.sleep(3600)

    model = looked()
    _, response = await streamed(service(model, Hosted(types={"web_search": hang})), [WEB])
    assert response["output"][0]["status"] == "failed"
    assert model.results() == ["web_search did not answer within 0.05 s."]


async def test_long_results_are_cut_off() -> None:
    def much(call: WebSearchCall) -> Any:
        return [{"url": "https://a.test/", "text": "x" * 500}]

    model = looked()
    hosted = Hosted(types={"web_search": much}, limits=HostedLimits(result_chars=100))
    await streamed(service(model, hosted), [WEB])
    assert len(model.results()[0]) < 150
    assert "cut off" in model.results()[0]


async def test_an_answer_that_is_cut_in_a_call() -> None:
    code = [ToolCall("code_interpreter", '{"code":"print(', call_id="call_1")]
    app = service(Model([*code, Finish("length")]), Hosted(types={"code_interpreter": broken}))
    exchange = await asked(app, {"input": "Hi", "tools": [CODE], "stream": True})
    response = assert_valid_stream(exchange.body)
    assert response["status"] == "incomplete"
    assert (response["output"][0]["status"], response["output"][0]["code"]) == ("incomplete", "print(")


# Mixed turns


async def test_calls_of_both_sides_in_one_turn() -> None:
    own = {"type": "function", "name": "mine", "parameters": {}, "strict": False}
    calls = [ToolCall(name, {"query": "q"}, call_id=name) for name in ("web_search", "mine")]
    model = Model(calls)
    _, response = await streamed(service(model, Hosted(types={"web_search": search})), [WEB, own])
    assert types(response) == ["web_search_call", "function_call"]
    assert len(model.asked) == 1


async def test_parallel_calls_of_several_types() -> None:
    calls = [
        ToolCall("shell", {"commands": ["ls"]}, call_id="a"),
        ToolCall("web_search", {"query": "q"}, call_id="b"),
        ToolCall("shell", {"commands": ["pwd"]}, call_id="c"),
    ]
    model = Model(calls, "It is 5 [1].")
    hosted = Hosted(types={"web_search": search, "shell": lambda call: ShellOutput(call.commands[0])})
    _, response = await streamed(service(model, hosted), [WEB, SHELL])
    assert sorted(types(response)) == sorted(
        ["shell_call", "web_search_call", "shell_call", "shell_call_output", "shell_call_output", "message"]
    )
    assert len(set(model.results())) == 3


# Later turns


@pytest.mark.parametrize("spoken", ["chat", "responses"])
async def test_items_of_earlier_turns_are_calls_again(spoken: str) -> None:
    model = Model("Ok.")
    hosted = Hosted(
        types=dict.fromkeys(
            ["web_search", "file_search", "code_interpreter", "image_generation", "shell"], search
        )
    )
    earlier: list[JSON] = [
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        {
            "type": "web_search_call",
            "id": "ws_2",
            "status": "completed",
            "action": {
                "type": "search",
                "queries": ["q"],
                "sources": [{"type": "url", "url": "https://a.test/"}],
            },
        },
        {
            "type": "file_search_call",
            "id": "fs_1",
            "status": "completed",
            "queries": ["q"],
            "results": [{"filename": "a.pdf", "text": "It."}],
        },
        {
            "type": "code_interpreter_call",
            "id": "ci_1",
            "status": "completed",
            "container_id": "cntr_1",
            "code": "print(1)",
            "outputs": [{"type": "logs", "logs": "1"}],
        },
        {"type": "code_interpreter_call", "id": "ci_2", "status": "failed", "code": "1", "outputs": None},
        {
            "type": "image_generation_call",
            "id": "ig_1",
            "status": "completed",
            "result": "aGk=",
            "revised_prompt": "p",
        },
        {
            "type": "shell_call",
            "call_id": "call_1",
            "action": {"commands": ["ls"], "timeout_ms": None},
            "environment": {"type": "container_reference", "container_id": "cntr_1"},
        },
        {
            "type": "shell_call_output",
            "call_id": "call_1",
            "output": [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}],
        },
        {"role": "user", "content": "Go on."},
    ]
    exchange = await asked(service(model, hosted, spoken=spoken), {"input": earlier})
    assert exchange.status == 200, exchange.body
    told = model.results(0)
    assert told == [
        "The call was made; its result was not kept.",
        "https://a.test/",
        "a.pdf\nIt.",
        "1",
        "The call failed.",
        "The image was made, and the user can see it.",
        '[{"stdout":"a","stderr":"","outcome":{"type":"exit","exit_code":0}}]',
    ]
    body = json.dumps(model.asked[0])
    assert "print(1)" in body
    assert "aGk=" not in body


async def test_a_stored_turn_is_gone_on_with() -> None:
    model = Model(calling("web_search", {"query": "q"}), "It is 5.", "Five.")
    app = service(model, Hosted(types={"web_search": search}))
    include = ["web_search_call.results"]
    _, first = await streamed(app, [WEB], include=include)
    _, second = await streamed(app, [WEB], previous_response_id=first["id"])
    assert types(second) == ["message"]
    roles = [message["role"] for message in model.asked[2]["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]
    assert model.results(2) == ["A\nhttps://a.test/\nIt is 5."]


async def test_items_of_types_without_a_function_are_treated_as_ever() -> None:
    model = Model("Ok.")
    items = [{"type": "file_search_call", "id": "fs_1", "queries": ["q"]}, {"role": "user", "content": "Hi"}]
    exchange = await asked(service(model, Hosted(types={"web_search": search})), {"input": items})
    assert exchange.status == 200
    assert model.results(0) == []


# Annotations


async def test_annotations_of_the_upstream_come_first() -> None:
    said = {
        "type": "url_citation",
        "url_citation": {"url": "https://b.test/", "title": "B", "start_index": 0, "end_index": 2},
    }

    async def chunks(request: JSON) -> Any:
        if len(request["messages"]) == 1:
            yield ToolCall("web_search", {"query": "q"}, call_id="call_1")
        else:
            yield {"choices": [{"index": 0, "delta": {"content": "It [1]", "annotations": [said]}}]}

    app = service(chunks, Hosted(types={"web_search": search}))
    _, response = await streamed(app, [WEB])
    annotations = response["output"][1]["content"][0]["annotations"]
    assert [each["url"] for each in annotations] == ["https://b.test/", "https://a.test/"]


async def test_open_responses_knows_citations_of_pages_only() -> None:
    hosted = Hosted(types={"file_search": lambda call: {"file_id": "f", "filename": "a.pdf", "text": "It."}})
    model = Model(calling("file_search", {"query": "q"}), "It [1].")
    app = service(model, hosted, dialect="openresponses")
    tool = {"type": "file_search", "vector_store_ids": ["vs_1"]}
    exchange = await asked(app, {"input": "Hi", "tools": [tool], "stream": True})
    response = assert_valid_stream(exchange.body, dialect="openresponses")
    assert response["output"][1]["content"][0]["annotations"] == []
