"""Who may use the routes that the wrapped app never sees.

- `guard`: the rules; `grants`: which credentials the app has let in of late; `app_says`: asking it anew.

And who may use anything at all, where keys are asked for.

- `key_auth` is `KeyAuth`, the door; `modes` how it is decided who may pass, `permission` what a limited key
  may do, `open_paths` what needs no key.
- `presented` reads credentials, and takes them out; `socket_gate` looks at keys of open sockets again.
- `key_routes` are the HTTP routes that manage keys.
"""

from __future__ import annotations

from responses_asgi.auth.guard import Guard
from responses_asgi.auth.key_auth import KeyAuth

__all__ = ["Guard", "KeyAuth"]
