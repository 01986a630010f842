"""One target under atheris: `python -m tests.fuzz.guided NAME` and flags of libFuzzer; ends the process."""

from __future__ import annotations

import sys

import atheris

# Only what is imported in here is watched, so that inputs are led into what serves, and not into its judges.
with atheris.instrument_imports(include=["responses_asgi"], exclude=["responses_asgi.testing"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    _, name, *told = sys.argv
    atheris.Setup([sys.argv[0], *told], TARGETS[name].run)
    atheris.Fuzz()
