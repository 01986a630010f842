"""One tool that the service runs: what the model is told of it, and how it is called."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json, to_jsonable_python

from responses_asgi.errors import ResponsesASGIError
from responses_asgi.hosted.pieces import ToolImage, bounded, pieces_of, result_of_pieces
from responses_asgi.translate.hosted_calls import Tell
from responses_asgi.translate.hosted_kind import Typed
from responses_asgi.translate.rounds import HostedResult
from responses_asgi.types.json import JSON, dumps
from responses_asgi.upstreams.context import ExchangeContext

__all__ = ["HostedTool", "ToolOutput", "parameters_of"]

logger = logging.getLogger("responses_asgi")

# A model that is told more than this of a failure learns nothing more by it.
_MAX_ERROR_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """What a tool answers when a text or a value is not enough: `failed` tells the model that it went wrong.

    `output` is what else a tool may return: a text, a value, ToolImages.

    >>> ToolOutput("There is no such order.", failed=True).failed
    True
    """

    output: Any
    failed: bool = False


Run = Callable[..., Awaitable[Any]]


async def _unseen(seen: JSON) -> None:
    """Nobody looks at what is still being made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedTool:
    """A tool that the service runs, for every client.

    - `label` and `name`: how clients know it (`server_label` and `name` of an `mcp_call` item).
    - `description`, `parameters` (a JSON Schema of type object), `annotations` (`{"read_only": true}`).
    - `run(arguments, context)`: does the work, for the request that `context` tells of. It may return a text,
      a ToolImage, a list of both, a ToolOutput, a HostedResult, None, or any value that JSON can tell; what
      it raises is told to the model as an error.
    - `approval`: whether a person has to agree to each call.
    - `typed`: what hosted tool of the API it is; `Hosted(types=...)` makes these. Their `run` is given a
      third argument, a function to be told of what can be seen of a result that is still being made.
    - `timeout` in seconds; `result_chars` and `image_bytes`: how much of a result the model is told.

    >>> async def run(arguments, context):
    ...     return {"sum": arguments["a"] + arguments["b"]}
    >>> tool = HostedTool(label="maths", name="add", run=run)
    >>> asyncio.run(tool.call({"a": 1, "b": 2}, ExchangeContext.of({"type": "http"}, {})))
    HostedResult(output='{"sum":3}', failed=False, parts=(), found=None)
    """

    label: str
    name: str
    run: Run
    description: str = ""
    parameters: JSON = field(default_factory=lambda: {"type": "object", "properties": {}})
    annotations: JSON | None = None
    approval: bool = False
    typed: Typed | None = None
    timeout: float = 60.0
    result_chars: int = 100_000
    image_bytes: int = 8 * 1024 * 1024

    async def call(self, arguments: JSON, context: ExchangeContext, tell: Tell = _unseen) -> HostedResult:
        """Run the tool. Raises nothing but CancelledError when the call is cancelled, and KeyboardInterrupt:
        what went wrong is told in the result."""
        try:
            async with asyncio.timeout(self.timeout) as limit:
                telling = () if self.typed is None else (tell,)
                return self._result(await self.run(arguments, context, *telling))
        except (GeneratorExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            # Code that exits, or awaits what was cancelled, has failed, and ends no server or answer by it.
            if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                raise
            if limit.expired():
                return HostedResult(f"{self.name} did not answer within {self.timeout:g} s.", failed=True)
            logger.info("Hosted tool %s of %s failed", self.name, self.label, exc_info=True)
            return HostedResult(bounded(_said(error), _MAX_ERROR_CHARS), failed=True)

    def listed(self) -> JSON:
        """The tool as an `mcp_list_tools` item tells it."""
        return {
            "name": self.name,
            "description": self.description,
            "input_schema": self.parameters,
            "annotations": self.annotations,
        }

    def _result(self, value: Any) -> HostedResult:
        if isinstance(value, HostedResult):
            return value._replace(output=bounded(value.output, self.result_chars))
        failed = isinstance(value, ToolOutput) and value.failed
        said = value.output if isinstance(value, ToolOutput) else value
        pieces = pieces_of(said)
        if pieces is None:
            return HostedResult(bounded(_text(said), self.result_chars), failed)
        return result_of_pieces(
            [piece if isinstance(piece, ToolImage) else _text(piece) for piece in pieces],
            failed=failed,
            chars=self.result_chars,
            image_bytes=self.image_bytes,
        )


def _is_cancelled() -> bool:
    """Whether the running task is to end, and not only something that it awaits."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _said(error: BaseException) -> str:
    """An error in a sentence; of a group, the first real one."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    said = str(error).strip()
    if said and isinstance(error, ResponsesASGIError):
        return said
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        if isinstance(value, BaseModel):
            return value.model_dump_json(by_alias=True)
        return to_json(value, fallback=str, inf_nan_mode="strings").decode()
    except ValueError:
        # Text that UTF-8 cannot hold, perhaps; JSON has a way to write it.
        return dumps(to_jsonable_python(value, fallback=str)).decode()


def parameters_of(schema: Mapping[str, Any] | None) -> JSON:
    """A JSON Schema as models' servers want the parameters of a function: an object, with properties.

    >>> parameters_of({"title": "Arguments"})
    {'title': 'Arguments', 'type': 'object', 'properties': {}}
    """
    made = dict(schema or {})
    if made.get("type") != "object":
        made["type"] = "object"
    if not isinstance(made.get("properties"), dict):
        made["properties"] = {}
    return made
