"""What is kept between requests, and how a turn finds what came before it.

- `state`, `turn`: `State.begin` makes a `Turn` of a request, `Turn.keep` keeps the answer.
- `responses`, `conversations`, `completions`: what is kept; `items`, `pages`: what lists of it show.
- `requests`, `chain`, `expand`, `begin`: a request that refers to earlier turns is made to stand alone.
- `stateless`: a request where nothing is stored; `recent`: what one connection remembers.
- `resent`: what a Responses upstream is sent that keeps nothing.
- `approvals`: which approvals of calls were used.
- `sealed`: what clients carry; `misses`: what they are told about ids that lead nowhere.
"""

from __future__ import annotations

from responses_asgi.history.recent import Recent, Remembered
from responses_asgi.history.state import State
from responses_asgi.history.turn import Turn

__all__ = ["Recent", "Remembered", "State", "Turn"]
