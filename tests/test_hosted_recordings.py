"""Hosted tools as recorded servers show them: the same calls, made here, have the same events and items."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pytest

from responses_asgi import (
    CodeFile,
    CodeOutput,
    FileResult,
    Hosted,
    HostedTool,
    Image,
    SearchResult,
    ShellOutput,
)
from responses_asgi.testing import assert_valid_stream
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.answers import ToolCall
from tests.hosted_types import Model, asked, service
from tests.recordings import COUNTS, FOLDER, MISSING, recordings

CALLS = frozenset(
    {
        "code_interpreter_call",
        "file_search_call",
        "image_generation_call",
        "mcp_approval_request",
        "mcp_call",
        "mcp_list_tools",
        "shell_call",
        "shell_call_output",
        "web_search_call",
    }
)
COMPARED = CALLS | {"message"}

# Recording -> why it is no measure: it is not what the API's own server says.
OTHERS = {
    "responses-xai-xai-web-search-tool-1-2573ca": "xAI tells a search when it is over, as a function's call",
    "responses-openai-openai-responses-model-mcp-list-tools-stream-backfills-missing-results-24b988": (
        "two items are never done"
    ),
}

# (event or "added"/"done" of an item type, field or event) -> why ours may differ from what is recorded.
ALLOWED: dict[tuple[str, str], str] = {
    ("*", "obfuscation"): "noise against the measuring of lengths, which clients may turn off",
    ("added web_search_call", "action"): "the document demands it; older recordings leave it out",
    ("done web_search_call", "action.queries"): "newer than some recordings",
    (
        "image_generation_call",
        "response.image_generation_call.completed",
    ): "the document has it; Azure does not",
}


def found() -> list[JSON]:
    """The recorded streams that show hosted tools."""
    if not FOLDER.exists():
        return []
    streams = (recording for recording in recordings("responses") if recording["streaming"])
    return [each for each in streams if any(item["type"] in CALLS for item in done_items(each))]


def done_items(recording: JSON) -> list[JSON]:
    return [event["item"] for event in told(recording) if event["type"] == "response.output_item.done"]


def told(recording: JSON) -> list[JSON]:
    lines = recording["response"]["body"].splitlines()
    return [json.loads(line[5:]) for line in lines if line.startswith("data: {")]


# The equal situation


class Recorded:
    """What a recording comes to here: functions that find the same, and a model that says the same."""

    def __init__(self, recording: JSON) -> None:
        self.events = told(recording)
        self.items = [item for item in done_items(recording) if item["type"] in COMPARED]
        self.text = next((item["content"][0] for item in self.items if item["type"] == "message"), None)
        self.calls = [item for item in self.items if item["type"] in CALLS and item["type"] in _CALLING]
        self.asked = [_CALLING[item["type"]](item) for item in self.calls]

    def model(self) -> Model:
        turns: list[Any] = [
            [ToolCall(name, arguments, call_id=f"call_{number}")]
            for number, (name, arguments) in enumerate(self.asked)
        ]
        asks = any(item["type"] == "mcp_approval_request" for item in self.items)
        return Model(*turns, *([] if asks else [self._said()]))

    def _said(self) -> str:
        """The text; where the service has taken citations of files out of it, with them."""
        text: str = self.text["text"] if self.text else "Done."
        files = [each for each in self._annotations() if each["type"] == "file_citation"]
        for each in sorted(files, key=lambda each: -each["index"]):
            text = f"{text[: each['index']]}[1]{text[each['index'] :]}"
        return text

    def _annotations(self) -> list[JSON]:
        return (self.text or {}).get("annotations") or []

    def hosted(self) -> Hosted:
        types = {
            "web_search": lambda call: self._pages(),
            "web_search.open_page": lambda call: self._pages(),
            "web_search.find_in_page": lambda call: self._pages(),
            "file_search": lambda call: self._passages(),
            "code_interpreter": lambda call: self._code(),
            "image_generation": self._image,
            "shell": lambda call: self._commands(call.commands),
        }
        return Hosted(tools=list(self._tools()), types=types, always=False)

    def request(self) -> JSON:
        """The tools of the recorded request, as its response tells them; these run here."""
        response = self.events[-1]["response"]
        include = {
            "file_search_call.results": any(item.get("results") for item in self.items),
            "code_interpreter_call.outputs": any(item.get("outputs") for item in self.items),
            "web_search_call.action.sources": any(
                "sources" in (item.get("action") or {}) for item in self.items
            ),
        }
        tools = [self._tool(tool) for tool in response["tools"]]
        return {"input": "Hi", "tools": tools, "include": [name for name in include if include[name]]}

    def _tool(self, tool: JSON) -> JSON:
        if tool["type"] == "mcp":
            return {name: tool[name] for name in ("type", "server_label", "require_approval")}
        kept = {name: value for name, value in tool.items() if value is not None}
        if tool["type"] == "code_interpreter":
            kept["container"] = next(item["container_id"] for item in self.items if "container_id" in item)
        return {**kept, "partial_images": 1} if tool["type"] == "image_generation" else kept

    def _tools(self) -> Iterator[HostedTool]:
        outputs = {item["name"]: item.get("output") for item in self.calls if item["type"] == "mcp_call"}
        for item in self.items:
            for tool in item["tools"] if item["type"] == "mcp_list_tools" else ():
                yield HostedTool(
                    label=item["server_label"],
                    name=tool["name"],
                    description=tool["description"],
                    parameters=tool["input_schema"],
                    annotations=tool["annotations"],
                    run=_answering(outputs.get(tool["name"])),
                )

    def _pages(self) -> list[SearchResult]:
        cited = [each for each in self._annotations() if each["type"] == "url_citation"]
        return [SearchResult(each["url"], each["title"]) for each in cited]

    def _passages(self) -> list[FileResult]:
        results = next((item["results"] for item in self.items if item.get("results")), None)
        if results is not None:
            fields = ("file_id", "filename", "text", "score", "attributes")
            return [FileResult(**{name: each[name] for name in fields}) for each in results]
        cited = self._annotations()[0]
        return [FileResult(cited["file_id"], cited["filename"], "An embedding model is ...")]

    def _code(self) -> CodeOutput:
        outputs = [each for item in self.items for each in item.get("outputs") or ()]
        files = [each for each in self._annotations() if each["type"] == "container_file_citation"]
        return CodeOutput(
            "\n".join(each["logs"] for each in outputs if each["type"] == "logs"),
            [each["url"] for each in outputs if each["type"] == "image"],
            [CodeFile(each["file_id"], each["filename"]) for each in files],
        )

    async def _image(self, call: Any) -> Any:
        made = next(item for item in self.items if item["type"] == "image_generation_call")
        looks = {name: made[name] for name in ("size", "quality", "background", "output_format")}
        yield Image(made["result"], **looks)
        yield Image(made["result"], made["revised_prompt"], **looks)

    def _commands(self, commands: tuple[str, ...]) -> list[ShellOutput]:
        ran = {
            tuple(call["action"]["commands"]): output["output"]
            for call, output in zip(self.items, self.items[1:], strict=False)
            if output["type"] == "shell_call_output"
        }
        return [ShellOutput(each["stdout"], each["stderr"]) for each in ran[commands]]


def _answering(output: object) -> Any:
    async def run(arguments: JSON, context: Any) -> object:
        return output

    return run


def _searching(item: JSON) -> tuple[str, JSON]:
    action = item["action"]
    name = "web_search" if action["type"] == "search" else action["type"]
    return name, {key: action[key] for key in ("query", "queries", "url", "pattern") if action.get(key)}


def _of_server(item: JSON) -> tuple[str, str]:
    return f"{item['server_label']}__{item['name']}", item["arguments"]


_CALLING: dict[str, Any] = {
    "web_search_call": _searching,
    "file_search_call": lambda item: ("file_search", {"queries": item["queries"]}),
    "code_interpreter_call": lambda item: ("code_interpreter", {"code": item["code"]}),
    "image_generation_call": lambda item: ("image_generation", {"prompt": item["revised_prompt"]}),
    "shell_call": lambda item: ("shell", {"commands": item["action"]["commands"]}),
    "mcp_call": _of_server,
    "mcp_approval_request": _of_server,
}


# The comparison


def shapes(events: list[JSON]) -> list[tuple[str, list[str], dict[str, JSON]]]:
    """The items in order: type, events without repetitions, an example of each event and of both items."""
    made: dict[int, tuple[str, list[str], dict[str, JSON]]] = {}
    for event in events:
        place = event.get("output_index")
        if not isinstance(place, int):
            continue
        if event["type"] == "response.output_item.added":
            made[place] = (event["item"]["type"], [], {})
        kind, steps, examples = made[place]
        if "item" in event:
            examples[f"{event['type'].rpartition('.')[2]} {kind}"] = event["item"]
        steps.append(event["type"])
        examples[event["type"]] = {name: value for name, value in event.items() if name != "item"}
    return [(kind, _ordered(steps), examples) for kind, steps, examples in made.values() if kind in COMPARED]


def _ordered(steps: list[str]) -> list[str]:
    """The events without repetitions; annotations come after the text, as ours do."""
    late = [step for step in steps if step.endswith("annotation.added")]
    early = [step for step in steps if not step.endswith("annotation.added")]
    end = next((i for i, step in enumerate(early) if step == "response.output_text.done"), len(early))
    return [step for step, _ in groupby([*early[:end], *late, *early[end:]])]


def fields(value: Any, path: str = "") -> dict[str, str]:
    """The fields of an event or item by their paths, with their JSON types; elements by their types."""
    if isinstance(value, dict):
        made = {path: "object"} if path else {}
        for name, each in value.items():
            made |= fields(each, f"{path}.{name}".lstrip("."))
        return made
    if isinstance(value, list):
        made = {path: "list"}
        for each in value:
            made |= fields(each, f"{path}[{each.get('type', '')}]" if isinstance(each, dict) else f"{path}[]")
        return made
    names = {str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}
    return {path: names[type(value)]}


def differences(recorded: list[JSON], ours: list[JSON]) -> Iterator[tuple[str, str]]:
    """(where, what) of each difference in structure."""
    theirs, mine = shapes(recorded), shapes(ours)
    assert [kind for kind, _, _ in mine] == [kind for kind, _, _ in theirs]
    for (kind, steps, examples), (_, own, own_examples) in zip(theirs, mine, strict=True):
        shared = [step for step in own if step in steps]
        assert shared == [step for step in steps if step in own], f"{kind}: the order of events"
        yield from ((kind, step) for step in {*steps} ^ {*own})
        for where in examples.keys() & own_examples.keys():
            yield from ((where, field) for field in _differing(examples[where], own_examples[where]))


# What a tool is made of is its server's matter.
_FREE = ("input_schema", "attributes.")


def _differing(theirs: JSON, ours: JSON) -> Iterator[str]:
    one, other = fields(theirs), fields(ours)
    for path in sorted(one.keys() | other.keys()):
        found = {one.get(path), other.get(path)}
        empty = "[" in path and not all(_within(side, path) for side in (one, other))
        # Where one side has nothing to tell, there is nothing to compare.
        if len(found) > 1 and not any(part in path for part in _FREE) and "null" not in found and not empty:
            yield path


def _within(side: dict[str, str], path: str) -> bool:
    """Whether the list that a path goes through has such elements."""
    return any(known.startswith(f"{path.rpartition(']')[0]}]") for known in side)


def cited(items: list[JSON], events: list[JSON]) -> list[JSON]:
    """The recorded citations, which are told of the same characters here."""
    ours = [event["annotation"] for event in events if event["type"].endswith("annotation.added")]
    theirs = [
        each
        for item in items
        for part in item.get("content") or ()
        for each in part.get("annotations") or ()
        if each.get("end_index") or each["type"] == "file_citation"
    ]
    if theirs and theirs[0]["type"] != "file_citation":
        assert ours == theirs
    assert len(ours) == len(theirs)
    return theirs


def allowed(where: str, field: str) -> tuple[str, str] | None:
    """The row that allows a difference."""
    rows = ((place, name) for place, name in ALLOWED if place in (where, "*"))
    return next((row for row in rows if row[1] == field or field.startswith(f"{row[1]}.")), None)


@pytest.mark.skipif(not FOLDER.exists(), reason=MISSING)
async def test_our_items_and_events_are_those_that_were_recorded() -> None:
    used = set()
    for recording in found():
        if recording["id"] in OTHERS:
            COUNTS["recordings of other ways"] += 1
            continue
        situation = Recorded(recording)
        app = service(situation.model(), situation.hosted())
        exchange = await asked(app, {**situation.request(), "stream": True})
        assert exchange.status == 200, exchange.body
        assert_valid_stream(exchange.body)
        for where, field in differences(situation.events, exchange.events):
            row = allowed(where, field)
            assert row is not None, f"{recording['id']}: {where}: {field}"
            used.add(row)
        COUNTS["recorded citations found again"] += len(cited(situation.items, exchange.events))
        COUNTS["recorded streams with hosted tools"] += 1
        COUNTS["recorded hosted items"] += sum(item["type"] in CALLS for item in situation.items)
    assert used == set(ALLOWED)
