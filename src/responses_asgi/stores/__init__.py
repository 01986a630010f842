"""Where state is kept.

- `records` is what a store is: the protocol, and the record that is kept.
"""

from __future__ import annotations

from responses_asgi.stores.records import Record, Records

__all__ = ["Record", "Records"]
