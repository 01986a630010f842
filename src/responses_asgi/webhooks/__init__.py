"""Tells others when background responses have ended: signed, retried, and never sent into private networks.

- `webhook` is one receiver; `webhooks` is what the service uses: it announces, and lists what nobody took.
- `outbox` keeps what is to be delivered, so that it outlives the process; `events` is what is told.
- `deliverer` works the outbox off, for one event loop; `sender` makes one attempt.
- `signature` and `addresses`: how it is signed, and where it may go.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

from responses_asgi.webhooks.outbox import DeadLetter
from responses_asgi.webhooks.webhook import Webhook
from responses_asgi.webhooks.webhooks import RETRIES, Webhooks

__all__ = ["RETRIES", "DeadLetter", "Webhook", "Webhooks"]
