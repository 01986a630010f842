"""Serves a Responses client from a Chat Completions upstream."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from responses_asgi.errors import APIError
from responses_asgi.loss import Losses
from responses_asgi.profiles import Profile
from responses_asgi.translate.reasoning import ENCRYPTED_INCLUDE, asked_summary, without_summary
from responses_asgi.translate.response_object import new_response
from responses_asgi.translate.response_writer import NewId, ResponseWriter
from responses_asgi.translate.to_chat_request import to_chat_request
from responses_asgi.translate.to_responses_stream import ResponsesStream
from responses_asgi.translate.tool_table import ToolRow, ToolTable, tool_table
from responses_asgi.translate.translator import History, RepeatingTranslator
from responses_asgi.types.events import Dialect, Event
from responses_asgi.types.json import JSON

__all__ = ["ResponsesToChat"]


class ResponsesToChat(RepeatingTranslator):
    """Serves a Responses client from a Chat Completions upstream.

    `body` is a validated Responses create body. `profile` says how the upstream departs from OpenAI's Chat
    Completions. `new_id(prefix)` mints ids and `now()` tells the unix time in seconds. `upstream_model` is
    the model name sent upstream in place of the client's, which is then what the client sees everywhere.
    `history`: what came before the request. `seal` makes the tokens of reasoning items, of
    `{"text": ..., "details": [...]}`; None: they are readable. `reasoning_as_summary`: a client that asks for
    summaries of reasoning is told the reasoning itself in place of them.

    >>> from itertools import count
    >>> from responses_asgi.profiles import profile_for
    >>> ids = count(1)
    >>> translator = ResponsesToChat(
    ...     {"model": "m", "input": "Hi"},
    ...     profile=profile_for("generic"),
    ...     new_id=lambda prefix: f"{prefix}{next(ids)}",
    ...     now=lambda: 0,
    ... )
    >>> translator.request()["messages"]
    [{'role': 'user', 'content': 'Hi'}]
    >>> [event.type for event in translator.start()]
    ['response.created', 'response.in_progress']
    """

    __slots__ = (
        "_body",
        "_history",
        "_profile",
        "_stream",
        "_summarizes",
        "_tools",
        "_upstream_model",
        "_writer",
        "calls",
        "losses",
    )

    def __init__(
        self,
        body: JSON,
        *,
        profile: Profile,
        new_id: NewId,
        now: Callable[[], int],
        dialect: Dialect = "openai",
        upstream_model: str | None = None,
        history: History = History(),  # noqa: B008 - immutable
        seal: Callable[[JSON], str] | None = None,
        reasoning_as_summary: bool = False,
    ) -> None:
        self.losses = Losses()
        self.calls = 1
        self._summarizes = reasoning_as_summary and asked_summary(body) is not None
        self._body = body
        self._profile = profile
        self._history = history
        self._upstream_model = upstream_model
        self._tools = _Tools(body, profile, history)
        response = new_response(body, response_id=new_id("resp_"), created_at=now(), dialect=dialect)
        response["model"] = body.get("model") or upstream_model or ""
        response |= history.echo
        self._writer = ResponseWriter(
            response,
            dialect=dialect,
            new_id=new_id,
            now=now,
            queued=history.queued,
            summarizes=self._summarizes,
        )
        self._stream = ResponsesStream(
            self._writer,
            profile=profile,
            losses=self.losses,
            tools=self._tools.rows,
            used_call_ids=_call_ids(body, history),
            keep_model=bool(upstream_model and body.get("model")),
            seal=seal,
            include_encrypted=ENCRYPTED_INCLUDE in (body.get("include") or ()),
        )

    @property
    def response_id(self) -> str:
        """The id of the response, known before anything is sent."""
        return str(self._writer.response["id"])

    @property
    def failure(self) -> APIError | None:
        """The error that the upstream reported, once it did."""
        return self._stream.failure

    def request(self, items: Sequence[JSON] = ()) -> JSON:
        """The Chat Completions body; `items` are appended to the input."""
        body = self._body
        if self._summarizes:
            body = {**body, "reasoning": without_summary(body["reasoning"])}
            self.losses.report("reasoning.summary", "emulated", "the reasoning itself stands in its place")
        chat = to_chat_request(
            body,
            profile=self._profile,
            losses=self.losses,
            items=items,
            history=self._history.items,
            tools=self._tools.table,
        )
        return {**chat, "model": self._upstream_model} if self._upstream_model else chat

    def start(self) -> list[Event]:
        """`response.created` and `response.in_progress`."""
        self._writer.start()
        return self._writer.take()

    def feed(self, chunk: JSON, call: int = 0) -> list[Event]:
        """The events of one `chat.completion.chunk`, or of one whole `chat.completion`."""
        return self._stream.feed(chunk)

    def repeat(self, text: str, call: int = 0) -> list[Event]:
        """The events of the last chunk with this text in place of its own."""
        going_on = self._stream.going_on
        if going_on is None:
            return self._stream.feed_again(text)
        # The last chunk has only gone on with this part or call, and all else that it holds is taken in.
        return going_on.more(text)

    def repeat_all(self, texts: Sequence[str], call: int = 0) -> list[Event]:
        """The same for one after the other of these texts."""
        going_on = self._stream.going_on
        return super().repeat_all(texts, call) if going_on is None else going_on.all(texts)

    def complete(self, call: int = 0) -> bool:
        """Never: usage follows the finish_reason, and `[DONE]` is no chunk."""
        return False

    def finish(self, *, marker: bool) -> list[Event]:
        """The closing events; `marker` tells that `[DONE]`, or the end of a whole body, was seen."""
        return self._stream.finish(marker=marker)

    def fail(self, error: APIError) -> list[Event]:
        """The closing events of a failure."""
        return self._stream.fail(error)

    def snapshot(self) -> JSON:
        """The response object of the terminal event."""
        return self._writer.response


class _Tools:
    """The table of a request, made once, when it is wanted: there may be many tools.

    It does not know the translator, which would be a cycle: that would live until cycles are collected.
    """

    __slots__ = (
        "_body",
        "_history",
        "_profile",
        "_table",
    )

    def __init__(self, body: JSON, profile: Profile, history: History) -> None:
        self._body = body
        self._profile = profile
        self._history = history
        self._table: ToolTable | None = None

    def table(self, losses: Losses | None = None) -> ToolTable:
        """What is lost of the tools is reported by the first one who asks with `losses`."""
        if self._table is None:
            self._table = tool_table(
                self._body, profile=self._profile, history=self._history.items, losses=losses
            )
        return self._table

    def rows(self) -> Mapping[str, ToolRow]:
        """The rows of the table."""
        return self.table().rows


def _call_ids(body: JSON, history: History) -> list[str]:
    """The call ids of what was said before: a new call must not share one of them."""
    given = body.get("input")
    items = [*history.items, *(given if isinstance(given, list) else ())]
    return [item["call_id"] for item in items if isinstance(item, dict) and item.get("call_id")]
