"""Calls of hosted tools while they are shown, as the items that the API has for them.

1. An item is opened with the first fragment of the upstream's call, and closed with the result.
2. An action is told when it is whole; only code is told as it is written.
3. What a failed call shows is its status. The reason is the model's: the API has no place for it.
4. Commands are an item of their own, which is done before they are run; their output is another one.
"""

from __future__ import annotations

from typing import Any

from responses_asgi.translate.citations import Citation
from responses_asgi.translate.deltas import whole_characters
from responses_asgi.translate.hosted_calls import HostedResult
from responses_asgi.translate.hosted_kind import Typed, bounded
from responses_asgi.translate.input_reader import InputReader
from responses_asgi.translate.item_writer import ItemWriter
from responses_asgi.translate.response_writer import NewId
from responses_asgi.translate.tool_kinds import read_arguments
from responses_asgi.types.json import JSON

__all__ = ["TypedCall"]

# Commands that could not be run have an outcome, too.
_NOT_RUN: JSON = {"type": "exit", "exit_code": 1}


class TypedCall:
    """One call, from its first fragment to its result; `item` is what is known of it."""

    runs = True

    def __init__(self, typed: Typed, writer: ItemWriter, new_id: NewId) -> None:
        kind = typed.kind
        self._typed = typed
        self._kind = kind
        self._writer = writer
        self._new_id = new_id
        self._family = f"response.{kind.call}"
        self._reader = InputReader(kind.argument) if kind.text else None
        self._text: list[str] = []
        self._half = ""
        self._sights = 0
        self._begun = False
        self._done = False
        self.item: JSON = {"id": new_id(kind.prefix), "type": kind.call, "status": "in_progress"}
        if kind.output:
            self.item["call_id"] = new_id("call_")
        self.item |= kind.opened(typed.settings)
        self.place = writer.open(self.item)
        if kind.running:
            self._say("in_progress")

    def write(self, fragment: str) -> None:
        """Take what the model writes next."""
        if self._reader is not None:
            self._begun = True
            self._tell(self._reader.feed(fragment))

    def whole(self, written: str) -> None:
        """All that the model wrote; from now on the call is run."""
        if not self._begun:
            self.write(written)
        said = read_arguments(written)
        arguments: JSON = said if isinstance(said, dict) else {self._kind.argument: said}
        self.item = {**self.item, **self._kind.asked(arguments), **self._told()}
        if self._kind.running:
            self._say(self._kind.running)
            return
        for index, command in enumerate(self.item["action"]["commands"]):
            self._tell_command(index, command)
        self._close({**self.item, "status": "completed"})

    def cut(self, written: str) -> None:
        """It is never run."""
        if not self._done:
            if not self._begun:
                self.write(written)
            self._close({**self.item, **self._told(), "status": self._kind.cut})

    def sight(self, seen: JSON) -> None:
        """Tell an image that is still being made, as it is now."""
        names = {"result": "partial_image_b64"}
        said = {names.get(name, name): value for name, value in seen.items() if value is not None}
        self._say("partial_image", partial_image_index=self._sights, **said)
        self._sights += 1

    def settle(self, result: HostedResult) -> None:
        """Tell what was found."""
        found = result.found
        if self._kind.output:
            failed = {"output": [{"stdout": "", "stderr": result.output, "outcome": _NOT_RUN}]}
            self._tell_output(found or failed)
        elif found is None:
            self._close({**self.item, "status": "failed"})
        else:
            self._say("completed")
            shown = self._kind.shown(self.item, found, self._typed.include)
            self._close({**self.item, **shown, "status": "completed"})

    def cited(self, found: JSON, first: int) -> tuple[str, list[Citation]]:
        """What the model is told when the first source has this number, and the sources that it can cite."""
        told = bounded(self._kind.told(found, first), self._typed.chars)
        return told, self._kind.cited(self.item, found, first)

    def _say(self, step: str, **fields: Any) -> None:
        self._writer.say(
            {
                "type": f"{self._family}.{step}",
                "item_id": self.item["id"],
                "output_index": self.place,
                **fields,
            }
        )

    def _close(self, item: JSON) -> None:
        self._done = True
        self._writer.close(self.place, item)

    def _tell(self, text: str, *, last: bool = False) -> None:
        text, self._half = (self._half + text, "") if last else whole_characters(self._half + text)
        if text:
            self._text.append(text)
            self._say_text("delta", delta=text)

    def _told(self) -> JSON:
        """The text that was told as it was written, once it is whole."""
        if self._reader is None:
            return {}
        self._tell(self._reader.end(), last=True)
        self._reader = None
        said = {self._kind.argument: "".join(self._text)}
        self._say_text("done", **said)
        return said

    def _say_text(self, step: str, **fields: str) -> None:
        place = {"item_id": self.item["id"], "output_index": self.place}
        self._writer.say({"type": f"{self._family}_{self._kind.argument}.{step}", **place, **fields})

    def _tell_command(self, index: int, command: str) -> None:
        place = {"output_index": self.place, "command_index": index}
        family = "response.shell_call_command"
        self._writer.say({"type": f"{family}.added", **place, "command": ""})
        if command:
            self._writer.say({"type": f"{family}.delta", **place, "delta": command})
        self._writer.say({"type": f"{family}.done", **place, "command": command})

    def _tell_output(self, found: JSON) -> None:
        item: JSON = {
            "id": self._new_id("sho_"),
            "type": self._kind.output,
            "status": "in_progress",
            "call_id": self.item["call_id"],
            "max_output_length": self.item["action"]["max_output_length"],
            "output": [],
        }
        place = self._writer.open(item)
        at = {"item_id": item["id"], "output_index": place}
        family = "response.shell_call_output_content"
        for index, output in enumerate(found["output"]):
            here = {**at, "command_index": index}
            for name in ("stdout", "stderr"):
                if output[name]:
                    self._writer.say({"type": f"{family}.delta", **here, "delta": {name: output[name]}})
            self._writer.say({"type": f"{family}.done", **here, "output": [output]})
        self._writer.close(place, {**item, "status": "completed", "output": found["output"]})
