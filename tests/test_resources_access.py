"""The routes behind the real guard of a wrapped app: every route and method, for every kind of stranger."""

from __future__ import annotations

from typing import Any

import pytest

from responses_asgi.auth import Guard
from responses_asgi.resources import Resources
from responses_asgi.types.asgi import Receive, Scope, Send
from tests.loopback import reply
from tests.state_driver import KEY, OTHER_KEY, WRONG_KEY, owner_of
from tests.test_resources_routes import ALL_ROUTES, TABLE, WITHOUT_IDS, Things

REVOKED_KEY = "sk-revoked"


async def shop(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that knows who may come in: `/me` tells."""
    known = {f"Bearer {key}".encode() for key in (KEY, OTHER_KEY)}
    allowed = known & {value for name, value in scope["headers"] if name == b"authorization"}
    await reply(send, {}, 200 if allowed and scope["path"] == "/me" else 401)


async def behind_guard(auth_path: str | None) -> Things:
    """Things of the owner of KEY, which the app has let in; so it has that of OTHER_KEY."""
    things = await Things.make()
    kept = things.kept
    guard = Guard(kept.state.store, owners=kept.state.owners, app=shop, auth_path=auth_path)
    for key, status in ((KEY, 200), (OTHER_KEY, 200), (REVOKED_KEY, 200), (REVOKED_KEY, 401), (None, 401)):
        await guard.note(await owner_of(key), status)
    kept.app = Resources(
        kept.state,
        ask=kept.model,
        guard=guard,
        bases=("/v1",),
        apis=frozenset({"responses", "chat"}),
    )
    return things


@pytest.mark.parametrize("auth_path", [None, "/me"])
@pytest.mark.parametrize(("template", "method"), TABLE)
async def test_strangers_are_refused_everywhere(template: str, method: str, auth_path: Any) -> None:
    things = await behind_guard(auth_path)
    before = things.stored
    for key in (WRONG_KEY, REVOKED_KEY, None):
        expected = 401
        if key is None and auth_path is None and ALL_ROUTES[template][method].action == "read":
            # Without a credential the id is the authority, and nothing here has been kept without one. Who
            # compacts asks the model, which is where the app would refuse.
            expected = 200 if template == "/responses/compact" else 404
        assert (await things.ask(template, method, key=key)).status == expected, key
    other = await things.ask(template, method, key=OTHER_KEY)
    assert other.status == (200 if template in WITHOUT_IDS else 404)
    assert {place for place in things.stored if place[1] == await owner_of(KEY)} == {
        place for place in before if place[1] == await owner_of(KEY)
    }
    assert (await things.ask(template, method)).status in (200, 400)
