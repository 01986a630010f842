"""The store in one SQLite file: durable, for several processes on one machine, by the standard library alone.

- `store` keeps the records, and is what users make; `events` and `leases` are its other two parts.
- `records` and `logs` are the SQL of them, `texts` the texts in it; `tail` tells who waits for events.
- `worker` is a thread with a connection of its own, `session` what it does.
- `database` opens the file and tells its failures; `schema` is the tables, and how older files get them.
"""

from __future__ import annotations

from responses_asgi.stores.sqlite.store import SQLiteStore

__all__ = ["SQLiteStore"]
