"""Where state is kept.

- `records` is what a store is: the protocol, and the record that is kept.
- `event_log`, `leases`: what background work needs beside it; `background` is a store that has all three.
- `memory`, `sqlite` and `redis` are the stores; each is loaded when it is used.
- `waiters` are the readers of this process that wait for events.
- `url` says which store a setting means.
"""

from __future__ import annotations

from responses_asgi.stores.records import Record, Records

__all__ = ["Record", "Records"]
