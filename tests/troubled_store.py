"""A store that fails and hangs when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from responses_asgi import StoreError
from responses_asgi.stores.background import BackgroundStore


class Troubled:
    """A store whose calls fail or hang while they are told to: names to what is raised, None: never answered.

    `lost` are those that are carried out before they fail, `largest` is the size of the largest record.
    """

    get: Callable[..., Any]
    put: Callable[..., Any]

    def __init__(self, store: BackgroundStore) -> None:
        self.trouble: dict[str, Exception | None] = {}
        self.lost: set[str] = set()
        self.largest = 10**9
        self.inner = store
        self.events = _Part(self, store.events)
        self.leases = _Part(self, store.leases)
        for name in ("get", "find", "put", "delete", "list"):
            setattr(self, name, self.troubled(name, getattr(store, name)))

    def troubled(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        async def called(*args: Any, **options: Any) -> Any:
            if name == "put" and any(len(record.data) > self.largest for record in args):
                raise StoreError("Too large.", status=413)
            if name in self.lost:
                await call(*args, **options)
            if name in self.trouble:
                error = self.trouble[name]
                if error is not None:
                    raise error
                await asyncio.Event().wait()
            return await call(*args, **options)

        return called

    def away(self, *names: str) -> None:
        """It cannot be asked these, or anything."""
        every = ("get", "find", "put", "delete", "list", "append", "read", "expire")
        for name in names or (*every, "claim", "renew", "release", "expired", "count"):
            self.trouble[name] = StoreError("The store is away.")

    def back(self) -> None:
        self.trouble.clear()

    async def aclose(self) -> None:
        await self.inner.aclose()


class _Part:
    def __init__(self, troubled: Troubled, part: Any) -> None:
        self._troubled = troubled
        self._part = part

    def __getattr__(self, name: str) -> Any:
        return self._troubled.troubled(name, getattr(self._part, name))
