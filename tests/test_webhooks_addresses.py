"""Where webhooks go and where they do not: settings, addresses, names that lead elsewhere, certificates."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest

from responses_asgi.errors import ConfigurationError
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.webhooks import DeadLetter, Webhook
from responses_asgi.webhooks.addresses import MAX_ADDRESSES, choose, is_public, resolve
from tests.loopback import served, unused_url
from tests.proxies import Proxy, certificate
from tests.webhook_receiver import SECRET, Receiver, ended, hook, settled, webhooks

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "223.255.255.255",
    "2606:4700::1111",
    "2a00:1450:4001:80f::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]
PRIVATE = {
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "this network, unspecified": ["0.0.0.0", "0.1.2.3", "::"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fdff::1", "fec0::1"],
    "carrier": ["100.64.0.1", "100.127.255.255"],
    "link-local": ["169.254.0.1", "fe80::1", "fe80::1%eth0"],
    "metadata": ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
    "broadcast, reserved": ["255.255.255.255", "240.0.0.1", "4000::1", "5f00::1", "100::1"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "benchmarks": ["198.18.0.1", "198.19.255.255", "2001:2::1"],
    "mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe"],
    "compatible, translated": ["::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::808:808"],
    "tunnels": ["2002:7f00:1::1", "2002:808:808::1", "2001:0:7f00:1::1", "192.88.99.1"],
}
ALL_PRIVATE = [address for addresses in PRIVATE.values() for address in addresses]

# Other spellings, all of which the system takes for 127.0.0.1 or 169.254.169.254.
SPELLINGS = [
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "2852039166",
    "0xa9.0xfe.0xa9.0xfe",
    "0251.0376.0251.0376",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[0000::1]",
]


class Addresses:
    """A resolver: gives these answers in turn, the last one from then on, and remembers what it was asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.asked: list[tuple[str, int]] = []
        self._answers = list(answers)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class Wire(httpx.AsyncBaseTransport):
    """Stands in for the network: keeps the requests and answers with a status."""

    def __init__(self, status: int = 200, **headers: str) -> None:
        self.requests: list[httpx.Request] = []
        self._status = status
        self._headers = headers

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(self._status, headers=self._headers, stream=Broken())


