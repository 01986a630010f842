"""Whose request it is: by principal, by an issued key, by a user, by a header, and by nothing else."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from django.utils.functional import SimpleLazyObject
from starlette.authentication import BaseUser, SimpleUser, UnauthenticatedUser

from responses_asgi.owners import Owners, issued_to

Headers = list[tuple[bytes, bytes]]


def scope(*headers: tuple[bytes, bytes], **fields: Any) -> dict[str, Any]:
    return {"type": "http", "headers": list(headers), **fields}


BEARER = (b"authorization", b"Bearer sk-1")


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"cookie", b"session=abc")],
        [(b"authorization", b"")],
        [(b"authorization", b"Bearer ")],
        [(b"Authorization", b"bearer")],
        [(b"api-key", b"  ")],
        [(b"x-request-id", b"abc")],
    ],
)
async def test_requests_without_a_credential_have_no_owner(headers: Headers) -> None:
    assert await Owners().of(scope(*headers)) == ""
    assert await Owners(secret="s").of({"type": "http"}) == ""


async def test_every_credential_is_an_owner_of_its_own() -> None:
    owners = Owners()
    found = [
        await owners.of(scope(*headers))
        for headers in (
            [BEARER],
            [(b"authorization", b"Bearer sk-2")],
            [(b"api-key", b"Bearer sk-1")],
            [(b"x-api-key", b"Bearer sk-1")],
            [BEARER, (b"api-key", b"k")],
        )
    ]
    assert len(set(found)) == len(found)
    assert all(len(owner) == 64 and set(owner) <= set("0123456789abcdef") for owner in found)


async def test_neither_order_nor_case_nor_a_cookie_makes_another_owner() -> None:
    owners = Owners()
    one = await owners.of(scope(BEARER, (b"api-key", b"k")))
    assert one == await owners.of(
        scope((b"Api-Key", b" k "), (b"cookie", b"a=b"), (b"Authorization", b"Bearer sk-1"))
    )


async def test_headers_that_run_together_are_not_the_same() -> None:
    owners = Owners()
    assert await owners.of(scope((b"api-key", b"a"), (b"api-key", b"b"))) != await owners.of(
        scope((b"api-key", b"ab"))
    )


async def test_a_secret_keys_the_hash() -> None:
    plain = await Owners().of(scope(BEARER))
    one = await Owners(secret="secret").of(scope(BEARER))
    other = await Owners(secret=b"another").of(scope(BEARER))
    assert len({plain, one, other}) == 3
    assert one == await Owners(secret=b"secret").of(scope(BEARER))
    assert hashlib.sha256(b"Bearer sk-1").hexdigest() not in (plain, one, other)


async def test_a_principal_decides_alone() -> None:
    owners = Owners(lambda asked: asked["headers"][0][1].decode().removeprefix("Bearer sk-"))
    assert owners.decided
    assert not Owners().decided
    one = await owners.of(scope(BEARER))
    assert len(one) == 64
    assert one == await owners.of(scope(BEARER, (b"api-key", b"more"), user=SimpleUser("ann")))
    assert one != await owners.of(scope((b"authorization", b"Bearer sk-2")))


@pytest.mark.parametrize("nobody", [None, ""])
async def test_a_principal_may_be_async_and_may_know_nobody(nobody: str | None) -> None:
    async def principal(asked: Any) -> str | None:
        return "ann" if asked["headers"] else nobody

    owners = Owners(principal)
    assert await owners.of(scope(BEARER)) == await Owners(lambda asked: "ann").of(scope())
    assert await owners.of(scope(user=SimpleUser("ann"))) == ""


async def test_an_issued_key_comes_before_users_and_headers() -> None:
    owners = Owners()
    issued = {"responses_asgi": {"principal": "key_1"}}
    found = await owners.of(scope(BEARER, user=SimpleUser("ann"), extensions=issued))
    assert found == await owners.of(scope(extensions=issued))
    assert found != await owners.of(scope(extensions={"responses_asgi": {"principal": "key_2"}}))
    for nothing in (None, {"responses_asgi": {"principal": None}}, {"responses_asgi": {"principal": ""}}):
        assert await owners.of(scope(extensions=nothing)) == ""


async def test_a_component_within_another_has_the_same_owners_and_no_issued_keys() -> None:
    owners = Owners(secret="s")
    owner = await owners.of(scope(BEARER))
    within = scope(BEARER, extensions={"responses_asgi": {"principal": owner}})
    assert await owners.of(within) == await Owners().of(within) == owner
    assert issued_to(within) is None
    assert issued_to(scope(extensions={"responses_asgi": {"principal": "key_1"}})) == "key_1"


class Identified(BaseUser):
    def __init__(self, identity: str, name: str) -> None:
        self._identity, self._name = identity, name

    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def identity(self) -> str:
        return self._identity

    @property
    def display_name(self) -> str:
        return self._name


class Displayed(BaseUser):
    """Without an identity, which is optional."""

    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def display_name(self) -> str:
        return "ann"


class Keyed:
    is_authenticated = True
    username = "ann"

    def __init__(self, pk: Any) -> None:
        self.pk = pk


class Staff(Keyed):
    pass


USERS = (
    SimpleUser("ann"),
    SimpleUser("bob"),
    Identified("1", "ann"),
    Keyed(1),
    Keyed(2),
    Staff(1),
    Displayed(),
)


async def test_authenticated_users_own_what_they_ask_for_with_any_token() -> None:
    owners = Owners()
    by_user = [await owners.of(scope(BEARER, user=user)) for user in USERS]
    assert len(set(by_user)) == len(by_user)
    assert by_user[0] == await owners.of(scope(user=SimpleUser("ann")))
    assert by_user[2] == await owners.of(scope(user=Identified("1", "another name")))
    assert by_user[3] == await owners.of(scope(user=SimpleLazyObject(lambda: Keyed(1))))


class Anonymous(Keyed):
    """As Django's: it has a key, which says nothing."""

    is_authenticated = False

    def __init__(self) -> None:
        super().__init__(1)


@pytest.mark.parametrize("user", [UnauthenticatedUser(), Anonymous(), Keyed(None), Keyed(""), None, "ann"])
async def test_other_users_are_told_by_their_headers(user: object) -> None:
    assert await Owners().of(scope(BEARER, user=user)) == await Owners().of(scope(BEARER))
    assert await Owners().of(scope(user=user)) == ""
