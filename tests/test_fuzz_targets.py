"""The targets of `make fuzz`: each takes its seeds, and an input that was found can be run again."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from tests.examples import SCALE
from tests.fuzz.__main__ import main
from tests.fuzz.mutations import mutated
from tests.fuzz.targets import TARGETS
from tests.recordings import FOLDER, MISSING

MOST_SEEDS = 200
"""Of each target; the rest are recordings, which are many."""


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_keeps_the_promise(name: str) -> None:
    target = TARGETS[name]
    seeds = list(islice(target.seeds(), MOST_SEEDS))
    assert len(seeds) > 5
    for seed in seeds:
        target.run(seed)


WITH_JSON = [name for name in TARGETS if name not in ("tokens", "cursors", "relayed", "sse")]


@pytest.mark.parametrize("name", WITH_JSON)
def test_seeds_whose_json_is_changed_keep_it_too(name: str) -> None:
    target, random = TARGETS[name], Random(SCALE)
    seeds = list(target.seeds())
    for _ in range(60 * SCALE):
        content = random.choice(seeds)
        for _ in range(random.choice((1, 2, 5))):
            content = mutated(content, random, target.words) or content
        try:
            target.run(content)
        except Exception as error:
            error.add_note(f"The input: {content!r}")
            raise


@pytest.mark.skipif(not FOLDER.exists(), reason=MISSING)
def test_the_seeds_hold_what_was_recorded() -> None:
    for name in ("chat-stream", "responses-stream", "requests"):
        assert len(list(TARGETS[name].seeds())) > 60


def test_one_input_is_run_again_without_atheris(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = tmp_path / "seed"
    seed.write_bytes(next(TARGETS["sse"].seeds()))
    monkeypatch.setattr(sys, "argv", ["fuzz", "sse", "--input", str(seed)])
    assert main() == 0
    broken = TARGETS["sse"]._replace(run=lambda content: pytest.fail(f"{len(content)} bytes"))
    monkeypatch.setitem(TARGETS, "sse", broken)
    with pytest.raises(pytest.fail.Exception, match=f"{seed.stat().st_size} bytes"):
        main()
    monkeypatch.setattr(sys, "argv", ["fuzz", "nothing"])
    with pytest.raises(SystemExit):
        main()
    assert "no such target: nothing; there are sse, " in capsys.readouterr().err


def test_it_says_what_there_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["fuzz", "--help"])
    with pytest.raises(SystemExit):
        main()
    told = capsys.readouterr().out
    assert all(f"  {name} " in told and target.about in told for name, target in TARGETS.items())
