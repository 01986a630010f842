"""One stream under the eyes of a `StreamGuard`: passed on as it is, or repaired."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from responses_asgi.errors import APIError
from responses_asgi.sse import encode
from responses_asgi.testing.chat_rules import CHAT_RULES
from responses_asgi.testing.chat_validate import ChatStreamCheck
from responses_asgi.testing.frames import BlockReader, document, is_comment
from responses_asgi.testing.repair import Repair
from responses_asgi.testing.repair_chat import ChatRepair
from responses_asgi.testing.repair_responses import ResponsesRepair
from responses_asgi.testing.rules import RULES, InvalidStream, Position
from responses_asgi.testing.validate import StreamCheck
from responses_asgi.types.events import DONE, Dialect, Event
from responses_asgi.types.json import JSON, loads
from responses_asgi.upstreams.upstream import WireAPI

__all__ = ["CheckedStream", "CheckingOf", "RepairedStream"]

# What a repair raises at a value of another type than any server sends.
_MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError)

_Check: TypeAlias = StreamCheck | ChatStreamCheck


class CheckingOf(NamedTuple):
    """What is known of a stream when it begins: the API (None: its first event tells), whether usage was
    asked for, the dialect; and who is told of a broken rule, and may raise it."""

    api: WireAPI | None
    usage: bool | None
    dialect: Dialect
    treat: Callable[[InvalidStream], None]

    def check(self, api: WireAPI, at: Position) -> _Check:
        at.rules = RULES if api == "responses" else CHAT_RULES
        if api == "responses":
            return StreamCheck(dialect=self.dialect, at=at)
        check = ChatStreamCheck(usage=self.usage, at=at)
        check.begin_text()
        return check

    def repair(self, api: WireAPI) -> Repair:
        if api == "responses":
            return ResponsesRepair(dialect=self.dialect, new_id=_new_id, now=_now)
        return ChatRepair(usage=self.usage, new_id=_new_id, now=_now)


class CheckedStream:
    """A stream that passes as it is, while it is legal."""

    def __init__(self, known: CheckingOf) -> None:
        self._known = known
        self._at = Position()
        self._reader = BlockReader(self._at)
        self._check = None if known.api is None else known.check(known.api, self._at)
        self._over = False  # it is none of ours, or was found to be broken

    def feed(self, data: bytes) -> bytes:
        """The bytes; raises what `treat` raises."""
        if not self._over:
            try:
                for block in self._reader.feed(data):
                    self._take(block)
            except InvalidStream as error:
                self._over = True
                self._known.treat(error)
        return data

    def end(self) -> bytes:
        """Nothing; raises what `treat` raises."""
        if not self._over and self._check is not None:
            try:
                _end(self._check, self._at, self._reader.rest())
            except InvalidStream as error:
                self._known.treat(error)
        return b""

    def _take(self, block: list[str]) -> None:
        if self._over or is_comment(block):
            return
        if self._check is None:
            api = _api_of(block)
            if api is None:
                self._over = True
                return
            self._check = self._known.check(api, self._at)
        self._check.take_block(block)


class RepairedStream:
    """A stream whose events are put right. `tell` is told the first rule that the given stream breaks."""

    def __init__(self, known: CheckingOf, tell: Callable[[InvalidStream], None]) -> None:
        self._known = known
        self._tell = tell
        self._at = Position()
        self._reader = BlockReader(self._at, errors="replace")
        self._given: _Check | None = None
        self._result: _Check | None = None
        self._repair: Repair | None = None
        self._over = False  # it is none of ours
        self._undecided: list[bytes] = []  # what was read while the API was not known
        self._comments: list[bytes] = []
        if known.api is not None:
            self._decide(known.api)

    def feed(self, data: bytes) -> bytes:
        """The repaired events that the data completes; raises what `treat` raises."""
        if self._over:
            return data
        if self._repair is None:
            self._undecided.append(data)
        out: list[bytes] = []
        for block in self._reader.feed(data):
            if is_comment(block):
                (out if self._repair else self._comments).append(_joined(block))
                continue
            repair = self._repair
            if repair is None:
                api = _api_of(block)
                if api is None:
                    self._over = True
                    return self._released()
                repair = self._decide(api)
                out += self._comments
            out.append(self._repaired(repair, block))
        if self._repair is None:
            return self._released() if self._reader.between else b""
        return b"".join(out)

    def end(self) -> bytes:
        """What the stream still lacks; raises what `treat` raises."""
        rest = self._reader.rest()
        if self._repair is None:
            return self._released()
        out = b"" if is_comment(rest) or _is_cut(rest) else self._repaired(self._repair, rest)
        self._given = self._judged(self._given, lambda check: _end(check, self._at, rest), self._tell)
        out += self._encoded(_made(self._repair.finish))
        self._result = self._judged(self._result, lambda check: _end(check, self._at), self._known.treat)
        return out

    def fail(self, error: APIError) -> bytes:
        """The end of a stream that broke off."""
        repair = self._repair
        if repair is None:
            return self._released()
        self._result = None
        return self._encoded(_made(lambda: repair.fail(error)))

    def _decide(self, api: WireAPI) -> Repair:
        self._given = self._known.check(api, self._at)
        self._result = self._known.check(api, Position())
        self._repair = self._known.repair(api)
        return self._repair

    def _released(self) -> bytes:
        data = b"".join(self._undecided)
        self._undecided.clear()
        self._comments.clear()
        return data

    def _repaired(self, repair: Repair, block: list[str]) -> bytes:
        self._given = self._judged(self._given, lambda check: check.take_block(block), self._tell)
        name, data = _fields(block)
        if not data:
            return b""
        if data.strip().strip('"').encode() == DONE:
            return self._encoded(_made(repair.mark))
        try:
            event = document(data, self._at)
        except InvalidStream:
            return self._passed(block)
        events = _made(lambda: repair.take(_named(name, event)))
        return self._passed(block) if events is None else self._encoded(events)

    def _encoded(self, events: Iterable[Event] | None) -> bytes:
        blocks = (encode(event.type, event.data).decode().split("\n")[:-2] for event in events or ())
        return b"".join(map(self._passed, blocks))

    def _passed(self, block: list[str]) -> bytes:
        self._result = self._judged(self._result, lambda check: check.take_block(block), self._known.treat)
        return _joined(block)

    def _judged(
        self, check: _Check | None, step: Callable[[_Check], object], tell: Callable[[InvalidStream], None]
    ) -> _Check | None:
        """The check after this step; None once a rule was broken, which is told."""
        if check is not None:
            try:
                step(check)
            except InvalidStream as error:
                tell(error)
                return None
        return check


def _made(step: Callable[[], list[Event]]) -> list[Event] | None:
    """The events of a repair; None where there is none, and the check then names what is wrong."""
    try:
        return step()
    except _MISSHAPEN:
        return None


def _is_cut(block: list[str]) -> bool:
    """Whether the end of the stream went through this event."""
    data = _fields(block)[1]
    try:
        return data != DONE.decode() and not loads(data)
    except ValueError:
        return True


def _end(check: _Check, at: Position, rest: Sequence[str] = ()) -> None:
    at.require(not rest, "sse-form", f"the last event has no blank line after it: {rest!r}")
    if isinstance(check, StreamCheck):
        check.end_text()
    check.end()


def _api_of(block: list[str]) -> WireAPI | None:
    """The API of a stream that begins with this event; None for a stream of something else."""
    name, data = _fields(block)
    try:
        event = loads(data)
    except ValueError:
        return None
    if not isinstance(event, dict):
        return None
    kind = event.get("type") or name
    if isinstance(kind, str) and kind.startswith("response."):
        return "responses"
    return "chat" if "choices" in event and str(event.get("object", "")).startswith("chat.") else None


def _fields(block: list[str]) -> tuple[str | None, str]:
    """Name and data of an SSE event, however it is spaced."""
    name, data = None, []
    for line in block:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
    return name, "\n".join(data)


def _named(name: str | None, event: JSON) -> JSON:
    """The event with what only its event line says."""
    if name == "error" and not event.get("error"):
        return {"type": "error", "error": event}
    return event if name is None or event.get("type") else {"type": name, **event}


def _joined(block: list[str]) -> bytes:
    return ("\n".join(block) + "\n\n").encode()


def _new_id(prefix: str) -> str:
    return prefix + secrets.token_hex(16)


def _now() -> int:
    return int(time.time())
