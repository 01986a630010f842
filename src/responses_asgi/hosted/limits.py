"""How much tools of the service may take: time, size, connections."""

from __future__ import annotations

from dataclasses import dataclass, fields

from responses_asgi.errors import ConfigurationError

__all__ = ["HostedLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedLimits:
    """The bounds of tools that the service runs, for each process. Times are seconds.

    - `call_timeout`: how long one call may take, where a tool or server has no time of its own.
    - `result_chars`: how much of a result the model is told; the rest is cut off, and the model told so.
    - `image_bytes`: how large the images of a result may be together; one that is too many is only named.
    - `rounds`: upstream calls for one answer; `concurrency`: calls of tools for one answer at the same time;
      `seconds`: how long all calls of tools for one answer may take together, not counting the model's time.
    - `connect_timeout`: how long an MCP server may take to start, and to tell its tools.
    - `start_wait`: how long requests wait for a server, from its start on; then they go on without it.
    - `retry_first`, `retry_most`: the wait before a server that failed is started again; it doubles from one
      to the other.
    - `tools`: how many tools of one server are taken, and `list_chars`: how large their list may be as JSON.
    - `message_bytes`: how large one message of a server may be; a program that sends a larger one is ended.
    - `guests`: connections to servers that requests bring along, `owner_guests`: those of one client, and
      `guest_idle`: for how long one that is not used is kept.

    Raises ConfigurationError for a value that cannot work.
    """

    call_timeout: float = 60.0
    result_chars: int = 100_000
    image_bytes: int = 8 * 1024 * 1024
    rounds: int = 16
    concurrency: int = 8
    seconds: float = 300.0
    connect_timeout: float = 30.0
    start_wait: float = 10.0
    retry_first: float = 0.5
    retry_most: float = 30.0
    tools: int = 1_000
    list_chars: int = 1_000_000
    message_bytes: int = 16 * 1024 * 1024
    guests: int = 64
    owner_guests: int = 8
    guest_idle: float = 60.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ConfigurationError(f"{field.name} must be above 0, got {getattr(self, field.name)!r}")
