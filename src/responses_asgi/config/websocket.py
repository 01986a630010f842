"""What a configuration can say about WebSockets of Responses clients."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from responses_asgi.config.section import Seconds, Section, Words

__all__ = ["WebSocketConfig"]

_MIB = 1024 * 1024

_Bytes = Annotated[int, Field(gt=0)]
_Number = Annotated[int, Field(gt=0)]


class WebSocketConfig(Section):
    """`GET /responses`, upgraded. Sizes are bytes, times seconds; each bound is for one socket."""

    enabled: bool = True
    """Whether there are any; otherwise clients are told to POST, with status 426."""

    origins: Words = []
    """Sites whose pages may open one, besides those of `cors` and this host; `*` for all."""

    lifetime: Seconds = 3600.0
    """After this no turn is begun; the client is told to connect anew."""

    drain: Annotated[float, Field(ge=0)] = 300.0
    """How long turns that run by then may go on."""

    idle: Seconds = 900.0
    """The longest time without a message while no turn runs."""

    write_timeout: Seconds = 60.0
    """How long a client may take to read what it is sent; then it is cut off."""

    max_message_bytes: _Bytes = 16 * _MIB
    """The largest message; the server's own bound, 16 MiB, counts as well."""

    max_lanes: _Number = 32
    """The most lanes (`stream_id`) on which turns run at the same time."""

    max_queued: Annotated[int, Field(ge=0)] = 64
    """The most messages that wait for their lane."""

    max_queued_bytes: Annotated[int, Field(ge=0)] = 32 * _MIB
    """How large these may be together."""

    max_history_bytes: Annotated[int, Field(ge=0)] = 64 * _MIB
    """How much is remembered of the latest responses, for clients that store nothing."""

    max_invalid: _Number = 16
    """After this many messages in a row that are none, the socket is closed."""
