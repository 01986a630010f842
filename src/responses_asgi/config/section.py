"""What all sections of a configuration have in common, and the forms of values that several have."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from responses_asgi.config.values import import_path, words

__all__ = ["ImportPath", "Seconds", "Section", "Words"]

ImportPath = Annotated[str, AfterValidator(import_path)]
"""`module:name`"""

Words = Annotated[list[str], BeforeValidator(words)]
"""A list, or one string with commas."""

Seconds = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A mapping of keys; other keys than its own are errors."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, frozen=True)
