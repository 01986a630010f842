"""What a request is offered: names, choices, lists and approvals; and the servers of an `mcp.json`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from responses_asgi.errors import APIError, ConfigurationError, MissingExtraError
from responses_asgi.exchange.hosted_tools import HostedTools
from responses_asgi.hosted import Hosted, HostedLimits, HostedTool, MCPServer, read_servers
from responses_asgi.hosted.approvals import approval_of
from responses_asgi.hosted.offer import Found, make_offer
from responses_asgi.hosted.results import result_of
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.context import ExchangeContext
from tests.hosted_servers import CONTEXT, asking, context, mcp, names, offered


async def silent(arguments: JSON, context: ExchangeContext) -> str:
    return ""


def made(label: str, *names: str) -> Found:
    return Found(label, [HostedTool(label=label, name=name, run=silent) for name in names], tell=True)


FUNCTION = {"type": "function", "name": "wiki__read", "parameters": {}}


# Names


def test_names_are_legal_unique_and_never_the_clients() -> None:
    found = [
        made("wiki", "read", "rëad", "x" * 80),
        made("a", "b__c"),
        made("a__b", "c"),
        made("a b", "c"),
        made("a_b", "c"),
    ]
    offer = make_offer({"tools": [FUNCTION]}, found, replaced=())
    assert len(offer.tools) == 7
    for name in offer.tools:
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name)
    assert "wiki__read" not in offer.tools
    assert names(offer.body["tools"]) == ["wiki__read", *offer.tools]


def test_names_do_not_depend_on_the_order() -> None:
    found = [made("a", "b__c", "d"), made("a__b", "c")]
    there = make_offer({}, found, replaced=()).tools
    back = make_offer({}, found[::-1], replaced=()).tools
    assert {name: tool.label for name, tool in there.items()} == {
        name: tool.label for name, tool in back.items()
    }


def test_names_of_tools_that_items_declare_are_taken_too() -> None:
    declaring = {"type": "additional_tools", "tools": [FUNCTION]}
    for body, history in (({"input": [declaring]}, []), ({"input": "Hi"}, [declaring])):
        offer = make_offer(body, [made("wiki", "read")], replaced=(), history=history)
        assert "wiki__read" not in offer.tools


# The body


def test_the_clients_tools_stay_where_they_are() -> None:
    tools = [mcp("wiki"), FUNCTION, {"type": "web_search"}]
    body = asking(*tools)
    offer = make_offer(body, [made("wiki", "ask")], replaced=[0])
    assert [tool["type"] for tool in offer.body["tools"]] == ["function", "web_search", "function"]
    assert body["tools"] == tools


def test_a_request_without_hosted_tools_is_left_alone() -> None:
    body = asking(FUNCTION)
    assert make_offer(body, [Found("wiki", error="away")], replaced=()).body is body


def test_a_request_whose_tools_are_all_away_has_none() -> None:
    body = asking(mcp("wiki"), tool_choice="auto", parallel_tool_calls=True)
    offer = make_offer(body, [Found("wiki", error="away", tell=True)], replaced=[0])
    assert offer.body == {"model": "m", "input": "Hi"}
    assert offer.listed[0] | {"id": ""} == {
        "id": "",
        "type": "mcp_list_tools",
        "server_label": "wiki",
        "tools": [],
        "error": "away",
    }


# Choices

WIKI = [made("wiki", "read", "ask"), Found("gone", error="away")]
BOTH = [{"type": "function", "name": "wiki__read"}, {"type": "function", "name": "wiki__ask"}]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", "auto"),
        ("required", "required"),
        ({"type": "function", "name": "local"}, {"type": "function", "name": "local"}),
        ({"type": "mcp", "server_label": "wiki", "name": "ask"}, BOTH[1]),
        (
            {"type": "mcp", "server_label": "wiki"},
            {"type": "allowed_tools", "mode": "required", "tools": BOTH},
        ),
        ({"type": "mcp", "server_label": "other"}, {"type": "mcp", "server_label": "other"}),
        (
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "local"}, {"type": "mcp", "server_label": "wiki"}],
            },
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "local"}, *BOTH],
            },
        ),
    ],
)
def test_choices_are_told_in_functions(choice: Any, expected: Any) -> None:
    assert make_offer(asking(tool_choice=choice), WIKI, replaced=()).body["tool_choice"] == expected


@pytest.mark.parametrize(
    ("choice", "status", "param"),
    [
        ({"type": "mcp", "server_label": "wiki", "name": "write"}, 400, "tool_choice"),
        ({"type": "mcp", "server_label": "gone"}, 424, "tool_choice"),
        (
            {"type": "allowed_tools", "tools": [{"type": "mcp", "server_label": "gone"}]},
            424,
            "tool_choice.tools[0]",
        ),
    ],
)
def test_choices_that_cannot_be_met(choice: JSON, status: int, param: str) -> None:
    with pytest.raises(APIError) as caught:
        make_offer(asking(tool_choice=choice), WIKI, replaced=())
    assert (caught.value.status, caught.value.param) == (status, param)


def test_a_choice_of_a_label_without_tools() -> None:
    with pytest.raises(APIError, match="offers no tool here"):
        make_offer(asking(tool_choice={"type": "mcp", "server_label": "wiki"}), [made("wiki")], replaced=())


# Lists


def test_a_list_that_is_known_is_not_told_again() -> None:
    known = {"type": "mcp_list_tools", "server_label": "wiki", "tools": []}
    found = [made("wiki", "read"), Found("silent", tell=False)]
    assert len(make_offer(asking(), found, replaced=()).listed) == 1
    assert make_offer(asking(input=[known]), found, replaced=()).listed == []
    assert make_offer(asking(), found, replaced=(), history=[known]).listed == []
    failed = known | {"error": "away"}
    assert len(make_offer(asking(input=[failed]), found, replaced=()).listed) == 1
    assert (
        len(make_offer(asking(input=[known]), [Found("wiki", error="away", tell=True)], replaced=()).listed)
        == 1
    )


async def test_labels_are_named_once_and_only_as_they_are() -> None:
    hosted = Hosted(tools=[HostedTool(label="own", name="echo", run=silent)], allow_hosts=["a.example"])
    with pytest.raises(APIError, match="like that of another tool") as caught:
        await hosted.offer(asking(mcp("own"), mcp("own")), CONTEXT)
    assert caught.value.param == "tools[1].server_label"
    with pytest.raises(APIError, match="a label of this service"):
        await hosted.offer(asking(mcp("own", server_url="https://a.example/")), CONTEXT)


# Approvals

READ = {"name": "read", "annotations": {"read_only": True}}
WRITE = {"name": "write", "annotations": {"read_only": False}}


@pytest.mark.parametrize(
    ("value", "read", "write"),
    [
        ("always", True, True),
        ("never", False, False),
        ({}, True, True),
        ({"never": {"read_only": True}}, False, True),
        ({"never": {"tool_names": ["read"]}}, False, True),
        ({"always": {"tool_names": ["write"]}, "never": {"tool_names": ["read", "write"]}}, False, True),
        ({"always": {"tool_names": ["write"]}}, True, True),
        ({"never": {"tool_names": ["read"], "read_only": False}}, True, True),
    ],
)
def test_approvals(value: Any, read: bool, write: bool) -> None:
    assert (approval_of(value, READ), approval_of(value, WRITE)) == (read, write)


# Results


def block(type: str, **said: Any) -> Any:
    return SimpleNamespace(type=type, **said)


def answered(*content: Any, structured: Any = None, failed: bool = False) -> Any:
    return result_of(SimpleNamespace(content=content, structured_content=structured, is_error=failed), 1000)


FILE = SimpleNamespace(uri="file:///a.bin", mime_type=None, blob="AAAA")


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (answered(block("text", text="a"), block("text", text="b")), "a\nb"),
        (answered(structured={"a": 1}), '{"a":1}'),
        (answered(block("text", text='{"a": 1}'), structured={"a": 1}), '{"a": 1}'),
        (answered(block("text", text="3"), structured={"result": 3}), "3"),
        (answered(block("text", text="x"), structured={"result": "x"}), "x"),
        (answered(block("text", text="a"), block("text", text="2"), structured={"result": ["a", 2]}), "a\n2"),
        (
            answered(block("text", text="two found"), structured={"found": [1, 2]}),
            'two found\n{"found":[1,2]}',
        ),
        (answered(block("text", text="x" * 2000), structured={"a": 1}), "x" * 2000),
        (
            answered(block("audio", mime_type="audio/wav", data="AAAA")),
            "[audio: audio/wav, 3 bytes, not shown]",
        ),
        (
            answered(
                block("resource_link", title=None, name="log", uri="file:///log", description="all of it")
            ),
            "[log](file:///log): all of it",
        ),
        (answered(block("resource", resource=SimpleNamespace(text="inside"))), "inside"),
        (answered(block("resource", resource=FILE)), "[file: file:///a.bin, unknown type, not shown]"),
        (answered(block("video")), "[content of type video, not shown]"),
        (answered(failed=True), "The tool failed without a message."),
        (answered(), ""),
    ],
)
def test_results_are_told_as_text(result: Any, told: str) -> None:
    assert result.output == told


# mcp.json


def written(path: Path, document: Any) -> Path:
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def test_servers_are_read_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIKI_KEY", "k-1234567")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("NO_SUCH", raising=False)
    path = written(
        tmp_path / "mcp.json",
        {
            "mcpServers": {
                "files": {
                    "command": "files-${NO_SUCH:-server}",
                    "args": ["$$5", "$EMPTY", "${EMPTY:-full}"],
                    "env": {"KEY": "$WIKI_KEY"},
                    "cwd": "/tmp",
                    "autoApprove": [],
                },
                "wiki": {
                    "type": "http",
                    "url": "https://wiki.example/mcp",
                    "headers": {"Authorization": "Bearer ${WIKI_KEY}"},
                    "allowed_tools": ["read"],
                    "require_approval": "always",
                    "timeout": 5,
                },
                "off": {"command": "x", "disabled": True},
            }
        },
    )
    servers = read_servers(path)
    assert list(servers) == ["files", "wiki"]
    files, wiki = servers.values()
    assert (files.command, list(files.args)) == ("files-server", ["$5", "", "full"])
    assert (files.env, files.cwd) == ({"KEY": "k-1234567"}, "/tmp")
    assert wiki.headers == {"Authorization": "Bearer k-1234567"}
    assert (wiki.allowed_tools, wiki.require_approval, wiki.timeout) == (["read"], "always", 5)
    assert "k-1234567" not in f"{files!r} {wiki!r}"
    assert Hosted(servers=path).labels == ("files", "wiki")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("{", "this is not JSON"),
        ([], "expected an object with the key 'mcpServers'"),
        ({"mcpServers": {"": {"command": "x"}}}, "a server needs a name"),
        ({"mcpServers": {"a": []}}, "mcpServers.a: expected an object, got list"),
        ({"mcpServers": {"a": {}}}, "mcpServers.a: an MCP server needs either a command or a url"),
        ({"mcpServers": {"a": {"command": "x", "url": "http://x"}}}, "either a command or a url"),
        ({"mcpServers": {"a": {"url": "ftp://x"}}}, "must begin with http"),
        ({"mcpServers": {"a": {"url": "http://x", "type": "sse"}}}, "type 'sse' is not known"),
        ({"mcpServers": {"a": {"command": 5}}}, "mcpServers.a: command: expected a text"),
        ({"mcpServers": {"a": {"command": "x", "args": "y"}}}, "args: expected a list of texts"),
        ({"mcpServers": {"a": {"command": "x", "env": {"A": 5}}}}, "env: expected an object of texts"),
        ({"mcpServers": {"a": {"command": "x", "timeout": True}}}, "timeout: expected seconds"),
        ({"mcpServers": {"a": {"command": "x", "timeout": 0}}}, "timeout must be above 0"),
        ({"mcpServers": {"a": {"command": "$NO_SUCH_VARIABLE"}}}, "NO_SUCH_VARIABLE is not set"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, document: Any, said: str) -> None:
    path = written(tmp_path / "mcp.json", document)
    with pytest.raises(ConfigurationError, match=re.escape(said)) as caught:
        read_servers(path)
    assert str(path) in str(caught.value)


def test_settings_that_cannot_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        Hosted(servers=tmp_path / "none.json")
    server = MCPServer(command="x")
    with pytest.raises(ConfigurationError, match="label of a server and of tools"):
        Hosted(servers={"own": server}, tools=[HostedTool(label="own", name="echo", run=silent)])
    with pytest.raises(ConfigurationError, match=r"server 'x': 'require_approval\.ever' is not known"):
        Hosted(servers={"x": MCPServer(command="x", require_approval={"ever": {}})})
    monkeypatch.setitem(sys.modules, "mcp.client.client", None)
    with pytest.raises(MissingExtraError, match=r"responses-asgi\[mcp\]"):
        Hosted(servers={"x": server})
    assert Hosted().labels == ()


async def test_servers_that_were_not_begun() -> None:
    hosted = Hosted(servers={"x": MCPServer(command="x")})
    offer = await offered(hosted, asking(mcp("x")))
    assert "has not been started" in offer.listed[0]["error"]
    assert hosted.health() == {"servers": {"x": {"state": "stopped", "tools": 0}}}


def asks_first(name: str) -> HostedTool:
    return HostedTool(label="own", name=name, run=silent, approval=True)


async def test_clients_that_cannot_be_asked_are_offered_no_such_tools() -> None:
    tools = [asks_first("write"), HostedTool(label="own", name="read", run=silent)]
    offer = await offered(Hosted(tools=tools), asking(mcp("own")), context(api="chat"))
    assert list(offer.tools) == ["own__read"]
    assert offer.listed == []
    assert await Hosted(tools=[asks_first("write")]).offer({"model": "m"}, context(api="chat")) is None


async def test_earlier_calls_concern_the_tools_that_made_them() -> None:
    hosted = Hosted(tools=[HostedTool(label="own", name="read", run=silent)], always=False)
    ours, others = ({"type": "mcp_call", "server_label": label} for label in ("own", "others"))
    assert (await offered(hosted, asking(input=[ours]))).tools == {}
    assert await hosted.offer(asking(input=[others]), CONTEXT) is None
    assert await hosted.offer(asking(), CONTEXT, [ours]) is not None
    assert await Hosted(allow_hosts=["a.example"]).offer(asking(input=[others]), CONTEXT) is not None


async def test_what_an_exchange_needs() -> None:
    hosted: HostedTools = Hosted(limits=HostedLimits(rounds=3, concurrency=2, seconds=5))
    assert (hosted.rounds, hosted.concurrency, hosted.seconds) == (3, 2, 5)
