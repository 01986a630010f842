"""Fuzzing led by coverage: `python -m tests.fuzz sse --seconds 60`; `--input FILE` runs one input again.

Inputs are made by atheris, which watches what of the package they reach. What has led it on is kept in
`.cache/fuzz/corpus`, and the next run begins with it. An input that fails is written to `.cache/fuzz/found`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.targets import TARGETS, Target

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "fuzz"

SECONDS = 60

# A process that needs more for inputs of some kilobytes keeps what it should not.
MOST_MEGABYTES = 1_024
# The longest that one input may take, on a machine that is busy with other things, too.
MOST_SECONDS = 60

# What is shown of the output of a run that has failed.
SHOWN_LINES = 40


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="targets:\n" + "".join(f"  {name:18}{each.about}\n" for name, each in TARGETS.items()),
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="one of those below; none: all of them")
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"for each target ({SECONDS})")
    parser.add_argument("--input", type=Path, metavar="FILE", help="run this input; atheris is not needed")
    asked = parser.parse_args()
    if unknown := set(asked.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    chosen = {name: TARGETS[name] for name in asked.targets or TARGETS}
    if asked.input is not None:
        for target in chosen.values():
            target.run(asked.input.read_bytes())
        return 0
    if find_spec("atheris") is None:
        parser.error("atheris is not installed: `make fuzz` does so, for Python 3.11, 3.12 and 3.13")
    return fuzz(chosen, asked.seconds)


def fuzz(targets: Mapping[str, Target], seconds: int) -> int:
    """Fuzz each target for so long; the number of those that failed."""
    return sum(not _is_kept(name, target, seconds) for name, target in targets.items())


def _is_kept(name: str, target: Target, seconds: int) -> bool:
    """Whether the promise of this target is kept by all inputs that were tried."""
    print(f"{name}: {target.about}; {seconds} seconds", flush=True)
    corpus, found, log = CACHE / "corpus" / name, CACHE / "found", CACHE / f"{name}.log"
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    known = {*found.iterdir()}
    with tempfile.TemporaryDirectory() as folder, log.open("w", encoding="utf-8") as out:
        seeds, words = Path(folder, "seeds"), Path(folder, "words")
        seeds.mkdir()
        for number, seed in enumerate(target.seeds()):
            (seeds / f"{number:05}").write_bytes(seed)
        words.write_text("".join(f"{_quoted(word)}\n" for word in target.words), encoding="ascii")
        # The first folder takes what is new; the seeds are read, and stay where they are.
        flags = {
            "max_total_time": seconds,
            "max_len": target.longest,
            "timeout": MOST_SECONDS,
            "rss_limit_mb": MOST_MEGABYTES,
            "artifact_prefix": f"{found}/{name}-",
            "print_final_stats": 1,
            **({"dict": words} if target.words else {}),
        }
        told = [f"-{flag}={value}" for flag, value in flags.items()]
        run = [sys.executable, "-m", "tests.fuzz.guided", name, *told, str(corpus), str(seeds)]
        ended = subprocess.run(run, stdout=out, stderr=subprocess.STDOUT, check=False)
    said = log.read_text(encoding="utf-8", errors="replace")
    tried = re.search(r"number_of_executed_units: *(\d+)", said)
    print(f"  {tried[1] if tried else 'an unknown number of'} inputs; {log}", flush=True)
    if ended.returncode == 0:
        return True
    _, _, failure = said.rpartition("=== ")
    print(*failure.splitlines()[-SHOWN_LINES:], sep="\n")
    for file in sorted({*found.iterdir()} - known):
        print(f"\nFailed: {file}\nAgain:  {sys.executable} -m tests.fuzz {name} --input {file}", flush=True)
    return False


def _quoted(word: str) -> str:
    """A word as libFuzzer's dictionaries have it."""
    plain = (
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in word.encode()
    )
    return f'"{"".join(plain)}"'


if __name__ == "__main__":
    sys.exit(min(main(), 1))
