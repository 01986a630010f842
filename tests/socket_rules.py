"""What holds on a Responses WebSocket whatever its client sends: one socket, driven by hand, and its ledger.

1. Each frame has exactly one outcome: the events of a response, or one error, or the answer of its type.
2. The socket is closed after so many invalid frames in a row, and by nothing else that a client sends.
3. Nothing is said after that, no exception is unhandled, and no task is left.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from responses_asgi import ResponsesMiddleware, Upstream, WebSocketLimits
from responses_asgi.exchange.options import Options
from responses_asgi.testing import assert_valid_stream
from responses_asgi.types.asgi import Message
from tests.sockets import SocketAsked
from tests.websocket_driver import TERMINAL

JSON = dict[str, Any]

SECONDS = 30.0
"""How long anything is waited for."""

LIMITS = WebSocketLimits(
    max_message_bytes=2_000,
    max_lanes=2,
    max_queued=2,
    max_queued_bytes=1_000,
    max_history_bytes=3_000,
    max_invalid=3,
)

MOST_DEPTH = Options().max_depth
KNOWN_TYPES = ("response.create", "response.cancel", "response.steer", "response.processed", "ping")
_LANE = re.compile(r"[A-Za-z0-9_.-]{1,256}")


class Say(NamedTuple):
    """A frame: its text, or bytes. `$0`, `$1` ... stand for the ids of the responses heard so far, `$x` for
    one that another connection remembers, `$s` for one that is stored."""

    data: str | bytes


class Wait(NamedTuple):
    """Let everything else have this many turns."""

    turns: int


class Release(NamedTuple):
    """Let the models that wait for it say the rest."""


Step: TypeAlias = Say | Wait | Release


class Broken(Exception):
    """What the model raises; the service logs it as it is."""


class Model:
    """Says what it is asked to: `wait` not before it is released, `fail` breaks, `silent` says nothing."""

    def __init__(self) -> None:
        self.released = asyncio.Event()

    async def __call__(self, request: JSON) -> AsyncIterator[str]:
        asked = json.dumps(request["messages"][-1])
        if "fail now" in asked:
            raise Broken("the model is broken")
        if "silent" in asked:
            return
        yield "Hel"
        if "fail" in asked:
            raise Broken("the model breaks")
        if "wait" in asked:
            await self.released.wait()
        await asyncio.sleep(0)
        yield "lo."


class Ledger:
    """What was sent, and what came of it."""

    def __init__(self) -> None:
        self.creates: Counter[str] = Counter()
        self.invalid: Counter[str] = Counter()
        self.cancels: Counter[str] = Counter()
        self.pings = 0
        self.steers = 0
        self.breaking = 0
        self.in_a_row = 0
        self.ended = False

    def take(self, data: str | bytes) -> None:
        """A frame is sent. What comes after the end has no outcome."""
        if self.ended:
            return
        lane, kind = _read(data)
        if kind is None:
            self.invalid[lane] += 1
            self.in_a_row += 1
            self.ended = self.in_a_row >= LIMITS.max_invalid
            return
        self.in_a_row = 0
        self.creates[lane] += kind == "response.create"
        self.breaking += "fail now" in str(data)
        self.cancels[lane] += kind == "response.cancel"
        self.pings += kind == "ping"
        self.steers += kind == "response.steer"


def _read(data: str | bytes) -> tuple[str, str | None]:
    """The lane and the type of a message; None: it is none."""
    try:
        document = json.loads(data.encode("utf-8", "surrogatepass")) if isinstance(data, str) else None
    except (ValueError, RecursionError):
        return "", None
    too_much = isinstance(data, str) and len(data.encode("utf-8", "surrogatepass")) > LIMITS.max_message_bytes
    if too_much or not isinstance(document, dict) or _is_out_of_bounds(document):
        return "", None
    lane, kind = document.get("stream_id"), document.get("type")
    if lane is not None and not (isinstance(lane, str) and _LANE.fullmatch(lane)):
        return "", None
    return lane or "", kind if kind in KNOWN_TYPES else None


def _is_out_of_bounds(value: Any) -> bool:
    """Whether there is a NaN or an infinity in it, or more than may be nested."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return True
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
    return depth > MOST_DEPTH


