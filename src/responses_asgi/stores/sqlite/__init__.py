"""The store in one SQLite file: durable, for several processes on one machine, by the standard library alone.

- `store` is what users make; it says when its two threads are used.
- `records` is what is read and written, as SQL.
- `worker` is a thread with a connection of its own; `jobs` is what it is given to do.
- `database` opens the file and tells its failures; `schema` is the tables, and how older files get them.
"""

from __future__ import annotations

from responses_asgi.stores.sqlite.store import SQLiteStore

__all__ = ["SQLiteStore"]
