"""The server that is probed, and what is known of it so far."""

from __future__ import annotations

from typing import Any

from responses_asgi.cli.asking import Answer, ask
from responses_asgi.cli.probe.findings import NoAnswerError, Reply
from responses_asgi.errors import APIError
from responses_asgi.types.asgi import ASGIApp
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.own_refusals import AUTHENTICATION_FAILED, PERMISSION_DENIED

__all__ = ["CALL_ID", "TOOL", "Server", "user"]

CALL_ID = "call_0123456789abcdefghijklmn"
"""The id of a tool call as OpenAI makes them."""

TOOL: JSON = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds two numbers.",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
            "required": ["a", "b"],
            "additionalProperties": False,
        },
    },
}

# Credentials that do not do are no property of the server.
_NO_ENTRY = (401, 402, 403)
_NO_ENTRY_CODES = (AUTHENTICATION_FAILED, PERMISSION_DENIED)


class Server:
    """Asks one model of a Chat server.

    - `history`: how the message with the tool call must look in a conversation, as far as that is known:
      `call_id`, `content`, and a field for reasoning.
    - `model`: the one that is asked.
    - `reasoning`: where it shows its reasoning, see `Reply.reasoning`.
    - `tools`: whether it takes tools.
    """

    def __init__(self, app: ASGIApp, model: str | None = None) -> None:
        self.model = model
        self.reasoning: str | None = None
        self.tools = True
        self.history: JSON = {"call_id": CALL_ID, "content": ""}
        self._app = app

    async def get(self, path: str) -> Answer:
        """The answer to a GET."""
        return await ask(self._app, "GET", f"/v1{path}")

    async def post(self, path: str, body: JSON) -> Answer:
        """The answer to a POST."""
        return await ask(self._app, "POST", f"/v1{path}", body)

    async def chat(self, *messages: JSON, **fields: Any) -> Reply:
        """The answer to a Chat request; asked for twice when the first says nothing about the request.

        Raises NoAnswerError when the server lets nobody in.
        """
        body = {"model": self.model, "messages": [*messages] or [user("Say hello.")], **fields}
        reply = await self._once(body)
        if reply.unclear or (reply.error is not None and reply.error.status == 500):
            reply = await self._once(body)
        error = reply.error
        if error is not None and (error.status in _NO_ENTRY or error.code in _NO_ENTRY_CODES):
            raise NoAnswerError(error.message, status=error.status)
        return reply

    def conversation(self, *after: JSON, result: Any = "5", **changes: Any) -> list[JSON]:
        """A question, the model's tool call, its result, and what comes `after`.

        `changes` are to the history, for this conversation alone.
        """
        history = {**self.history, **changes}
        call_id = history.pop("call_id")
        call = {"id": call_id, "type": "function", "function": {"name": "add", "arguments": '{"a":2,"b":3}'}}
        return [
            user("What is 2 + 3? Use the tool."),
            {"role": "assistant", **history, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call_id, "content": result},
            *after,
        ]

    async def _once(self, body: JSON) -> Reply:
        try:
            answer = await self.post("/chat/completions", body)
        except APIError as error:
            return Reply(None, error)
        return Reply(answer, answer.error())


def user(text: str) -> JSON:
    """A message of the user."""
    return {"role": "user", "content": text}
