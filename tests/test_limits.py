"""What each client may ask for, seen from the client: headers, refusals, and what comes after them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from responses_asgi import (
    ChatCompletionsMiddleware,
    ConfigurationError,
    Gateway,
    KeyAuth,
    Keys,
    Limit,
    MemoryStore,
    MissingExtraError,
    RateLimits,
    RequestLog,
    ResponsesMiddleware,
    Upstream,
    Usage,
)
from responses_asgi.limits import counters
from responses_asgi.limits.counters import MemoryCounters
from responses_asgi.limits.limit import rules_of
from responses_asgi.limits.tokens import input_tokens, output_limit, used_tokens
from responses_asgi.limits.told import limit_headers
from responses_asgi.limits.window import Window
from responses_asgi.testing import Error, FakeModel
from responses_asgi.types.asgi import Message, Scope
from tests.loopback import served, until, unused_url


async def parrot(request: dict[str, Any]) -> str:
    return str(request["messages"][-1]["content"])


async def costly(request: dict[str, Any]) -> AsyncIterator[Any]:
    """Says one word, at the price that the question names."""
    yield "done"
    price = int(request["messages"][-1]["content"])
    yield Usage(price - 1, 1)


def limited(limits: Any, handler: Any = parrot, **settings: Any) -> Gateway:
    return Gateway(Upstream.handler(handler), rate_limits=RateLimits(limits, **settings))


def client_of(app: Any, key: str = "alice", address: str = "10.0.0.1") -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    transport = httpx.ASGITransport(app, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)


async def ask(app: Any, text: str = "hi", key: str = "alice", **body: Any) -> httpx.Response:
    address = body.pop("address", "10.0.0.1")
    async with client_of(app, key, address) as client:
        return await client.post("/v1/responses", json={"model": "house", "input": text, **body})


def a_day(**given: Any) -> Limit:
    """A limit in whose window nothing changes during a test."""
    return Limit(period=86_400, **given)


class TestRequests:
    async def test_headers_tell_what_is_left(self) -> None:
        app = limited(a_day(requests=2))
        first, second = await ask(app), await ask(app)
        assert [each.status_code for each in (first, second)] == [200, 200]
        assert first.headers["x-ratelimit-limit-requests"] == "2"
        assert [each.headers["x-ratelimit-remaining-requests"] for each in (first, second)] == ["1", "0"]
        assert "m" in first.headers["x-ratelimit-reset-requests"]
        assert "x-ratelimit-limit-tokens" not in first.headers

    async def test_too_many_are_refused_in_the_openai_shape(self) -> None:
        app = limited(a_day(requests=1))
        await ask(app)
        refused = await ask(app, stream=True)
        assert refused.status_code == 429
        assert refused.headers["x-ratelimit-remaining-requests"] == "0"
        seconds, milliseconds = int(refused.headers["retry-after"]), int(refused.headers["retry-after-ms"])
        assert seconds - 1 < milliseconds / 1000 <= seconds <= 2 * 86_400 + 1
        error = refused.json()["error"]
        assert (error["type"], error["code"], error["param"]) == ("requests", "rate_limit_exceeded", None)
        assert "try again in" in error["message"]
        assert "'house'" in error["message"]

    async def test_clients_do_not_share_a_budget(self) -> None:
        app = limited(a_day(requests=1))
        told = [(await ask(app, key=key)).status_code for key in ("alice", "bob", "alice", "bob")]
        assert told == [200, 200, 429, 429]

    async def test_without_a_credential_the_address_counts(self) -> None:
        app = limited(a_day(requests=1))
        told = [
            (await ask(app, key="", address=address)).status_code
            for address in ("10.0.0.1", "10.0.0.1", "10.0.0.2")
        ]
        assert told == [200, 429, 200]

    @pytest.mark.parametrize("later", [False, True])
    async def test_who_can_be_told(self, later: bool) -> None:
        def who(scope: Scope) -> str | None:
            return dict(scope["headers"]).get(b"x-team", b"").decode() or None

        async def who_later(scope: Scope) -> str | None:
            return who(scope)

        app = limited(a_day(requests=1), who=who_later if later else who)
        async with client_of(app) as client:
            told = [
                (
                    await client.post("/v1/responses", json={"model": "m", "input": "x"}, headers=headers)
                ).status_code
                for headers in ({"x-team": "a"}, {"x-team": "b"}, {"x-team": "a"}, {}, {})
            ]
        assert told == [200, 200, 429, 200, 429]

    async def test_rules_by_model(self) -> None:
        rules = {"gpt-5": a_day(requests=1), "gpt-*": a_day(requests=2), "free": None}
        app = limited(rules)
        models = ["gpt-5", "gpt-5", "gpt-4", "gpt-3", "gpt-2", *["free", "other"] * 3]
        told = [(await ask(app, model=model)).status_code for model in models]
        assert told == [200, 429, 200, 200, 429, *[200] * 6]

    async def test_the_time_comes_back(self) -> None:
        app = limited(Limit(requests=2, period=1))
        assert [(await ask(app)).status_code for _ in range(3)] == [200, 200, 429]
        refused = await ask(app)
        await asyncio.sleep(int(refused.headers["retry-after-ms"]) / 1000)
        assert (await ask(app)).status_code == 200

    async def test_what_cannot_be_read_takes_nothing(self) -> None:
        app = limited(a_day(requests=1))
        async with client_of(app) as client:
            assert (await client.post("/v1/responses", content=b"{")).status_code == 400
        assert (await ask(app)).status_code == 200

    async def test_chat_clients_too(self) -> None:
        app = limited(a_day(requests=1))
        async with client_of(app) as client:
            body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
            told = [await client.post("/v1/chat/completions", json=body) for _ in range(2)]
        assert [each.status_code for each in told] == [200, 429]
        assert told[0].json()["choices"][0]["message"]["content"] == "hi"

    @pytest.mark.parametrize("equal", [False, True])
    async def test_middleware(self, equal: bool) -> None:
        kind = ChatCompletionsMiddleware if equal else ResponsesMiddleware
        app = kind(
            Upstream.handler(parrot, api="chat"), rate_limits=RateLimits(a_day(requests=1, tokens=10_000))
        )
        path = "/v1/chat/completions" if equal else "/v1/responses"
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "input": "hi"}
        async with app.lifespan(), client_of(app) as client:
            told = [await client.post(path, json=body) for _ in range(2)]
        assert [each.status_code for each in told] == [200, 429]
        assert told[0].headers["x-ratelimit-remaining-requests"] == "0"

    async def test_an_upstream_s_own_figures_give_way(self) -> None:
        async def upstream(scope: Scope, receive: Any, send: Any) -> None:
            headers = [(b"content-type", b"application/json"), (b"X-RateLimit-Limit-Requests", b"999")]
            await send({"type": "http.response.start", "status": 500, "headers": headers})
            await send({"type": "http.response.body", "body": b"{}"})

        app = Gateway(Upstream.asgi(upstream), rate_limits=RateLimits(a_day(requests=7)))
        answer = await ask(app)
        assert answer.status_code == 500
        assert answer.headers.get_list("x-ratelimit-limit-requests") == ["7"]


class TestTokens:
    @pytest.mark.parametrize("stream", [False, True])
    async def test_what_was_used_is_counted(self, stream: bool) -> None:
        app = limited(a_day(tokens=5_000), costly)
        await ask(app, "3000", stream=stream)
        answer = await ask(app, "10", max_output_tokens=100)
        # 3000 are used, and some hundred taken for this one.
        assert 1_800 < int(answer.headers["x-ratelimit-remaining-tokens"]) < 2_000

    async def test_less_than_was_taken_is_given_back(self) -> None:
        app = limited(a_day(tokens=1_500), costly)
        for _ in range(5):
            assert (await ask(app, "10")).status_code == 200

    @pytest.mark.parametrize("model", ["chat", "responses"])
    async def test_a_stream_above_its_budget_is_settled_and_the_next_refused(self, model: str) -> None:
        app = limited(a_day(tokens=2_000), costly)
        async with client_of(app) as client:
            path, body = "/v1/responses", {"model": "m", "input": "9000", "stream": True}
            if model == "chat":
                messages = [{"role": "user", "content": "9000"}]
                options = {"include_usage": True}
                path = "/v1/chat/completions"
                body = {"model": "m", "messages": messages, "stream": True, "stream_options": options}
            answer = await client.post(path, json=body)
            assert answer.status_code == 200
            assert "done" in answer.text
            refused = await client.post(path, json=body)
        assert refused.status_code == 429
        assert refused.json()["error"]["type"] == "tokens"
        assert int(refused.headers["x-ratelimit-remaining-tokens"]) == 0

    async def test_a_stream_without_usage_is_estimated(self) -> None:
        app = limited(a_day(tokens=4_000))
        await ask(app, "word " * 1_000, stream=True)
        answer = await ask(app, "x", max_output_tokens=16)
        # About 1250 in and as many out.
        assert 1_000 < int(answer.headers["x-ratelimit-remaining-tokens"]) < 2_000

    async def test_a_failure_of_the_upstream_costs_nothing(self) -> None:
        app = Gateway(Upstream.asgi(_failing), rate_limits=RateLimits(a_day(tokens=1_200)))
        for _ in range(3):
            assert (await ask(app, "x" * 400)).status_code == 500

    async def test_a_failure_after_what_was_answered_costs_that(self) -> None:
        """A conversation was compacted, and then there was no answer."""
        model = FakeModel([["They met.", Usage(3_000, 200)], [Error(500, "Out of order.")], ["Hello."]])
        app = Gateway(Upstream.asgi(model), rate_limits=RateLimits(a_day(tokens=10_000)))
        talk = [{"role": "assistant", "content": "word " * 2_000}, {"role": "user", "content": "And?"}]
        managed = [{"type": "compaction", "compact_threshold": 1_000}]
        async with client_of(app) as client:
            body = {"model": "house", "input": talk, "context_management": managed}
            failed = await client.post("/v1/responses", json=body)
            assert (failed.status_code, failed.json()["error"]["message"]) == (500, "Out of order.")
        answer = await ask(app, "x", max_output_tokens=16)
        assert 6_700 < int(answer.headers["x-ratelimit-remaining-tokens"]) < 6_800

    async def test_a_request_above_the_limit_is_let_in_alone(self) -> None:
        app = limited(a_day(tokens=100))
        assert (await ask(app, "x" * 4_000)).status_code == 200
        assert (await ask(app, "x")).status_code == 429

    async def test_a_refused_request_takes_nothing(self) -> None:
        app = limited(a_day(tokens=5_000))
        async with client_of(app) as client:
            body = {"model": "m", "input": "x", "previous_response_id": "resp_unknown"}
            for _ in range(6):
                assert (await client.post("/v1/responses", json=body)).status_code == 400


async def _failing(scope: Scope, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 500, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


class Held:
    """A model that answers when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.running = self.began = 0

    async def __call__(self, request: dict[str, Any]) -> AsyncIterator[str]:
        self.running += 1
        self.began += 1
        try:
            yield "a"
            await self.go.wait()
            yield "b"
        finally:
            self.running -= 1


