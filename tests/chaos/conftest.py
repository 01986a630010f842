"""Processes of the chaos suite, and the sums of what came of it. `make chaos` and `make soak` run it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.chaos.bridge import LIBRARIES, Bridge, Upstreamer, running_bridge, running_upstream
from tests.chaos.ledger import LEDGER


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chaos")


@pytest.fixture(scope="session")
def upstream(folder: Path) -> Iterator[Upstreamer]:
    with running_upstream(folder) as upstream:
        yield upstream


@pytest.fixture(scope="session", params=LIBRARIES)
def bridge(request: pytest.FixtureRequest, upstream: Upstreamer, folder: Path) -> Iterator[Bridge]:
    """The bridge under uvicorn, which all tests share; none may leave anything in it."""
    with running_bridge("uvicorn", upstream.url, folder, library=request.param) as bridge:
        yield bridge


@pytest.fixture
async def http(bridge: Bridge) -> AsyncIterator[httpx.AsyncClient]:
    # A connection of its own for each case: some servers close theirs after a fault.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=bridge.url, timeout=60, limits=limits) as http:
        yield http


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if LEDGER.cases:
        terminalreporter.write_line(str(LEDGER))
