"""What came of every case, held against what was sent; and the sums of it, which are printed at the end."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.answers import API, CHECKS, WORDS, events_in, words_of_document, words_of_events

JSON = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """What a client saw: `ended`: the HTTP body came to its end."""

    status: int
    body: bytes
    ended: bool = True
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Verdict:
    """`outcome`: see `Fault`; or `broken`, a connection that closed inside the answer."""

    outcome: str
    words: list[str]
    events: int


class Ledger:
    """`lost`: words that were sent, or would have been, and are missing where nothing says so. `doubled`:
    words that came more than once, or out of their order."""

    def __init__(self) -> None:
        self.cases = self.events = self.lost = self.doubled = 0
        self.outcomes: Counter[str] = Counter()

    def enter(self, verdict: Verdict, *, sent: list[str] | None = None) -> Verdict:
        """Count a case. `sent`: the words that must have arrived whatever happened afterwards."""
        words = verdict.words
        expected = list(WORDS) if verdict.outcome == "whole" else sent or []
        in_order = [word for word in WORDS if word in words]
        self.cases += 1
        self.events += verdict.events
        self.outcomes[verdict.outcome] += 1
        self.doubled += len(words) - len(in_order) if words != in_order else 0
        gaps = [word for word in WORDS[: len(words)] if word not in words]
        self.lost += len({*gaps, *(word for word in expected if word not in words)})
        return verdict

    def __str__(self) -> str:
        return (
            f"chaos: {self.cases:,} cases, {self.events:,} events, {self.lost} lost, {self.doubled} doubled ("
            + ", ".join(f"{number:,} {outcome}" for outcome, number in sorted(self.outcomes.items()))
            + ")"
        )


LEDGER = Ledger()
"""Of this test run."""


def judge(api: API, seen: Seen, *, stream: bool) -> Verdict:
    """What this answer is. Fails the test when it is no legal stream, document or error of its API."""
    if seen.status != 200:
        assert seen.ended, seen
        return Verdict(str(seen.status), [], _error(seen.body))
    if not seen.ended:
        return Verdict("broken", words_of_events(api, _complete_events(seen.body)), 0)
    if not stream:
        document = json.loads(seen.body)
        status = document.get("status", "completed")
        return Verdict("whole" if status == "completed" else status, words_of_document(api, document), 1)
    CHECKS[api](seen.body)
    events = events_in(seen.body)
    failed = events[-1].get("type") == "response.failed" or "error" in events[-1]
    return Verdict("failed" if failed else "whole", words_of_events(api, events), len(events))


def _complete_events(body: bytes) -> list[JSON]:
    return events_in(body[: body.rfind(b"\n\n") + 2]) if b"\n\n" in body else []


def _error(body: bytes) -> int:
    error = json.loads(body)["error"]
    assert {"message", "type", "param", "code"} <= set(error), error
    assert "Traceback" not in error["message"]
    return 1
