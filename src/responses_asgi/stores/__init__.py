"""Where state is kept.

- `records` is what a store is: the protocol, and the record that is kept.
- `memory`, `sqlite` and `redis` are the stores; each is loaded when it is used.
- `url` says which store a setting means.
"""

from __future__ import annotations

from responses_asgi.stores.records import Record, Records

__all__ = ["Record", "Records"]
