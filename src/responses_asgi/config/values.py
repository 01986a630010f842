"""The forms in which a value may be written, made into the one form that is checked and used."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from responses_asgi.profiles import Profile, profile_for

__all__ = ["ProfileConfig", "header_fields", "import_path", "read_model", "read_profile", "url_path", "words"]

_IMPORT_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_URL_PATH = re.compile(r"[^\s?#]*")


def import_path(value: str) -> str:
    """The value, if it can name an object: `module:name`. Raises ValueError."""
    if not _IMPORT_PATH.fullmatch(value):
        raise ValueError('must be an import path like "package.module:name"')
    return value


def header_fields(headers: dict[str, str]) -> dict[str, str]:
    """The headers, if they can be sent. Raises ValueError, which shows no value: it may be a secret."""
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of a header")
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"the value of {name!r} has characters that no header can carry")
    return headers


def url_path(value: str) -> str:
    """The value, if it is empty or a path of URLs. Raises ValueError."""
    if value and not (value.startswith("/") and _URL_PATH.fullmatch(value)):
        raise ValueError("must be a path that starts with '/'")
    return value


def words(value: object) -> object:
    """A list as it is, or of the words of one string, which commas part.

    >>> words("models, GET files")
    ['models', 'GET files']
    """
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _profile_config() -> type[BaseModel]:
    types = get_type_hints(Profile)
    names = [field.name for field in dataclasses.fields(Profile) if field.name != "hosts"]
    fields: dict[str, Any] = {name: (types[name], None) for name in names}
    return create_model(
        "ProfileConfig", __config__=ConfigDict(extra="forbid"), base=(str, "generic"), **fields
    )


ProfileConfig = _profile_config()
"""The fields of a `Profile` that a configuration may change, and the `base` they are changed of."""


def read_profile(value: object) -> object:
    """The `Profile` of a name, or of a mapping of fields. Raises ValueError; of fields, ValidationError."""
    if isinstance(value, str):
        return profile_for(value)
    if not isinstance(value, Mapping):
        return value
    given = ProfileConfig.model_validate(value)
    changes: dict[str, Any] = {name: getattr(given, name) for name in given.model_fields_set}
    base = profile_for(changes.pop("base", "generic"))
    return dataclasses.replace(base, **{"name": f"{base.name}, changed", **changes})


def read_model(value: object) -> object:
    """Who answers for a model, with the targets as lists under `each`, `chat` and `responses`.

    >>> read_model(["vllm", {"upstream": "cloud", "model": "large"}])
    {'each': [{'upstream': 'vllm'}, {'upstream': 'cloud', 'model': 'large'}]}
    """
    if isinstance(value, Mapping) and not value.keys() & {"upstream", "model"}:
        return {api: _targets(targets) for api, targets in value.items()}
    return {"each": _targets(value)}


def _targets(value: object) -> list[object]:
    entries = value if isinstance(value, list) else [value]
    return [{"upstream": entry} if isinstance(entry, str) else entry for entry in entries]
