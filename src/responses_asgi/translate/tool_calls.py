"""Routes the fragments of Chat tool calls to the call items they belong to.

1. A fragment belongs to the call at its index. Another id starts a new call there, and so does a name
   beside new arguments after whole ones; an id alone does not.
2. Without an index it belongs to the call with its id; without an id to the last call, unless it has a name.
   Arguments alone at an index that nobody has announced belong to the last call, too, while it is not whole.
3. Repeated ids and names say nothing new; a different name while the call has no arguments is a fragment of
   the name, and the id may come after it. So a call opens when it has an id and its name is certain, being a
   declared tool's with which no longer declared name begins; or its arguments begin; or something else
   follows.
4. Call ids are the client's join key: missing ones, and ones that this response or its history used already,
   are replaced.
Source: the classes of behaviour in recorded traffic; OpenAI's own accumulators route by index alone. Indices
that wander between id and arguments: danny-avila/LibreChat#13987, agno-agi/agno#8880.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from responses_asgi.errors import UpstreamError
from responses_asgi.loss import Losses
from responses_asgi.translate.call_items import CallItem, open_call
from responses_asgi.translate.deltas import Deltas
from responses_asgi.translate.response_writer import ResponseWriter
from responses_asgi.translate.tool_kinds import CUSTOM, FUNCTION
from responses_asgi.translate.tool_table import ToolRow
from responses_asgi.types.json import JSON, loads, written

__all__ = ["ToolCalls"]

# Stands in for the index of a legacy `function_call`.
LEGACY = "function_call"

# Type of a Chat call -> the field of it that the model writes.
WRITTEN = {"function": "arguments", "custom": "input"}


class Call:
    """One tool call; its item opens when the name is certain."""

    __slots__ = (
        "closed",
        "extra",
        "held",
        "item",
        "kind",
        "name",
        "upstream_id",
    )

    def __init__(self, kind: str, upstream_id: str) -> None:
        self.kind = kind
        self.upstream_id = upstream_id
        self.name = ""
        self.held: list[str] = []
        self.extra: JSON = {}
        self.item: CallItem | None = None
        self.closed = False

    @property
    def arguments(self) -> str:
        return self.item.written if self.item else "".join(self.held)

    @property
    def begun(self) -> bool:
        """Whether there are arguments so far."""
        return bool(self.item.begun if self.item else self.held)

    @property
    def says_something(self) -> bool:
        """Whether anything of the call is known; some servers send empty fragments ahead."""
        return bool(self.name or self.begun or self.upstream_id)

    @property
    def is_whole(self) -> bool:
        """Whether nothing more can come: the arguments are a complete JSON document, or there are none."""
        try:
            loads(self.arguments or "{}")
        except ValueError:
            return self.kind == "custom"
        return True


class ToolCalls:
    """The tool calls of one answer. `tools` is asked for what was declared, by the name sent upstream, when
    there is a call."""

    __slots__ = (
        "_at",
        "_calls",
        "_losses",
        "_past_ids",
        "_running",
        "_tools",
        "_used_ids",
        "_writer",
    )

    def __init__(
        self,
        writer: ResponseWriter,
        losses: Losses,
        *,
        tools: Callable[[], Mapping[str, ToolRow]],
        used_ids: Iterable[str],
    ) -> None:
        self._writer = writer
        self._losses = losses
        self._tools = tools
        self._past_ids = used_ids
        self._used_ids: set[str] | None = None  # most answers have no call
        self._calls: list[Call] = []
        self._at: dict[str, Call] = {}
        self._running: CallItem | Deltas | None = None

    def __bool__(self) -> bool:
        return bool(self._calls)

    @property
    def open(self) -> list[Call]:
        """Calls that are not closed yet, in the order of their items."""
        return [call for call in self._calls if not call.closed]

    def going_on(self) -> CallItem | Deltas | None:
        """What the fragments since this was last asked were more arguments of, and nothing else.

        Of several fragments it is that of the last one.
        """
        running, self._running = self._running, None
        return running

    def feed(self, fragments: Iterable[object], *, whole: bool) -> None:
        """Take the `tool_calls` of one chunk, or of a whole message, where each is a call of its own."""
        for fragment in fragments:
            if isinstance(fragment, dict):
                self._take(fragment, whole)
            else:
                self._losses.report(
                    "choices[0].tool_calls", "dropped", f"got {fragment!r}, expected an object"
                )

    def feed_legacy(self, call: JSON, *, whole: bool) -> None:
        """Take a `function_call`, the single-call form that preceded tool calls.

        Some servers fill it beside `tool_calls`; it is not a second call then.
        """
        if any(known for known in self._calls if known is not self._at.get(LEGACY)):
            self._losses.report("choices[0].message.function_call", "dropped", "it is said in tool_calls too")
            return
        self._take({"index": LEGACY, "function": call}, whole)

    def settle(self) -> None:
        """Something else follows: open what still waits for its name, close every call that is complete."""
        for call in self.open:
            if call.says_something:
                self._open(call)
                # Without arguments so far they may still come, after the text.
                if call.begun and call.is_whole:
                    self._close(call, "completed")

    def close(self, status: str, *, last: bool) -> None:
        """The answer is over; `last` tells whether the last call is the item that opened last.

        With status `incomplete` that call was cut, and so was any other whose arguments are not whole. They
        close in reverse order then, because nothing of a higher index may follow an incomplete item.
        """
        if any(call.extra and not call.says_something for call in self._calls):
            self._losses.report("choices[0].tool_calls", "dropped", "an entry without name and arguments")
        self._calls = [call for call in self._calls if call.item or call.says_something]
        for call in self.open:
            if call.name or status == "completed":
                self._open(call)
            else:
                # The answer failed anyhow, and a call without a name cannot be shown.
                self._losses.report("choices[0].tool_calls", "dropped", "a call that was never named")
                call.closed = True
        if status == "completed":
            for call in self.open:
                self._close(call, status)
            return
        newest = max((call.item.index for call in self._calls if call.item), default=None)
        for call in sorted(self.open, key=lambda call: call.item.index if call.item else 0, reverse=True):
            cut = (last and call.item and call.item.index == newest) or not call.begun or not call.is_whole
            self._close(call, "incomplete" if cut else "completed")

    def _take(self, fragment: JSON, whole: bool) -> None:
        kind = "custom" if fragment.get("type") == "custom" or fragment.get("custom") else "function"
        said = fragment.get(kind)
        # Some servers put name and arguments on the call itself.
        said = said if isinstance(said, dict) else fragment
        index, call_id, name = (
            _as_key(value) for value in (fragment.get("index"), fragment.get("id"), said.get("name"))
        )
        arguments = _as_text(said.get(WRITTEN[kind]))
        call = None if whole else self._find(index, call_id, name)
        if call is None and not whole and arguments and not (call_id or name):
            call = self._unfinished()
        if call and _is_another(call, call_id, name, arguments):
            call = None
        if call is None:
            call = Call(kind, call_id)
            self._calls.append(call)
        if index:
            self._at[index] = call
        call.upstream_id = call.upstream_id or call_id
        self._extend(call, name, arguments, _rest(fragment, said, WRITTEN[kind]))
        # The same fragment with other arguments has the same fate, unless they tell that a call begins.
        is_plain = call_id == call.upstream_id if call_id else not name
        if is_plain and said is fragment.get("function") and not call.closed:
            self._running = call.item and call.item.growing

    def _find(self, index: str, call_id: str, name: str) -> Call | None:
        if index:
            return self._at.get(index)
        if call_id:
            return next((call for call in self._calls if call.upstream_id == call_id), None)
        return None if name or not self._calls else self._calls[-1]

    def _unfinished(self) -> Call | None:
        """The last call, if arguments of it are still to come."""
        last = self._calls[-1] if self._calls else None
        return last if last and not last.closed and not (last.begun and last.is_whole) else None

    def _extend(self, call: Call, name: str, arguments: str, extra: JSON) -> None:
        call.extra |= extra
        if name and name != call.name:
            if call.name and (call.item or call.held):
                self._losses.report(
                    "choices[0].tool_calls", "dropped", f"{call.name!r} was renamed to {name!r}"
                )
            else:
                call.name += name
        if call.closed:
            if arguments.strip():
                self._losses.report(
                    "choices[0].tool_calls", "dropped", "arguments after the call was complete"
                )
            return
        if arguments:
            call.held.append(arguments)
        if call.name and (arguments or (call.upstream_id and self._is_certain(call.name))):
            self._open(call)

    def _is_certain(self, name: str) -> bool:
        tools = self._tools()
        return name in tools and not any(n != name and n.startswith(name) for n in tools)

    def _open(self, call: Call) -> None:
        if call.item is None:
            if not call.name:
                raise UpstreamError("The upstream called a tool without naming it.", status=502)
            for earlier in self._calls[: self._calls.index(call)]:
                if earlier.name and earlier.item is None:
                    self._open(earlier)
            call_id = self._claim(call.upstream_id)
            call.item = self._item(call, call_id)
        for piece in call.held:
            self._writer.write(call.item.more(piece))
        call.held.clear()

    def _item(self, call: Call, call_id: str) -> CallItem:
        """The item that the tool table has for this name; a name that it does not have is the client's."""
        row = self._tools().get(call.name) or ToolRow(FUNCTION, call.name)
        wrapped = call.kind == "function"
        return open_call(
            self._writer,
            self._losses,
            row.kind if wrapped else CUSTOM,
            call_id=call_id,
            name=row.name,
            namespace=row.namespace,
            wrapped=wrapped,
        )

    def _claim(self, upstream_id: str) -> str:
        call_id = upstream_id
        used = self._used_ids = set(self._past_ids) if self._used_ids is None else self._used_ids
        if not call_id or call_id in used:
            call_id = self._writer.new_id("call_")
        used.add(call_id)
        return call_id

    def _close(self, call: Call, status: str) -> None:
        call.closed = True
        if call.item:
            call.item.close(status, call.extra)


def _is_another(call: Call, call_id: str, name: str, arguments: str) -> bool:
    """Whether a fragment that was routed to this call begins another one.

    Another id does, unless the fragment has no name or goes on with arguments that are not whole: some
    servers make up an id for every fragment. So does a name beside new arguments after whole ones: some
    servers give every parallel call the same index and no id.
    """
    begun = call.begun
    if call_id and call.upstream_id and call_id != call.upstream_id:
        going_on = begun and name == call.name and not call.is_whole
        return bool(name or not call.name) and not going_on
    if call_id and call_id == call.upstream_id:
        return False
    return bool(name) and begun and arguments.lstrip().startswith("{") and call.is_whole


def _as_key(value: object) -> str:
    """An index, id or name as text, "" for none; some servers number what the API names."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _as_text(arguments: object) -> str:
    """Arguments as the API has them: a string; some servers send the decoded object, or null."""
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else written(arguments)


def _rest(fragment: JSON, said: JSON, field: str) -> JSON:
    """Further fields of a call, such as Gemini's `extra_content` with the thought signature."""
    known = ("id", "index", "type", "function", "custom", "name", field)
    found: Mapping[str, object] = {**fragment, **said}
    return {name: value for name, value in found.items() if name not in known and value is not None}