class Broken(httpx.AsyncByteStream):
    """An answer that breaks off."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"half a sen"
        raise httpx.ReadError("gone")


async def outcome(subject: Webhook, **settings: Any) -> DeadLetter | None:
    """Announce one response; the dead letter, None when it was delivered."""
    store = MemoryStore()
    sending = webhooks(store, subject, **{"retries": (), **settings})
    async with sending.resource():
        await sending.announce("", ended())
        await settled(store)
    return next(iter(await sending.dead()), None)


# Addresses


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", ALL_PRIVATE)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("host", [*SPELLINGS, *(f"[{a}]" if ":" in a else a for a in ALL_PRIVATE)])
def test_a_url_that_leads_to_such_an_address_is_refused(host: str) -> None:
    with pytest.raises(ConfigurationError, match="not public"):
        Webhook(f"https://{host}:8443/hook", [SECRET])
    assert Webhook(f"https://{host}:8443/hook", [SECRET], allow_private=True).port == 8443


@pytest.mark.parametrize("address", ALL_PRIVATE)
async def test_a_name_that_leads_to_such_an_address_is_not_asked(address: str) -> None:
    wire = Wire()
    async with httpx.AsyncClient(transport=wire) as client:
        subject = Webhook("https://hook.example/x", [SECRET])
        letter = await outcome(subject, client=client, resolve=Addresses([address]))
    assert letter is not None
    assert letter.error == "hook.example has no address that is public"
    assert (letter.status, wire.requests) == (None, [])


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1"])
async def test_what_the_system_takes_for_loopback_is_not_public(host: str) -> None:
    assert choose(await resolve(host, 443), allow_private=False) == []
    assert choose(await resolve(host, 443), allow_private=True)


def test_the_kinds_of_addresses_take_turns() -> None:
    found = ["2606::1", "2606::2", "2606::1", "10.0.0.1", "2606::3", "fe80::1%2", "1.1.1.1", "8.8.8.8"]
    assert choose(found, allow_private=False) == ["2606::1", "1.1.1.1", "2606::2", "8.8.8.8"]
    assert choose([f"1.1.1.{n}" for n in range(9)], allow_private=False) == [
        f"1.1.1.{n}" for n in range(MAX_ADDRESSES)
    ]
    assert choose(["fe80::1%2", "10.0.0.1"], allow_private=True) == ["10.0.0.1"]


# Names


async def test_it_connects_to_the_address_that_was_checked() -> None:
    """The name resolves once per attempt, and to nothing on this machine: it is not looked up again."""
    resolver = Addresses(["127.0.0.1"])
    async with Receiver().running_at() as receiver:
        url = receiver.url.replace("127.0.0.1", "hook.example")
        assert await outcome(hook(url), resolve=resolver) is None
    (request,) = receiver.requests
    port = int(receiver.url.split(":")[2].split("/")[0])
    assert request.headers["host"] == f"hook.example:{port}"
    assert (request.path, request.query) == ("/hooks/t0ken", "k=v")
    assert resolver.asked == [("hook.example", port)]


async def test_a_name_that_leads_elsewhere_the_next_time_is_checked_the_next_time() -> None:
    wire, resolver = Wire(500), Addresses(["8.8.8.8", "10.0.0.1"], ["169.254.169.254"], ["127.0.0.1"])
    async with httpx.AsyncClient(transport=wire) as client:
        subject = Webhook("https://hook.example/x?k=v", [SECRET])
        letter = await outcome(subject, client=client, resolve=resolver, retries=(0, 0))
    assert letter is not None
    assert letter.attempts == len(resolver.asked) == 3
    assert letter.error == "hook.example has no address that is public"
    (request,) = wire.requests
    assert str(request.url) == "https://8.8.8.8/x?k=v"
    assert request.headers["host"] == "hook.example"
    assert request.extensions["sni_hostname"] == "hook.example"


async def test_an_address_that_is_not_reached_gives_way_to_the_next() -> None:
    async with Receiver().running_at() as receiver:
        url = receiver.url.replace("127.0.0.1", "hook.example")
        assert await outcome(hook(url), resolve=Addresses(["127.0.0.2", "::1", "127.0.0.1"])) is None
    assert len(receiver.requests) == 1


async def test_after_the_request_was_sent_no_other_address_is_tried() -> None:
    async def breaking(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        raise RuntimeError("broken")

    asked: list[str] = []
    options = {"log_config": None}
    async with served(breaking, **options) as url:
        subject = hook(url.replace("127.0.0.1", "hook.example"))
        letter = await outcome(subject, resolve=Addresses(["127.0.0.1", "127.0.0.1", "127.0.0.2"]))
    assert letter is not None
    assert (letter.status, len(asked)) == (500, 1)


async def test_a_connection_that_breaks_is_told_as_such() -> None:
    class Breaking(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            hosts.append(request.url.host)
            raise httpx.ReadError("reset by\npeer")

    hosts: list[str] = []
    async with httpx.AsyncClient(transport=Breaking()) as client:
        subject = Webhook("https://hook.example", [SECRET])
        letter = await outcome(subject, client=client, resolve=Addresses(["8.8.8.8", "2606::1"]))
    assert letter is not None
    assert (letter.error, hosts) == ("ReadError: reset by peer", ["8.8.8.8"])


async def test_an_answer_that_breaks_off_has_been_given() -> None:
    for status, error in ((204, None), (500, "HTTP 500 half a sen")):
        async with httpx.AsyncClient(transport=Wire(status)) as client:
            subject = Webhook("https://[2606:4700::1111]/", [SECRET])
            letter = await outcome(subject, client=client)
        assert (letter and letter.error) == error


async def test_an_answer_that_is_no_text_is_left_out() -> None:
    wire = Wire(500, **{"content-encoding": "br"})
    async with httpx.AsyncClient(transport=wire) as client:
        letter = await outcome(Webhook("https://8.8.8.8", [SECRET]), client=client)
    assert letter is not None
    assert letter.error == "HTTP 500"
    assert str(wire.requests[0].url) == "https://8.8.8.8"


async def test_an_ipv6_address_stands_in_brackets() -> None:
    wire = Wire()
    async with httpx.AsyncClient(transport=wire) as client:
        subject = Webhook("https://[2606:4700::1111]:8443/x", [SECRET])
        assert await outcome(subject, client=client) is None
    assert str(wire.requests[0].url) == "https://[2606:4700::1111]:8443/x"
    assert wire.requests[0].headers["host"] == "[2606:4700::1111]:8443"


@pytest.mark.parametrize("error", [OSError("no such name"), UnicodeError("label too long")])
async def test_a_name_that_does_not_resolve(error: Exception) -> None:
    async def fail(host: str, port: int) -> Sequence[str]:
        raise error

    letter = await outcome(hook("https://hook.example"), resolve=fail)
    assert letter is not None
    assert letter.error == "hook.example cannot be resolved"


# The client


async def test_redirects_are_not_followed() -> None:
    async with Receiver().running_at("/inside") as inside:
        away = (307, [("location", inside.url)])
        async with (
            Receiver(away).running_at() as receiver,
            httpx.AsyncClient(follow_redirects=True) as client,
        ):
            letter = await outcome(hook(receiver), client=client)
    assert letter is not None
    assert (letter.status, inside.requests) == (307, [])


async def test_no_proxy_and_no_cookie_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, unused_url())
    monkeypatch.setenv("NO_PROXY", "")
    answer = (500, [("set-cookie", "session=theirs; path=/")])
    async with Receiver(answer).running_at() as receiver:
        assert await outcome(hook(receiver), retries=(0,)) is None
    assert [request.headers.get("cookie") for request in receiver.requests] == [None, None]
    assert {request.headers["connection"] for request in receiver.requests} == {"close"}


async def test_a_client_of_the_users_may_have_a_proxy_and_stays_open() -> None:
    async with Proxy().running() as proxy, httpx.AsyncClient(proxy=proxy.url) as client:
        async with Receiver().running_at() as receiver:
            assert await outcome(hook(receiver), client=client) is None
        assert not client.is_closed
    assert len(proxy.lines) == 1


async def test_httpx2_serves_too() -> None:
    async with Receiver().running_at() as receiver, httpx2.AsyncClient() as client:
        assert await outcome(hook(receiver), client=client) is None
        subject = hook(unused_url().replace("127.0.0.1", "hook.example"))
        letter = await outcome(subject, client=client, resolve=Addresses(["127.0.0.1", "127.0.0.2"]))
    assert letter is not None
    assert letter.error.startswith("ConnectError")
    assert len(receiver.events) == 1


@pytest.mark.parametrize(("name", "trusted"), [("hook.example", True), ("other.example", False)])
async def test_the_certificate_is_that_of_the_name(name: str, trusted: bool, tmp_path: Path) -> None:
    file, key = certificate(tmp_path, name)
    authority = ssl.create_default_context(cafile=str(file))
    receiver = Receiver()
    async with (
        served(receiver.recorder, ssl_certfile=str(file), ssl_keyfile=str(key)) as url,
        httpx.AsyncClient(verify=authority) as client,
    ):
        secure = url.replace("http://127.0.0.1", "https://hook.example")
        letter = await outcome(hook(secure), client=client, resolve=Addresses(["127.0.0.1"]))
        assert (letter is None) is trusted
        assert letter is None or "CERTIFICATE_VERIFY_FAILED" in letter.error
        assert len(receiver.requests) == int(trusted)
        # The usual authorities, of the own client, know neither.
        letter = await outcome(hook(secure), resolve=Addresses(["127.0.0.1"]))
        assert letter is not None
        assert "CERTIFICATE_VERIFY_FAILED" in letter.error


# Settings


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://hook.example", "must begin with https:// and name a host; http:// needs allow_private"),
        ("ftp://hook.example", "must begin with https://"),
        ("hook.example", "must begin with https://"),
        ("https://", "must begin with https://"),
        ("https://hook.example:0", "must begin with https://"),
        ("https://hook.example:s3cret", "its host or port cannot be read"),
        ("https://[::1", "its host or port cannot be read"),
        ("https://user:s3cret@hook.example", "no user name, password or fragment"),
        ("https://s3cret@hook.example", "no user name, password or fragment"),
        ("https://hook.example/#s3cret", "no user name, password or fragment"),
        ("https://hook.example/a b", "ASCII"),
        ("https://hook.example\\@10.0.0.1/", "ASCII"),
        ("https://hook.example/\n", "ASCII"),
        ("https://\uff11\uff12\uff17.0.0.1/", "ASCII"),
        ("", "ASCII"),
        (None, "ASCII"),
    ],
)
def test_urls_that_cannot_be_used(url: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match="url of a webhook") as raised:
        Webhook(url, [SECRET])
    assert message in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_other_schemes_are_none_for_private_receivers_either() -> None:
    with pytest.raises(ConfigurationError, match=r"https:// or http:// and name a host$"):
        hook("ftp://10.0.0.1")
    assert hook("http://10.0.0.1").port == 80
    assert hook("https://Hook.Example/x").host == "hook.example"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"secrets": []}, "secrets of a webhook must be a list"),
        ({"secrets": "whsec_c2VjcmV0"}, "secrets of a webhook must be a list"),
        ({"secrets": ["whsec_s3cret!"]}, "not what it says: base64"),
        ({"secrets": ["whsec_s3cret"]}, "not what it says: base64"),
        ({"secrets": ["whsec_"]}, "a webhook secret is empty"),
        ({"secrets": [""]}, "a webhook secret is empty"),
        ({"secrets": [b"s3cret"]}, "a webhook secret is a bytes, expected text"),
        ({"secrets": ["\ud800 s3cret"]}, "not what it says"),
        ({"events": []}, "events of a webhook must be a list"),
        ({"events": "response.failed"}, "events of a webhook must be a list"),
        (
            {"events": ["response.done"]},
            "events of a webhook: got 'response.done', expected some of response",
        ),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Webhook("https://hook.example", **{"secrets": [SECRET], **settings})
    assert message in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_a_webhook_shows_neither_secrets_nor_path() -> None:
    subject = Webhook("https://hook.example/t0ken?k=t0ken", [SECRET])
    assert repr(subject).startswith("Webhook('https://hook.example/...', events=('response.completed', ")
    assert repr(hook("http://10.0.0.1:8000", events=["response.failed"])) == (
        "Webhook('http://10.0.0.1:8000/...', events=('response.failed',), allow_private=True)"
    )
    assert subject.id != Webhook("https://hook.example/other", [SECRET]).id
    assert "t0ken" not in repr(subject) + subject.id + subject.site
