"""The tools that a client runs, one row for each type: how it is offered to a Chat upstream, how a call of
it comes back to the client, and how earlier calls and their outputs are told.

Chat Completions knows functions, and some servers custom tools. Every other tool is offered as a function,
and a call of that function becomes the item that the client acts on. Models do not always keep to the
parameters; what they write is read as far as it can be, and nothing of it is lost.
Source: the tool and item types of the OpenAI document.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeGuard

from responses_asgi.translate.input_reader import INPUT
from responses_asgi.types.json import JSON, dumps, loads

__all__ = [
    "CUSTOM",
    "FUNCTION",
    "KINDS",
    "NO_PARAMETERS",
    "ToolKind",
    "call_kind",
    "output_kind",
    "read_arguments",
]

# A function without parameters takes none; several servers demand that this is spelled out.
NO_PARAMETERS: JSON = {"type": "object", "properties": {}}


class ToolKind(NamedTuple):
    """How one type of tool is told in both protocols."""

    tool: str
    """Type of the definition."""
    call: str
    """Type of the item that a call becomes."""
    output: str
    """Type of the item that answers it."""
    prefix: str
    """How the ids of its calls begin."""
    offer: Callable[[JSON], JSON]
    """Definition -> the Chat function that stands for it, without the name."""
    arguments: Callable[[JSON], str]
    """Call item -> the arguments of that function."""
    result: Callable[[JSON, Sequence[str]], str | list[JSON]]
    """Output item, and the names of the tools in it -> what the model is told: a text, or content parts."""
    opened: JSON
    """What a call item holds before anything of the call is known."""
    action: Callable[[Any, str], tuple[JSON, bool]] | None = None
    """The arguments as a value and as they were written -> fields of the call item, and whether the model
    kept to the parameters. None: the arguments are the text of the item."""
    function: str | None = None
    """Name of the function, for tools that have no name of their own."""
    is_clients: Callable[[JSON], bool] = lambda tool: True
    """Whether the client runs the tool that is defined so, and not the service."""

    @property
    def field(self) -> str:
        """The field of the call item that a text grows in."""
        return next(iter(self.opened))


def _paragraphs(*texts: str | None) -> JSON:
    said = "\n\n".join(filter(None, texts))
    return {"description": said} if said else {}


def _object(properties: JSON, *required: str) -> JSON:
    return {"type": "object", "properties": properties, "required": list(required)}


def _own_result(item: JSON, names: Sequence[str]) -> str | list[JSON]:
    result: str | list[JSON] = item["output"]
    return result


# Functions and custom tools


def _offer_function(tool: JSON) -> JSON:
    description = tool.get("description")
    said = {} if description is None else {"description": description}
    return {**said, "parameters": tool.get("parameters") or NO_PARAMETERS}


def _whole_arguments(item: JSON) -> str:
    """The arguments as they are; servers that read them refuse a history where they are no JSON."""
    written: str = item["arguments"] or "{}"
    try:
        loads(written)
    except ValueError:
        return dumps({"arguments": written}).decode()
    return written


_GRAMMARS = {"lark": "Lark grammar", "regex": "regular expression"}


def _offer_custom(tool: JSON) -> JSON:
    format = tool.get("format") or {}
    grammar = None
    if format.get("definition"):
        syntax = str(format.get("syntax"))
        grammar = (
            f"The input must match this {_GRAMMARS.get(syntax, syntax)}:\n"
            f"```{syntax}\n{format['definition']}\n```"
        )
    wrapping = f"Give the whole input, as plain text, in the one string argument `{INPUT}`."
    parameters = _object({INPUT: {"type": "string", "description": "The whole input of the tool."}}, INPUT)
    return {
        **_paragraphs(tool.get("description"), wrapping, grammar),
        "parameters": {**parameters, "additionalProperties": False},
    }


def _wrapped_input(item: JSON) -> str:
    return dumps({INPUT: item["input"]}).decode()


# Shells

_TEXT: JSON = {"type": "string"}
_COUNT: JSON = {"type": "integer"}


def _is_local(tool: JSON) -> bool:
    environment = tool.get("environment")
    return environment is None or environment.get("type") == "local"


def _offer_shell(tool: JSON) -> JSON:
    skills = [
        f"- {skill.get('name')} ({skill.get('path')}): {skill.get('description')}"
        for skill in (tool.get("environment") or {}).get("skills") or ()
        if isinstance(skill, dict)
    ]
    properties: JSON = {
        "commands": {"type": "array", "items": _TEXT, "description": "Shell commands, run in this order."},
        "timeout_ms": {**_COUNT, "description": "How long the commands may take, in milliseconds."},
        "max_output_length": {**_COUNT, "description": "How many characters of output are wanted at most."},
    }
    return {
        **_paragraphs(
            "Runs commands in the user's shell. The result tells, for each, its output and how it ended.",
            "\n".join(["Skills, each described in a folder of its own:", *skills]) if skills else None,
        ),
        "parameters": _object(properties, "commands"),
    }


def _offer_local_shell(tool: JSON) -> JSON:
    properties: JSON = {
        "command": {"type": "array", "items": _TEXT, "description": "A program and its arguments."},
        "working_directory": {**_TEXT, "description": "Where to run it."},
        "env": {"type": "object", "additionalProperties": _TEXT, "description": "Environment variables."},
        "timeout_ms": {**_COUNT, "description": "How long it may take, in milliseconds."},
        "user": {**_TEXT, "description": "The user to run it as."},
    }
    return {
        **_paragraphs("Runs a program on the user's machine, without a shell. The result is its output."),
        "parameters": _object(properties, "command"),
    }


_NO_SHELL_ACTION: JSON = {"commands": [], "timeout_ms": None, "max_output_length": None}
_NO_EXEC: JSON = {"type": "exec", "command": [], "env": {}}


def _commanded(said: Any, written: str, *names: str) -> list[str] | str:
    """What is to be run: the value under one of these names, or the only text there is, or all of it."""
    if not isinstance(said, dict):
        return said if isinstance(said, str) or _is_texts(said) else written
    found = next((said[name] for name in names if said.get(name)), None)
    if found is None and len(said) == 1:
        found = next(iter(said.values()))
    if isinstance(found, str) or _is_texts(found):
        return found
    return written if any(said.values()) else []


def _is_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and bool(value) and all(isinstance(entry, str) for entry in value)


def _shell_action(said: Any, written: str) -> tuple[JSON, bool]:
    found = _commanded(said, written, "commands", "command", "cmd")
    kept = isinstance(said, dict) and found == said.get("commands") and not isinstance(found, str)
    if isinstance(found, str):
        found = [found]
    elif not kept and found:
        # A program and its arguments, as the older tool has them.
        found = [shlex.join(found)]
    limits = {
        name: said[name]
        for name in ("timeout_ms", "max_output_length")
        if isinstance(said, dict) and isinstance(said.get(name), int)
    }
    return {"action": {**_NO_SHELL_ACTION, "commands": found, **limits}}, kept


def _local_shell_action(said: Any, written: str) -> tuple[JSON, bool]:
    found = _commanded(said, written, "command", "commands", "cmd")
    kept = isinstance(said, dict) and found == said.get("command") and not isinstance(found, str)
    action: JSON = {**_NO_EXEC, "command": ["sh", "-c", found] if isinstance(found, str) else found}
    if isinstance(said, dict):
        types = {"env": dict, "timeout_ms": int, "user": str, "working_directory": str}
        action |= {name: said[name] for name, type_ in types.items() if isinstance(said.get(name), type_)}
    return {"action": action}, kept


def _said_action(item: JSON) -> str:
    action = item["action"]
    said = {name: value for name, value in action.items() if name != "type" and value is not None}
    return dumps(said).decode()


def _shell_result(item: JSON, names: Sequence[str]) -> str:
    output = item["output"]
    return output if isinstance(output, str) else dumps(output).decode()


# Patches

OPERATIONS = ("create_file", "update_file", "delete_file")

_PATCHING = (
    "Creates, changes or deletes one file. The diff of a new file is its lines, each with `+` before it. "
    "The diff of a change is made of sections; each begins with a line `@@`, which may name the class or "
    "function that it is in, then come its lines with ` ` (kept), `-` (taken out) or `+` (put in) before "
    "them. There are no line numbers; about three kept lines around every change tell where it is."
)


def _offer_apply_patch(tool: JSON) -> JSON:
    properties: JSON = {
        "type": {**_TEXT, "enum": list(OPERATIONS)},
        "path": {**_TEXT, "description": "The file, relative to the workspace."},
        "diff": {**_TEXT, "description": "What to put into the file; not for delete_file."},
    }
    return {**_paragraphs(_PATCHING), "parameters": _object(properties, "type", "path")}


def _patch_operation(said: Any, written: str) -> tuple[JSON, bool]:
    found: JSON = said if isinstance(said, dict) else {}
    kind, path, diff = found.get("type"), found.get("path"), found.get("diff")
    if kind in OPERATIONS and isinstance(path, str):
        operation = {"type": kind, "path": path}
        if kind != "delete_file":
            operation["diff"] = diff if isinstance(diff, str) else ""
        return {"operation": operation}, True
    # No client applies it, and what it says of that tells the model what was wrong.
    whole = {"path": path if isinstance(path, str) else "", "diff": written}
    return {"operation": {"type": "update_file", **whole}}, False


def _patch_result(item: JSON, names: Sequence[str]) -> str:
    return "\n".join(filter(None, (item.get("status"), item.get("output")))) or "completed"


# Tools that are found when they are needed


def _offer_tool_search(tool: JSON) -> JSON:
    query: JSON = {"query": {**_TEXT, "description": "What the tool is needed for."}}
    return {
        **_paragraphs(tool.get("description") or "Finds further tools, which can be called after that."),
        "parameters": tool.get("parameters") or _object(query, "query"),
    }


def _search_arguments(item: JSON) -> str:
    said = item.get("arguments")
    return said if isinstance(said, str) else dumps(said or {}).decode()


def _search_result(item: JSON, names: Sequence[str]) -> str:
    if not names:
        return "No tool was found."
    return f"These tools can be called from now on: {', '.join(names)}"


FUNCTION = ToolKind(
    tool="function",
    call="function_call",
    output="function_call_output",
    prefix="fc_",
    offer=_offer_function,
    arguments=_whole_arguments,
    result=_own_result,
    opened={"arguments": ""},
)
CUSTOM = ToolKind(
    tool="custom",
    call="custom_tool_call",
    output="custom_tool_call_output",
    prefix="ctc_",
    offer=_offer_custom,
    arguments=_wrapped_input,
    result=_own_result,
    opened={"input": ""},
)
KINDS: tuple[ToolKind, ...] = (
    FUNCTION,
    CUSTOM,
    ToolKind(
        tool="shell",
        call="shell_call",
        output="shell_call_output",
        prefix="sh_",
        offer=_offer_shell,
        arguments=_said_action,
        result=_shell_result,
        opened={"action": _NO_SHELL_ACTION, "environment": {"type": "local"}},
        action=_shell_action,
        function="shell",
        is_clients=_is_local,
    ),
    ToolKind(
        tool="local_shell",
        call="local_shell_call",
        output="local_shell_call_output",
        prefix="lsh_",
        offer=_offer_local_shell,
        arguments=_said_action,
        result=_own_result,
        opened={"action": _NO_EXEC},
        action=_local_shell_action,
        function="local_shell",
    ),
    ToolKind(
        tool="apply_patch",
        call="apply_patch_call",
        output="apply_patch_call_output",
        prefix="apc_",
        offer=_offer_apply_patch,
        arguments=lambda item: dumps(item["operation"]).decode(),
        result=_patch_result,
        opened={"operation": {"type": "update_file", "path": "", "diff": ""}},
        action=_patch_operation,
        function="apply_patch",
    ),
    ToolKind(
        tool="tool_search",
        call="tool_search_call",
        output="tool_search_output",
        prefix="tsc_",
        offer=_offer_tool_search,
        arguments=_search_arguments,
        result=_search_result,
        opened={"execution": "client", "arguments": {}},
        action=lambda said, written: ({"arguments": said}, isinstance(said, dict)),
        function="tool_search",
        is_clients=lambda tool: tool.get("execution") == "client",
    ),
)

_BY_CALL = {kind.call: kind for kind in KINDS}
_BY_OUTPUT = {kind.output: kind for kind in KINDS}


def call_kind(item: JSON) -> ToolKind | None:
    """The row of a call that the client answers; None for any other item.

    >>> call_kind({"type": "shell_call"}).output, call_kind({"type": "message"})
    ('shell_call_output', None)
    """
    kind = _BY_CALL.get(str(item.get("type")))
    return kind and _of_client(kind, item)


def output_kind(item: JSON) -> ToolKind | None:
    """The row of what a client answers to a call; None for any other item."""
    kind = _BY_OUTPUT.get(str(item.get("type")))
    return kind and _of_client(kind, item)


def _of_client(kind: ToolKind, item: JSON) -> ToolKind | None:
    # What a service searched by itself has no call_id, and no answer of the client belongs to it.
    searched = kind.tool == "tool_search"
    return None if searched and not (item.get("call_id") or item.get("execution") == "client") else kind


def read_arguments(written: str) -> Any:
    """The arguments as a value; what is no JSON is a text."""
    try:
        return loads(written or "{}")
    except ValueError:
        return written
