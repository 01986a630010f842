"""Answers that are made while nobody waits for them: `background: true`.

- `background` is what a component has: it accepts requests, within bounds, and cancels them.
- `worker` runs them; `job` is one of them, from queued to its end, and `log_outlet` is where its events go:
  they are logged first, and shown after.
- `takeover` ends what a worker left behind; `watch` finds it, and keeps what is alive.
- `tail` shows a log as a stream, from any event on, from any process; `live` spares the store those readers
  that are where the worker is.
"""

from __future__ import annotations

from responses_asgi.background.background import Background, BackgroundLimits

__all__ = ["Background", "BackgroundLimits"]
