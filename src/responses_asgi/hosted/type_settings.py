"""What requests may say of the API's hosted tools, where a function of the service implements them.

Source: the tool types of the OpenAI document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from responses_asgi.types.checks import Name, Open, TextOrObject, check, missing
from responses_asgi.types.json import JSON

__all__ = ["check_settings"]

_Share = Annotated[float, Field(ge=0, le=1, strict=False)]


class _Filters(Open):
    allowed_domains: list[Name] | None = None


class _Location(Open):
    city: str | None = None
    region: str | None = None
    country: str | None = None
    timezone: str | None = None


class _WebSearch(Open):
    search_context_size: Literal["low", "medium", "high"] | None = None
    user_location: _Location | None = None
    filters: _Filters | None = None
    external_web_access: bool | None = None


class _Ranking(Open):
    ranker: str | None = None
    score_threshold: _Share | None = None


class _FileSearch(Open):
    vector_store_ids: Annotated[list[Name], Field(min_length=1)]
    max_num_results: Annotated[int, Field(ge=1, le=50)] | None = None
    ranking_options: _Ranking | None = None
    filters: JSON | None = None


class _CodeInterpreter(Open):
    container: TextOrObject


class _Auto(Open):
    type: Literal["auto"]
    file_ids: list[Name] | None = None


class _Image(Open):
    model: str | None = None
    size: Annotated[str, Field(pattern=r"^(auto|\d{1,5}x\d{1,5})$")] | None = None
    quality: Literal["low", "medium", "high", "auto"] | None = None
    background: Literal["transparent", "opaque", "auto"] | None = None
    output_format: Literal["png", "webp", "jpeg"] | None = None
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = None
    moderation: Literal["auto", "low"] | None = None
    partial_images: Annotated[int, Field(ge=0, le=3)] | None = None
    action: Literal["generate", "edit", "auto"] | None = None


class _Environment(Open):
    type: Literal["container_auto", "container_reference"]
    container_id: Name | None = None
    file_ids: list[Name] | None = None
    skills: list[JSON] | None = None


class _Shell(Open):
    environment: _Environment


_MODELS: Mapping[str, type[Open]] = {
    "file_search": _FileSearch,
    "code_interpreter": _CodeInterpreter,
    "image_generation": _Image,
    "shell": _Shell,
}


def check_settings(tool: JSON, path: str) -> None:
    """Check the definition of a hosted tool; raises InvalidRequestError with the path of the first mistake.

    >>> check_settings({"type": "file_search"}, "tools[0]")
    Traceback (most recent call last):
    ...
    responses_asgi.errors.InvalidRequestError: Missing required parameter: 'tools[0].vector_store_ids'.
    """
    check(_MODELS.get(str(tool["type"]), _WebSearch), tool, path)
    container: Any = tool.get("container")
    if tool["type"] == "code_interpreter" and not isinstance(container, str):
        if container is None:
            raise missing(f"{path}.container")
        check(_Auto, container, f"{path}.container")
    referred = tool["type"] == "shell" and tool["environment"]["type"] == "container_reference"
    if referred and tool["environment"].get("container_id") is None:
        raise missing(f"{path}.environment.container_id")
