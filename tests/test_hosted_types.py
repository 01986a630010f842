"""The API's hosted tools, implemented by functions of the host: whole exchanges, streamed and not."""

from __future__ import annotations

from typing import Any

from responses_asgi import (
    CodeCall,
    CodeFile,
    CodeOutput,
    FileResult,
    FileSearchCall,
    FindInPageCall,
    Hosted,
    Image,
    ImageCall,
    OpenPageCall,
    SearchResult,
    ShellCall,
    ShellOutput,
    ToolImage,
    WebSearchCall,
)
from responses_asgi.types.json import JSON
from tests.hosted_types import Model, calling, service, steps, streamed, types

PAGES = [SearchResult("https://a.test/one", "One", "It is 5."), SearchResult("https://b.test/", "Two")]
PNG = b"\x89PNG..."


def search(call: WebSearchCall) -> list[SearchResult]:
    return PAGES


async def test_web_search() -> None:
    seen: list[WebSearchCall] = []

    async def look(call: WebSearchCall) -> list[SearchResult]:
        seen.append(call)
        return PAGES

    model = Model(calling("web_search", {"query": "what is it"}), "It is 5 [1], see [Two](https://b.test).")
    asked = {"type": "web_search", "user_location": {"type": "approximate", "city": "Lyon"}}
    events, response = await streamed(service(model, Hosted(types={"web_search": look})), [asked])
    assert types(response) == ["web_search_call", "message"]
    call, message = response["output"]
    assert call | {"id": ""} == {
        "id": "",
        "type": "web_search_call",
        "status": "completed",
        "action": {"type": "search", "query": "what is it", "queries": ["what is it"]},
    }
    assert steps(events, 0) == [
        "response.output_item.added",
        "response.web_search_call.in_progress",
        "response.web_search_call.searching",
        "response.web_search_call.completed",
        "response.output_item.done",
    ]
    text = message["content"][0]
    assert [
        (each["url"], text["text"][each["start_index"] : each["end_index"]]) for each in text["annotations"]
    ] == [
        ("https://a.test/one", "[1]"),
        ("https://b.test/", "[Two](https://b.test)"),
    ]
    assert (seen[0].query, seen[0].user_location["city"]) == ("what is it", "Lyon")
    function = model.offered()["web_search"]
    assert "Lyon" in function["description"]
    assert function["parameters"]["required"] == ["query"]
    assert model.results() == ["[1] One\nhttps://a.test/one\nIt is 5.\n\n[2] Two\nhttps://b.test/"]


def test_calls_have_what_the_request_says() -> None:
    def made(make: Any, settings: JSON, **said: Any) -> Any:
        return make(settings=settings, context=None, **said)

    web = made(WebSearchCall, {}, queries=("q",))
    assert (web.user_location, web.allowed_domains, web.search_context_size) == ({}, [], "medium")
    web = made(
        WebSearchCall, {"filters": {"allowed_domains": ["a"]}, "search_context_size": "low"}, queries=()
    )
    assert (web.allowed_domains, web.search_context_size) == (["a"], "low")
    files = made(FileSearchCall, {"ranking_options": {"score_threshold": 0.5}}, queries=("a", "b"))
    assert (files.query, files.max_num_results, files.vector_store_ids) == ("a", 20, [])
    assert (files.filters, files.ranking_options) == (None, {"score_threshold": 0.5})
    place = {"container_id": "cntr_1", "new_container": True}
    code = made(CodeCall, {"container": "cntr_1"}, code="1", **place)
    assert code.file_ids == []
    limits = {"timeout_ms": None, "max_output_length": None}
    skill = {"type": "skill_reference", "skill_id": "s"}
    settings = {"environment": {"type": "container_auto", "file_ids": ["f"], "skills": [skill]}}
    shell = made(ShellCall, settings, commands=("ls",), **limits, **place)
    assert (shell.file_ids, shell.skills) == (["f"], [skill])
    image = made(ImageCall, {"background": "auto"}, prompt="p")
    assert (image.background, image.output_format, image.partial_images) == (None, "png", 0)


async def test_sources_are_shown_where_they_are_asked_for() -> None:
    model = Model(calling("web_search", {"query": "q"}), "Yes.")
    app = service(model, Hosted(types={"web_search": search}))
    include = ["web_search_call.action.sources", "web_search_call.results", "message.input_image.image_url"]
    _, response = await streamed(app, [{"type": "web_search_preview"}], include=include)
    call = response["output"][0]
    assert [each["url"] for each in call["action"]["sources"]] == ["https://a.test/one", "https://b.test/"]
    assert call["results"][0] == {"url": "https://a.test/one", "title": "One", "text": "It is 5."}


