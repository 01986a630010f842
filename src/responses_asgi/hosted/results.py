"""What an MCP tool answered, as a text for the model.

Texts are joined; what no text can show (images, sound, files) is named; structured content is told as JSON
unless the texts say it already.
Source: https://modelcontextprotocol.io/specification/2025-11-25/server/tools#tool-result
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from responses_asgi.translate.rounds import HostedResult
from responses_asgi.types.json import dumps, loads

__all__ = ["result_of"]


def result_of(answer: Any, chars: int) -> HostedResult:
    """The result that the model is told, of an `mcp.types.CallToolResult`; `chars` is how much it is told.

    The bound is that of `HostedTool`; here it saves the work on what would be cut off.
    """
    texts = [_block(block) for block in answer.content]
    said = "\n".join(texts)
    if answer.structured_content is not None and not _says(texts, said, answer.structured_content, chars):
        structured = dumps(answer.structured_content).decode("utf-8", "replace")
        said = f"{said}\n{structured}" if said else structured
    failed = bool(answer.is_error)
    return HostedResult(said or ("The tool failed without a message." if failed else ""), failed)


def _says(texts: Sequence[str], said: str, structured: Any, chars: int) -> bool:
    """Whether the texts tell the structured content: as JSON, or as the value that SDKs wrap in `result`."""
    if len(said) > chars:
        return True  # nothing that follows would be told
    values = [structured]
    if isinstance(structured, dict) and list(structured) == ["result"]:
        values.append(structured["result"])
    read = [_value(text) for text in texts]
    return any(value in (said, _value(said), texts, read) for value in values)


def _value(text: str) -> Any:
    try:
        return loads(text)
    except ValueError:
        return text


def _block(block: Any) -> str:
    say = _BLOCKS.get(str(block.type))
    return say(block) if say else f"[content of type {block.type}, not shown]"


def _media(block: Any) -> str:
    return f"[{block.type}: {block.mime_type}, {len(block.data) * 3 // 4} bytes, not shown]"


def _link(block: Any) -> str:
    about = f": {block.description}" if block.description else ""
    return f"[{block.title or block.name}]({block.uri}){about}"


def _resource(block: Any) -> str:
    resource = block.resource
    text = getattr(resource, "text", None)
    if isinstance(text, str):
        return text
    return f"[file: {resource.uri}, {resource.mime_type or 'unknown type'}, not shown]"


_BLOCKS: dict[str, Callable[[Any], str]] = {
    "text": lambda block: str(block.text),
    "image": _media,
    "audio": _media,
    "resource_link": _link,
    "resource": _resource,
}
