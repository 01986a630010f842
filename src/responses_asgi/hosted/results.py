"""What an MCP tool answered, for the model.

Texts are joined, and images shown where the model's server can be; what else no text can show (sound, files)
is named. Structured content is told as JSON unless the texts say it already.
Source: https://modelcontextprotocol.io/specification/2025-11-25/server/tools#tool-result
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Sequence
from typing import Any

from responses_asgi.hosted.pieces import Piece, ToolImage
from responses_asgi.hosted.tool import ToolOutput
from responses_asgi.types.json import dumps, loads

__all__ = ["result_of"]


def result_of(answer: Any, chars: int) -> ToolOutput:
    """What the tool answered, of an `mcp.types.CallToolResult`; `chars` is how much the model is told.

    The bound is that of `HostedTool`; here it saves the work on what would be cut off.
    """
    pieces = [_block(block) for block in answer.content]
    texts = [piece for piece in pieces if isinstance(piece, str)]
    said = "\n".join(texts)
    structured = answer.structured_content
    if structured is not None and not _says(texts, said, structured, chars):
        pieces.append(dumps(structured).decode("utf-8", "replace"))
    failed = bool(answer.is_error)
    if any(isinstance(piece, ToolImage) for piece in pieces):
        return ToolOutput(pieces, failed)
    told = "\n".join(str(piece) for piece in pieces if piece)
    return ToolOutput(told or ("The tool failed without a message." if failed else ""), failed)


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


def _block(block: Any) -> Piece:
    say = _BLOCKS.get(str(block.type))
    return say(block) if say else f"[content of type {block.type}, not shown]"


def _image(block: Any) -> Piece:
    return _read(block.data, block.mime_type) or f"[image: {block.mime_type}, which cannot be read]"


def _read(data: str, media_type: str) -> ToolImage | None:
    try:
        return ToolImage(b64decode(data, validate=True), media_type.lower())
    except ValueError:
        return None


def _audio(block: Any) -> str:
    return f"[audio: {block.mime_type}, {len(block.data) * 3 // 4} bytes, not shown]"


def _link(block: Any) -> str:
    about = f": {block.description}" if block.description else ""
    return f"[{block.title or block.name}]({block.uri}){about}"


def _resource(block: Any) -> Piece:
    resource = block.resource
    text = getattr(resource, "text", None)
    if isinstance(text, str):
        return text
    kind = str(resource.mime_type or "unknown type")
    image = _read(resource.blob, kind) if kind.startswith("image/") else None
    return image or f"[file: {resource.uri}, {kind}, not shown]"


_BLOCKS: dict[str, Callable[[Any], Piece]] = {
    "text": lambda block: str(block.text),
    "image": _image,
    "audio": _audio,
    "resource_link": _link,
    "resource": _resource,
}
