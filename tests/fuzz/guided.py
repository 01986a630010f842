"""One target under atheris: `python -m tests.fuzz.guided NAME` and flags of libFuzzer; ends the process."""

from __future__ import annotations

import sys
from random import Random

import atheris

# Only what is imported in here is watched, so that inputs are led into what serves, and not into its judges.
with atheris.instrument_imports(include=["responses_asgi"], exclude=["responses_asgi.testing"]):
    from tests.fuzz.mutations import mutated
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    _, name, *told = sys.argv
    target = TARGETS[name]

    def change(content: bytes, most: int, seed: int) -> bytes:
        """Half of the new inputs are made of JSON, where there is any."""
        random = Random(seed)
        made = mutated(content, random, target.words) if random.random() < 0.5 else None
        return atheris.Mutate(content, most) if made is None or len(made) > most else made

    atheris.Setup([sys.argv[0], *told], target.run, custom_mutator=change)
    atheris.Fuzz()