class Lane:
    """What was heard on one lane: whole responses, errors, and the events of the one that is told."""

    def __init__(self) -> None:
        self.told: list[JSON] = []
        self.responses: list[JSON] = []
        self.errors: list[JSON] = []


class Heard:
    """Everything that was heard on a socket, sorted; a frame in the wrong place is an AssertionError."""

    def __init__(self) -> None:
        self.lanes: dict[str, Lane] = {}
        self.ids: list[str] = []
        self.pongs = 0
        self.steers = 0
        self.failures = 0
        self.closed: Message | None = None

    def take(self, message: Message) -> None:
        assert self.closed is None, f"after the socket was closed: {message}"
        if message["type"] == "websocket.close":
            self.closed = message
            return
        assert message["type"] == "websocket.send", message
        event = json.loads(message["text"])
        lane = self.lanes.setdefault(event.pop("stream_id", ""), Lane())
        kind = event["type"]
        if kind == "pong":
            assert event == {"type": "pong"}
            self.pongs += 1
        elif kind == "response.steer.failed":
            self.steers += 1
        elif kind == "error" and "sequence_number" not in event:
            assert set(event) - {"headers"} == {"type", "status", "error"}, event
            assert {"message", "type", "param", "code"} <= set(event["error"])
            self.failures += event["status"] == 500
            lane.errors.append(event)
        else:
            self._told(lane, event)

    def _told(self, lane: Lane, event: JSON) -> None:
        """An event of a response: those of a lane do not interleave."""
        assert (event["type"] == "response.created") == (not lane.told), event
        lane.told.append(event)
        if event["type"] == "response.created":
            self.ids.append(event["response"]["id"])
        if event["type"] in TERMINAL:
            lane.responses.append(assert_valid_stream(lane.told))
            lane.told = []