async def test_pages_are_opened_and_searched() -> None:
    asked: list[Any] = []

    def open_page(call: OpenPageCall) -> str:
        asked.append(call.url)
        return "All of it."

    def find(call: FindInPageCall) -> str:
        asked.append((call.url, call.pattern))
        return "... it ..."

    model = Model(
        calling("open_page", {"url": "https://a.test/"}),
        calling("find_in_page", {"url": "https://a.test/", "pattern": "it"}, "call_2"),
        "So it is [2].",
    )
    functions = {"web_search": search, "web_search.open_page": open_page, "web_search.find_in_page": find}
    _events, response = await streamed(service(model, Hosted(types=functions)), [{"type": "web_search"}])
    assert asked == ["https://a.test/", ("https://a.test/", "it")]
    assert [item.get("action") for item in response["output"]] == [
        {"type": "open_page", "url": "https://a.test/"},
        {"type": "find_in_page", "url": "https://a.test/", "pattern": "it"},
        None,
    ]
    assert set(model.offered()) == {"web_search", "open_page", "find_in_page"}
    # The numbers of sources go on from call to call.
    assert model.results(2) == ["[1] https://a.test/\nAll of it.", "[2] https://a.test/\n... it ..."]
    assert len(response["output"][2]["content"][0]["annotations"]) == 1


STORES = {"type": "file_search", "vector_store_ids": ["vs_1"], "max_num_results": 1}
PASSAGES = [
    FileResult("file-1", "rules.pdf", "Two weeks.", 0.9, {"year": 2026}),
    FileResult("file-2", "other.pdf", "Never."),
]


async def test_file_search() -> None:
    seen: list[FileSearchCall] = []

    def look(call: FileSearchCall) -> list[FileResult]:
        seen.append(call)
        return PASSAGES

    model = Model(calling("file_search", {"query": "how long"}), "It takes two weeks [1].")
    app = service(model, Hosted(types={"file_search": look}))
    tool = {**STORES, "filters": {"type": "eq", "key": "year", "value": 2026}}
    events, response = await streamed(app, [tool], include=["file_search_call.results"])
    call, message = response["output"]
    assert (call["queries"], call["status"]) == (["how long"], "completed")
    assert call["results"] == [
        {
            "file_id": "file-1",
            "filename": "rules.pdf",
            "text": "Two weeks.",
            "score": 0.9,
            "attributes": {"year": 2026},
        }
    ]
    assert message["content"][0]["annotations"] == [
        {"type": "file_citation", "file_id": "file-1", "filename": "rules.pdf", "index": 19}
    ]
    assert steps(events, 0)[1:4] == [
        f"response.file_search_call.{step}" for step in ("in_progress", "searching", "completed")
    ]
    assert seen[0].vector_store_ids == ["vs_1"]
    assert seen[0].filters == {"type": "eq", "key": "year", "value": 2026}
    assert model.results() == ["[1] rules.pdf\nTwo weeks."]


async def test_results_of_files_are_left_out_otherwise() -> None:
    model = Model(calling("file_search", {"queries": ["a", "b"]}), "Two weeks.")
    _, response = await streamed(service(model, Hosted(types={"file_search": lambda call: []})), [STORES])
    assert response["output"][0]["queries"] == ["a", "b"]
    assert response["output"][0]["results"] is None
    assert model.results() == ["Nothing was found."]


AUTO = {"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file-1"]}}


async def test_code_interpreter() -> None:
    seen: list[CodeCall] = []

    def run(call: CodeCall) -> CodeOutput:
        seen.append(call)
        return CodeOutput("42\n", [ToolImage(PNG)], [CodeFile("cfile_1", "plot.csv")])

    said = "Done: [the table](sandbox:/mnt/data/plot.csv)."
    model = Model(calling("code_interpreter", {"code": "print(6 * 7)\n"}), said)
    app = service(model, Hosted(types={"code_interpreter": run}))
    events, response = await streamed(app, [AUTO], include=["code_interpreter_call.outputs"])
    call, message = response["output"]
    assert call["code"] == "print(6 * 7)\n" == seen[0].code
    assert call["container_id"] == seen[0].container_id
    assert (seen[0].new_container, seen[0].file_ids) == (True, ["file-1"])
    assert [output["type"] for output in call["outputs"]] == ["logs", "image"]
    family = "response.code_interpreter_call"
    told = [step for step in dict.fromkeys(steps(events, 0)) if step.startswith(family)]
    assert told == [
        f"{family}.in_progress",
        f"{family}_code.delta",
        f"{family}_code.done",
        f"{family}.interpreting",
        f"{family}.completed",
    ]
    annotation = message["content"][0]["annotations"][0]
    assert annotation["type"] == "container_file_citation"
    assert annotation["container_id"] == call["container_id"]
    assert said[annotation["start_index"] : annotation["end_index"]] == "sandbox:/mnt/data/plot.csv"


