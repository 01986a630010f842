"""`KeyAuth`: who may use an app, a component or a gateway, over HTTP and WebSockets.

1. Everything is closed but what is named: a request that nobody has let in reaches nothing.
2. The client's key stays here, where it is the operator's to check. Behind it only the key's id is known, as
   the `principal` in `scope["extensions"]["responses_asgi"]`.
3. When the store of keys cannot be asked, nobody is let in: 503, with retry-after.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

from responses_asgi.auth.key_routes import KeyRoutes
from responses_asgi.auth.modes import (
    Admitted,
    Allow,
    ForwardOrOwn,
    Host,
    Managed,
    Mode,
    PassThrough,
    Static,
    Tokens,
)
from responses_asgi.auth.open_paths import OpenPaths
from responses_asgi.auth.permission import check_api, check_handshake, check_models, no_permission
from responses_asgi.auth.presented import presented, without_credentials
from responses_asgi.auth.socket_gate import SocketGate
from responses_asgi.errors import APIError, ConfigurationError
from responses_asgi.exchange import Interceptor
from responses_asgi.exchange.options import Options
from responses_asgi.keys import KeyPolicy, Keys
from responses_asgi.keys.keys import EndedKeyError
from responses_asgi.keys.scopes import METRICS, Allowed
from responses_asgi.keys.token import Pepper, is_token
from responses_asgi.lifespan import LifespanRelay
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.stores.records import Records
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send, split_root
from responses_asgi.upstreams.context import EXTENSION, extension
from responses_asgi.upstreams.replies import refuse_websocket, send_error, send_to_nobody
from responses_asgi.upstreams.upstream import Upstream

__all__ = ["AuthMode", "KeyAuth"]

AuthMode: TypeAlias = Literal["managed", "static", "passthrough", "forward_or_own", "host"]

_DEFAULTS = Options()

_OPERATOR = Allowed(admin=True, metrics=True)

_Call: TypeAlias = "tuple[Scope, Receive, Send]"


class KeyAuth:
    """Lets clients in by a key, in front of an ASGI app, or as `auth=` of a component or gateway.

    - `mode`: who is let in, and what is sent on of the credential:
      `"managed"`, who shows an issued key, which goes no further; `"static"`, who shows one of `tokens`,
      neither; `"passthrough"`, who shows any credential, which somebody behind this checks;
      `"forward_or_own"`, everybody: who shows no credential is served with the operator's; `"host"`, whom the
      host app has authenticated (`scope["user"]`), or whom `allow` lets in.
    - `keys`: issued keys: `Keys`, a store of records, or a URL of one. Default: those in the store of the
      component that this is a setting of, which needs one; in memory they are of this process.
    - `pepper`, `policy`: of the `Keys` that are made here.
    - `tokens`: of `"static"`: a list, or names to tokens.
    - `allow`: of `"host"`: `(scope) -> bool | str | None`, sync or async; a string says who it is.
    - `admin_key`: the credential that opens the routes of keys, and what is kept for the operator, such as a
      gateway's `GET /metrics`. An issued key with the scope `admin` does so, too, and what `admin`,
      `(scope) -> bool`, lets in.
    - `keys_path`: where these routes are, see `KeyRoutes`; None: nowhere.
    - `open_paths`: what everybody may GET, such as `/docs` or `/static/*`; `POST /login` names a method.
    - `max_body_bytes`: the largest body that is read to find its model, for keys of certain models.
    - `telemetry`: what is told of refusals around an app, such as `AuditLog`; that of a component is told
      anyway.

    Raises ConfigurationError when the settings cannot work together.

    ```python
    keys = Keys("sqlite:///keys.db")
    app.add_middleware(KeyAuth, keys=keys)                                  # FastAPI
    application = KeyAuth(ResponsesMiddleware(get_asgi_application()), keys=keys)
    gateway = Gateway(upstreams, auth=KeyAuth(admin_key=os.environ["ADMIN_KEY"]))
    ```
    """

    def __init__(
        self,
        app: ASGIApp | None = None,
        *,
        mode: AuthMode = "managed",
        keys: Keys | Records | str | None = None,
        pepper: Pepper = None,
        policy: KeyPolicy | None = None,
        tokens: Tokens | None = None,
        allow: Allow | None = None,
        admin_key: str | None = None,
        admin: Allow | None = None,
        keys_path: str | None = "/keys",
        open_paths: Sequence[str] = ("/health",),
        max_body_bytes: int = _DEFAULTS.max_body_bytes,
        telemetry: Sequence[Interceptor] = (),
    ) -> None:
        _check_settings(mode, tokens=tokens, allow=allow, keys=keys, pepper=pepper, policy=policy)
        self._app = app
        self.mode: AuthMode = mode
        self._tokens = tokens
        self._allow = allow
        self._make_keys = partial(Keys, pepper=pepper, policy=policy)
        self._admin_key = Static({"admin": admin_key}) if admin_key is not None else None
        self._admin = admin
        self._keys_path = keys_path
        self._open = OpenPaths(open_paths)
        self._options = Options(max_body_bytes=max_body_bytes)
        self._telemetry = telemetry
        self._operators: str | None = None
        self.keys: Keys | None = None
        self._mode: Mode | None = None
        self._routes: KeyRoutes | None = None
        if keys is not None or mode != "managed":
            made = keys if isinstance(keys, Keys | None) else self._make_keys(keys)
            # Who gives `Keys` closes them.
            self._own_keys = made is not keys
            self._use(made)
        elif app is not None:
            raise ConfigurationError("KeyAuth around an app needs `keys`: Keys, a store, or the URL of one")

    def __repr__(self) -> str:
        return f"KeyAuth(mode={self.mode!r})"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            raise ConfigurationError("this KeyAuth is a setting; give it an app to serve one")
        if scope["type"] == "lifespan":
            await LifespanRelay(self._app, self, receive, send).run(scope)
        else:
            await self._answer(self._app, scope, receive, send)

    def around(
        self,
        app: ASGIApp,
        *,
        store: Records | None,
        upstreams: Sequence[Upstream] = (),
        telemetry: Sequence[Interceptor] = (),
        operators: str | None = None,
    ) -> ASGIApp:
        """The app with this before it. `store` is the component's, for keys that have none of their own.

        `telemetry` is told of refusals. `operators` is a path of the app for none but the operator.

        Raises ConfigurationError where there is no such store, and where the mode and the credentials that
        the upstreams are shown would let anybody in, or nobody.
        """
        if self._mode is None:
            if store is None:
                raise ConfigurationError("issued keys need a store: give `keys` or `store`")
            # In memory old records make room for new ones: keys are kept apart from what clients keep.
            self._own_keys = True
            self._use(self._make_keys("memory" if isinstance(store, MemoryStore) else store))
        for upstream in upstreams:
            _check_upstream(self.mode, upstream)
        self._telemetry = (*self._telemetry, *telemetry)
        self._operators = operators
        return partial(self._answer, app)

    async def start(self) -> None:
        """Nothing needs to be opened: stores open themselves."""

    async def aclose(self) -> None:
        """Close a store that was opened here, for the running event loop."""
        if self.keys is not None and self._own_keys:
            await self.keys.aclose()

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Closes it at the end of the block."""
        try:
            yield
        finally:
            await self.aclose()

    def _use(self, keys: Keys | None) -> None:
        self.keys = keys
        if keys is not None and self._keys_path is not None:
            self._routes = KeyRoutes(keys, self._keys_path)
        self._mode = _mode(self.mode, keys, self._tokens, self._allow)

    async def _answer(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._mode is not None
        path = split_root(scope)[1]
        is_http = scope["type"] == "http"
        if is_http and self._open.lead_to(scope["method"], path):
            passes = isinstance(self._mode, PassThrough | ForwardOrOwn | Host)
            await app(scope if passes else without_credentials(scope), receive, send)
            return
        call: _Call | None = scope, receive, send
        known = scope
        try:
            if is_http and self._routes is not None and self._routes.serves(path):
                known, allowed = await self._operator(scope)
                if not allowed.admin:
                    raise no_permission("This API key does not manage keys; it lacks the scope 'admin'.")
                app = partial(self._routes.answer, path)
            elif is_http and path == self._operators:
                known, allowed = await self._operator(scope)
                if not allowed.metrics:
                    raise no_permission(f"This is for the operator: a key needs the scope {METRICS!r}.")
                call = known, receive, send
            else:
                admitted = await self._mode.admit(scope)
                known = _inner(scope, admitted)
                call = await self._checked(known, receive, send, admitted)
        except APIError as error:
            self._tell(known, error)
            await _refuse(scope, receive, send, error)
            return
        if call is None:
            await send_to_nobody(send)
        else:
            await app(*call)

    async def _checked(self, scope: Scope, receive: Receive, send: Send, admitted: Admitted) -> _Call | None:
        """What the app is called with for a client that is let in; None when it has left. Raises APIError."""
        allowed = admitted.allowed
        check_api(scope, allowed)
        if scope["type"] == "http":
            checked = await check_models(scope, receive, allowed, self._options)
            return None if checked is None else (*checked, send)
        named = check_handshake(scope, allowed)
        if admitted.key is None or self.keys is None:
            return scope, receive, send
        gate = SocketGate(
            receive,
            send,
            check=partial(self.keys.check, admitted.key),
            allowed=allowed,
            named=named,
            refused=partial(self._tell, scope),
        )
        return scope, gate.receive, gate.send

    async def _operator(self, scope: Scope) -> tuple[Scope, Allowed]:
        """The scope of who may be an operator, and what that may do. Raises APIError for strangers."""
        if self._admin is not None:
            said: Any = self._admin(scope)
            if inspect.isawaitable(said):
                said = await said
            if said is True:
                return without_credentials(scope), _OPERATOR
        mode: Mode | None = self._mode if self.keys is None else Managed(self.keys)
        if self._admin_key is not None and not (self.keys is not None and _shows_issued_key(scope)):
            mode = self._admin_key
        assert mode is not None
        admitted = await mode.admit(scope)
        allowed = _OPERATOR if mode is self._admin_key else admitted.allowed
        return _inner(scope, admitted._replace(goes_on=False)), allowed

    def _tell(self, scope: Scope, error: APIError) -> None:
        """Tell whoever looks on that this client, as far as it is known, was refused."""
        if isinstance(error, EndedKeyError):
            scope = _with(scope, {"principal": error.key})
        for each in self._telemetry:
            each.refused(scope, None, error)


def _check_settings(
    mode: str,
    *,
    tokens: Tokens | None,
    allow: Allow | None,
    keys: object,
    pepper: Pepper,
    policy: KeyPolicy | None,
) -> None:
    if mode not in get_args(AuthMode):
        raise ConfigurationError(f"mode must be one of {', '.join(get_args(AuthMode))}, got {mode!r}")
    if (tokens is not None) != (mode == "static"):
        raise ConfigurationError("tokens and the mode 'static' are needed together")
    if allow is not None and mode != "host":
        raise ConfigurationError("allow is for the mode 'host'")
    if isinstance(keys, Keys) and (pepper is not None or policy is not None):
        raise ConfigurationError("give pepper and policy to the Keys, which are there already")


def _mode(mode: AuthMode, keys: Keys | None, tokens: Tokens | None, allow: Allow | None) -> Mode:
    if mode == "managed":
        assert keys is not None
        return Managed(keys)
    if mode == "static":
        assert tokens is not None
        return Static(tokens)
    others: dict[AuthMode, Callable[[], Mode]] = {
        "passthrough": PassThrough,
        "forward_or_own": partial(ForwardOrOwn, keys),
        "host": partial(Host, allow),
    }
    return others[mode]()


def _check_upstream(mode: AuthMode, upstream: Upstream) -> None:
    """An upstream elsewhere must be shown the credential that the mode speaks of."""
    shown: str | None = getattr(upstream.app, "credentials", None)
    if shown == "own" and mode == "passthrough":
        raise ConfigurationError(
            "auth mode 'passthrough' checks nothing itself, so that anybody could use the operator's key: "
            "say credentials='forward' to the upstream"
        )
    if shown == "forward" and mode in ("managed", "static"):
        raise ConfigurationError(
            f"auth mode {mode!r} keeps the client's key, so that there is none to forward: give the upstream "
            "a key of its own"
        )


def _shows_issued_key(scope: Scope) -> bool:
    try:
        token = presented(scope)
    except APIError:
        return False
    return token is not None and is_token(token)


def _inner(scope: Scope, admitted: Admitted) -> Scope:
    """The scope for who answers a client that was let in."""
    inner = scope if admitted.goes_on else without_credentials(scope)
    if admitted.principal is None:
        return inner
    return _with(inner, {"principal": admitted.principal, "models": admitted.allowed.models})


def _with(scope: Scope, told: Mapping[str, Any]) -> Scope:
    """The scope with this in our own extension."""
    extensions = {**(scope.get("extensions") or {}), EXTENSION: {**extension(scope), **told}}
    return {**scope, "extensions": extensions}


async def _refuse(scope: Scope, receive: Receive, send: Send, error: APIError) -> None:
    if scope["type"] == "websocket":
        await receive()
        await refuse_websocket(scope, send, error)
    else:
        await send_error(send, error)
