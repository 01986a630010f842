"""A script in a file: Python with a `fake` or `turns` in it, or JSON, for those who write no Python.

A JSON script is a list of turns, or an object with `turns`, `rules`, `profile` and `pace`. A turn is a text,
an object with one key out of `PARTS`, a list of these, or an object with `reply`, `faults`, `pace` and
`when`. A rule is an object with `when`, `say` (a list of turns) and `times`. The value of a key is the one
argument of what it names, or an object of its arguments; a pattern is written `{"regex": "..."}`.
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from responses_asgi.errors import ConfigurationError
from responses_asgi.profiles import Profile
from responses_asgi.testing import faults, vocabulary
from responses_asgi.testing.fake import FakeModel
from responses_asgi.testing.pace import Pace
from responses_asgi.testing.script import Reply, When
from responses_asgi.types.json import JSON, dumps, loads

__all__ = ["FAULTS", "PARTS", "load_fake"]


def _json(*value: Any, **fields: Any) -> str:
    """Structured output: any value, or an object that was taken for arguments."""
    return dumps(value[0] if value else fields).decode()


PARTS: dict[str, Callable[..., Any]] = {
    "text": str,
    "json": _json,
    "reasoning": vocabulary.Reasoning,
    "refusal": vocabulary.Refusal,
    "tool_call": vocabulary.ToolCall,
    "usage": vocabulary.Usage,
    "finish": vocabulary.Finish,
    "citation": vocabulary.Citation,
    "scored": vocabulary.Scored,
    "error": vocabulary.Error,
    "cut": faults.Cut,
    "stall": faults.Stall,
}

FAULTS: dict[str, Callable[..., Any]] = {
    "cut": faults.Cut,
    "stall": faults.Stall,
    "error_event": faults.ErrorEvent,
    "malformed": faults.Malformed,
    "no_finish": faults.NoFinish,
    "repeat_finish": faults.RepeatFinish,
    "reuse_index": faults.ReuseIndex,
    "drop_ids": faults.DropIds,
    "split": faults.Split,
    "crlf": faults.CRLF,
}

_REPLY_KEYS = {"reply", "faults", "pace", "when"}
_RULE_KEYS = {"when", "say", "times"}
_SCRIPT_KEYS = {"turns", "rules", "profile", "pace"}
_WHEN_KEYS = {"text", "tool_result", "turn", "model", "api"}


def load_fake(
    path: str | Path, *, profile: str | Profile | None = None, pace: Pace | None = None
) -> FakeModel:
    """The model that the file scripts; `profile` and `pace` come before the script's own.

    A FakeModel in a Python file is taken as it is. Raises ConfigurationError for a file that is no script,
    and names the place in it.
    """
    path = Path(path)
    try:
        if path.suffix == ".py":
            names = runpy.run_path(str(path))
        else:
            script = loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None
    if path.suffix != ".py":
        return _of_json(script, profile, pace)
    if isinstance(names.get("fake"), FakeModel):
        found: FakeModel = names["fake"]
        return found
    if "turns" not in names:
        raise ConfigurationError(f"{path} must define `fake`, a FakeModel, or `turns`")
    return FakeModel(names["turns"], profile=profile or "openai", pace=pace)


def _of_json(document: object, profile: str | Profile | None, pace: Pace | None) -> FakeModel:
    script = _keys({"turns": document} if isinstance(document, list) else document, _SCRIPT_KEYS, "script")
    if pace is None and "pace" in script:
        pace = _call(Pace, script["pace"], "pace")
    turns = _turns(script["turns"], "turns") if "turns" in script else None
    fake = FakeModel(turns, profile=profile or script.get("profile", "openai"), pace=pace)
    for number, entry in enumerate(_list(script.get("rules", []), "rules")):
        where = f"rules[{number}]"
        rule = _keys(entry, _RULE_KEYS, where)
        when = _when(rule.get("when", {}), f"{where}.when")
        fake.on(**when, times=rule.get("times")).say(*_turns(rule.get("say"), f"{where}.say"))
    return fake


def _turns(value: object, where: str) -> list[Any]:
    return [_turn(turn, f"{where}[{number}]") for number, turn in enumerate(_list(value, where))]


def _turn(value: object, where: str) -> Any:
    if not (isinstance(value, dict) and value.keys() & _REPLY_KEYS):
        return _parts(value, where)
    given = _keys(value, _REPLY_KEYS, where)
    parts = _parts(given.get("reply", []), f"{where}.reply")
    faults = _list(given.get("faults", []), f"{where}.faults")
    return Reply(
        *(parts if isinstance(parts, list) else [parts]),
        faults=[_made(FAULTS, each, f"{where}.faults[{number}]") for number, each in enumerate(faults)],
        pace=_call(Pace, given["pace"], f"{where}.pace") if "pace" in given else None,
        when=When(**_when(given["when"], f"{where}.when")) if "when" in given else None,
    )


def _parts(value: object, where: str) -> Any:
    if isinstance(value, list):
        return [_made(PARTS, each, f"{where}[{number}]") for number, each in enumerate(value)]
    return _made(PARTS, value, where)


def _made(kinds: Mapping[str, Callable[..., Any]], value: object, where: str) -> Any:
    """What an object with one name and its arguments stands for; a text is said, or the name of a fault."""
    if isinstance(value, str) and kinds is PARTS:
        return value
    if isinstance(value, str):
        value = {value: {}}
    if not isinstance(value, dict) or len(value) != 1 or (name := next(iter(value))) not in kinds:
        raise ConfigurationError(f"{where}: got {value!r}, expected one of {', '.join(kinds)}")
    return _call(kinds[name], value[name], f"{where}.{name}")


def _call(kind: Callable[..., Any], arguments: Any, where: str) -> Any:
    try:
        return kind(**arguments) if isinstance(arguments, dict) else kind(arguments)
    except TypeError as error:
        raise ConfigurationError(f"{where}: {error}") from None


def _when(value: object, where: str) -> JSON:
    return {
        name: re.compile(wanted["regex"]) if isinstance(wanted, dict) else wanted
        for name, wanted in _keys(value, _WHEN_KEYS, where).items()
    }


def _keys(value: Any, known: set[str], where: str) -> JSON:
    if not isinstance(value, dict) or value.keys() - known:
        raise ConfigurationError(f"{where}: got {value!r}, expected an object of {', '.join(sorted(known))}")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise ConfigurationError(f"{where}: got {value!r}, expected a list")
    return value
