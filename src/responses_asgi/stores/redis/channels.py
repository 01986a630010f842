"""One connection on which Redis tells what is published on the channels that were subscribed to."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Channels", "Told"]


class Told(NamedTuple):
    """What was said on a channel; None: it is listened to from now on, what was said before is unknown."""

    channel: str
    number: int | None


class Channels:
    """The channels of one client. `client` is closed with it if it was made for it.

    Subscribing and listening may go on at the same time; each is one task's affair at a time.
    """

    def __init__(self, client: Any, *, made_for_it: bool) -> None:
        self._client = client
        self._made_for_it = made_for_it
        self._pubsub = client.pubsub()

    async def subscribe(self, channel: str) -> None:
        """Listen to it. When Redis has taken note of that, `told` says so."""
        # A cluster's client has to know its servers first; others have nothing to do.
        await self._client.initialize()
        await self._pubsub.subscribe(channel)

    async def unsubscribe(self, channel: str) -> None:
        """Listen to it no longer."""
        await self._pubsub.unsubscribe(channel)

    async def told(self, seconds: float) -> Told | None:
        """What was told next; None when there was nothing within this time."""
        message = await self._pubsub.get_message(timeout=seconds)
        if message is None or message["type"] not in ("message", "subscribe"):
            return None
        channel = message["channel"]
        # A client of the user's own may decode what it reads.
        name = channel.decode() if isinstance(channel, bytes) else channel
        return Told(name, int(message["data"]) if message["type"] == "message" else None)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._pubsub.aclose()
        if self._made_for_it:
            await self._client.aclose()
