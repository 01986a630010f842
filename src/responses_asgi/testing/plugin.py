"""The pytest plugin: a scripted model, the OpenAI SDK bound to it, and cassettes of real ones.

pytest loads this in every run, before coverage is measured: nothing of the package is imported until a test
asks for a fixture.

| what | is |
| --- | --- |
| `fake_model` | a `FakeModel`; `@pytest.mark.fake_model("Hi", "Bye")` gives it its script |
| `openai_client`, `async_openai_client` | the SDK, in-process, bound to the model or the cassette |
| `responses_server` | the same on a real port: `responses_server.base_url` |
| `llm_app` | the ASGI app behind all three |
| `@pytest.mark.llm_cassette` | replays what `--llm-record UPSTREAM` recorded for this test; fails on drift |
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import openai

    from responses_asgi.testing.fake import FakeModel
    from responses_asgi.testing.server import Server
    from responses_asgi.types.asgi import ASGIApp

__all__ = [
    "CHECKS",
    "MARKERS",
    "async_openai_client",
    "fake_model",
    "llm_app",
    "openai_client",
    "pytest_addoption",
    "pytest_configure",
    "pytest_runtest_call",
    "responses_server",
]

CHECKS = pytest.StashKey[list[Any]]()
"""Functions to call after the test; each returns what was wrong with its requests."""

MARKERS = (
    "fake_model(*turns, **options): what the fixture fake_model says, and further options of FakeModel",
    "llm_cassette(*paths, ignore=(), all_used=True): replay these recordings, by default those in the "
    "folder cassettes/MODULE/TEST beside the test's file; ignore names fields of requests that may differ",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("llm", "scripted and recorded models (responses-asgi)")
    group.addoption(
        "--llm-record",
        metavar="UPSTREAM",
        help="record the tests marked llm_cassette anew, from this base URL or module:app",
    )
    group.addoption(
        "--llm-replay",
        choices=("at-once", "timed"),
        default="at-once",
        help="replay at once (default), or in the time it took when it was recorded",
    )
    group.addoption(
        "--llm-api-key-env",
        metavar="NAME",
        default="OPENAI_API_KEY",
        help="the environment variable with the key of the upstream that is recorded (default: %(default)s)",
    )
    parser.addini("llm_redact", "regular expressions of what else no cassette may hold", type="linelist")


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test whose requests were not those of its script or cassette, whatever it made of that."""
    __tracebackhide__ = True
    try:
        result = yield
    except BaseException:
        if problems := _problems(item):
            item.add_report_section("call", "requests", problems)
        raise
    if problems := _problems(item):
        pytest.fail(problems, pytrace=False)
    return result


def _problems(item: pytest.Item) -> str:
    return "\n\n".join(problem for check in item.stash.get(CHECKS, ()) for problem in check())


def _check_later(request: pytest.FixtureRequest, check: Any) -> None:
    request.node.stash.setdefault(CHECKS, []).append(check)


@pytest.fixture
def fake_model(request: pytest.FixtureRequest) -> FakeModel:
    """A `FakeModel` with the script of `@pytest.mark.fake_model(...)`; without one it repeats what it hears.

    The test fails when a request has no turn in the script and, with `strict=True`, when turns are left.
    """
    from responses_asgi.testing.fake import FakeModel

    marker = request.node.get_closest_marker("fake_model")
    model = FakeModel(list(marker.args) or None, **marker.kwargs) if marker else FakeModel()

    def check() -> list[str]:
        try:
            model.verify()
        except AssertionError as unscripted:
            return [str(unscripted)]
        return []

    _check_later(request, check)
    return model


@pytest.fixture
def llm_app(request: pytest.FixtureRequest) -> ASGIApp:
    """The ASGI app behind the clients and the server: the cassette of a test marked `llm_cassette`, else
    `fake_model`."""
    marker = request.node.get_closest_marker("llm_cassette")
    if marker is None:
        model: ASGIApp = request.getfixturevalue("fake_model")
        return model
    from responses_asgi.testing.sessions import session_for

    session = session_for(request.node, *marker.args, **marker.kwargs)
    _check_later(request, session.finish)
    return session.app


@pytest.fixture
def openai_client(llm_app: ASGIApp) -> Iterator[openai.OpenAI]:
    """An `openai.OpenAI` bound to the model or the cassette, in-process."""
    from responses_asgi.sdk import sync_client

    with sync_client(llm_app) as client:
        yield client


@pytest.fixture
def async_openai_client(llm_app: ASGIApp) -> openai.AsyncOpenAI:
    """An `openai.AsyncOpenAI` bound to the model or the cassette, in-process."""
    from responses_asgi.sdk import client

    return client(llm_app)


@pytest.fixture
def responses_server(llm_app: ASGIApp) -> Iterator[Server]:
    """The model or the cassette on a real port, for clients in other processes and other languages."""
    from responses_asgi.testing.server import served

    with served(llm_app) as server:
        yield server
