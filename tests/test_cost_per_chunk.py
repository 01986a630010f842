"""What a delta or a request costs does not creep up: instructions and calls, the same on a busy machine.

The counting is done in processes of their own, where coverage does not count along.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.counts import TOLERANCE, VERSION, Cost, baseline, compare

ROOT = Path(__file__).resolve().parents[1]

UPDATE = "python -m benchmarks.counts --write"

SLOWED = """
import json
from benchmarks import installed
installed.choose(fast=False)
from responses_asgi.translate.deltas import Deltas

more, all = Deltas.more, Deltas.all

def copied(text):
    return json.loads(json.dumps({"text": text}))["text"]

Deltas.more = lambda self, text: more(self, copied(text))
Deltas.all = lambda self, texts: all(self, [copied(text) for text in texts])
from responses_asgi.exchange.attempt import Attempt

prepare = Attempt.prepare.__func__

async def prepare_again(kind, *given):
    await prepare(kind, *given)
    return await prepare(kind, *given)

Attempt.prepare = classmethod(prepare_again)
from benchmarks.counts import main
main(["--json"])
"""
"""The same counting where the text of each delta to a Responses client is copied once more, and where each
request is prepared twice."""

pytestmark = pytest.mark.skipif(
    not baseline(), reason=f"no baseline for Python {VERSION}; {UPDATE} makes one"
)


def counted(*command: str) -> dict[str, Cost]:
    """What a process counts that has no part in the coverage of this one."""
    environment = {"PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    return {name: Cost(**figures) for name, figures in json.loads(done.stdout).items()}


@pytest.fixture(scope="module")
def costs() -> dict[str, Cost]:
    return counted("-m", "benchmarks.counts", "--json")


def test_nothing_costs_more_than_it_did(costs: dict[str, Cost]) -> None:
    dearer, cheaper = compare(costs, baseline())
    for told in cheaper:
        print(f"{told}; keep it so: {UPDATE}")
    assert not dearer, f"dearer by more than {TOLERANCE:.0%}; if that is right: {UPDATE}\n" + "\n".join(
        dearer
    )


def test_the_baseline_has_nothing_that_is_not_measured(costs: dict[str, Cost]) -> None:
    assert baseline().keys() == costs.keys()


def test_a_slowed_path_is_noticed(costs: dict[str, Cost]) -> None:
    dearer, _ = compare(counted("-c", SLOWED), costs)
    slowed = {name for name in costs if "chat to responses" in name or "request," in name}
    assert {told.partition(":")[0] for told in dearer} == slowed


def test_the_tolerance_is_for_each_figure() -> None:
    was = {"way": Cost(instructions=100, calls=10)}
    within = {"way": Cost(instructions=110, calls=9)}
    assert compare(within, was) == ([], [])
    assert compare({"way": Cost(111, 10)}, was)[0] == ["way: 111.0 instructions, +11.0% of 100.0"]
    assert compare({"way": Cost(100, 12)}, was)[0] == ["way: 12.0 calls, +20.0% of 10.0"]
    assert compare({"way": Cost(80, 10)}, was) == ([], ["way: 80.0 instructions, -20.0% of 100.0"])
    assert compare({"another": Cost(1, 1)}, was)[0] == ["another: no baseline"]
