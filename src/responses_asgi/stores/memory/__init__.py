"""The store in this process's memory.

- `store` keeps the records, and is what users make; `events` and `leases` are its other two parts.
"""

from __future__ import annotations

from responses_asgi.stores.memory.store import MemoryStore

__all__ = ["MemoryStore"]
