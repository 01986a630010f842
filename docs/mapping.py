"""Writes `docs/mapping.md` from the tables of outcomes, which the tests hold against the code.

Reasons are not written here: each example is converted, and the page says what the conversion says.

    python -m docs.mapping
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from responses_asgi import (
    PROFILES,
    chat_request_to_responses,
    completion_to_response,
    response_to_completion,
    responses_request_to_chat,
    responses_stream_to_chat,
)
from responses_asgi.error_codes import CODES, NAMES, WORDINGS
from responses_asgi.errors import ERROR_STATUSES, STATUS_ERRORS, APIError
from responses_asgi.loss import Losses
from responses_asgi.translate.finish_reasons import FINISH_REASONS, INCOMPLETE_REASONS
from responses_asgi.translate.usage import DETAILS, FIGURES, SPELLINGS
from responses_asgi.types.json import JSON
from tests import chat_request_outcomes as chat
from tests import request_outcomes as responses
from tests import response_outcomes as answers
from tests.outcomes import Carried, DoneHere, Failed, Idle, Rejected, Row

PAGE = Path(__file__).with_name("mapping.md")

# What an example is converted with: the losses, or the error that it raises.
Convert = Callable[[Row], Losses]

MOST_SHOWN = 34
USER: JSON = {"role": "user", "content": "Hi"}

INTRO = """\
# What becomes of every field

Where each field of a request and of an answer goes in a translation, in both directions, and what is lost. A
field that is in none of these tables is the client's or the server's own: it is carried as it is.

- **carried**: the same meaning arrives, at the place that is named.
- **emulated**: the service does itself what the upstream cannot.
- **clamped**: the nearest that the other side can say.
- **dropped**: left out, and reported in the loss report; with `strict` a 400.
- **400**: the answer would be wrong without it, so the request is refused, with the exact path.
- **done here**: neither sent nor lost.

`[]` stands for any place in a list. What is said without a profile holds for `openai`; a remark in
parentheses names the profile it was seen with. `generic`, which wrapped apps and unknown hosts have, sends
only what nearly every server knows.

The tables tell the translation alone, as the conversion functions do it. A component does more before and
after it: with a store, `previous_response_id`, `conversation`, `store` and stored items are served
([State](state.md)), and so is `background` ([Background](background.md)); hosted tools are run where
functions for them were given ([Tools](tools.md)).
"""

FOOT = """\
Written by `python -m docs.mapping` from the tables that the tests run.

---

