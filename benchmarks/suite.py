"""All scenarios by name: those of servers that are asked, and the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from benchmarks import imports, loads, open_streams, translator
from benchmarks.measurement import Result
from benchmarks.scenarios import LOADS, PEERS

__all__ = ["SUITE", "Scenario"]


@dataclass(frozen=True)
class Scenario:
    """One scenario: what it is about, `measure(name, repeats)`, and whether it must be asked for by name."""

    about: str
    measure: Callable[[str, int], Result]
    only_by_name: bool = False


def _load(load: loads.Load) -> Scenario:
    return Scenario(load.about, lambda name, repeats: loads.measure(name, load, repeats))


SUITE: dict[str, Scenario] = {
    "translator": Scenario(
        "the bytes of an event read and translated, beside its JSON alone", translator.measure
    ),
    "import": Scenario("CPU of a new process that imports the package", imports.measure),
    **{name: _load(load) for name, load in LOADS.items()},
    "open-in-process": Scenario(
        "memory for 1000 open streams", partial(open_streams.measure, place="in-process")
    ),
    "open-http": Scenario("memory for 1000 open streams", partial(open_streams.measure, place="http")),
    **{name: replace(_load(load), only_by_name=True) for name, load in PEERS.items()},
}
