"""What a function that implements one of the API's hosted tools is called with.

Each has what the model asks for, and what the request says of the tool. `settings` is the tool's definition
as the client sent it, `context` tells of the request: `context.principal` is whose it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from responses_asgi.errors import APIError
from responses_asgi.translate.hosted_kind import HostedKind, objects
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.context import ExchangeContext

__all__ = [
    "CodeCall",
    "FileSearchCall",
    "FindInPageCall",
    "ImageCall",
    "OpenPageCall",
    "ShellCall",
    "TypeCall",
    "WebSearchCall",
    "call_of",
]

NEW = "new_container"
"""Key of resolved settings: whether the container is a new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeCall:
    """What all of them have."""

    settings: JSON
    context: ExchangeContext


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSearchCall(TypeCall):
    """Search the web for `queries`, mostly one, which is `query`.

    `user_location` may have city, region, country and timezone; of `allowed_domains` only these are wanted
    (none: all); `search_context_size` is `"low"`, `"medium"` or `"high"`.
    """

    queries: tuple[str, ...]

    @property
    def query(self) -> str:
        """The first of the queries."""
        return self.queries[0]

    @property
    def user_location(self) -> JSON:
        """Where the user is, as far as the request says it."""
        location: JSON = self.settings.get("user_location") or {}
        return location

    @property
    def allowed_domains(self) -> list[str]:
        """The sites that are wanted."""
        return list((self.settings.get("filters") or {}).get("allowed_domains") or ())

    @property
    def search_context_size(self) -> str:
        """How much the model is to be told."""
        return self.settings.get("search_context_size") or "medium"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPageCall(TypeCall):
    """Read the page at `url`. The address is the model's: it may be one inside your network."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindInPageCall(TypeCall):
    """Find `pattern` in the page at `url`. The address is the model's, as that of an OpenPageCall."""

    url: str
    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSearchCall(TypeCall):
    """Search `vector_store_ids` for `queries`, mostly one, which is `query`.

    The stores are named by the client: whether they are its own, the function has to see to. At most
    `max_num_results` are told; `filters` and `ranking_options` are as in the API.
    """

    queries: tuple[str, ...]

    @property
    def query(self) -> str:
        """The first of the queries."""
        return self.queries[0]

    @property
    def vector_store_ids(self) -> list[str]:
        """Where to search."""
        return list(self.settings.get("vector_store_ids") or ())

    @property
    def max_num_results(self) -> int:
        """The most results that are told."""
        return self.settings.get("max_num_results") or 20

    @property
    def filters(self) -> JSON | None:
        """What the attributes of files have to be, as the API says it."""
        return self.settings.get("filters")

    @property
    def ranking_options(self) -> JSON:
        """How results are ranked, as the API says it."""
        return self.settings.get("ranking_options") or {}


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeCall(TypeCall):
    """Run Python `code` in the container `container_id`, where files and variables stay from call to call.

    `new_container`: the id was made for this response. Otherwise it is one that the client has sent, in the
    request or with an earlier item; whether it is its own, the function has to see to.
    """

    code: str
    container_id: str
    new_container: bool

    @property
    def file_ids(self) -> list[str]:
        """The files that a new container is to have."""
        return _file_ids(self.settings.get("container"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCall(TypeCall):
    """Make an image that shows `prompt`.

    `size`, `quality`, `background` and `output_format` are those of the request; None: as you like.
    `partial_images`: how many first sights of it the client wants to see.
    """

    prompt: str

    @property
    def size(self) -> str | None:
        """Width and height, as `"1024x1024"`."""
        return self._chosen("size")

    @property
    def quality(self) -> str | None:
        """`"low"`, `"medium"` or `"high"`."""
        return self._chosen("quality")

    @property
    def background(self) -> str | None:
        """`"transparent"` or `"opaque"`."""
        return self._chosen("background")

    @property
    def output_format(self) -> str:
        """`"png"`, `"webp"` or `"jpeg"`."""
        return self.settings.get("output_format") or "png"

    @property
    def partial_images(self) -> int:
        """From 0 to 3."""
        return self.settings.get("partial_images") or 0

    def _chosen(self, name: str) -> str | None:
        said = self.settings.get(name)
        return said if said and said != "auto" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellCall(TypeCall):
    """Run `commands` one after the other in a shell of the container `container_id`.

    They may take `timeout_ms` milliseconds, and say `max_output_length` characters, as the model wants it;
    None: as you like. About the container see CodeCall.
    """

    commands: tuple[str, ...]
    timeout_ms: int | None
    max_output_length: int | None
    container_id: str
    new_container: bool

    @property
    def file_ids(self) -> list[str]:
        """The files that a new container is to have."""
        return _file_ids(self.settings.get("environment"))

    @property
    def skills(self) -> list[JSON]:
        """The skills that a new container is to have, as the API says them."""
        return objects((self.settings.get("environment") or {}).get("skills"))


def _file_ids(container: object) -> list[str]:
    return list(container.get("file_ids") or ()) if isinstance(container, Mapping) else []


def call_of(kind: HostedKind, arguments: JSON, tool: JSON, context: ExchangeContext) -> TypeCall:
    """The call that a model has written, for a tool with resolved settings.

    Raises APIError, which the model is told, where what is asked for is missing.
    """
    asked = kind.asked(arguments)
    given: JSON = {**asked, **asked.pop("action", {})}
    settings = {name: value for name, value in tool.items() if name not in ("container_id", NEW)}
    made = _CALLS[kind.name](given, tool)
    if not all(made[name] for name in _NEEDED[kind.name]):
        raise APIError(f"The argument {kind.argument!r} is missing.", status=400)
    return _TYPES[kind.name](settings=settings, context=context, **made)


def _place(tool: JSON) -> JSON:
    return {"container_id": tool["container_id"], NEW: tool[NEW]}


_TYPES: dict[str, Callable[..., TypeCall]] = {
    "web_search": WebSearchCall,
    "web_search.open_page": OpenPageCall,
    "web_search.find_in_page": FindInPageCall,
    "file_search": FileSearchCall,
    "code_interpreter": CodeCall,
    "image_generation": ImageCall,
    "shell": ShellCall,
}
# Kind -> (fields of the item, resolved settings) -> what the call is made of.
_CALLS: dict[str, Callable[[JSON, JSON], JSON]] = {
    "web_search": lambda asked, tool: {"queries": tuple(asked["queries"])},
    "web_search.open_page": lambda asked, tool: {"url": asked["url"]},
    "web_search.find_in_page": lambda asked, tool: {"url": asked["url"], "pattern": asked["pattern"]},
    "file_search": lambda asked, tool: {"queries": tuple(asked["queries"])},
    "code_interpreter": lambda asked, tool: {"code": asked["code"], **_place(tool)},
    "image_generation": lambda asked, tool: {"prompt": asked["revised_prompt"]},
    "shell": lambda asked, tool: {
        "commands": tuple(asked["commands"]),
        "timeout_ms": asked["timeout_ms"],
        "max_output_length": asked["max_output_length"],
        **_place(tool),
    },
}
_NEEDED: dict[str, tuple[str, ...]] = {
    "web_search": ("queries",),
    "web_search.open_page": ("url",),
    "web_search.find_in_page": ("url", "pattern"),
    "file_search": ("queries",),
    "code_interpreter": ("code",),
    "image_generation": ("prompt",),
    "shell": ("commands",),
}