class Driven:
    """One socket to an app, with the ledger of what was sent and what was heard."""

    def __init__(self, app: Any) -> None:
        self.ledger = Ledger()
        self.heard = Heard()
        self.socket = SocketAsked(app, "/v1/responses")
        self._read = 0

    def say(self, data: str | bytes) -> None:
        self.ledger.take(data)
        kind = "text" if isinstance(data, str) else "bytes"
        self.socket.hear.put_nowait({"type": "websocket.receive", kind: data})

    def look(self) -> None:
        """Take in what was said by now."""
        for message in self.socket.sent[self._read :]:
            self._read += 1
            if message["type"] != "websocket.accept":
                self.heard.take(message)

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for what is said to make this true."""
        loop = asyncio.get_running_loop()
        until, turns = loop.time() + SECONDS, 0
        while True:
            self.look()
            if condition():
                return
            assert loop.time() < until, f"{what} did not come: {self.socket.sent}"
            assert not self.socket.task.done(), f"the socket is over before {what}"
            turns += 1
            await asyncio.sleep(0 if turns < 200 else 0.005)

    async def leave(self) -> None:
        """The client goes, wherever it is."""
        self.socket.hear.put_nowait({"type": "websocket.disconnect", "code": 1006})
        self.socket.gone = True
        async with asyncio.timeout(SECONDS):
            await self.socket.task
        self.look()

    def is_settled(self) -> bool:
        """Whether every frame has its outcome."""
        return not self.left_open()

    def left_open(self) -> dict[str, int]:
        """By lane, how many outcomes of creates, and of frames that are no messages, are missing."""
        ledger, heard = self.ledger, self.heard
        missing = {"pong": ledger.pings - heard.pongs, "steer": ledger.steers - heard.steers}
        for name in {*ledger.creates, *ledger.invalid, *heard.lanes}:
            lane = heard.lanes.get(name) or Lane()
            refused = sum(e["error"]["code"] == "response_cancel_not_active" for e in lane.errors)
            assert refused <= ledger.cancels[name], lane.errors
            outcomes = len(lane.errors) - refused + len(lane.responses)
            missing[f"lane {name}"] = ledger.creates[name] + ledger.invalid[name] - outcomes
        return {name: count for name, count in missing.items() if count}

    def check(self) -> None:
        """Every frame has had its outcome, and none had two."""
        assert not self.left_open(), (self.left_open(), self.socket.sent)
        # A model that raises at once is a failure of the server, as over POST; nothing else may be one.
        assert self.heard.failures <= self.ledger.breaking, self.socket.sent
        for lane in self.heard.lanes.values():
            numbers = [int(response["metadata"].get("n", -1)) for response in lane.responses]
            assert not lane.told
            known = [number for number in numbers if number >= 0]
            assert known == sorted(known), "the turns of a lane are told in their order"


def middleware(model: Any) -> ResponsesMiddleware:
    return ResponsesMiddleware(Upstream.handler(model), websocket=LIMITS, store="memory")


async def converse(steps: Sequence[Step], *, leave: bool = False) -> Driven:
    """A whole conversation; with `leave` the client goes after the last step, else when all was answered."""
    loop, model = asyncio.get_running_loop(), Model()
    unhandled: list[Any] = []
    loop.set_exception_handler(lambda _, context: unhandled.append(context))
    failures = _Failures()
    app = middleware(model)
    before = asyncio.all_tasks()
    logger = logging.getLogger("responses_asgi")
    logger.addHandler(failures)
    try:
        known = await _known(app)
        driven = Driven(app)
        await _play(driven, steps, model, known)
        if leave:
            await driven.leave()
        else:
            await _finish(driven, model)
    finally:
        logger.removeHandler(failures)
        await app.aclose()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert not unhandled
    assert not failures.seen
    return driven


async def _known(app: Any) -> dict[str, str]:
    """Ids that another connection has, which is over for one of them."""
    other = Driven(app)
    for store in (False, True):
        other.say(json.dumps({"type": "response.create", "model": "m", "input": "Hi", "store": store}))
    await other.until(other.is_settled, "an answer")
    await other.leave()
    return dict(zip(("$x", "$s"), other.heard.ids, strict=True))


async def _play(driven: Driven, steps: Sequence[Step], model: Model, known: dict[str, str]) -> None:
    for step in steps:
        driven.look()
        if isinstance(step, Wait):
            for _ in range(step.turns):
                await asyncio.sleep(0)
        elif isinstance(step, Release):
            model.released.set()
        else:
            driven.say(_filled(step.data, driven.heard.ids, known))
    unstored = known["$x"]
    driven.look()
    told = [response for lane in driven.heard.lanes.values() for response in lane.responses]
    assert all(response.get("previous_response_id") != unstored for response in told)


async def _finish(driven: Driven, model: Model) -> None:
    """Wait for all outcomes, then see that there are no others, and leave."""
    model.released.set()
    if driven.ledger.ended:
        await driven.until(lambda: driven.heard.closed is not None, "the end")
        assert driven.heard.closed is not None
        assert driven.heard.closed["code"] == 1008
        async with asyncio.timeout(SECONDS):
            await driven.socket.task
        return
    await driven.until(driven.is_settled, "an outcome")
    for _ in range(20):
        await asyncio.sleep(0)
    driven.look()
    assert driven.heard.closed is None
    driven.check()
    await driven.leave()


def _filled(data: str | bytes, ids: Sequence[str], known: dict[str, str]) -> str | bytes:
    """The frame with the ids that it names."""
    if isinstance(data, bytes) or "$" not in data:
        return data
    places = {**known, **{f"${number}": id for number, id in enumerate(ids[:10])}}
    return re.sub(r"\$[0-9xs]", lambda found: places.get(found[0], found[0]), data)


class _Failures(logging.Handler):
    """What the service says of its own failures."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not (record.exc_info and isinstance(record.exc_info[1], Broken)):
            self.seen.append(self.format(record))
