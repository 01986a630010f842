"""What clients hand back: sealed and readable tokens, keys, cursors and ids."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qsl

from responses_asgi import Gateway, MemoryStore, Upstream
from responses_asgi.errors import InvalidRequestError
from responses_asgi.history.pages import page_of
from responses_asgi.history.sealed import SUMMARY_INTRO, open_items, summary_token
from responses_asgi.keys.token import is_token, read_token
from responses_asgi.loss import Losses
from responses_asgi.profiles import PROFILES
from responses_asgi.resources.params import Params
from responses_asgi.seal import Seals
from responses_asgi.translate.to_chat_request import to_chat_request
from responses_asgi.translate.to_responses_request import to_responses_request
from responses_asgi.types.chat import validate_chat_request
from responses_asgi.types.responses import validate_request
from tests.asgi_driver import Exchange, http_scope, post
from tests.fuzz.bodies import check_refusal

JSON = dict[str, Any]

SEALS = Seals(["the newest of two secrets", "an older secret of some bytes"])
OLD_SEALS = Seals(["an older secret of some bytes"])
LOST_SEALS = Seals(["a secret that nobody has any more"])
OWNER = "alice"

# `open_items` adds its own words, and inflates what it has sealed itself only.
MOST_FOR_NOTHING = 10_000


def sealed() -> list[str]:
    """Tokens that open, that no longer open, and that open for somebody else."""
    thought = {"text": "Hm. " * 20, "details": [{"type": "reasoning.text", "text": "Hm."}]}
    found = []
    for seals in (SEALS, OLD_SEALS, LOST_SEALS):
        for owner in (OWNER, "bob"):
            found.append(seals.seal(thought, owner=owner, purpose="reasoning"))
            found.append(summary_token("They met.", seals, owner))
    return [*found, summary_token("They met.", None, OWNER)]


KNOWN = sealed()


def tokens_open_or_are_refused(content: bytes) -> None:
    """A token stands in an item, as a key, and in a Chat message; the first byte changes a known one."""
    how, text = content[:1], content[1:].decode("utf-8", "replace")
    if how and how[0] % 2:
        text = _bent(KNOWN[how[0] // 2 % len(KNOWN)], content[1:])
    for kind in ("reasoning", "compaction"):
        item = {"type": kind, "summary": [], "encrypted_content": text}
        try:
            checked = validate_request({"model": "m", "input": [item, "Hi"][:1]})
            items = open_items(checked["input"], SEALS, OWNER, Losses())
            if kind == "compaction" and text not in KNOWN:
                told = items[0].get("content")
                assert not told or SUMMARY_INTRO in json.dumps(told)
            assert len(json.dumps(items)) <= MOST_FOR_NOTHING + 10 * len(text)
            to_chat_request({"model": "m", "input": items}, profile=PROFILES["openrouter"], losses=Losses())
        except InvalidRequestError as error:
            check_refusal(error, text.encode())
    _told_in_chat(text)
    token = read_token(text)
    assert (token is not None) == is_token(text)
    assert token is None or token.shown() == text


def _bent(token: str, content: bytes) -> str:
    """The token with one character of it replaced: the first byte tells where, the rest what by."""
    place = content[0] * len(token) // 256 if content else 0
    return token[:place] + content[1:].decode("utf-8", "replace") + token[place + (len(content) > 1) :]


def _told_in_chat(text: str) -> None:
    details = [{"type": "reasoning.encrypted", "data": text, "id": text}]
    message = {"role": "assistant", "content": "a", "reasoning_content": text, "reasoning_details": details}
    call = {"id": text, "type": "function", "function": {"name": "f", "arguments": text}}
    messages = [
        message,
        {**message, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": text, "content": text},
    ]
    try:
        body = validate_chat_request({"model": "m", "messages": messages})
        to_responses_request(body, profile=PROFILES["openai"], losses=Losses())
    except InvalidRequestError as error:
        check_refusal(error, text.encode())


# Cursors and ids


def pages_are_shown_or_refused(content: bytes) -> None:
    """A query string, as the routes over what is kept read it."""
    params = Params(parse_qsl(content.decode("latin-1"), keep_blank_values=True))
    entries = [{"id": id} for id in ("a", "msg_1", "c", "é")]
    for read in (
        lambda: page_of(entries, params.page("desc")),
        lambda: params.boolean("stream"),
        lambda: params.integer("starting_after"),
        lambda: params.members("metadata"),
    ):
        try:
            json.dumps(read())
        except InvalidRequestError as error:
            check_refusal(error, content)


MESSAGE = {"role": "user", "content": "Hi"}

ROUTES = (
    ("GET", "/v1/responses/{}"), ("DELETE", "/v1/responses/{}"), ("POST", "/v1/responses/{}/cancel"),
    ("GET", "/v1/responses/{}/input_items"), ("GET", "/v1/conversations/{}"),
    ("POST", "/v1/conversations/{}"), ("DELETE", "/v1/conversations/{}"),
    ("GET", "/v1/conversations/{}/items"), ("POST", "/v1/conversations/{}/items"),
    ("GET", "/v1/conversations/$c/items/{}"), ("DELETE", "/v1/conversations/$c/items/{}"),
    ("GET", "/v1/chat/completions"), ("GET", "/v1/chat/completions/{}"),
    ("POST", "/v1/chat/completions/{}"), ("DELETE", "/v1/chat/completions/{}"),
    ("GET", "/v1/chat/completions/{}/messages"), ("GET", "/v1/models/{}"),
    ("POST", "/v1/responses/compact"), ("POST", "/v1/responses/input_tokens"), ("POST", "/v1/conversations"),
    ("POST", "/v1/responses"), ("POST", "/v1/chat/completions"), ("POST", "/convert"),
)  # fmt: skip


def routes_answer_whatever_they_are_asked(content: bytes) -> None:
    """The first byte chooses the route; lines are the id, the query string and the body.

    `$r`, `$c`, `$i` and `$t` stand for the ids of a response, a conversation, an item and a chat completion.
    """
    if content:
        method, route = ROUTES[content[0] % len(ROUTES)]
        id, query, body = (*content[1:].split(b"\n", 2), b"", b"")[:3]
        asyncio.run(_ask(method, route, id, query, body))


async def _model(request: JSON) -> str:
    return "Hi"


async def _ask(method: str, route: str, *given: bytes) -> None:
    app = Gateway({"*": Upstream.handler(_model)}, store=MemoryStore(max_records=50))
    try:
        known = await _known(app)
        for name, value in known.items():
            given = tuple(text.replace(name, value) for text in given)
        id, query, body = given
        path = route.replace("{}", id.decode("utf-8", "replace")).replace("$c", known[b"$c"].decode())
        scope = http_scope(path, raw_path=path.encode(), method=method, query_string=query)
        asked = await Exchange(app, scope, [body]).run()
    finally:
        await app.aclose()
    assert asked.is_complete
    assert asked.status < 500, asked.body
    if asked.status >= 400:
        assert {"message", "type", "param", "code"} <= set(asked.error)


async def _known(app: Gateway) -> dict[bytes, bytes]:
    """What there is to ask for."""
    conversation = (await post(app, {"items": [MESSAGE]}, path="/v1/conversations").run()).json["id"]
    asked = {"model": "m", "input": "Hi", "conversation": conversation}
    response = (await post(app, asked).run()).json
    chat = {"model": "m", "messages": [MESSAGE], "store": True}
    completion = (await post(app, chat, path="/v1/chat/completions").run()).json["id"]
    found = {"$r": response["id"], "$c": conversation, "$i": response["output"][0]["id"], "$t": completion}
    return {name.encode(): value.encode() for name, value in found.items()}