class TestAtOnce:
    @pytest.mark.parametrize("stream", [False, True])
    async def test_so_many_at_once(self, stream: bool) -> None:
        model = Held()
        app = limited(a_day(concurrent=2), model.__call__)
        running = [asyncio.create_task(ask(app, stream=stream)) for _ in range(2)]
        await until(lambda: model.running == 2)
        refused = await ask(app)
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "1"
        assert "answers at once" in refused.json()["error"]["message"]
        model.go.set()
        assert [(await task).status_code for task in running] == [200, 200]
        assert (await ask(app)).status_code == 200

    async def test_two_hundred_leaving_clients_leave_no_slot_taken(self) -> None:
        model = Held()
        app = limited(a_day(concurrent=200, tokens=10_000_000), model.__call__)

        async def leave(number: int) -> None:
            gone = asyncio.Event()
            sent: list[Message] = []
            body = json.dumps({"model": "m", "input": "x", "stream": number % 3 != 0}).encode()
            asked = [{"type": "http.request", "body": body, "more_body": False}]

            async def receive() -> Message:
                if asked:
                    return asked.pop()
                await gone.wait()
                return {"type": "http.disconnect"}

            async def send(message: Message) -> None:
                sent.append(message)

            headers = [(b"authorization", b"Bearer alice")]
            scope = {"type": "http", "method": "POST", "path": "/v1/responses", "headers": headers}
            task = asyncio.create_task(app({**scope, "query_string": b"", "client": ("c", 1)}, receive, send))
            await until(lambda: model.began == 200)
            if number % 2:
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            else:
                gone.set()
                await task

        await asyncio.gather(*(leave(number) for number in range(200)))
        model.go.set()
        assert {answer.status_code for answer in await asyncio.gather(*(ask(app) for _ in range(150)))} == {
            200
        }
        assert app._interceptors[0]._slots._held == {}  # type: ignore[attr-defined]  # nothing else shows it

    async def test_a_request_that_is_cancelled_again_and_again(self) -> None:
        """As anyio's cancel scopes do it: whatever the task awaits is cancelled, too."""
        model = Held()
        app = limited(a_day(concurrent=1), model.__call__)
        task = asyncio.create_task(ask(app, stream=True))
        await until(lambda: model.running == 1)
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
        model.go.set()
        await asyncio.sleep(0.05)
        assert (await ask(app)).status_code == 200


