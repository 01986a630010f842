"""Results of more than one piece: texts, and the images that a model can be shown.

An item of a response tells a result as a text, in which images are named. The model is told content parts.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from responses_asgi.translate.rounds import HostedResult
from responses_asgi.types.json import JSON

__all__ = ["Piece", "ToolImage", "bounded", "pieces_of", "result_of_pieces"]

# What the servers of models read: https://platform.openai.com/docs/guides/images-vision
_SHOWN = frozenset({"image/gif", "image/jpeg", "image/png", "image/webp"})


@dataclass(frozen=True, slots=True)
class ToolImage:
    """An image that a tool answers, alone or in a list with texts: the bytes of a PNG, JPEG, WebP or GIF.

    >>> ToolImage(b"...", "image/webp")
    ToolImage(image/webp, 3 bytes)
    """

    data: bytes
    media_type: str = "image/png"

    def __repr__(self) -> str:
        return f"ToolImage({self.media_type}, {len(self.data)} bytes)"

    @property
    def named(self) -> str:
        """What stands for it where there is only text."""
        return f"[image: {self.media_type}, {len(self.data)} bytes]"

    @property
    def part(self) -> JSON:
        """The content part that shows it."""
        data = base64.b64encode(self.data).decode("ascii")
        return {
            "type": "input_image",
            "image_url": f"data:{self.media_type};base64,{data}",
            "detail": "auto",
        }


Piece: TypeAlias = str | ToolImage


def pieces_of(value: object) -> list[object] | None:
    """The pieces of what a tool has returned; None: there is no image in it.

    >>> pieces_of(["Look:", ToolImage(b"...")])
    ['Look:', ToolImage(image/png, 3 bytes)]
    >>> pieces_of(["Look", "here"])
    """
    if isinstance(value, ToolImage):
        return [value]
    if isinstance(value, list | tuple) and any(isinstance(each, ToolImage) for each in value):
        return list(value)
    return None


def result_of_pieces(pieces: Sequence[Piece], *, failed: bool, chars: int, image_bytes: int) -> HostedResult:
    """The result that these pieces are: `chars` of their texts, and images of `image_bytes` together.

    >>> result_of_pieces(["Look:", ToolImage(b"...")], failed=False, chars=100, image_bytes=100).output
    'Look:\\n[image: image/png, 3 bytes]'
    """
    texts: list[str] = []
    parts: list[JSON] = []
    shown = False
    for piece in pieces:
        if isinstance(piece, str):
            said = bounded(piece, chars)
            chars = max(chars - len(piece), 0)
        else:
            said = piece.named
            if piece.media_type in _SHOWN and 0 < len(piece.data) <= image_bytes:
                shown = True
                image_bytes -= len(piece.data)
                texts.append(said)
                parts.append(piece.part)
                continue
        if said:
            texts.append(said)
            parts.append({"type": "input_text", "text": said})
    return HostedResult("\n".join(texts), failed, parts if shown else ())


def bounded(text: str, chars: int) -> str:
    """The text, or its beginning with a note of how much is missing.

    >>> bounded("abcdef", 4)
    'abcd\\n[cut off: 4 of 6 characters]'
    """
    return text if len(text) <= chars else f"{text[:chars]}\n[cut off: {chars} of {len(text)} characters]"
