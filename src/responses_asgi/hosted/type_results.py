"""What a function that implements one of the API's hosted tools may return, and what it comes to."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import ConfigDict, TypeAdapter, with_config

from responses_asgi.hosted.pieces import ToolImage
from responses_asgi.hosted.type_calls import FileSearchCall, TypeCall
from responses_asgi.types.json import JSON

__all__ = [
    "CodeFile",
    "CodeOutput",
    "FileResult",
    "Image",
    "SearchResult",
    "ShellOutput",
    "found_of",
    "images_of",
]

_STRICT = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class SearchResult:
    """A page of the web: its address, its title, and what it says about the query.

    >>> SearchResult("https://example.com/", "Example", "For use in documents.").title
    'Example'
    """

    url: str
    title: str = ""
    text: str = ""


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class FileResult:
    """A passage of a file that fits the query. `score` is from 0 to 1; `attributes` are those of the file."""

    file_id: str
    filename: str
    text: str
    score: float = 0.0
    attributes: dict[str, str | float | bool] = field(default_factory=dict)


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class CodeFile:
    """A file that code has left in `/mnt/data`; clients get it by its id, from you."""

    file_id: str
    filename: str


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class CodeOutput:
    """What came of code: what it printed, the errors it ended with among that, and what it made.

    `images` are ToolImages, which the model is shown, or URLs, `data:` among them.
    """

    logs: str = ""
    images: list[ToolImage | str] = field(default_factory=list)
    files: list[CodeFile] = field(default_factory=list)


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Image:
    """An image that was made: its bytes, or those in base64.

    `revised_prompt`: what it was made after, where that is not what the model has written. The looks are
    those that the request asked for, unless you say others.
    """

    data: bytes | str
    revised_prompt: str | None = None
    size: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class ShellOutput:
    """What came of one command."""

    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0
    timed_out: bool = False


_PAGES = TypeAdapter(list[SearchResult])
_PASSAGES = TypeAdapter(list[FileResult])
_CODE = TypeAdapter(CodeOutput)
_IMAGE = TypeAdapter(Image)
_SHELL = TypeAdapter(list[ShellOutput])


def found_of(call: TypeCall, value: Any) -> JSON:
    """What was found, as the rows of the hosted kinds know it, of what a function has returned.

    Raises ValueError for what is no such result.

    >>> from responses_asgi.hosted.type_calls import WebSearchCall
    >>> from responses_asgi.upstreams.context import ExchangeContext
    >>> context = ExchangeContext.of({"type": "http"}, {})
    >>> call = WebSearchCall(settings={}, context=context, queries=("asgi",))
    >>> found_of(call, [{"url": "https://a.test/", "title": "A"}])
    {'results': [{'url': 'https://a.test/', 'title': 'A', 'text': ''}]}
    """
    return _FOUND[type(call).__name__](call, value)


def images_of(found: JSON) -> list[ToolImage]:
    """The images among what was found, which the model can be shown."""
    if found.get("result"):
        return _shown([f"data:image/{found.get('output_format') or 'png'};base64,{found['result']}"])
    return _shown(found.get("images") or [])


def _shown(urls: list[str]) -> list[ToolImage]:
    read = (url.removeprefix("data:").partition(";base64,") for url in urls if url.startswith("data:image/"))
    return [ToolImage(base64.b64decode(data), kind) for kind, is_base64, data in read if is_base64]


def _many(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


def _pages(call: TypeCall, value: Any) -> JSON:
    url = getattr(call, "url", None)
    if isinstance(value, str) and url:
        value = SearchResult(url, "", value)
    return {"results": [asdict(page) for page in _PAGES.validate_python(list(_many(value)))]}


def _passages(call: TypeCall, value: Any) -> JSON:
    passages = _PASSAGES.validate_python(list(_many(value)))
    most = call.max_num_results if isinstance(call, FileSearchCall) else None
    return {"results": [asdict(passage) for passage in passages[:most]]}


def _code(call: TypeCall, value: Any) -> JSON:
    if isinstance(value, str | ToolImage) or value is None:
        value = CodeOutput(value) if isinstance(value, str) else CodeOutput(images=[value] if value else [])
    output = _CODE.validate_python(value)
    return {
        "logs": output.logs,
        "images": [image if isinstance(image, str) else image.part["image_url"] for image in output.images],
        "files": [asdict(file) for file in output.files],
    }


def _image(call: TypeCall, value: Any) -> JSON:
    if isinstance(value, ToolImage):
        value = Image(value.data, output_format=value.media_type.partition("/")[2])
    if isinstance(value, bytes | str):
        value = Image(value)
    image = _IMAGE.validate_python(value)
    data = image.data
    asked = {name: getattr(call, name) for name in ("size", "quality", "background", "output_format")}
    said = {name: told for name, told in asdict(image).items() if name != "data" and told is not None}
    return {
        **asked,
        **said,
        "result": data if isinstance(data, str) else base64.b64encode(data).decode("ascii"),
    }


def _shell(call: TypeCall, value: Any) -> JSON:
    outputs = [ShellOutput(each) if isinstance(each, str) else each for each in _many(value)]
    return {"output": [_told(output) for output in _SHELL.validate_python(outputs)]}


def _told(output: ShellOutput) -> JSON:
    ended: JSON = {"type": "timeout"} if output.timed_out else {"type": "exit", "exit_code": output.exit_code}
    return {"stdout": output.stdout, "stderr": output.stderr, "outcome": ended}


_FOUND: Mapping[str, Callable[[TypeCall, Any], JSON]] = {
    "WebSearchCall": _pages,
    "OpenPageCall": _pages,
    "FindInPageCall": _pages,
    "FileSearchCall": _passages,
    "CodeCall": _code,
    "ImageCall": _image,
    "ShellCall": _shell,
}
