"""The Python on the page on tools runs, and its functions do for clients what the page says."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from responses_asgi.types.json import JSON
from tests.hosted_types import Model, both_ways, calling, service, streamed, types

PAGE = (Path(__file__).parent.parent / "docs" / "tools.md").read_text(encoding="utf-8")


class Engine:
    async def search(self, query: str, *, domains: list[str], near: JSON) -> list[Any]:
        return [SimpleNamespace(url="https://a.test/", title="A", text="It is 5.")]


class Index:
    def search(self, query: str, *, stores: list[str], owner: str | None) -> list[Any]:
        return [SimpleNamespace(id="file-1", name="a.pdf", text="It is 5.", score=0.5)]


class Sandbox:
    async def python(self, container: str, code: str) -> Any:
        return SimpleNamespace(printed="5\n", files=[SimpleNamespace(id="cfile-1", name="a.csv")])

    async def run(self, container: str, command: str) -> Any:
        return SimpleNamespace(out="5\n", err="", code=0)


class Painter:
    async def draw(self, prompt: str, *, size: str) -> AsyncIterator[bytes]:
        yield b"sketch"
        yield b"picture"


@pytest.fixture(scope="module")
def page() -> JSON:
    """What the page defines, all of it run in order."""
    names: JSON = {"engine": Engine(), "index": Index(), "sandbox": Sandbox(), "painter": Painter()}
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for number, block in enumerate(blocks):
        exec(compile(block, f"tools.md, block {number}", "exec"), names)
    return names


# Type -> what a request says of it, what the model calls, its answer, the items, and what is cited.
EXAMPLES: dict[str, tuple[JSON, JSON, str, list[str], str | None]] = {
    "web_search": ({}, {"query": "q"}, "It is 5 [1].", ["web_search_call"], "url_citation"),
    "file_search": (
        {"vector_store_ids": ["vs_1"]},
        {"query": "q"},
        "It is 5 [1].",
        ["file_search_call"],
        "file_citation",
    ),
    "code_interpreter": (
        {"container": {"type": "auto"}},
        {"code": "print(5)"},
        "It is in [a.csv](sandbox:/mnt/data/a.csv).",
        ["code_interpreter_call"],
        "container_file_citation",
    ),
    "image_generation": (
        {"partial_images": 1},
        {"prompt": "five"},
        "Here it is.",
        ["image_generation_call"],
        None,
    ),
    "shell": (
        {"environment": {"type": "container_auto"}},
        {"commands": ["echo 5"]},
        "It is 5.",
        ["shell_call", "shell_call_output"],
        None,
    ),
}


@pytest.mark.parametrize("type_", EXAMPLES)
def test_the_page_has_an_example_of_each(type_: str, page: JSON) -> None:
    assert type_ in page["implemented"]._types.names
    assert re.search(rf"^\| `{type_}`", PAGE, re.MULTILINE)


@pytest.mark.parametrize("type_", EXAMPLES)
async def test_the_examples_serve_the_sdk(type_: str, page: JSON) -> None:
    settings, arguments, answer, items, citation = EXAMPLES[type_]
    tools = [{"type": type_, **settings}]
    turns = [calling(type_, arguments), answer]
    _, response = await streamed(service(Model(*turns), page["implemented"]), tools)
    for told in (
        response,
        *await both_ways(service(Model(*turns * 2), page["implemented"]), input="Hi", tools=tools),
    ):
        assert types(told) == [*items, "message"]
        assert told["output"][-1]["content"][0]["text"] == answer
        annotations = told["output"][-1]["content"][0]["annotations"]
        assert [each["type"] for each in annotations] == ([citation] if citation else [])
