"""The bounds of one WebSocket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from responses_asgi.errors import ConfigurationError

__all__ = ["WebSocketLimits"]

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketLimits:
    """What one WebSocket may take, and who may open it from a browser. Sizes are bytes, times seconds.

    - `lifetime`: after this no turn is begun; the client is told to connect anew.
    - `drain`: how long turns that run by then may go on.
    - `idle`: the longest time without a message while no turn runs.
    - `write_timeout`: how long a client may take to read what it is sent; until then it slows its upstream
      down, afterwards it is cut off.
    - `max_message_bytes`: the largest message. Servers have a bound of their own (uvicorn: `--ws-max-size`).
    - `max_lanes`: the most lanes (`stream_id`) on which turns run at the same time.
    - `max_queued`, `max_queued_bytes`: the most messages that wait for their lane, and their size.
    - `max_history_bytes`: how much is remembered of the latest responses, for clients that store nothing.
    - `max_invalid`: after this many messages in a row that are none, the socket is closed.
    - `origins`: other sites whose pages may open sockets, each as `https://chat.example.org`; `"*"` for all.
      One may be a plain str. A page of the same host may, and so may clients that are no browsers.

    Raises ConfigurationError when a value cannot work.

    >>> WebSocketLimits(idle=60).lifetime
    3600.0
    """

    lifetime: float = 3600.0
    drain: float = 300.0
    idle: float = 900.0
    write_timeout: float = 60.0
    max_message_bytes: int = 16 * _MIB
    max_lanes: int = 32
    max_queued: int = 64
    max_queued_bytes: int = 32 * _MIB
    max_history_bytes: int = 64 * _MIB
    max_invalid: int = 16
    origins: Sequence[str] | str = ()

    def __post_init__(self) -> None:
        given = self.origins
        object.__setattr__(self, "origins", (given,) if isinstance(given, str) else tuple(given))
        for name in (field.name for field in fields(self) if field.name != "origins"):
            least_is_zero = name in ("drain", "max_queued", "max_queued_bytes", "max_history_bytes")
            value = getattr(self, name)
            if value < 0 or (value == 0 and not least_is_zero):
                bound = "must not be negative" if least_is_zero else "must be above 0"
                raise ConfigurationError(f"websocket.{name} {bound}, got {value!r}")
