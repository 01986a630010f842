"""Who may use the routes that the wrapped app never sees.

- `guard`: the rules; `grants`: which credentials the app has let in of late; `app_says`: asking it anew.
"""

from __future__ import annotations

from responses_asgi.auth.guard import Guard

__all__ = ["Guard"]
