"""What it costs to make an answer in the background: the same stored stream with and without, in turns.

A Chat app in this process streams answers of 200 deltas through the middleware to several clients at a time,
all at once (burst: nothing costs anything but the bridge) or with a pause after each delta (paced: as models
do). Both kinds of answers are kept; those in the background are also logged, and their clients read the log.
"""

from __future__ import annotations

import sys

from benchmarks.house import DELTAS, House, medians, stores
from responses_asgi import BackgroundLimits, ResponsesMiddleware

__all__ = ["main"]

REPEATS = 7

# Pace, seconds between two deltas, clients at the same time, streams.
ROWS = (("burst", None, 1, 64), ("burst", None, 16, 64), ("paced", 0.01, 16, 16), ("paced", 0.01, 64, 64))

# All of them are made at once.
LIMITS = BackgroundLimits(running=64)


def main(repeats: int = REPEATS) -> None:
    """Measure each store, and print one line per store, pace and number of clients."""
    print(f"CPU per stream of {DELTAS} deltas, medians of {repeats}")
    print(f"{'store':>8} {'pace':>8} {'clients':>8} {'foreground':>13} {'background':>13} {'ratio':>7}")
    with stores() as made:
        for name, store in made.items():
            for pace, pause, clients, streams in ROWS:
                component = ResponsesMiddleware(House(pause), store=store, background=LIMITS)
                found = medians(
                    component, {}, {"background": True}, clients=clients, streams=streams, repeats=repeats
                )
                print(
                    f"{name:>8} {pace:>8} {clients:>8} {found.without:>10.2f} ms {found.measured:>10.2f} ms "
                    f"{found.ratio:>7.2f}"
                )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
