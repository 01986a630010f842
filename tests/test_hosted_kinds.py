"""The rows of the API's hosted tools, and what texts cite: what no whole exchange shows."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from responses_asgi.translate.citations import Citation, Citations
from responses_asgi.translate.cited_texts import CitedTexts
from responses_asgi.translate.hosted_calls import HostedName, HostedResult
from responses_asgi.translate.hosted_items import TypedCall
from responses_asgi.translate.hosted_kinds import (
    HOSTED_KINDS,
    EarlierCalls,
    Typed,
    included,
    kinds_of,
    row_of,
)
from responses_asgi.translate.item_writer import ItemWriter
from responses_asgi.translate.mcp_items import MCPCall, MCPQuestion
from responses_asgi.types.json import JSON


def page(number: int, url: str) -> Citation:
    return Citation(number, [url], lambda start, end: {"url": url, "at": (start, end)})


ONE, TWO = page(1, "https://a.test/one"), page(2, "https://a.test/")


def cited(text: str) -> list[tuple[str, str]]:
    """What the text cites, and by which characters."""
    found = Citations([ONE, TWO]).of(text)
    return [(each["url"].removeprefix("https://a.test"), text[slice(*each["at"])]) for each in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is so [1].", [("/one", "[1]")]),
        ("It is so [1, 2].", [("/one", "[1, 2]"), ("/", "[1, 2]")]),
        ("It is so [1,1].", [("/one", "[1,1]")]),
        ("It is so 【2】.", [("/", "【2】")]),
        ("It is so [3], [1234].", []),
        ("See https://a.test/one.", [("/one", "https://a.test/one")]),
        (
            "See https://a.test/one, or <https://a.test>",
            [("/one", "https://a.test/one"), ("/", "https://a.test")],
        ),
        ("See https://a.test/ones or https://a.test/one?x=1", []),
        ("See https://a.test/one?utm_source=me", [("/one", "https://a.test/one")]),
        ("See [it](https://a.test/one) there.", [("/one", "[it](https://a.test/one)")]),
        ("So ([it](https://a.test/one)).", [("/one", "([it](https://a.test/one))")]),
        ("So [1](https://a.test/one).", [("/one", "[1](https://a.test/one)")]),
        ("](https://a.test/one)", [("/one", "https://a.test/one")]),
        ("Broken [it](https://a.test/one and )", [("/one", "https://a.test/one")]),
        (
            "See (https://a.test/one)(x), **https://a.test/one**, https://a.test/one[2]",
            [
                ("/one", "https://a.test/one"),
                ("/one", "https://a.test/one"),
                ("/one", "https://a.test/one"),
                ("/", "[2]"),
            ],
        ),
        ("See [it](https://a.test/one?utm_source=me)", [("/one", "[it](https://a.test/one?utm_source=me)")]),
        ("Note: this cites nothing:)))))))))) and no more", []),
        ("`a[1]` is code", []),
        ("```\na[1]\nhttps://a.test/one\n```\nbut [2] is not", [("/", "[2]")]),
        ("```\nnever closed [1]", []),
    ],
)
def test_what_a_text_cites(text: str, expected: list[tuple[str, str]]) -> None:
    assert cited(text) == expected


def test_addresses_with_parentheses() -> None:
    address = "https://a.test/XAI_(company)"
    sources = Citations([page(1, address)])
    assert [each["at"] for each in sources.of(f"See ({address}) or [it]({address}).")] == [(5, 33), (38, 72)]


def test_sources_without_numbers_are_cited_by_their_marks() -> None:
    file = Citation(0, ["sandbox:/mnt/data/a.csv"], lambda start, end: {"at": (start, end)}, whole_link=False)
    sources = Citations([file])
    assert sources.next_number == 1
    assert sources.of("[a](sandbox:/mnt/data/a.csv) and [0]") == [{"at": (4, 27)}]
    assert not Citations()
    assert Citations().of("[1]") == []


def test_annotations_of_several_parts() -> None:
    texts = CitedTexts(allowed=["url_citation"])
    texts.citations.add([Citation(1, [], lambda start, end: {"type": "url_citation"})])
    for number, text in enumerate(["no", "[1]"]):
        texts.told(
            {"type": "response.output_text.done", "output_index": 0, "content_index": number, "text": text}
        )
    item = {"type": "message", "content": [{"text": "no", "annotations": []}, {"text": "[1]"}]}
    assert texts.item(0, item)["content"] == [
        {"text": "no", "annotations": []},
        {"text": "[1]", "annotations": [{"type": "url_citation"}]},
    ]
    assert texts.item(1, item) is item


# Rows


def test_every_type_has_rows_of_its_own() -> None:
    for name, kind in HOSTED_KINDS.items():
        assert kind.name == name
        assert kind in kinds_of(kind.tools[-1])
        assert kind.argument in kind.parameters["properties"]
        assert set(kind.parameters["required"]) <= set(kind.parameters["properties"])
    assert len({kind.function for kind in HOSTED_KINDS.values()}) == len(HOSTED_KINDS)
    assert kinds_of("function") == []


@pytest.mark.parametrize(
    ("tool", "said"),
    [
        ({"type": "web_search"}, ""),
        (
            {"type": "web_search", "user_location": {"timezone": "Europe/Paris"}},
            "an unknown place (time zone",
        ),
        ({"type": "web_search", "user_location": {"city": "Lyon", "country": "FR"}}, "near Lyon, FR."),
        ({"type": "web_search", "filters": {"allowed_domains": ["a.test", "b.test"]}}, "a.test, b.test"),
    ],
)
def test_what_the_model_is_told_of_the_web(tool: JSON, said: str) -> None:
    described = HOSTED_KINDS["web_search"].offer(tool)["description"]
    assert said in described
    assert ("The user is near" in described) is ("user_location" in tool)


@pytest.mark.parametrize(
    ("item", "name"),
    [
        ({"type": "web_search_call"}, "web_search"),
        ({"type": "web_search_call", "action": "odd"}, "web_search"),
        ({"type": "web_search_call", "action": {"type": "open_page"}}, "web_search.open_page"),
        ({"type": "web_search_call", "action": {"type": "find_in_page"}}, "web_search.find_in_page"),
        ({"type": "web_search_call", "action": {"type": "other"}}, None),
        ({"type": "shell_call", "environment": {"type": "local"}}, None),
        ({"type": "shell_call", "environment": "odd"}, None),
        ({"type": "shell_call", "environment": {"type": "container_reference"}}, "shell"),
        ({"type": "message"}, None),
    ],
)
def test_the_rows_of_items(item: JSON, name: str | None) -> None:
    kind = row_of(item)
    assert (kind.name if kind else None) == name


NAMES = {name: kind.function for name, kind in HOSTED_KINDS.items()}


@pytest.mark.parametrize(
    "kind", ["code_interpreter_call", "file_search_call", "image_generation_call", "web_search_call"]
)
@pytest.mark.parametrize("value", [None, "odd", 5, [], ["odd"], {"odd": 1}])
def test_items_of_clients_may_hold_anything(kind: str, value: Any) -> None:
    fields = ("action", "code", "outputs", "queries", "results", "revised_prompt", "result")
    item = {"type": kind, "id": "x", **dict.fromkeys(fields, value)}
    call, output = EarlierCalls(NAMES, [item]).plain(item) or []
    assert call["call_id"] == output["call_id"] == "x"
    assert isinstance(output["output"], str)


@pytest.mark.parametrize("action", [None, "odd", {}, {"commands": "ls"}])
def test_commands_of_clients_may_be_anything(action: Any) -> None:
    item = {"type": "shell_call", "action": action, "environment": {"type": "container_reference"}}
    call, output = EarlierCalls(NAMES, [item]).plain(item) or []
    assert call["name"] == "shell"
    assert output["output"] == "The call was made; its result was not kept."


def test_items_of_other_kinds_stay() -> None:
    earlier = EarlierCalls({"shell": "shell"}, [])
    output = {"type": "shell_call_output", "call_id": "a", "output": []}
    assert earlier.plain(output) is None
    assert earlier.plain({"type": "web_search_call"}) is None


def test_images_and_files_that_code_made() -> None:
    kind = HOSTED_KINDS["code_interpreter"]
    made = {"logs": "", "images": ["data:a", "data:b"], "files": [{"filename": "a.csv"}]}
    assert kind.told(made, 1).splitlines() == [
        "[image made: 1 of 2]",
        "[image made: 2 of 2]",
        "[file made: sandbox:/mnt/data/a.csv]",
    ]
    assert kind.told({"logs": "", "images": [], "files": []}, 1) == "The code was run; it printed nothing."
    kept = kind.kept({"outputs": [{"type": "image", "url": "data:a"}, {"type": "logs", "logs": "1"}]})
    assert kept == {"logs": "1", "images": ["data:a"], "files": []}


def test_what_include_may_ask_for() -> None:
    kinds = [HOSTED_KINDS["file_search"]]
    wanted = ["file_search_call.results", "code_interpreter_call.outputs", 5]
    assert included(wanted, kinds) == (
        frozenset({"file_search_call.results"}),
        ["code_interpreter_call.outputs", 5],
    )


# Calls that end otherwise


def shown(name: str, settings: JSON | None = None) -> tuple[TypedCall, ItemWriter]:
    numbers, writer = count(1), ItemWriter()
    typed = Typed(HOSTED_KINDS[name], settings or {"container_id": "cntr_1"})
    return TypedCall(typed, writer, lambda prefix: f"{prefix}{next(numbers)}"), writer


def test_halves_of_characters_are_joined() -> None:
    call, writer = shown("code_interpreter")
    for fragment in ('{"code":"\\ud83d', '\\ude00"', "}"):
        call.write(fragment)
    call.whole('{"code":"\\ud83d\\ude00"}')
    deltas = [event.json()["delta"] for event in writer.given() if event.type.endswith("code.delta")]
    assert deltas == ["\U0001f600"]
    assert call.item["code"] == "\U0001f600"


def test_code_that_was_not_written_in_fragments() -> None:
    call, _ = shown("code_interpreter")
    call.whole('{"code":"1"}')
    assert call.item["code"] == "1"


def test_commands_that_are_never_run_are_done() -> None:
    call, writer = shown("shell")
    call.whole('{"command":"ls"}')
    call.cut('{"command":"ls"}')
    assert [item["status"] for item in writer.output] == ["completed"]
    assert writer.output[0]["action"]["commands"] == ["ls"]
    begun, writer = shown("shell")
    begun.cut("{")
    assert [item["status"] for item in writer.output] == ["incomplete"]


def test_an_empty_command_is_told_without_a_delta() -> None:
    call, writer = shown("shell")
    call.whole('{"commands":[""]}')
    assert [event.type.rpartition(".")[2] for event in writer.given()] == ["added", "added", "done", "done"]


def test_a_search_that_is_never_made_has_failed() -> None:
    call, writer = shown("web_search")
    call.write('{"que')
    call.whole('{"query":"q"}')
    call.cut("")
    assert writer.output[0]["status"] == "failed"


def test_arguments_that_came_whole_are_told_in_one_piece() -> None:
    writer = ItemWriter()
    call = MCPCall(HostedName("wiki", "read"), writer, lambda prefix: prefix)
    call.whole("{}")
    call.sight({})
    call.settle(HostedResult("It."))
    steps = [event.type.removeprefix("response.mcp_call") for event in writer.given()]
    assert steps[1:-1] == [".in_progress", "_arguments.delta", "_arguments.done", ".completed"]


def test_items_that_declare_other_tools_stay() -> None:
    earlier = EarlierCalls(NAMES, [])
    assert earlier.plain({"type": "additional_tools", "tools": [{"type": "function", "name": "f"}]}) is None
    assert earlier.plain({"type": "additional_tools", "tools": [{"type": "web_search"}]}) == []


def test_half_a_call_is_no_question() -> None:
    writer = ItemWriter()
    question = MCPQuestion(HostedName("wiki", "write", approval=True), writer, lambda prefix: prefix)
    question.write("{")
    question.cut("{")
    question.sight({})
    question.settle(HostedResult(""))
    assert writer.given() == []
