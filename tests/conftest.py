"""What concerns the whole run: how Hypothesis tries, the count of recorded exchanges at its end, and the heap
that tests share."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.examples import SCALE, examples
from tests.recordings import COUNTS

# How long an example takes says nothing on a machine that is busy with other tests. Who changes something
# shall not find what others have left: the examples are the same each time, except in `make fuzz`.
settings.register_profile(
    "tests",
    examples(100),
    deadline=None,
    derandomize=SCALE == 1,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("tests")


@pytest.fixture
def young_heap() -> Iterator[None]:
    """Hide what lives already from the garbage collector: other tests leave things, and to look is slow."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if COUNTS:
        counts = ", ".join(f"{number} {kind}" for kind, number in COUNTS.items())
        terminalreporter.write_line(f"recordings compared and found equal: {counts}")