[← Performance](performance.md) · [All pages](../README.md#the-pages) · [Architecture →](architecture.md)
"""


def page() -> str:
    """The text of the page."""
    return "\n".join(
        [
            INTRO,
            *_requests_to_chat(),
            *_answers_to_responses(),
            *_requests_to_responses(),
            *_answers_to_chat(),
            *_errors(),
            FOOT,
        ]
    )


def _requests_to_chat() -> Iterator[str]:
    def convert(body: Callable[[Row], JSON]) -> Convert:
        return lambda row: (
            responses_request_to_chat(
                {"model": "m", "input": "Hi", **(row.also or {}), **body(row)}, profile=row.profile
            ).losses
        )

    yield "## Responses client, Chat upstream\n\n### The request\n"
    yield _table("Responses field", responses.FIELDS, convert(_field))
    yield (
        "#### Input items\n\n"
        "Reasoning goes back with the assistant's message after it, in the field that the profile names.\n"
    )
    yield _table(
        "item", responses.ITEMS, convert(lambda row: {"input": [USER, {"type": row.name, **row.value}]})
    )
    yield "#### Content parts\n"
    yield _table(
        "part",
        responses.PARTS,
        convert(lambda row: {"input": [{"role": "user", "content": [{"type": row.name, **row.value}]}]}),
    )
    yield "#### Tools\n"
    yield _table("tool", responses.TOOL_TYPES, convert(_tool))
    yield "Properties of a function tool:\n"
    yield _table(
        "property",
        responses.FUNCTION,
        convert(lambda row: {"tools": [{**responses.TOOL, row.name: row.value}]}),
    )
    yield "`tool_choice`:\n"
    yield _table(
        "form", responses.CHOICES, convert(lambda row: {**responses.TOOLS, "tool_choice": row.value})
    )


def _answers_to_responses() -> Iterator[str]:
    def convert(completion: Callable[[Row], JSON]) -> Convert:
        return lambda row: completion_to_response(completion(row)).losses

    def choice(**fields: Any) -> JSON:
        return {"choices": [{"index": 0, "finish_reason": "stop", "message": answers.TEXT, **fields}]}

    yield from _kept_back("withheld", "Chat")
    yield "### The answer\n\nA whole answer and the chunks of a stream are read alike.\n"
    yield _table("Chat field", answers.COMPLETION, convert(lambda row: {**choice(), row.name: row.value}))
    yield "#### A choice\n"
    yield _table("field", answers.CHOICE, convert(lambda row: choice(**_field(row))))
    yield "#### Message and delta\n"
    yield _table(
        "field", answers.MESSAGE, convert(lambda row: choice(message={"content": "Hey", row.name: row.value}))
    )
    yield "Properties of a tool call:\n"
    yield _table(
        "property",
        answers.TOOL_CALL,
        convert(lambda row: choice(message={"tool_calls": [{**answers.CALL, row.name: row.value}]})),
    )
    yield "#### `finish_reason`\n\nIn any letter case. An unknown one is reported, and taken as `stop`.\n"
    endings: dict[str, list[str]] = {}
    for reason, (status, why) in FINISH_REASONS.items():
        endings.setdefault(f"`{status}`" + (f", `{why}`" if why else ""), []).append(f"`{reason}`")
    yield _rows(
        ("status, reason", "finish_reason"), ((end, ", ".join(names)) for end, names in endings.items())
    )
    yield "#### Usage\n"
    pairs = [(f"`{ours}`", f"`{theirs}`") for ours, theirs in (*FIGURES, *DETAILS)]
    pairs += [
        (", ".join(f"`{name}`" for name in spellings), f"`{parent}.{figure}`")
        for parent, figure, spellings in SPELLINGS
    ]
    yield _rows(("Chat", "Responses"), pairs)
    yield "Other figures keep their names. The same table is read backwards for Chat clients.\n"


def _requests_to_responses() -> Iterator[str]:
    def convert(body: Callable[[Row], JSON]) -> Convert:
        return lambda row: (
            chat_request_to_responses(
                {"model": "m", "messages": [USER], **(row.also or {}), **body(row)}, profile=row.profile
            ).losses
        )

    yield "## Chat client, Responses upstream\n\n### The request\n"
    yield _table("Chat field", chat.FIELDS, convert(_field))
    yield "#### Messages\n"
    yield _table(
        "role",
        chat.MESSAGES,
        convert(lambda row: {"messages": [USER, {"role": row.name, **row.value}]}),
        keys=True,
    )
    yield "#### Content parts\n"
    yield _table(
        "part",
        chat.PARTS,
        convert(lambda row: {"messages": [{"role": "user", "content": [{"type": row.name, **row.value}]}]}),
    )
    yield "#### Tools\n"
    yield _table("tool", chat.TOOL_TYPES, convert(_tool))
    yield "Properties of a function:\n"
    function = chat.TOOL["function"]
    yield _table(
        "property",
        chat.FUNCTION,
        convert(lambda row: {"tools": [{"type": "function", "function": {**function, row.name: row.value}}]}),
    )
    yield "`tool_choice`:\n"
    tools = [chat.TOOL, chat.CUSTOM]
    yield _table("form", chat.CHOICES, convert(lambda row: {"tools": tools, "tool_choice": row.value}))


def _answers_to_chat() -> Iterator[str]:
    def convert(response: Callable[[Row], JSON]) -> Convert:
        return lambda row: response_to_completion(response(row)).losses

    def of(*items: JSON, **fields: Any) -> JSON:
        return {"object": "response", "status": "completed", "model": "m", "output": list(items), **fields}

    def part(row: Row) -> JSON:
        made = {"type": row.name.partition(".")[0], **row.value}
        home = {"reasoning_text": "content", "summary_text": "summary"}.get(made["type"])
        return {"type": "reasoning", home: [made]} if home else {"type": "message", "content": [made]}

    def item(row: Row) -> JSON:
        kind, _, name = row.name.partition(".")
        return {**answers.WHOLE_ITEMS[kind], name: row.value}

    yield from _kept_back("responses_withheld", "Responses")
    yield "### The answer\n"
    fields = convert(lambda row: of(answers.ITEM, **{row.name: row.value}, **(row.also or {})))
    yield _table("Responses field", answers.RESPONSE, fields)
    yield "#### Output items\n"
    yield _table("item", answers.ITEMS, convert(lambda row: of({"type": row.name, **row.value})))
    yield "Properties of the items that a Chat answer has too:\n"
    yield _table("property", answers.ITEM_FIELDS, convert(lambda row: of(item(row))))
    yield "#### Content parts\n"
    yield _table("part", answers.PARTS, convert(lambda row: of(part(row))))
    yield "#### Stream events\n"
    yield _table("event", answers.EVENTS, _event_losses)
    yield "#### Status\n"
    endings = [("`completed`", "`stop`; with calls `tool_calls`")]
    endings += [(f"`incomplete`, `{why}`", f"`{reason}`") for why, reason in INCOMPLETE_REASONS.items()]
    endings += [("`failed`, `cancelled`", "an error")]
    yield _rows(("status, reason", "finish_reason"), endings)


def _kept_back(attribute: str, api: str) -> Iterator[str]:
    """Which fields the profiles do not send, as far as a profile has a say in it."""
    usual = getattr(PROFILES["generic"], attribute)
    profiles: dict[str, list[str]] = {}
    for name, profile in sorted(PROFILES.items()):
        fields = getattr(profile, attribute)
        more = [f"`{field}`" for field in sorted(fields - usual)]
        less = [f"`{field}`" for field in sorted(usual - fields)]
        if not usual or len(less) == len(usual):
            text = ", ".join(f"`{field}`" for field in sorted(fields)) or "nothing"
        elif name == "generic":
            text = ", ".join(f"`{field}`" for field in sorted(usual))
        else:
            text = "as `generic`"
            text += f", and {', '.join(more)}" if more else ""
            text += f", but not {', '.join(less)}" if less else ""
        profiles.setdefault(text, []).append(f"`{name}`")
    yield "#### What profiles keep back\n\nA field that was asked for is reported as dropped.\n"
    yield _rows(("profile", f"{api} fields"), ((", ".join(names), text) for text, names in profiles.items()))


def _event_losses(row: Row) -> Losses:
    item = {"output_index": 0, "item": row.also}
    events: list[JSON] = [
        *([{"type": "response.output_item.added", **item}] if row.also else []),
        {"type": row.name, **row.value},
        *([{"type": "response.output_item.done", **item}] if row.also else []),
        {"type": "response.completed", "response": {"status": "completed", "output": []}},
    ]
    stream = responses_stream_to_chat(events)
    list(stream)
    if stream.error:
        raise stream.error
    return stream.losses


def _errors() -> Iterator[str]:
    yield (
        "## Errors\n\n"
        "Before the first byte an upstream's error keeps its HTTP status, and its body gets OpenAI's form.\n"
        "Afterwards it is an `error` event and `response.failed`, or an error chunk without `[DONE]`.\n"
        "What the upstream does not say is filled in by its status:\n"
    )
    yield _rows(
        ("status", "type", "code"),
        (
            (str(status), f"`{kind}`", f"`{code}`" if code else "")
            for status, (kind, code) in STATUS_ERRORS.items()
        ),
    )
    yield "The status of an error that came inside a 200, by its type or code; any other is a 502:\n"
    statuses: dict[int, list[str]] = {}
    for name, status in ERROR_STATUSES.items():
        statuses.setdefault(status, []).append(f"`{name}`")
    yield _rows(
        ("status", "type or code"), ((str(status), ", ".join(names)) for status, names in statuses.items())
    )
    yield (
        "Clients act on some codes: they shorten the conversation, wait, or give up. These are recognised\n"
        "from the names (types, codes, in any letter case) and sentences (patterns) of other servers. A\n"
        "server's own code that says more stays; one that was replaced is `upstream_code`. The HTTP status\n"
        "is never changed.\n"
    )
    yield _rows(
        ("code", "other names", "in the sentence"),
        (
            (
                f"`{code}`",
                ", ".join(f"`{name}`" for name, known in NAMES.items() if known == code != name),
                ", ".join(f"`{row.pattern}`" for row in WORDINGS if row.code == code),
            )
            for code in CODES
        ),
    )


# Examples


def _field(row: Row) -> JSON:
    outer, _, inner = row.name.partition(".")
    return {outer: {inner: row.value} if inner else row.value}


def _tool(row: Row) -> JSON:
    return {"tools": [{"type": row.name, **row.value}]}


# Tables

# What stands for all names that no document has.
INVENTED = {
    "acme:part": "any other type",
    "acme:thing": "any other type",
    "acme:tool": "any other type",
    "cache_control": "any other",
    "citations": "any other",
    "extra_content": "any other",
    "message.mood": "any other of `message`",
    "mood": "any other",
    "output_audio": "any other type",
    "output_text.mood": "any other of a part",
    "response.whim": "any other event",
    "stop_reason": "any other",
    "text.new_thing": "any other of `text`",
    "prefix": "any other",
    "vendor": "any other",
    "vendor_option": "any other",
}

# Properties that an example needs beside the one that it is about.
FILLING = ("tool_call_id",)

# What a message says of its own example, and the page says of all.
GENERAL = (
    (re.compile(r"^'[^']*' (?:is '[^']*'|cannot be honoured): "), ""),
    (re.compile(r"^'[^']*' is '[^']*', which (.*)$"), r"\1 it"),
    (re.compile(r"^'[^']*' (?:is given, but |(?=refers))"), ""),
    (re.compile(r"^(\w+) does not take \w+$"), r"`\1` does not take it"),
    (re.compile(r"\bof type '\w+'"), "of this type"),
    (re.compile(r"(?<=for )an? \w+_\w+(?=, which)"), "this"),
)


def _table(subject: str, rows: list[Row], convert: Convert, *, keys: bool = False) -> str:
    """A line for each name, with the outcomes of all rows of that name; names with one reason share a line.

    `keys`: a name is followed by the property that the example is about.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(_title(row, keys), []).append(row)
    lines: dict[tuple[str, ...], list[str]] = {}
    outcomes = {title: _outcome(group, convert) for title, group in groups.items()}
    for title, outcome in outcomes.items():
        whole, _, _ = title.partition(".")
        if outcomes.get(f"{whole}`") != outcome:
            lines.setdefault(outcome if outcome[0] in ALIKE else (*outcome, title), []).append(title)
    titles = (subject, "outcome", "where, or why")
    return _rows(titles, ((", ".join(names), word, text) for (word, text, *_), names in lines.items()))


ALIKE = ("400", "dropped", "error", "not needed")


def _title(row: Row, keys: bool) -> str:
    if keys:
        about = next((key for key in row.value if key not in ("content", *FILLING)), "content")
        return f"`{row.name}`: {INVENTED.get(about, f'`{about}`')}"
    if row.name in INVENTED:
        return INVENTED[row.name]
    if row.also and row.also.get("type") and not isinstance(row.outcome, Carried) and "response." in row.name:
        return f"events of a `{row.also['type']}`"
    return f"`{row.name}`"


def _outcome(group: list[Row], convert: Convert) -> tuple[str, str]:
    told = [(row, *_told(row, convert)) for row in group]
    # What is asked for in vain is no news beside what is not.
    told = [entry for entry in told if entry[1] != "done here"] or told
    plain = [entry for entry in told if entry[0].profile == "openai"] or told
    words = list(dict.fromkeys(word for _, word, _ in plain))
    differ = len({_example(row) for row, _, _ in plain}) > 1 and len({entry[1:] for entry in plain}) > 1
    remarks: list[str] = []
    places: list[str] = []
    for row, word, text in told:
        if word == "carried" and any(_is_near(text, place) for place in places):
            continue
        places += [text] if word == "carried" else []
        remark = text if [word] == words or word == "carried" else f"{word}: {text}"
        if differ and _example(row) and any(row is entry[0] for entry in plain):
            remark = f"{_example(row)} → {remark}"
        if row.profile != "openai" and row.profile not in text and len(plain) < len(told):
            remark += f" (`{row.profile}`)"
        if remark not in remarks:
            remarks.append(remark)
    return ", ".join(words), "; ".join(remarks)


def _is_near(place: str, other: str) -> bool:
    """Whether one place is inside the other."""
    short, long = sorted((place.strip("`"), other.strip("`")), key=len)
    return long == short or long.startswith((f"{short}.", f"{short}["))


def _example(row: Row) -> str:
    text = json.dumps(row.value, ensure_ascii=False)
    return f"`{text}`" if not isinstance(row.value, dict) and len(text) <= MOST_SHOWN else ""


def _told(row: Row, convert: Convert) -> tuple[str, str]:
    """The word for an outcome, and the place or reason."""
    outcome = row.outcome
    if isinstance(outcome, Carried):
        place = re.sub("[0-9]+", "", outcome.place)
        return "carried", "as it is" if place.rpartition(".")[2] in INVENTED else f"`{place}`"
    if isinstance(outcome, DoneHere):
        return "done here", "the service sees to it"
    if isinstance(outcome, Idle):
        return "not needed", outcome.reason
    try:
        losses = convert(row)
    except APIError as error:
        if isinstance(outcome, Rejected):
            return "400", _general(error.message, row)
        if isinstance(outcome, Failed):
            own = error.message == answers.FAILURE["message"]
            return "error", "the upstream's own" if own else _general(error.message, row)
        raise
    for path, action, reason in losses:
        if (path, action) == outcome:
            return action, _general(reason, row)
    raise AssertionError(f"{row} does not hold")


def _general(message: str, row: Row) -> str:
    message = message.rstrip(".").removeprefix(f"{row.name}: ")
    for pattern, instead in GENERAL:
        message = pattern.sub(instead, message)
    return message


def _rows(titles: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    head = list(titles)
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
