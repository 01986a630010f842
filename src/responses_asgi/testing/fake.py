"""A scripted model behind both APIs: `FakeModel`, an ASGI app."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from itertools import count
from random import Random
from types import TracebackType
from typing import Any, Self

from responses_asgi.errors import APIError, InvalidRequestError
from responses_asgi.profiles import PROFILES, Profile, profile_for
from responses_asgi.testing.delivery import Delivery
from responses_asgi.testing.endpoints import embeddings, model_list, model_object
from responses_asgi.testing.faults import BrokenOff
from responses_asgi.testing.model_request import ModelRequest
from responses_asgi.testing.pace import Clock, Pace, RealClock
from responses_asgi.testing.personality import Personality
from responses_asgi.testing.script import (
    Pattern,
    Reply,
    Rule,
    Script,
    ScriptedTurn,
    Unscripted,
    When,
    pieces_of,
    reply_of,
)
from responses_asgi.testing.scripted import ResponsesTurn, Turn, play
from responses_asgi.testing.vocabulary import words
from responses_asgi.testing.voices import ChatVoice, ResponsesVoice
from responses_asgi.types.asgi import Receive, Scope, Send
from responses_asgi.types.chat import validate_chat_request
from responses_asgi.types.json import JSON, loads
from responses_asgi.types.responses import validate_request
from responses_asgi.upstreams.answers import Piece
from responses_asgi.upstreams.completion import ChunkWriter
from responses_asgi.upstreams.replies import deny_websocket, send_error, send_json, serve_lifespan
from responses_asgi.upstreams.request import RequestBody, while_client_stays
from responses_asgi.upstreams.upstream import ENDPOINTS, WireAPI

__all__ = ["FakeModel"]

logger = logging.getLogger("responses_asgi.testing")

_CHECKS: dict[WireAPI, Callable[[object], JSON]] = {
    "chat": validate_chat_request,
    "responses": validate_request,
}

# Both OpenAI SDKs obey it; a script that has no answer has none for the second try either.
_NO_RETRY = {"x-should-retry": "false"}


class FakeModel:
    """A model that says what a script tells it, on `/chat/completions` and `/responses`, under any prefix.

    `turns` is a list with one turn for each request in turn, or one turn for all of them: a text, pieces
    (`Reasoning`, `ToolCall`, `Refusal`, `Citation`, `Scored`, `Usage`, `Finish`), a mapping or pydantic
    object that is said as JSON, an `Error`, a list of these, a `Reply`, a raw `Turn`, or a function of the
    request (see `ScriptedTurn`). With neither turns nor rules the model repeats what it is told.

    - `strict`: used as a context manager, or asked by `verify`, it fails the test that left turns unsaid.
    - `pace`: how fast it speaks; `clock`: what it waits by, `ManualClock` so that tests need not wait.
    - `profile`: the name of a Chat server that it plays, or its `Profile`: it refuses the requests that such
      a server does not understand, and says its answers in its way.
    - `models`: the names that `GET /models` lists; any model can be asked.
    - `seed`: of the jitter of the pace. Ids are numbered, so that every run is the same.

    `requests` holds what was asked, as `ModelRequest`. The model also answers `/embeddings`.

    >>> fake = FakeModel([ToolCall("weather", {"city": "Oslo"}), "It is sunny."])  # doctest: +SKIP
    """

    def __init__(
        self,
        turns: Sequence[ScriptedTurn] | ScriptedTurn | None = None,
        *,
        strict: bool = False,
        pace: Pace | None = None,
        clock: Clock | None = None,
        profile: str | Profile = "openai",
        models: Sequence[str] = ("fake-model",),
        seed: int = 0,
    ) -> None:
        self.requests: list[ModelRequest] = []
        self.strict = strict
        self._script = Script(turns)
        self._pace = pace or Pace()
        self._clock = clock or RealClock()
        self._profile = profile_for(profile)
        self._models = models
        self._random = Random(seed)
        self._numbers = count(1)
        self._items: dict[str, list[JSON]] = {}
        self._problems: list[str] = []

    def on(
        self,
        *,
        text: Pattern | None = None,
        tool_result: bool | Pattern | None = None,
        turn: int | None = None,
        model: Pattern | None = None,
        api: WireAPI | None = None,
        where: Callable[[ModelRequest], bool] | None = None,
        times: int | None = None,
    ) -> Rule:
        """A rule for the requests that fit (see `When`), at most `times` times; it is given turns by `say`.

        The first rule that fits counts; requests that fit none get the next of the list of turns.

        >>> fake = FakeModel()
        >>> rule = fake.on(text="weather", tool_result=False).say(ToolCall("weather", {}))  # doctest: +SKIP
        """
        when = When(text=text, tool_result=tool_result, turn=turn, model=model, api=api, where=where)
        rule = Rule(when, times)
        self._script.rules.append(rule)
        return rule

    def verify(self) -> None:
        """Raise Unscripted for requests that had no turn; if strict, also for turns that were not said."""
        problems = list(self._problems)
        if self.strict and (unsaid := self._script.unsaid()):
            problems.append(
                "\n".join(["The script was not said to its end:", *(f"  {turn}" for turn in unsaid)])
            )
        if problems:
            raise Unscripted("\n\n".join(problems))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Verify. Of a block that raised because of a request without a turn, the comparison is the cause."""
        if self._problems or (error is None and self.strict):
            self.verify()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await serve_lifespan(receive, send)
        elif scope["type"] == "websocket":
            await deny_websocket(receive, send)
        else:
            body = RequestBody(receive)
            await while_client_stays(receive, self._serve(scope, body, send), after=body)

    async def _serve(self, scope: Scope, body: RequestBody, send: Send) -> None:
        try:
            await body.begin()
            await self._route(scope, await body.collect(), send)
        except APIError as error:
            await send_error(send, error)

    async def _route(self, scope: Scope, body: bytes, send: Send) -> None:
        method, path = scope["method"], scope["path"].rstrip("/")
        for api, ending in ENDPOINTS.items():
            if method == "POST" and path.endswith(ending):
                await self._answer(self._received(api, scope, body), send)
                return
        _, found, name = path.rpartition("/models/")
        if method == "POST" and path.endswith("/embeddings"):
            await send_json(send, embeddings(_decoded(body)))
        elif method == "GET" and path.endswith("/models"):
            await send_json(send, model_list(self._models))
        elif method == "GET" and found:
            await send_json(send, model_object(name, self._models))
        else:
            raise InvalidRequestError(f"There is no {method} {path} here.", status=404, code="not_found")

    def _received(self, api: WireAPI, scope: Scope, content: bytes) -> ModelRequest:
        """The request, kept for assertions. Raises InvalidRequestError for one that no server would take."""
        body = _CHECKS[api](_decoded(content))
        earlier: list[JSON] = []
        if api == "responses" and (previous := body.get("previous_response_id")):
            if previous not in self._items:
                raise InvalidRequestError(
                    f"Previous response with id '{previous}' not found.",
                    param="previous_response_id",
                    code="previous_response_not_found",
                )
            earlier = self._items[previous]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        request = ModelRequest(api, body, scope["path"], headers, len(self.requests), earlier)
        self.requests.append(request)
        return request

    async def _answer(self, request: ModelRequest, send: Send) -> None:
        personality = Personality(self._profile if request.api == "chat" else PROFILES["openai"])
        personality.refuse(request.chat)
        reply = await self._reply(request)
        if isinstance(reply, Turn):
            if isinstance(reply, ResponsesTurn) != (request.api == "responses"):
                raise self._problem(f"{reply!r} is no answer on {request.path}.")
            await play(reply, send, stream=request.stream)
            return
        voice: ChatVoice | ResponsesVoice
        if request.api == "chat":
            voice = ChatVoice(request.body, personality)
        else:
            voice = ResponsesVoice(request.body, self._new_id, _now)
        head = {"id": self._new_id("chatcmpl-"), "created": _now(), "model": request.model}
        delivery = Delivery(
            self._pieces(reply, request),
            faults=reply.faults,
            voice=voice,
            writer=ChunkWriter(
                head, new_call_id=lambda: personality.call_id(self._new_id("call_")), usage_wanted=True
            ),
            pace=reply.pace or self._pace,
            clock=self._clock,
            random=self._random,
            whole_calls=personality.habits.whole_calls,
            prompt_tokens=len(list(words(str(request.messages)))),
        )
        await delivery.run(send, stream=request.stream)
        if isinstance(voice, ResponsesVoice):
            self._keep(request, voice.response)

    async def _reply(self, request: ModelRequest) -> Reply | Turn:
        """What the script says to this request. Raises APIError."""
        try:
            turn = self._script.turn_for(request)
            if turn is None:
                turn = request.tool_result or request.text
            return await reply_of(turn, request)
        except APIError:
            raise
        except Unscripted as problem:
            raise self._problem(str(problem)) from None
        except Exception as error:
            raise self._failed(request, error) from error

    async def _pieces(self, reply: Reply, request: ModelRequest) -> AsyncGenerator[Piece]:
        """What the reply says. Raises APIError, and BrokenOff for a cut."""
        try:
            async with aclosing(pieces_of(reply.parts, self._clock)) as pieces:
                async for piece in pieces:
                    yield piece
        except (APIError, BrokenOff):
            raise
        except Exception as error:
            raise self._failed(request, error) from error

    def _failed(self, request: ModelRequest, error: Exception) -> APIError:
        logger.error("The script failed at request %d", request.number, exc_info=error)
        return self._problem(f"The script failed at request {request.number}: {error!r}")

    def _problem(self, text: str) -> APIError:
        self._problems.append(text)
        return APIError(text, status=500, type="unscripted", code="unscripted", headers=_NO_RETRY)

    def _keep(self, request: ModelRequest, response: JSON) -> None:
        """Keep the conversation for a request that names this response as the previous one."""
        given: Any = request.body.get("input") or []
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        self._items[response["id"]] = [*request.earlier, *items, *response["output"]]

    def _new_id(self, prefix: str) -> str:
        return f"{prefix}{next(self._numbers)}"


def _now() -> int:
    return int(time.time())


def _decoded(content: bytes) -> JSON:
    try:
        body = loads(content)
    except ValueError:
        raise InvalidRequestError("The body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise InvalidRequestError("The body must be a JSON object.")
    return body