class TestMemory:
    async def test_what_has_expired_is_forgotten_and_looked_for_once_in_a_while(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(counters, "SWEEP_SECONDS", 0.2)
        counts = MemoryCounters()
        sweeps: list[object] = [None]
        for number in range(300):
            await counts.take(f"key-{number % 50}", 1, limit=100, period=1)
            await asyncio.sleep(0.001)
            if counts._storage().timer is not sweeps[-1]:
                sweeps.append(counts._storage().timer)
        assert len(sweeps) < 100
        await asyncio.sleep(2.2)
        storage = counts._storage()
        await counts.take("last", 1, limit=100, period=1)
        await until(lambda: len(storage.storage) == 1)


class TestKeys:
    async def test_each_issued_key_has_a_budget(self) -> None:
        keys = Keys(MemoryStore())
        tokens = [(await keys.create()).token for _ in range(2)]
        app = Gateway(
            Upstream.handler(parrot), auth=KeyAuth(keys=keys), rate_limits=RateLimits(a_day(requests=1))
        )
        told = [(await ask(app, key=key)).status_code for key in (*tokens, *tokens, "wrong")]
        assert told == [200, 200, 429, 429, 401]

    async def test_the_key_counts_even_where_a_principal_owns_what_is_kept(self) -> None:
        keys = Keys(MemoryStore())
        tokens = [(await keys.create()).token for _ in range(2)]
        app = Gateway(
            Upstream.handler(parrot),
            auth=KeyAuth(keys=keys),
            principal=lambda scope: "the team",
            rate_limits=RateLimits(a_day(requests=1)),
        )
        told = [(await ask(app, key=key)).status_code for key in (*tokens, *tokens)]
        assert told == [200, 200, 429, 429]


async def elsewhere(scope: Scope, receive: Any, send: Any) -> None:
    """A server that answers everything, and tells of limits of its own."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})
        return
    headers = [(b"x-ratelimit-remaining-requests", b"9999"), (b"x-theirs", scope["path"].encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})


class TestPassing:
    """What only passes to an upstream: embeddings, audio, realtime sockets."""

    @pytest.mark.parametrize("place", [Gateway, ResponsesMiddleware])
    async def test_it_counts_as_a_request(self, place: Any) -> None:
        app = place(
            Upstream.asgi(elsewhere),
            rate_limits=RateLimits(
                {"*": a_day(requests=3, tokens=5, concurrent=1), "large": a_day(requests=1)}
            ),
        )
        async with client_of(app) as client:
            told = [
                await client.options("/v1/embeddings"),
                await client.post("/v1/embeddings", json={"model": "large", "input": "x"}),
                await client.post("/v1/audio/speech", content=b"x" * 1000),
                await client.get("/v1/files"),
                await client.get("/v1/files"),
            ]
            other = await client.get("/v1/files", headers={"authorization": "Bearer bob"})
        assert [each.status_code for each in told] == [200, 200, 200, 200, 429]
        left = [each.headers.get_list("x-ratelimit-remaining-requests") for each in told]
        assert left == [["9999"], ["2"], ["1"], ["0"], ["0"]]
        assert told[1].headers["x-theirs"] == "/v1/embeddings"
        assert told[4].json()["error"]["code"] == "rate_limit_exceeded"
        assert told[4].json()["error"]["message"].startswith("Rate limit reached on requests per")
        assert "x-ratelimit-remaining-tokens" not in other.headers
        assert other.headers["x-ratelimit-remaining-requests"] == "2"

    async def test_an_apps_own_paths_are_its_own_affair(self) -> None:
        app = ResponsesMiddleware(elsewhere, rate_limits=RateLimits(a_day(requests=1)))
        async with client_of(app) as client:
            assert [(await client.get("/v1/files")).status_code for _ in range(3)] == [200] * 3

    async def test_without_a_limit_for_every_model(self) -> None:
        limits = RateLimits({"large": a_day(requests=1), "*": a_day(concurrent=1)})
        app = Gateway(Upstream.asgi(elsewhere), rate_limits=limits)
        async with client_of(app) as client:
            told = [await client.get("/v1/files") for _ in range(3)]
        assert [each.headers["x-ratelimit-remaining-requests"] for each in told] == ["9999"] * 3

    async def test_sockets(self) -> None:
        app = Gateway(Upstream.asgi(elsewhere), rate_limits=RateLimits(a_day(requests=1)))
        async with served(app) as url:
            address = url.replace("http", "ws") + "/v1/realtime"
            async with connect(address, proxy=None) as socket:
                await socket.wait_closed()
            with pytest.raises(InvalidStatus) as caught:
                async with connect(address, proxy=None):
                    pass
        assert caught.value.response.status_code == 429
        assert caught.value.response.headers["retry-after"]

    @pytest.mark.parametrize(("when_down", "status"), [("refuse", 503), ("allow", 200)])
    async def test_without_its_store(self, when_down: Any, status: int) -> None:
        limits = RateLimits(
            a_day(requests=1), store=unused_url().replace("http", "redis"), when_down=when_down
        )
        app = Gateway(Upstream.asgi(elsewhere), rate_limits=limits)
        async with client_of(app) as client:
            answer = await client.get("/v1/files")
        assert answer.status_code == status
        assert answer.headers["x-ratelimit-remaining-requests" if status == 200 else "retry-after"]

    async def test_asking_the_app_who_may_create_takes_nothing(self) -> None:
        limits = RateLimits(a_day(requests=1))
        app = Gateway(Upstream.asgi(elsewhere), rate_limits=limits, auth_path="/me", store="memory")
        async with client_of(app) as client:
            told = [(await client.post("/v1/conversations", json={})).status_code for _ in range(3)]
        assert told == [200] * 3


class TestSockets:
    async def test_a_warm_up_is_a_request(self) -> None:
        seen: list[tuple[str, int]] = []

        class Looking(RequestLog):
            def write(self, facts: Any, ended: Any, seconds: float) -> None:
                seen.append((facts.outcome, facts.status))

        limits = RateLimits(a_day(requests=2, tokens=2_000, concurrent=1))
        app = Gateway(Upstream.handler(parrot), rate_limits=limits, telemetry=[Looking()])
        turns: list[Any] = [
            {"model": "m", "generate": False},
            {"model": "m", "generate": False, "input": "x", "previous_response_id": "resp_0"},
            {"model": "m", "generate": False},
            {"model": 5, "input": "x"},
        ]
        async with served(app) as url:
            address = url.replace("http", "ws") + "/v1/responses"
            async with connect(address, proxy=None) as socket:
                told = []
                for turn in turns:
                    await socket.send(json.dumps({"type": "response.create", **turn}))
                    event: dict[str, Any] = {"type": ""}
                    while event["type"] not in ("response.completed", "error"):
                        event = json.loads(await socket.recv())
                    told.append(event.get("error", {}).get("code"))
        assert told[:3] == [None, "previous_response_not_found", "rate_limit_exceeded"]
        assert seen == [("completed", 200), ("refused", 400), ("refused", 429), ("refused", 400)]

    async def test_a_turn_takes_from_the_budget(self) -> None:
        app = limited(a_day(requests=2, concurrent=1))
        async with served(app) as url:
            address = url.replace("http", "ws") + "/v1/responses"
            async with connect(address, additional_headers={"authorization": "Bearer alice"}) as socket:
                told = []
                for _ in range(3):
                    await socket.send(json.dumps({"type": "response.create", "model": "m", "input": "x"}))
                    event: dict[str, Any] = {"type": ""}
                    while event["type"] not in ("response.completed", "error"):
                        event = json.loads(await socket.recv())
                    told.append(event)
        assert [event["type"] for event in told] == ["response.completed", "response.completed", "error"]
        assert told[2]["error"]["code"] == "rate_limit_exceeded"
        assert "try again in" in told[2]["error"]["message"]


class TestBackground:
    async def test_it_is_refused_when_it_is_asked_for(self) -> None:
        app = limited(a_day(requests=1, concurrent=1))
        async with app.lifespan():
            queued = await ask(app, background=True)
            refused = await ask(app, background=True)
            assert (queued.status_code, refused.status_code) == (200, 429)
            async with client_of(app) as client:
                deadline = time.monotonic() + 10
                while await _status(client, queued.json()["id"]) != "completed":
                    assert time.monotonic() < deadline

    async def test_its_tokens_are_settled(self) -> None:
        app = limited(a_day(tokens=2_000), costly)
        async with app.lifespan():
            queued = await ask(app, "9000", background=True)
            assert queued.status_code == 200
            deadline = time.monotonic() + 10
            while (await ask(app, "1")).status_code != 429:
                assert time.monotonic() < deadline


async def _status(client: httpx.AsyncClient, id: str) -> str:
    return str((await client.get(f"/v1/responses/{id}")).json()["status"])


class TestSDK:
    async def test_it_backs_off_and_succeeds(self) -> None:
        app = limited({"*": Limit(requests=2, period=1)})
        async with served(app) as url:
            async with AsyncOpenAI(base_url=f"{url}/v1", api_key="alice", max_retries=4) as client:
                for number in range(5):
                    answer = await client.responses.create(model="house", input=str(number))
                    assert answer.output_text == str(number)
            async with AsyncOpenAI(base_url=f"{url}/v1", api_key="bob", max_retries=0) as client:
                asked: Any = {"model": "house", "messages": [{"role": "user", "content": "x"}]}
                both = [client.chat.completions.create(**asked) for _ in range(5)]
                told = await asyncio.gather(*both, return_exceptions=True)
        refused = [each for each in told if isinstance(each, openai.RateLimitError)]
        assert len(refused) >= 2
        assert {each.code for each in refused} == {"rate_limit_exceeded"}


class TestWindow:
    def test_room_after_the_wait(self) -> None:
        """Where `wait` says there is room, what is counted then leaves it."""
        for previous in (0, 10, 100):
            for current in (0, 30, 99, 250):
                for left in (5.0, 30.0, 60.0):
                    window = Window(100, 60, previous, left, current, left + 60)
                    wait = window.wait(20)
                    later = self._after(window, wait + 0.001)
                    assert later.remaining >= 20
                    if wait > 0.1:
                        assert self._after(window, wait - 0.1).used > 78

    @staticmethod
    def _after(window: Window, seconds: float) -> Window:
        if seconds < window.shift:
            return window._replace(
                previous_left=window.previous_left - seconds, current_left=window.current_left - seconds
            )
        left = max(window.current_left - seconds, 0.0)
        return window._replace(previous=window.current, previous_left=left, current=0, current_left=0.0)

    def test_reset(self) -> None:
        assert Window(10, 60).reset == 0
        assert Window(10, 60, previous=1, previous_left=7.0).reset == 7.0
        assert Window(10, 60, current=1, current_left=70.0).reset == 70.0

    @pytest.mark.parametrize(
        ("seconds", "told"), [(0.02, "20ms"), (1.5, "1.5s"), (360, "6m0s"), (60.25, "1m0.25s")]
    )
    def test_durations_are_told_as_the_api_does(self, seconds: float, told: str) -> None:
        headers = limit_headers({"tokens": Window(10, 60, previous=1, previous_left=seconds)})
        assert headers["x-ratelimit-reset-tokens"] == told


def test_tokens() -> None:
    chat = {"messages": [{"role": "user", "content": "x" * 400}]}
    assert input_tokens(chat) == input_tokens({"input": "x" * 400}) == 104
    assert output_limit({"max_tokens": 5}, 100) == 5
    assert output_limit({"max_output_tokens": None}, 100) == 100
    assert used_tokens({"usage": {"prompt_tokens": 3, "completion_tokens": 4}}, 99) == 7
    assert used_tokens({"choices": []}, 99) == 99
    assert used_tokens({"choices": [{"message": {"content": "x" * 400}}]}, 99) > 190


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({}, "limits must be"),
        ("fast", "limits must be"),
        ({"a*b*": Limit()}, "one '\\*'"),
        ({"a": 5}, "must be a Limit"),
    ],
)
def test_rules_that_are_none(limits: Any, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        rules_of(limits)


@pytest.mark.parametrize("given", [{"requests": 0}, {"tokens": 1.5}, {"concurrent": -1}, {"period": 0}])
def test_limits_that_are_none(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="whole number"):
        Limit(**given)


def test_settings_that_cannot_work() -> None:
    with pytest.raises(ConfigurationError, match="when_down"):
        RateLimits(Limit(), when_down="wait")  # type: ignore[arg-type]  # that is the test
    with pytest.raises(ConfigurationError, match="Redis URL"):
        RateLimits(Limit(), store="sqlite:///x")


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "limits.aio", None)
    with pytest.raises(MissingExtraError, match="ratelimit"):
        RateLimits(Limit(requests=1))
