"""Working: code, images, and shells in containers of the service. The rows of their calls.

What came of them: of code `{"logs", "images", "files"}`, of an image `{"result", ...}` with its looks, of
commands `{"output": [{"stdout", "stderr", "outcome"}]}`.
"""

from __future__ import annotations

from responses_asgi.translate.citations import Citation
from responses_asgi.translate.hosted_kind import HostedKind, objects, one_argument, word
from responses_asgi.types.json import JSON, dumps

__all__ = ["FOLDER", "LOOKS", "WORKS"]

OUTPUTS = "code_interpreter_call.outputs"

FOLDER = "/mnt/data/"
"""Where the code finds and leaves its files, as models know it."""

LOOKS = ("size", "quality", "background", "output_format")
"""What is told of an image besides what it shows."""

_NO_ACTION: JSON = {"commands": [], "timeout_ms": None, "max_output_length": None}


# Code


def _outputs(found: JSON) -> list[JSON]:
    logs = [{"type": "logs", "logs": found["logs"]}] if found["logs"] else []
    return [*logs, *({"type": "image", "url": url} for url in found["images"])]


def _code_told(found: JSON, first: int) -> str:
    images = [f"[image made: {n + 1} of {len(found['images'])}]" for n in range(len(found["images"]))]
    files = [f"[file made: sandbox:{FOLDER}{file['filename']}]" for file in found["files"]]
    said = [found["logs"], *images, *files]
    return "\n".join(filter(None, said)) or "The code was run; it printed nothing."


def _code_kept(item: JSON) -> JSON | None:
    if not isinstance(item.get("outputs"), list):
        return None
    outputs = objects(item["outputs"])
    logs = [word(each, "logs") for each in outputs if each.get("type") == "logs"]
    images = [each.get("url") for each in outputs if each.get("type") == "image"]
    return {"logs": "\n".join(logs), "images": images, "files": []}


def _files_cited(item: JSON, found: JSON, first: int) -> list[Citation]:
    return [_file_cited(file, item["container_id"]) for file in found["files"]]


def _file_cited(file: JSON, container: str) -> Citation:
    named: JSON = {"file_id": file["file_id"], "filename": file["filename"]}
    said: JSON = {"type": "container_file_citation", "container_id": container, **named}
    return Citation(
        0,
        [f"sandbox:{FOLDER}{file['filename']}"],
        lambda start, end: {**said, "start_index": start, "end_index": end},
        whole_link=False,
    )


# Images


def _image_told(found: JSON, first: int) -> str:
    return "The image was made, and the user can see it."


def _image_shown(item: JSON, found: JSON, include: frozenset[str]) -> JSON:
    names = ("result", "revised_prompt", *LOOKS)
    return {name: found[name] for name in names if found.get(name) is not None}


# Shells

_COMMANDS: JSON = {
    "type": "object",
    "properties": {
        "commands": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Shell commands, run in this order.",
        },
        "timeout_ms": {"type": "integer", "description": "How long they may take, in milliseconds."},
        "max_output_length": {"type": "integer", "description": "The most characters of output wanted."},
    },
    "required": ["commands"],
    "additionalProperties": False,
}


def _shell_asked(arguments: JSON) -> JSON:
    limits = {
        name: arguments[name]
        for name in ("timeout_ms", "max_output_length")
        if type(arguments.get(name)) is int and arguments[name] > 0
    }
    said = arguments.get("commands") or arguments.get("command")
    commands = [text for text in (said if isinstance(said, list) else [said]) if isinstance(text, str)]
    return {"action": {**_NO_ACTION, "commands": commands, **limits}}


def _shell_arguments(item: JSON) -> JSON:
    action = item.get("action")
    return {name: said for name, said in action.items() if said} if isinstance(action, dict) else {}


def _shell_kept(item: JSON) -> JSON | None:
    return {"output": item["output"]} if item.get("output") else None


def _is_in_container(item: JSON) -> bool:
    environment = item.get("environment")
    return isinstance(environment, dict) and environment.get("type") == "container_reference"


WORKS: tuple[HostedKind, ...] = (
    HostedKind(
        name="code_interpreter",
        tools=("code_interpreter",),
        call="code_interpreter_call",
        prefix="ci_",
        function="code_interpreter",
        argument="code",
        about=lambda tool: (
            f"Runs Python code and gives what it prints. Files in {FOLDER} stay there from call to call; "
            f"link to those that are made for the user as sandbox:{FOLDER}name."
        ),
        parameters=one_argument("code", "The Python code. What is to be known has to be printed."),
        opened=lambda tool: {"code": "", "container_id": tool["container_id"], "outputs": []},
        asked=lambda arguments: {"code": word(arguments, "code")},
        arguments=lambda item: {"code": word(item, "code")},
        told=_code_told,
        shown=lambda item, found, include: {"outputs": _outputs(found) if OUTPUTS in include else None},
        kept=_code_kept,
        running="interpreting",
        text=True,
        cut="incomplete",
        include=(OUTPUTS,),
        cited=_files_cited,
    ),
    HostedKind(
        name="image_generation",
        tools=("image_generation",),
        call="image_generation_call",
        prefix="ig_",
        function="image_generation",
        argument="prompt",
        about=lambda tool: "Makes an image after a description, and shows it to the user.",
        parameters=one_argument("prompt", "All that the image is to show; its maker knows nothing else."),
        opened=lambda tool: {"result": None},
        asked=lambda arguments: {"revised_prompt": word(arguments, "prompt")},
        arguments=lambda item: {"prompt": word(item, "revised_prompt")},
        told=_image_told,
        shown=_image_shown,
        kept=lambda item: item if item.get("result") else None,
        running="generating",
        to_be_seen=True,
    ),
    HostedKind(
        name="shell",
        tools=("shell",),
        call="shell_call",
        prefix="sh_",
        function="shell",
        argument="commands",
        about=lambda tool: (
            "Runs commands in a shell of a container. The result tells of each its output and how it ended."
        ),
        parameters=_COMMANDS,
        opened=lambda tool: {
            "action": _NO_ACTION,
            "environment": {"type": "container_reference", "container_id": tool["container_id"]},
        },
        asked=_shell_asked,
        arguments=_shell_arguments,
        told=lambda found, first: dumps(found["output"]).decode("utf-8", "replace"),
        shown=lambda item, found, include: {"output": found["output"]},
        kept=_shell_kept,
        running=None,
        cut="incomplete",
        output="shell_call_output",
        is_of=_is_in_container,
    ),
)