async def test_code_runs_in_the_container_of_earlier_calls() -> None:
    seen: list[CodeCall] = []

    def run(call: CodeCall) -> str:
        seen.append(call)
        return "1"

    twice = [calling("code_interpreter", {"code": "x = 1"}), "Ok."]
    model = Model(*twice, *twice, *twice)
    app = service(model, Hosted(types={"code_interpreter": run}))
    _, first = await streamed(app, [AUTO])
    await streamed(app, [AUTO], previous_response_id=first["id"])
    await streamed(app, [{"type": "code_interpreter", "container": "cntr_mine"}])
    assert seen[1].container_id == seen[0].container_id
    assert [call.new_container for call in seen] == [True, False, False]
    assert seen[2].container_id == "cntr_mine"
    assert first["output"][0]["outputs"] is None


async def test_image_generation() -> None:
    seen: list[ImageCall] = []

    async def make(call: ImageCall) -> Any:
        seen.append(call)
        for first in (b"a", b"b", b"c"):
            yield Image(first)
        yield Image(PNG, revised_prompt="a red cat", size="64x64")

    model = Model(calling("image_generation", {"prompt": "a cat"}), "There it is.")
    app = service(model, Hosted(types={"image_generation": make}))
    asked = {"type": "image_generation", "quality": "low", "size": "auto", "partial_images": 2}
    events, response = await streamed(app, [asked])
    call = response["output"][0]
    assert call | {"id": ""} == {
        "id": "",
        "type": "image_generation_call",
        "status": "completed",
        "result": "iVBORy4uLg==",
        "revised_prompt": "a red cat",
        "size": "64x64",
        "quality": "low",
        "output_format": "png",
    }
    sights = [event for event in events if event["type"].endswith("partial_image")]
    assert [(event["partial_image_index"], event["partial_image_b64"]) for event in sights] == [
        (0, "YQ=="),
        (1, "Yg=="),
    ]
    assert (seen[0].prompt, seen[0].quality, seen[0].size) == ("a cat", "low", None)


async def test_functions_that_block_may_show_first_sights_too() -> None:
    closed: list[bool] = []

    def make(call: ImageCall) -> Any:
        try:
            yield ToolImage(b"a", "image/webp")
            yield PNG
        finally:
            closed.append(True)

    model = Model(calling("image_generation", {"prompt": "a cat"}), "There it is.")
    app = service(model, Hosted(types={"image_generation": make}))
    events, response = await streamed(app, [{"type": "image_generation", "partial_images": 1}])
    assert response["output"][0]["revised_prompt"] == "a cat"
    assert response["output"][0]["output_format"] == "png"
    sights = [event for event in events if event["type"].endswith("partial_image")]
    assert [event["output_format"] for event in sights] == ["webp"]
    assert closed == [True]


SHELL = {"type": "shell", "environment": {"type": "container_auto"}}


async def test_shell_in_a_container() -> None:
    seen: list[ShellCall] = []

    def run(call: ShellCall) -> list[ShellOutput]:
        seen.append(call)
        return [ShellOutput("a\n"), ShellOutput("", "no such file", 2), ShellOutput(timed_out=True)]

    arguments = {"commands": ["ls", "cat b", "sleep 9"], "timeout_ms": 1000}
    model = Model(calling("shell", arguments), "There is a.")
    events, response = await streamed(service(model, Hosted(types={"shell": run})), [SHELL])
    assert types(response) == ["shell_call", "shell_call_output", "message"]
    call, output, _ = response["output"]
    assert call["action"] == {**arguments, "max_output_length": None}
    assert call["environment"] == {"type": "container_reference", "container_id": seen[0].container_id}
    assert output["call_id"] == call["call_id"]
    assert [each["outcome"] for each in output["output"]] == [
        {"type": "exit", "exit_code": 0},
        {"type": "exit", "exit_code": 2},
        {"type": "timeout"},
    ]
    family = "response.shell_call_output_content"
    assert steps(events, 1)[1:-1] == [
        f"{family}.{step}" for step in ("delta", "done", "delta", "done", "done")
    ]
    assert (seen[0].commands, seen[0].timeout_ms) == (("ls", "cat b", "sleep 9"), 1000)
    assert '"stdout":"a\\n"' in model.results()[0]


async def test_a_shell_of_the_client_stays_the_clients() -> None:
    def run(call: ShellCall) -> str:
        raise AssertionError

    model = Model(calling("shell", {"commands": ["ls"]}))
    app = service(model, Hosted(types={"shell": run}))
    _, response = await streamed(app, [{"type": "shell", "environment": {"type": "local"}}])
    assert types(response) == ["shell_call"]
    assert response["output"][0]["environment"] == {"type": "local"}
