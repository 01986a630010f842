"""The questions to a server, in order: each shows some fields of the profile that it deserves.

A request that is refused is evidence. One that is accepted is only where the answer shows that it was
understood, or where the server refuses what it does not know: many just leave unknown fields unread.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from responses_asgi.cli.probe.findings import Finding, NoAnswerError, Reply
from responses_asgi.cli.probe.server import TOOL, Server, user
from responses_asgi.types.json import JSON

__all__ = ["QUESTIONS", "Question"]

Ask = Callable[[Server], Awaitable[Finding]]


class Question(NamedTuple):
    """What is asked, and who asks it."""

    name: str
    ask: Ask


# Fields that not every server knows, each with a harmless value.
_SPECIAL: JSON = {
    "metadata": {"probe": "1"},
    "prompt_cache_key": "probe",
    "prompt_cache_retention": "in_memory",
    "safety_identifier": "probe",
    "service_tier": "auto",
    "user": "probe",
    "verbosity": "medium",
}

# A field that no server knows: one that refuses it would refuse any other it does not know.
_NONSENSE: JSON = {"responses_asgi_probe": True}

# Effort that a server refuses -> the efforts to send instead, the best first.
_EFFORTS = {"minimal": ("low",), "xhigh": ("high",), "max": ("xhigh", "high")}

_STRICT_TOOL: JSON = {**TOOL, "function": {**TOOL["function"], "strict": True}}

_PARTS = [{"type": "text", "text": "5"}]

_COUNT = "Count from 1 to 40, separated by spaces, without any other word."
_FEW_TOKENS = 8

_SCHEMA: JSON = {
    "type": "object",
    "properties": {"color": {"type": "string"}},
    "required": ["color"],
    "additionalProperties": False,
}
_JSON_QUESTION = "What color is the sky? Answer with a JSON object that has the key color."


async def _models(server: Server) -> Finding:
    answer = await server.get("/models")
    document = answer.document()
    listed = document.get("data") if isinstance(document, dict) else None
    names = [str(each["id"]) for each in listed or () if isinstance(each, dict) and "id" in each]
    if server.model is None:
        if not names:
            raise NoAnswerError(f"/models names no model (HTTP {answer.status}); name one with --model")
        server.model = names[0]
    return Finding(f"{len(names)} listed; {server.model} is asked")


async def _answer(server: Server) -> Finding:
    reply = await server.chat(user("What is 17 * 23? Think first."))
    if reply.error is not None:
        raise NoAnswerError(f"the plainest request fails: {reply.said}")
    if not reply.messages:
        raise NoAnswerError("the answer to the plainest request is no chat completion")
    told = [name for name, value in (("usage", reply.usage), ("finish_reason", reply.finish)) if value]
    says = f"whole answer, with {' and '.join(told) or 'neither usage nor finish_reason'}"
    return _with_reasoning(server, reply, says)


async def _stream(server: Server) -> Finding:
    reply = await server.chat(user("What is 17 * 23? Think first."), stream=True)
    if not reply.accepted or not reply.streamed:
        return Finding(reply.said if not reply.accepted else "the answer comes whole")
    says = f"{len(reply.chunks)} chunks, {'[DONE]' if reply.done else 'no [DONE]'}"
    finding = _with_reasoning(server, reply, says)
    if reply.finish is None and reply.done:
        fields = {**finding.fields, "done_completes": True}
        return Finding(f"{finding.says}, no finish_reason", fields)
    return finding


def _with_reasoning(server: Server, reply: Reply, says: str) -> Finding:
    form = reply.reasoning()
    server.reasoning = form or server.reasoning
    if form is None:
        return Finding(says)
    fields = {"think_tags": True} if form == "<think>" else {"reasoning_field": form}
    return Finding(f"{says}, reasoning in {form}", fields)


async def _usage(server: Server) -> Finding:
    reply = await server.chat(stream=True, stream_options={"include_usage": True})
    if not reply.accepted:
        return Finding(reply.said, {} if reply.unclear else {"stream_usage": False})
    return Finding("usage comes" if reply.usage else "accepted, but no usage comes", {"stream_usage": True})


async def _limit(server: Server) -> Finding:
    newer = await server.chat(user(_COUNT), max_completion_tokens=_FEW_TOKENS)
    older = await server.chat(user(_COUNT), max_tokens=_FEW_TOKENS)
    says = f"max_completion_tokens {_kept(newer)}, max_tokens {_kept(older)}"
    names = {"max_completion_tokens": _kept(newer), "max_tokens": _kept(older)}
    kept = [name for name, verdict in names.items() if verdict == "is kept"]
    if len(kept) == 1:
        return Finding(says, {"token_limit_field": kept[0]})
    if not kept and newer.accepted != older.accepted and not (newer.unclear or older.unclear):
        return Finding(
            says, {"token_limit_field": "max_completion_tokens" if newer.accepted else "max_tokens"}
        )
    return Finding(says)


def _kept(reply: Reply) -> str:
    if not reply.accepted:
        return f"is {reply.said}"
    return "is kept" if reply.finish == "length" else "has no effect"


def _with_tools(ask: Ask) -> Ask:
    """A question that is left out where there are no tools."""

    async def asks(server: Server) -> Finding:
        return await ask(server) if server.tools else Finding("not asked: it takes no tools")

    return asks


def _takes(name: str, *messages: JSON, refused_means: bool = False, **fields: Any) -> Ask:
    """A request that shows a yes-or-no field by being accepted or refused."""

    async def asks(server: Server) -> Finding:
        reply = await server.chat(*messages, **fields)
        if reply.unclear:
            return Finding(reply.said)
        return Finding(reply.said, {name: refused_means if not reply.accepted else not refused_means})

    return asks


async def _text_parts(server: Server) -> Finding:
    parts = [{"type": "text", "text": "Answer with one word:"}, {"type": "text", "text": "blue"}]
    reply = await server.chat({"role": "user", "content": parts})
    if reply.unclear:
        return Finding(reply.said)
    read = reply.accepted and "blue" in reply.text.lower()
    says = reply.said if read or not reply.accepted else "accepted, but not read"
    return Finding(says, {"text_parts": read})


async def _tools(server: Server) -> Finding:
    reply = await server.chat(
        user("What is 2 + 3? Use the tool."), tools=[TOOL], tool_choice="auto", stream=True
    )
    if not reply.accepted:
        server.tools = reply.unclear
        return _taken(reply, frozenset({"tools"}))
    if not reply.calls:
        return Finding("accepted, but it does not call the tool", accepted=frozenset({"tools"}))
    id = next((call["id"] for call in reply.calls if call.get("id")), None)
    fragments = f"{len(reply.calls)} fragment{'s' if len(reply.calls) > 1 else ''}"
    return Finding(f"it calls, in {fragments}, with id {id!r}", accepted=frozenset({"tools"}))


async def _round_trip(server: Server) -> Finding:
    """Find the form in which a tool call can be given back; later questions use it."""
    reply = await server.chat(*server.conversation(), tools=[TOOL])
    if reply.accepted or reply.unclear:
        return Finding(reply.said)
    first = reply.said
    for changes, fields, says in _FORMS:
        reply = await server.chat(*server.conversation(**changes), tools=[TOOL])
        if reply.accepted:
            server.history |= changes
            return Finding(f"only {says}; else {first}", fields)
    return Finding(f"in no form that is known here: {first}")


_NINE = {"call_id": "a1b2c3d4e"}
_FORMS: tuple[tuple[JSON, JSON, str], ...] = (
    ({"content": None}, {"call_content": None}, "with content null"),
    (_NINE, {"call_id_length": 9}, "with ids of 9 characters"),
    *(
        (
            {name: ""},
            {"reasoning_required": True, "reasoning_field": name},
            f"with {name}, be it empty",
        )
        for name in ("reasoning_content", "reasoning")
    ),
    (
        {**_NINE, "content": None},
        {"call_id_length": 9, "call_content": None},
        "with content null and short ids",
    ),
)


def _in_conversation(name: str, *after: JSON, **changes: Any) -> Ask:
    """A conversation with a tool call that shows a yes-or-no field by being accepted or refused."""

    async def asks(server: Server) -> Finding:
        reply = await server.chat(*server.conversation(*after, **changes), tools=[TOOL])
        return Finding(reply.said, {} if reply.unclear else {name: reply.accepted})

    return asks


async def _reasoning_back(server: Server) -> Finding:
    """Whether earlier reasoning may stand where the server itself shows it."""
    name = server.reasoning
    if name not in ("reasoning_content", "reasoning"):
        return Finding("not asked: it shows no reasoning in a field of text")
    reply = await server.chat(*server.conversation(**{name: "I add."}), tools=[TOOL])
    if reply.accepted or reply.unclear:
        return Finding(f"{name} {reply.said}")
    return Finding(f"{name} {reply.said}", {"reasoning_field": None})


async def _allowed_tools(server: Server) -> Finding:
    other = {"type": "function", "function": {**TOOL["function"], "name": "multiply"}}
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "multiply"}}]}
    reply = await server.chat(
        user("What is 2 + 3? Call add."),
        tools=[TOOL, other],
        tool_choice={"type": "allowed_tools", "allowed_tools": allowed},
    )
    names = {(call.get("function") or {}).get("name") for call in reply.calls}
    obeyed = reply.accepted and names == {"multiply"}
    says = "obeyed" if obeyed else reply.said if not reply.accepted else "accepted, but not obeyed"
    return Finding(says, {} if reply.unclear else {"allowed_tools": obeyed})


async def _json_schema(server: Server) -> Finding:
    format = {"type": "json_schema", "json_schema": {"name": "sky", "schema": _SCHEMA, "strict": True}}
    reply = await server.chat(user(_JSON_QUESTION), response_format=format)
    if reply.unclear:
        return Finding(reply.said)
    kept = reply.accepted and _is_object(reply.text, "color")
    says = "obeyed" if kept else reply.said if not reply.accepted else "accepted, but not obeyed"
    return Finding(says, {"json_schema": kept})


async def _json_object(server: Server) -> Finding:
    reply = await server.chat(user(_JSON_QUESTION), response_format={"type": "json_object"})
    return Finding("obeyed" if reply.accepted and _is_object(reply.text) else reply.said)


def _is_object(text: str, key: str | None = None) -> bool:
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, dict) and (key is None or key in found)


def _field(**fields: Any) -> Ask:
    """Fields that a server takes or refuses."""

    async def asks(server: Server) -> Finding:
        return _taken(await server.chat(**fields), frozenset(fields))

    return asks


def _taken(reply: Reply, names: frozenset[str]) -> Finding:
    if reply.unclear:
        return Finding(reply.said)
    return Finding(reply.said, accepted=names) if reply.accepted else Finding(reply.said, refused=names)


async def _parallel(server: Server) -> Finding:
    reply = await server.chat(tools=[TOOL], parallel_tool_calls=False)
    return _taken(reply, frozenset({"parallel_tool_calls"}))


async def _choices(server: Server) -> Finding:
    reply = await server.chat(n=2)
    count = sum(len(chunk.get("choices") or ()) for chunk in reply.chunks)
    return Finding(f"{count} of 2 choices" if reply.accepted else reply.said)


async def _special(server: Server) -> Finding:
    together = await server.chat(**_SPECIAL)
    if together.unclear:
        return Finding(together.said)
    if together.accepted:
        strict = not (await server.chat(**_NONSENSE)).accepted
        accepted = frozenset(_SPECIAL) if strict else frozenset()
        says = "all known" if strict else "accepted, as any unknown field is"
        return Finding(says, accepted=accepted)
    refused = set()
    for name, value in _SPECIAL.items():
        reply = await server.chat(**{name: value})
        if not reply.accepted and not reply.unclear:
            refused.add(name)
    return Finding(f"refused: {', '.join(sorted(refused)) or 'only together'}", refused=frozenset(refused))


async def _effort(server: Server) -> Finding:
    reply = await server.chat(reasoning_effort="low")
    if not reply.accepted:
        refused = frozenset() if reply.unclear else frozenset({"reasoning_effort"})
        return Finding(reply.said, refused=refused)
    accepted = {"low"}
    for effort in ("high", "minimal", "xhigh", "max"):
        if (await server.chat(reasoning_effort=effort)).accepted:
            accepted.add(effort)
    values = {
        effort: next(other for other in (*others, "low") if other in accepted)
        for effort, others in _EFFORTS.items()
        if effort not in accepted
    }
    return Finding(f"takes {', '.join(sorted(accepted))}", {"effort_values": values} if values else {})


async def _responses(server: Server) -> Finding:
    answer = await server.post("/responses", {"model": server.model, "input": "Say hello.", "store": False})
    document = answer.document()
    spoken = answer.status < 400 and isinstance(document, dict) and document.get("object") == "response"
    return Finding("spoken, too" if spoken else f"not spoken (HTTP {answer.status})")


QUESTIONS: tuple[Question, ...] = (
    Question("models", _models),
    Question("answer", _answer),
    Question("stream", _stream),
    Question("stream_options", _usage),
    Question("token limit", _limit),
    Question(
        "developer role",
        _takes("developer_role", {"role": "developer", "content": "Be brief."}, user("Hello.")),
    ),
    Question(
        "later system message",
        _takes(
            "merge_system",
            {"role": "system", "content": "Be brief."},
            user("Hello."),
            {"role": "assistant", "content": "Hello."},
            {"role": "system", "content": "Answer in English."},
            user("How are you?"),
            refused_means=True,
        ),
    ),
    Question("text parts", _text_parts),
    Question("tools", _tools),
    Question("parallel_tool_calls", _with_tools(_parallel)),
    Question("strict functions", _with_tools(_takes("strict_tools", tools=[_STRICT_TOOL]))),
    Question("allowed_tools", _with_tools(_allowed_tools)),
    Question("tool result", _with_tools(_round_trip)),
    Question("tool result in parts", _with_tools(_in_conversation("tool_parts", result=_PARTS))),
    Question("user after tool", _with_tools(_in_conversation("user_after_tool", user("And 3 + 3?")))),
    Question("reasoning given back", _with_tools(_reasoning_back)),
    Question("json_schema", _json_schema),
    Question("json_object", _json_object),
    Question("logprobs", _field(logprobs=True, top_logprobs=1)),
    Question("n", _choices),
    Question("special fields", _special),
    Question("reasoning_effort", _effort),
    Question("Responses API", _responses),
)
"""All questions, in the order in which they are asked."""
