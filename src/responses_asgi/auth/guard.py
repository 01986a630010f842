"""The rules of the routes that the wrapped app never sees, and whose authentication cannot help there.

| who decides | when | rule |
| --- | --- | --- |
| `principal=`, an issued key | it is given | whoever has one is let in, anybody else is a 401 |
| `auth_path=` | it is given | the app is asked each time, with the client's headers |
| the app's answers | it checks credentials | a 2xx within `auth_ttl`, and no 401 or 403 since |
| nobody | an Upstream with the operator's own key, a handler | everybody is let in |

A response that is made in the background can be read and cancelled by its owner while nothing of it is there
to be protected: the app that makes it checks who asked.

Clients without a credential share one owner. They may read what they know the id of, and list nothing. Where
the app's answers decide, they may create only after it has answered such a client.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Literal

from responses_asgi.auth.app_says import ask_app
from responses_asgi.auth.grants import Grants
from responses_asgi.errors import APIError, ConfigurationError
from responses_asgi.owners import Owners, issued_to
from responses_asgi.stores.records import Records
from responses_asgi.types.asgi import ASGIApp, Scope

__all__ = ["Action", "Guard"]

Action = Literal["read", "list", "create"]

_CURES = (
    "make a request that the service itself answers first (for example POST /v1/responses), or have its "
    "operator set `auth_path=` or `principal=`"
)


class Guard:
    """Lets requests in, or raises what to answer them.

    - `store`: where grants are kept; None: there are none, as there is nothing to guard.
    - `owners`: with its `principal`, it decides.
    - `app`: the wrapped app, which checks credentials; None: there is nothing that does.
    - `auth_path`: a path of the app, below `root_path`; a GET of it tells whether a client is let in.
    - `auth_ttl`: seconds for which a 2xx of the app is believed.
    - `now`: the unix time in seconds, for tests.

    Raises ConfigurationError for an `auth_path` that is no path, or without an app.
    """

    def __init__(
        self,
        store: Records | None,
        *,
        owners: Owners,
        app: ASGIApp | None = None,
        auth_path: str | None = None,
        auth_ttl: float = 3600.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        if auth_path is not None and not auth_path.startswith("/"):
            raise ConfigurationError(f"auth_path must be a path that starts with '/', got {auth_path!r}")
        if auth_path is not None and app is None:
            raise ConfigurationError(
                "auth_path needs an app that is wrapped; there is none that could be asked"
            )
        if not auth_ttl > 0:
            raise ConfigurationError(f"auth_ttl is {auth_ttl!r}, expected a number of seconds above 0")
        self._owners = owners
        self._app = app
        self._auth_path = auth_path
        self._auth_ttl = auth_ttl
        self._grants = Grants(store, ttl=auth_ttl, now=now)

    async def granted(self, owner: str) -> bool:
        """Whether the app let this owner in within `auth_ttl`. Raises StoreError."""
        return await self._grants.granted(owner)

    async def note(self, owner: str, status: int) -> None:
        """Take note of the status that the app answered this owner with. Never raises."""
        if self._app is not None and self._auth_path is None and not self._owners.decided:
            await self._grants.note(owner, status)

    async def check(
        self,
        scope: Scope,
        owner: str,
        *,
        action: Action,
        unanswered: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        """Return if the request with this scope, of this owner, may do this.

        `unanswered` tells whether it is about an own request that the app has yet to answer: then the app may
        not have been asked by this owner before, and what is shown is the request.

        Raises APIError: 401 or 403 when it may not, 503 when the app or the store cannot be asked.
        """
        if self._owners.decided or issued_to(scope) is not None:
            if not owner:
                raise _unknown("This service does not know who is asking; send a valid credential.")
            return
        if not owner and action == "list":
            raise _unknown("Only what belongs to a credential can be listed; send one, or ask by id.")
        if self._app is None:
            return
        if self._auth_path is not None:
            await ask_app(self._app, scope, _below_root(scope, self._auth_path))
        elif (
            (owner or action == "create")
            and not await self.granted(owner)
            and not (unanswered is not None and await unanswered())
        ):
            raise self._not_granted(owner)

    async def check_handshake(self, scope: Scope, owner: str) -> None:
        """Return if a client may open a socket, each of whose turns the app is asked for.

        Only `principal`, issued keys and `auth_path` can tell before a turn is asked for. Raises APIError as
        `check` does.
        """
        if self._owners.decided or issued_to(scope) is not None or self._auth_path is not None:
            await self.check(scope, owner, action="create")

    def _not_granted(self, owner: str) -> APIError:
        who = "this credential" if owner else "requests without a credential"
        return _unknown(
            f"The service has not accepted {who} within the last {self._auth_ttl:g} seconds, and this route "
            f"cannot ask it: {_CURES}."
        )


def _unknown(message: str) -> APIError:
    return APIError(message, status=401)


def _below_root(scope: Scope, path: str) -> str:
    """The app's path as it stands in the scope: some servers leave `root_path` at its front, some do not."""
    root = (scope.get("root_path") or "").rstrip("/")
    asked: str = scope["path"]
    return root + path if root and (asked == root or asked.startswith(root + "/")) else path
