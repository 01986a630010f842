"""What it costs to keep an answer: the same stream with and without, in turns in one process.

A Chat app in this process streams answers of 200 deltas through the middleware, to one client and to several
at the same time.
"""

from __future__ import annotations

import sys

from benchmarks.house import DELTAS, House, medians, stores
from responses_asgi import ResponsesMiddleware

__all__ = ["main"]

REPEATS = 9
STREAMS = 128
CLIENTS = (1, 16)
"""Clients at the same time."""


def main(repeats: int = REPEATS) -> None:
    """Measure each store, and print one line per store and number of clients."""
    print(f"CPU per stream of {DELTAS} deltas, medians of {repeats}")
    print(f"{'store':>8} {'clients':>8} {'without':>11} {'with':>11} {'ratio':>7}")
    with stores() as made:
        for name, store in made.items():
            component = ResponsesMiddleware(House(), store=store)
            for clients in CLIENTS:
                found = medians(
                    component,
                    {"store": False},
                    {"store": True},
                    clients=clients,
                    streams=STREAMS,
                    repeats=repeats,
                )
                print(
                    f"{name:>8} {clients:>8} {found.without:>8.2f} ms {found.measured:>8.2f} ms "
                    f"{found.ratio:>7.2f}"
                )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
