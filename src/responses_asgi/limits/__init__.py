"""How much one client may ask for: requests and tokens in a time, and answers at once. Extra `ratelimit`.

- `limit` is what may be limited, `rules` finds the limit of a model.
- `rate_limits` stands around every exchange: it admits or refuses, and settles at the end.
- `budget` is one client's budget for one rule; `window` the arithmetic of its time.
- `counters` keep what was used, `slots` what is in use, in this process or in Redis.
- `passing` counts what only passes through.
- `tokens` tells what a request may take and what an answer took, `told` how clients learn of it.
"""

from __future__ import annotations

from responses_asgi.limits.limit import Limit
from responses_asgi.limits.rate_limits import RateLimits

__all__ = ["Limit", "RateLimits"]
