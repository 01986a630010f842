"""The pytest plugin as its users meet it: each test here runs pytest on a test file of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import openai
import pytest

from examples.fastapi_app import main
from responses_asgi import sdk
from responses_asgi.testing import FakeModel, served, sessions
from tests.recordings import COUNTS, FOLDER, MISSING

pytest_plugins = ["pytester"]

# pytester forgets the modules that a run in this process imports: these are not to be imported twice.
LOADED = (main, openai, sdk, sessions)

# What else is installed is imported anew by every run.
WITHOUT = [
    f"-pno:{name}" for name in ("cacheprovider", "hypothesispytest", "langsmith_plugin", "anyio", "timeout")
]

ROOT = Path(__file__).resolve().parents[1]
CONFIG = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
pythonpath = {root}
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini(CONFIG.format(root=ROOT))
    return pytester


def run(project: pytest.Pytester, test: str, *args: str) -> pytest.RunResult:
    project.makepyfile(textwrap.dedent(test))
    return project.runpytest_inprocess(*WITHOUT, *args)


def outcomes(result: pytest.RunResult, **expected: int) -> str:
    result.assert_outcomes(**expected)
    return "\n".join(result.outlines)


# --- the scripted model


def test_the_clients_are_bound_to_the_scripted_model(project: pytest.Pytester) -> None:
    test = """
        import httpx, openai, pytest
        from responses_asgi import ToolCall
        from responses_asgi.testing import FakeModel

        def test_sync(fake_model, openai_client):
            assert isinstance(fake_model, FakeModel)
            assert isinstance(openai_client, openai.OpenAI)
            assert openai_client.responses.create(model="m", input="echo").output_text == "echo"
            assert fake_model.requests[0].text == "echo"

        @pytest.mark.fake_model(ToolCall("weather", {"city": "Oslo"}), "Sunny.")
        async def test_async(fake_model, async_openai_client):
            first = await async_openai_client.responses.create(model="m", input="weather?")
            result = {"type": "function_call_output", "call_id": first.output[0].call_id, "output": "sun"}
            history = [*first.output, result]
            second = await async_openai_client.responses.create(model="m", input=history)
            assert second.output_text == "Sunny."
            assert [request.tool_result for request in fake_model.requests] == [None, "sun"]

        @pytest.mark.fake_model("one", "two")
        def test_port(responses_server):
            client = openai.OpenAI(base_url=responses_server.base_url, api_key="any")
            messages = [{"role": "user", "content": "x"}]
            with client:
                assert client.chat.completions.create(model="m", messages=messages)
                assert client.responses.create(model="m", input="x").output_text == "two"

        def test_rules(fake_model, openai_client):
            fake_model.on(text="hello").say("world")
            assert openai_client.responses.create(model="m", input="hello").output_text == "world"

        def test_app(llm_app, fake_model):
            assert llm_app is fake_model
    """
    outcomes(run(project, test), passed=5)


def test_a_request_without_a_turn_fails_the_test_whatever_it_makes_of_it(project: pytest.Pytester) -> None:
    test = """
        import contextlib, openai, pytest

        @pytest.mark.fake_model("one")
        def test_swallows(openai_client):
            for _ in range(2):
                with contextlib.suppress(openai.APIError):
                    openai_client.responses.create(model="m", input="the request")

        @pytest.mark.fake_model("one")
        def test_raises(openai_client):
            for _ in range(2):
                openai_client.responses.create(model="m", input="the request")

        @pytest.mark.fake_model("one", "two", strict=True)
        def test_left_over(openai_client):
            openai_client.responses.create(model="m", input="x")

        @pytest.mark.fake_model("one", "two")
        def test_may_be_left_over(openai_client):
            openai_client.responses.create(model="m", input="x")
    """
    told = outcomes(run(project, test), passed=1, failed=3)
    assert told.count("The script has no turn for request 1") >= 2
    assert "text: 'the request'" in told
    assert "The script was not said to its end" in told


# --- cassettes


LIVE = """
    import pytest

    @pytest.mark.llm_cassette
    def test_order(openai_client):
        answer = openai_client.responses.create(model="house", input="Where is {order}?")
        assert answer.output_text
        stream = openai_client.responses.create(model="house", input="Where is A-1003?", stream=True)
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        assert "".join(deltas).startswith("Order A-1003")
"""
UPSTREAM = ("--llm-record", "examples.fastapi_app.main:app")


def files(project: pytest.Pytester) -> list[str]:
    return sorted(str(file.relative_to(project.path)) for file in project.path.rglob("*.json"))


def test_the_fastapi_example_is_recorded_replayed_and_its_drift_told(project: pytest.Pytester) -> None:
    live = LIVE.format(order="A-1002")
    told = outcomes(run(project, live), errors=1)
    assert "has no cassette at" in told
    assert "--llm-record" in told
    outcomes(run(project, live, *UPSTREAM), passed=1)
    folder = f"cassettes/{next(project.path.glob('test_*.py')).stem}/test_order"
    assert files(project) == [f"{folder}/test_order-001.json", f"{folder}/test_order-002.json"]
    document = json.loads((project.path / folder / "test_order-001.json").read_text())
    assert document["source"]["test"].endswith("::test_order")
    for how in ((), ("--llm-replay", "timed"), ("--llm-replay", "at-once")):
        outcomes(run(project, live, *how), passed=1)
    told = outcomes(run(project, LIVE.format(order="A-1004")), failed=1)
    assert '- "input": "Where is A-1002?",' in told
    assert '+ "input": "Where is A-1004?",' in told
    outcomes(run(project, LIVE.format(order="A-1004"), *UPSTREAM), passed=1)
    outcomes(run(project, LIVE.format(order="A-1004")), passed=1)


def test_a_recorded_request_that_is_not_made_is_drift_too(project: pytest.Pytester) -> None:
    outcomes(run(project, LIVE.format(order="A-1002"), *UPSTREAM), passed=1)
    short = """
        import pytest

        @pytest.mark.llm_cassette{options}
        def test_order(openai_client):
            openai_client.responses.create(model="house", input="Where is A-1002?")
    """
    told = outcomes(run(project, short.format(options="")), failed=1)
    assert "Recorded requests were not made" in told
    outcomes(run(project, short.format(options="(all_used=False)")), passed=1)


def test_a_cassette_records_over_a_port_and_for_async_clients(project: pytest.Pytester) -> None:
    test = """
        import openai, pytest

        @pytest.mark.llm_cassette
        async def test_async(async_openai_client):
            answer = await async_openai_client.responses.create(model="house", input="Where is A-1002?")
            assert answer.output_text

        @pytest.mark.llm_cassette
        def test_port(responses_server):
            with openai.OpenAI(base_url=responses_server.base_url, api_key="any") as client:
                assert client.responses.create(model="house", input="Where is A-1002?").output_text
    """
    outcomes(run(project, test, *UPSTREAM), passed=2)
    outcomes(run(project, test), passed=2)


def test_an_upstream_of_chat_is_recorded_with_both_apis(project: pytest.Pytester) -> None:
    project.makepyfile(
        house="""
        from responses_asgi import Upstream
        upstream = Upstream.handler(lambda request: "hi")
        """
    )
    test = """
        import pytest

        @pytest.mark.llm_cassette("tapes/hi", ignore=["user"])
        def test_hi(openai_client, request):
            user = str(id(request))
            assert openai_client.responses.create(model="m", input="x", user=user).output_text == "hi"
    """
    project.syspathinsert()
    outcomes(run(project, test, "--llm-record", "house:upstream"), passed=1)
    assert files(project) == ["tapes/hi/hi-001.json"]
    outcomes(run(project, test), passed=1)


def test_a_server_elsewhere_is_recorded_with_its_key_which_is_not_kept(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOUSE_KEY", "a-key-that-nobody-may-see")
    test = """
        import pytest

        @pytest.mark.llm_cassette
        def test_it(openai_client):
            said = "my key is a-key-that-nobody-may-see, my badge badge-4711"
            answer = openai_client.responses.create(model="m", input=said)
            assert answer.output_text.startswith("my key is")
    """
    project.makeini(CONFIG.format(root=ROOT) + "llm_redact =\n    badge-\\d+\n")
    model = FakeModel()
    with served(model) as server:
        recording = ("--llm-record", server.base_url, "--llm-api-key-env", "HOUSE_KEY")
        outcomes(run(project, test, *recording), passed=1)
    assert model.requests[0].headers["authorization"] == "Bearer a-key-that-nobody-may-see"
    (kept,) = (Path(project.path, file).read_text() for file in files(project))
    assert "a-key-that" not in kept
    assert "badge-4711" not in kept
    assert json.loads(kept)["provider"] == "127.0.0.1"
    outcomes(run(project, test, "--llm-api-key-env", "HOUSE_KEY"), passed=1)


def test_what_cannot_be_recorded_is_told(project: pytest.Pytester) -> None:
    test = """
        import pytest

        @pytest.mark.llm_cassette("one", "two")
        def test_two(openai_client):
            pass

        @pytest.mark.llm_cassette
        def test_left(openai_client):
            stream = openai_client.responses.create(model="house", input="Where is A-1002?", stream=True)
            next(iter(stream))
            stream.close()
    """
    told = outcomes(run(project, test, *UPSTREAM), failed=1, errors=1)
    assert "a cassette is recorded into one folder" in told
    assert "the answer was not read to its end" in told
    told = outcomes(run(project, test, "--llm-record", "no_such_module:app"), errors=2)
    assert "--llm-record no_such_module:app: No module named" in told


@pytest.mark.skipif(not FOLDER.exists(), reason=MISSING)
@pytest.mark.parametrize("how", ["at-once", "timed"])
def test_every_recording_replays_as_it_is(project: pytest.Pytester, how: str) -> None:
    test = f"""
        import json, pathlib
        import httpx, pytest
        from responses_asgi import ASGITransport

        FILES = sorted(pathlib.Path({str(FOLDER)!r}).glob("*/*/*.json"))

        @pytest.mark.parametrize("file", [
            pytest.param(file, marks=pytest.mark.llm_cassette(file), id=file.stem) for file in FILES
        ])
        def test_recording(file, llm_app):
            recording = json.loads(file.read_text(encoding="utf-8"))
            asked, answer = recording["request"], recording["response"]
            with httpx.Client(transport=ASGITransport(llm_app), base_url="http://x") as client:
                url = "http://x" + asked["path"]
                with client.stream(asked["method"], url, json=asked["body"]) as got:
                    pieces = list(got.iter_raw())
            assert got.status_code == answer["status"]
            assert b"".join(pieces).decode() == answer["body"]
            for name, value in answer["headers"].items():
                assert got.headers[name] == value
            if lengths := answer.get("chunk_lengths"):
                assert [len(piece) for piece in pieces] == [length for length in lengths if length]
    """
    number = len(list(FOLDER.glob("*/*/*.json")))
    outcomes(run(project, test, "--llm-replay", how, "-q", "-x"), passed=number)
    COUNTS["replayed through the pytest plugin"] += number


# --- a run that does not use it


def test_the_options_and_markers_are_told(project: pytest.Pytester) -> None:
    told = "\n".join(project.runpytest_inprocess("--help").outlines)
    assert "--llm-record=UPSTREAM" in told
    told = "\n".join(project.runpytest_inprocess("--markers").outlines)
    assert "@pytest.mark.fake_model(*turns, **options)" in told
    assert "@pytest.mark.llm_cassette(*paths" in told


EARLY = """
    import sys

    def test_nothing_was_imported():
        ours = sorted(name for name in sys.modules if name.startswith("responses_asgi"))
        assert ours == ["responses_asgi", "responses_asgi.testing", "responses_asgi.testing.plugin"]
        assert not {"openai", "httpx", "starlette", "uvicorn", "asgiref"} & sys.modules.keys()
