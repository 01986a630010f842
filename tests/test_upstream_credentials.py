from __future__ import annotations

import threading
from collections.abc import Awaitable
from functools import partial
from typing import Any

import pytest

from responses_asgi.errors import ConfigurationError
from responses_asgi.upstreams.credentials import Credentials

THEIRS = {"authorization": "Bearer theirs", "cookie": "session=1"}


class Provider:
    """A provider whose method is no coroutine function, but returns a promise."""

    def get(self) -> Awaitable[str]:
        return self._late()

    async def _late(self) -> str:
        return "async"


async def shown(mode: str, client: dict[str, str], **options: Any) -> tuple[dict[str, str], bool]:
    return await Credentials.configure(mode, **options).show(client)  # type: ignore[arg-type] # wrong modes too


@pytest.mark.parametrize(
    ("mode", "key", "client", "expected"),
    [
        ("own", "mine", THEIRS, ({"authorization": "Bearer mine"}, True)),
        ("own", None, THEIRS, ({}, False)),
        ("forward", None, THEIRS, ({"authorization": "Bearer theirs"}, False)),
        ("forward", None, {"api-key": "k"}, ({"authorization": "Bearer k"}, False)),
        ("forward", None, {}, ({}, False)),
        ("forward_or_own", "mine", THEIRS, ({"authorization": "Bearer theirs"}, False)),
        ("forward_or_own", "mine", {"cookie": "session=1"}, ({"authorization": "Bearer mine"}, True)),
        ("forward_or_own", None, {}, ({}, False)),
    ],
)
async def test_whose_credential_is_shown(
    mode: str, key: str | None, client: dict[str, str], expected: tuple[dict[str, str], bool]
) -> None:
    assert await shown(mode, client, api_key=key) == expected


async def test_azure_reads_keys_in_a_header_of_its_own() -> None:
    assert await shown("own", THEIRS, api_key="mine", azure=True) == ({"api-key": "mine"}, True)
    assert await shown("forward", {"api-key": "k"}, azure=True) == ({"api-key": "k"}, False)
    assert await shown("forward", THEIRS, azure=True) == ({"authorization": "Bearer theirs"}, False)


async def test_a_token_is_a_text_or_a_function_asked_each_time() -> None:
    counted = iter(range(10))
    threads = set()

    def blocking() -> str:
        threads.add(threading.current_thread())
        return f"t{next(counted)}"

    async def waiting() -> str:
        return "async"

    assert await shown("own", {}, token="fixed", azure=True) == ({"authorization": "Bearer fixed"}, True)
    credentials = Credentials.configure("own", token=blocking)
    assert [(await credentials.show({})).headers["authorization"] for _ in "ab"] == ["Bearer t0", "Bearer t1"]
    assert threading.main_thread() not in threads
    assert (await shown("own", {}, token=waiting))[0] == {"authorization": "Bearer async"}
    assert (await shown("own", {}, token=partial(waiting)))[0] == {"authorization": "Bearer async"}
    assert (await shown("own", {}, token=Provider().get))[0] == {"authorization": "Bearer async"}


async def test_the_key_is_read_from_the_environment_and_stripped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_KEY", "sk-1\n")
    assert await shown("own", {}, api_key_env="SERVER_KEY") == ({"authorization": "Bearer sk-1"}, True)


@pytest.mark.parametrize(
    ("mode", "options", "said"),
    [
        ("mine", {}, "one of own, forward, forward_or_own"),
        ("own", {"api_key": "a", "api_key_env": "B"}, "api_key and api_key_env"),
        ("own", {"api_key": "a", "token": "b"}, "api_key and token"),
        ("forward", {"api_key": "a"}, "never used"),
        ("own", {"api_key_env": "NO_SUCH_KEY"}, "NO_SUCH_KEY"),
        ("own", {"api_key": " "}, "empty"),
        ("own", {"api_key": "a\nb"}, "no header can carry"),
        ("own", {"api_key": "schlüssel"}, "no header can carry"),
    ],
)
def test_what_cannot_work_is_refused_at_once(mode: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Credentials.configure(mode, **options)


def test_the_key_is_not_in_the_representation() -> None:
    assert "sk-1" not in repr(Credentials.configure("own", api_key="sk-1"))
