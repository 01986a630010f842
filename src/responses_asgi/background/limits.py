"""How much is done in the background, and for how long what comes of it is kept."""

from __future__ import annotations

from dataclasses import dataclass

from responses_asgi.errors import ConfigurationError

__all__ = ["BackgroundLimits"]

_ABOVE_ZERO = ("running", "queued", "queued_bytes", "lease", "retention", "poll")
_NOT_NEGATIVE = ("drain", "flush")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundLimits:
    """The bounds of background work, for each process. Times are seconds.

    - `running`: responses that are made at the same time; `queued`: those that wait for their turn, and
      `queued_bytes`: how large their requests may be together. What is beyond that is refused with a 429.
    - `lease`: the longest time for which the response of a worker that is gone may look as if it were being
      made. A worker that cannot reach its store for so long gives its work up.
    - `retention`: for how long the events of a response that has ended can be streamed again.
    - `drain`: how long running responses may go on when the service stops; then they fail.
    - `flush`: how long events are gathered before they are logged, and so shown; longer while the process is
      busy, up to eight times.
    - `poll`: how often it is looked whether somebody wants a response cancelled, or a worker is gone.
    - `rerun`: whether a response that nothing was said of yet is begun again when its worker is gone, instead
      of failing; it may then be paid twice. Its request is kept for that, without the client's credential.
      One that may use tools of the service is never begun again.

    Raises ConfigurationError for a value that cannot work.
    """

    running: int = 64
    queued: int = 1_000
    queued_bytes: int = 256 * 1024 * 1024
    lease: float = 30.0
    retention: float = 600.0
    drain: float = 10.0
    flush: float = 0.1
    poll: float = 0.5
    rerun: bool = False

    def __post_init__(self) -> None:
        for name in _ABOVE_ZERO:
            if not getattr(self, name) > 0:
                raise ConfigurationError(f"{name} must be above 0, got {getattr(self, name)!r}")
        for name in _NOT_NEGATIVE:
            if not getattr(self, name) >= 0:
                raise ConfigurationError(f"{name} must not be negative, got {getattr(self, name)!r}")