"""


def test_a_run_that_does_not_use_it_imports_nothing_of_it(project: pytest.Pytester) -> None:
    project.makepyfile(textwrap.dedent(EARLY))
    result = project.runpytest_subprocess(*WITHOUT, "-pno:asyncio")
    outcomes(result, passed=1)


def test_coverage_that_begins_with_the_tests_sees_the_modules_of_the_package(
    project: pytest.Pytester,
) -> None:
    """pytest-cov begins to measure after the entry points were loaded, as the plugin here does."""
    project.makepyfile(
        measuring="""
        import coverage, pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_load_initial_conftests():
            measure = coverage.Coverage(data_file=None, source=["responses_asgi"])
            measure.start()
            yield
            globals()["measure"] = measure

        def pytest_sessionfinish():
            measure.stop()
            for name in ("sse", "testing.rules", "testing.frames"):
                module = __import__("sys").modules["responses_asgi." + name]
                _, lines, _, missing, _ = measure.analysis2(module)
                top = [number for number in missing if number < 12]
                assert lines and not top, (name, top)
            print("measured from the first line")
        """
    )
    project.makepyfile(
        test_it="""
        def test_it():
            import responses_asgi.sse, responses_asgi.testing.frames
        """
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "measuring",
        "-p",
        "no:cacheprovider",
        "-s",
        "test_it.py",
    ]
    ran = subprocess.run(command, cwd=project.path, capture_output=True, text=True, timeout=60, check=False)
    assert "measured from the first line" in ran.stdout, ran.stdout + ran.stderr
