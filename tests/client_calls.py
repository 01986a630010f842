"""Every request that other people's clients can make, as data.

The calls of the OpenAI SDK are found by walking its resources, so that a new version of it cannot bring one
that is not here; the arguments are made up from their types. Of the two clients in Rust one mirrors the SDK,
the other sends Responses requests in a way of its own, which stand here as they go over the wire.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple

from openai import AsyncOpenAI
from openai._resource import AsyncAPIResource

__all__ = [
    "ELSEWHERE",
    "HERE",
    "LOCAL",
    "MADE_OF_OTHERS",
    "RAW",
    "RUST_REQUESTS",
    "SOCKETS",
    "TOLD",
    "Call",
    "CallWithIds",
    "Ids",
    "sdk_methods",
]


class Ids(NamedTuple):
    """What was made before, for calls that need something to ask for."""

    response: str
    conversation: str
    item: str
    completion: str


Call = Callable[[AsyncOpenAI], Awaitable[Any]]
CallWithIds = Callable[[AsyncOpenAI, Ids], Awaitable[Any]]

HI: Any = [{"role": "user", "content": "Hi"}]
ITEM: Any = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
SCHEMA: Any = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


async def _listed(pages: Any) -> list[Any]:
    return [item async for item in pages]


async def _stream(manager: Any) -> list[Any]:
    async with manager as stream:
        return [event async for event in stream]


async def _events(stream: Awaitable[Any]) -> list[Any]:
    return [event async for event in await stream]


async def _turn(connecting: Any) -> list[str]:
    """The types of the events of one turn over a WebSocket."""
    types: list[str] = []
    async with connecting as connection:
        await connection.response.create(model="m", input="Hi")
        async for event in connection:
            types.append(event.type)
            if event.type == "response.completed":
                break
    return types


# The calls that are answered here, whatever the server behind speaks: each succeeds.
HERE: dict[str, CallWithIds] = {
    "chat.completions.create": lambda c, i: c.chat.completions.create(model="m", messages=HI),
    "chat.completions.create, streamed": lambda c, i: _events(
        c.chat.completions.create(model="m", messages=HI, stream=True, stream_options={"include_usage": True})
    ),
    "chat.completions.create, stored": lambda c, i: c.chat.completions.create(
        model="m", messages=HI, store=True, metadata={"a": "b"}
    ),
    "chat.completions.parse": lambda c, i: c.chat.completions.parse(model="m", messages=HI),
    "chat.completions.stream": lambda c, i: _stream(c.chat.completions.stream(model="m", messages=HI)),
    "chat.completions.list": lambda c, i: _listed(c.chat.completions.list(limit=2, order="desc")),
    "chat.completions.retrieve": lambda c, i: c.chat.completions.retrieve(i.completion),
    "chat.completions.update": lambda c, i: c.chat.completions.update(i.completion, metadata={"a": "b"}),
    "chat.completions.messages.list": lambda c, i: _listed(c.chat.completions.messages.list(i.completion)),
    "chat.completions.delete": lambda c, i: c.chat.completions.delete(i.completion),
    "responses.connect": lambda c, i: _turn(c.responses.connect()),
    "responses.create": lambda c, i: c.responses.create(model="m", input="Hi"),
    "responses.create, streamed": lambda c, i: _events(
        c.responses.create(
            model="m", input=[ITEM], stream=True, stream_options={"include_obfuscation": False}
        )
    ),
    "responses.create, continued": lambda c, i: c.responses.create(
        model="m", input="Hi", previous_response_id=i.response
    ),
    "responses.create, in a conversation": lambda c, i: c.responses.create(
        model="m", input="Hi", conversation=i.conversation
    ),
    "responses.create, without state": lambda c, i: c.responses.create(
        model="m", input="Hi", store=False, include=["reasoning.encrypted_content"]
    ),
    "responses.create, with a function": lambda c, i: c.responses.create(
        model="m",
        input="Hi",
        tools=[{"type": "function", "name": "f", "parameters": SCHEMA, "strict": True}],
        tool_choice="auto",
        parallel_tool_calls=True,
    ),
    "responses.create, with a schema": lambda c, i: c.responses.create(
        model="m",
        input="Hi",
        text={"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}, "verbosity": "low"},
    ),
    "responses.parse": lambda c, i: c.responses.parse(model="m", input="Hi"),
    "responses.stream": lambda c, i: _stream(c.responses.stream(model="m", input="Hi")),
    "responses.retrieve": lambda c, i: c.responses.retrieve(
        i.response, include=["message.output_text.logprobs"]
    ),
    "responses.input_items.list": lambda c, i: _listed(
        c.responses.input_items.list(i.response, limit=1, order="asc")
    ),
    "responses.compact": lambda c, i: c.responses.compact(model="m", input="Hi"),
    "responses.input_tokens.count": lambda c, i: c.responses.input_tokens.count(model="m", input="Hi"),
    "responses.delete": lambda c, i: c.responses.delete(i.response),
    "conversations.create": lambda c, i: c.conversations.create(items=[ITEM], metadata={"a": "b"}),
    "conversations.retrieve": lambda c, i: c.conversations.retrieve(i.conversation),
    "conversations.update": lambda c, i: c.conversations.update(i.conversation, metadata={"a": "c"}),
    "conversations.items.create": lambda c, i: c.conversations.items.create(i.conversation, items=[ITEM]),
    "conversations.items.list": lambda c, i: _listed(c.conversations.items.list(i.conversation, limit=1)),
    "conversations.items.retrieve": lambda c, i: c.conversations.items.retrieve(
        i.item, conversation_id=i.conversation
    ),
    "conversations.items.delete": lambda c, i: c.conversations.items.delete(
        i.item, conversation_id=i.conversation
    ),
    "conversations.delete": lambda c, i: c.conversations.delete(i.conversation),
    "models.list": lambda c, i: _listed(c.models.list()),
    "models.retrieve": lambda c, i: c.models.retrieve("house"),
}

# Answered here too, with an error of this status that says why.
TOLD: dict[str, tuple[CallWithIds, int]] = {
    "responses.cancel": (lambda c, i: c.responses.cancel(i.response), 400),
    "chat.completions.create, without messages": (
        lambda c, i: c.chat.completions.create(model="m", messages=[]),
        400,
    ),
}

# Calls that open a WebSocket.
SOCKETS: dict[str, Callable[[AsyncOpenAI], Any]] = {
    "realtime.connect": lambda c: c.realtime.connect(model="gpt-realtime", extra_query={"a": "b c/ü"}),
    "realtime.connect, call": lambda c: c.realtime.connect(call_id="call 1"),
    "realtime.translations.connect": lambda c: c.realtime.translations.connect(model="m"),
    "beta.realtime.connect": lambda c: c.beta.realtime.connect(model="m"),
    "live.connect": lambda c: c.live.connect(),
    "live.forks.connect": lambda c: c.live.forks.connect(session_id="s 1"),
    "live.sideband.connect": lambda c: c.live.sideband.connect(session_id="s", graceful_close=True),
}

# They send nothing.
LOCAL = frozenset({"webhooks.unwrap", "webhooks.verify_signature"})

# They make other calls of these tables, several of them or until the answer is as they like; so do all whose
# name ends with `poll` or `stream`.
MADE_OF_OTHERS = frozenset(
    {
        "beta.agents.environments.files.prepare",
        "beta.agents.environments.files.prepare_directory",
        "beta.agents.environments.files.upload",
        "beta.agents.sessions.artifacts.for_result",
        "beta.agents.sessions.stream",
        "files.wait_for_processing",
        "uploads.upload_file_chunked",
        "vector_stores.files.upload",
    }
)


def sdk_methods() -> dict[str, Callable[..., Any]]:
    """Every method of every resource of the SDK by its name, such as `files.create`."""
    return dict(_walk(AsyncOpenAI(api_key="k", admin_api_key="k"), ""))


def _walk(owner: Any, prefix: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name in dir(type(owner)):
        if name.startswith(("_", "with_")):
            continue
        member = inspect.getattr_static(type(owner), name)
        if isinstance(member, functools.cached_property):
            child = getattr(owner, name)
            if isinstance(child, AsyncAPIResource):
                yield from _walk(child, f"{prefix}{name}.")
        elif inspect.isfunction(member) and isinstance(owner, AsyncAPIResource):
            yield prefix + name, member


# Calls whose arguments depend on each other.
BY_HAND: dict[str, Call] = {
    "completions.create": lambda c: c.completions.create(model="m", prompt="ü\u2028"),
    "images.generate": lambda c: c.images.generate(model="m", prompt="x", size="1024x1024"),
    "images.edit": lambda c: c.images.edit(image=[FILE, FILE], prompt="x", mask=FILE),
    "audio.transcriptions.create": lambda c: c.audio.transcriptions.create(
        model="m", file=AUDIO, timestamp_granularities=["word"], temperature=0.5
    ),
    "beta.threads.create_and_run": lambda c: c.beta.threads.create_and_run(assistant_id="a"),
    "beta.threads.runs.create": lambda c: c.beta.threads.runs.create("t", assistant_id="a"),
    "beta.agents.sessions.create": lambda c: c.beta.agents.sessions.create(environment={"type": "x"}),
    "videos.edit": lambda c: c.videos.edit(prompt="x", video=FILE),
    "videos.extend": lambda c: c.videos.extend(prompt="x", seconds="4", video=FILE),
    "beta.threads.runs.submit_tool_outputs": lambda c: c.beta.threads.runs.submit_tool_outputs(
        "r", thread_id="t", tool_outputs=[{"tool_call_id": "c", "output": "x"}]
    ),
}

# Any path, with any method: the SDK's way around itself.
RAW: dict[str, Call] = {
    "get": lambda c: c.get("/some/thing?a=%2F&b&&c=é+%20&q=100%25", cast_to=object),
    "get, lists": lambda c: c.get("/x", cast_to=object, options={"params": {"include[]": ["a", "b c"]}}),
    "post": lambda c: c.post("/some/thing;v=1/~(a)!*'", body={"a": "ü\u2028"}, cast_to=object),
    "post, bytes": lambda c: c.post(
        "/bytes",
        content=bytes(range(256)),
        cast_to=object,
        options={"headers": {"content-type": "application/x-odd"}},
    ),
    "put": lambda c: c.put("/some/thing", body={"a": 1}, cast_to=object),
    "patch": lambda c: c.patch("/some%2Fthing/%7E", body={"a": 1}, cast_to=object),
    "delete": lambda c: c.delete("/some/thing", cast_to=object),
}

ODD_ID = "id-1 ü/~%41+"
FILE: Any = ("ü b.bin", bytes(range(256)) * 4, "application/x-odd")
AUDIO: Any = ("a.wav", b"RIFF\x00\xff\r\n--" * 50, "audio/wav")

# Parameters of the SDK itself, and those that change how an answer is read.
_NOT_SENT = frozenset({"self", "extra_headers", "extra_query", "extra_body", "timeout", "stream"})


def _elsewhere() -> dict[str, Call]:
    """The calls that are for the server behind: all that are in no other table."""
    others = {name.partition(",")[0] for name in (*HERE, *TOLD, *SOCKETS)} | LOCAL | MADE_OF_OTHERS
    return {
        name: BY_HAND.get(name) or _made_up(name, method)
        for name, method in sdk_methods().items()
        if name not in others and not name.endswith(("poll", "_stream", "runs.stream"))
    }


def _made_up(name: str, method: Callable[..., Any]) -> Call:
    """The call with an argument for every parameter."""
    positional, named = [], {}
    for parameter in inspect.signature(method).parameters.values():
        if parameter.name in _NOT_SENT or parameter.kind is parameter.VAR_KEYWORD:
            continue
        required = parameter.default is parameter.empty
        value = _argument(str(parameter.annotation), required=required)
        if value is None:
            continue
        if parameter.kind is parameter.KEYWORD_ONLY:
            named[parameter.name] = value
        else:
            positional.append(ODD_ID if value == "x" else value)

    async def call(client: AsyncOpenAI) -> Any:
        bound = functools.reduce(getattr, name.split("."), client)
        answer = bound(*positional, **named)  # type: ignore[operator] # a method, by its name
        return await answer if inspect.isawaitable(answer) else answer

    return call


def _argument(annotation: str, *, required: bool) -> Any:
    """A value of about this type; None for an optional one that is not simple."""
    if "FileTypes" in annotation:
        value: Any = [FILE] if annotation.startswith("Iterable") else FILE
    elif annotation.startswith(("SequenceNotStr[str]", "List[", "Sequence[", "Union[SequenceNotStr[str]")):
        value = ["x", "y z"]
    elif annotation.startswith("Iterable"):
        value = []
    elif "str" in annotation or "Literal" in annotation:
        value = "x"
    elif annotation.startswith(("int", "Union[int")):
        value = 3
    elif annotation.startswith(("bool", "Union[bool")):
        value = True
    else:
        value = {"a": "ü"} if required else None
    return value


def _is_beta(name: str) -> bool:
    return f"beta.{name.partition(',')[0]}" in sdk_methods()


def _as_beta(call: CallWithIds) -> CallWithIds:
    return lambda client, ids: call(client.beta, ids)  # type: ignore[arg-type] # has the same resources


HERE |= {f"beta.{name}": _as_beta(call) for name, call in HERE.items() if _is_beta(name)}
TOLD |= {f"beta.{name}": (_as_beta(call), status) for name, (call, status) in TOLD.items() if _is_beta(name)}
ELSEWHERE = _elsewhere()

_RUST_TEXT = {"format": {"type": "text"}, "verbosity": "medium"}


def _rust(**more: Any) -> dict[str, Any]:
    """What the client of Open Responses in Rust always sends."""
    return {"model": "m", "input": "Hi", "truncation": "auto", "service_tier": "auto", **more}


def _says(*parts: Any) -> list[Any]:
    return [{"type": "message", "role": "user", "content": list(parts)}]


# Bodies of POST /v1/responses; all are answered with 200.
RUST_REQUESTS: dict[str, dict[str, Any]] = {
    "plain": _rust(),
    "text.verbosity is always there": _rust(text=_RUST_TEXT),
    "an image with detail auto": _rust(
        input=_says({"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"})
    ),
    "a video": _rust(input=_says({"type": "input_video", "video_url": "https://example.com/a.mp4"})),
    "text and summary parts": _rust(
        input=_says({"type": "text", "text": "a"}, {"type": "summary_text", "text": "b"})
    ),
    "an MCP tool": _rust(
        tools=[
            {
                "type": "mcp",
                "server_label": "docs",
                "server_url": "https://example.com/mcp",
                "allowed_tools": ["search"],
            }
        ]
    ),
    "a function": _rust(tools=[{"type": "function", "name": "f", "parameters": SCHEMA}], tool_choice="auto"),
    "stream options without a value": _rust(stream=True, stream_options={"include_obfuscation": None}),
    "stream options null": _rust(stream=True, stream_options=None),
    "fields of Open Responses": _rust(top_logprobs=0, presence_penalty=0.5, frequency_penalty=0.5),
    "every field null": _rust(
        instructions=None,
        max_output_tokens=None,
        max_tool_calls=None,
        metadata=None,
        parallel_tool_calls=None,
        previous_response_id=None,
        prompt_cache_key=None,
        reasoning=None,
        safety_identifier=None,
        temperature=None,
        text=None,
        tool_choice=None,
        tools=None,
        top_p=None,
    ),
    "reasoning": _rust(reasoning={"effort": "low", "summary": "auto"}),
    "a schema": _rust(
        text={
            "format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": None},
            "verbosity": "medium",
        }
    ),
}
