"""What one kind of hosted tool is to both sides: a row of the table in `hosted_kinds`.

1. The model knows a function with few parameters; the request's own settings of the tool are not its matter.
2. A call becomes the item of its kind. What was found is shown as far as the request's `include` asks for it;
   the model is told all of it, as a text.
3. Such an item of an earlier turn becomes the call of the function again, and what it holds its result. Items
   come from clients then: they may lack anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from responses_asgi.translate.citations import Citation
from responses_asgi.types.json import JSON

__all__ = ["HostedKind", "Typed", "bounded", "objects", "one_argument", "word", "words"]


class HostedKind(NamedTuple):
    """How one kind of call is told to both sides. `found` is what came of it, as JSON that the row knows."""

    name: str
    """What a host calls it."""
    tools: tuple[str, ...]
    """Types of the definitions that ask for it."""
    call: str
    """Type of the item that a call becomes."""
    prefix: str
    """How the ids of these items begin."""
    function: str
    """Name of the function that the model is offered."""
    argument: str
    """Its one argument that there must be."""
    about: Callable[[JSON], str]
    """Definition -> what the model is told of the tool."""
    parameters: JSON
    """The schema of the arguments."""
    opened: Callable[[JSON], JSON]
    """Definition -> what the item holds before anything of the call is known."""
    asked: Callable[[JSON], JSON]
    """Arguments -> the fields of the item that tell them."""
    arguments: Callable[[JSON], JSON]
    """Item -> the arguments."""
    told: Callable[[JSON, int], str]
    """What was found, and the number of its first source (0: no numbers) -> what the model is told."""
    shown: Callable[[JSON, JSON, frozenset[str]], JSON]
    """Item, what was found, the request's `include` -> the fields of the item that tell it."""
    kept: Callable[[JSON], JSON | None]
    """Item -> what was found, as far as the item still tells it."""
    running: str | None
    """Event that tells that it is being run; None: the item is done when its arguments are."""
    text: bool = False
    """Whether the argument is told as it is written, as the item's field of the same name."""
    cut: str = "failed"
    """Status of an item that was never run."""
    output: str | None = None
    """Type of the item that tells what was found, where that is another one."""
    to_be_seen: bool = False
    """Whether it makes something that only its item shows, and so is nothing for Chat clients."""
    include: tuple[str, ...] = ()
    """What `include` may ask for."""
    cited: Callable[[JSON, JSON, int], list[Citation]] = lambda item, found, first: []
    """Item, what was found, the number of its first source -> the sources that the answer can cite."""
    is_of: Callable[[JSON], bool] = lambda item: True
    """Whether an item of this type is one of this kind."""

    def offer(self, tool: JSON) -> JSON:
        """Definition -> the function that stands for it, without the name."""
        return {"description": self.about(tool), "parameters": self.parameters}


class Typed(NamedTuple):
    """A tool of a request that is of one of these kinds.

    `settings` is its definition, `include` what the request wants to see of results, `chars` how much of them
    the model is told.
    """

    kind: HostedKind
    settings: JSON
    include: frozenset[str] = frozenset()
    chars: int = 100_000


def bounded(text: str, chars: int) -> str:
    """The text, or its beginning with a note of how much is missing.

    >>> bounded("abcdef", 4)
    'abcd\\n[cut off: 4 of 6 characters]'
    """
    return text if len(text) <= chars else f"{text[:chars]}\n[cut off: {chars} of {len(text)} characters]"


def one_argument(name: str, about: str) -> JSON:
    """The schema of arguments that are one text."""
    return {
        "type": "object",
        "properties": {name: {"type": "string", "description": about}},
        "required": [name],
        "additionalProperties": False,
    }


def words(said: JSON, *names: str) -> list[str]:
    """The texts under these names, each once; models write one where several are asked for, and vice versa.

    >>> words({"query": "a", "queries": ["b", "a"]}, "query", "queries")
    ['a', 'b']
    """
    values = (said.get(name) for name in names)
    texts = [text for value in values for text in (value if isinstance(value, list) else [value])]
    return list(dict.fromkeys(text for text in texts if isinstance(text, str) and text))


def word(said: JSON, *names: str) -> str:
    """The first text under these names, or none."""
    return next(iter(words(said, *names)), "")


def objects(value: Any) -> list[JSON]:
    """The objects of a list; of anything else none."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
