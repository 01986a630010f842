"""A store that background work can use."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from responses_asgi.stores.event_log import EventLog
from responses_asgi.stores.leases import Leases
from responses_asgi.stores.records import Records

__all__ = ["BackgroundStore"]


@runtime_checkable
class BackgroundStore(Records, Protocol):
    """Records, and beside them event logs and leases. What closes the store closes all three.

    Without the two a store is still good for everything but background work:

    >>> from responses_asgi import MemoryStore
    >>> isinstance(MemoryStore(), BackgroundStore)
    True
    """

    @property
    def events(self) -> EventLog:
        """The event logs."""

    @property
    def leases(self) -> Leases:
        """The leases."""
