"""One case: a request that names its fault, what the client saw, and the verdict."""

from __future__ import annotations

import json
from itertools import count
from typing import Any, NamedTuple, cast

import httpx

from tests.chaos.answers import API, ASKED, PATHS, answer, events_in, words_of_events
from tests.chaos.bridge import PAIRS
from tests.chaos.faults import FAULTS
from tests.chaos.ledger import LEDGER, Seen, Verdict, judge

_numbers = count()

# Faults after which the network or the HTTP library may throw away what came just before.
_UNSURE = frozenset({"a bad chunk", "reset"})


class Case(NamedTuple):
    """One request through a pair, to an upstream with a fault after `at` pieces."""

    pair: str
    fault: str
    at: int = 0
    stream: bool = True

    def __str__(self) -> str:
        return f"{self.pair}, {self.fault} at {self.at}, {'stream' if self.stream else 'document'}"

    @property
    def client(self) -> API:
        return cast(API, PAIRS[self.pair].client)

    @property
    def upstream(self) -> API:
        return cast(API, PAIRS[self.pair].upstream)

    @property
    def path(self) -> str:
        quick = "/quick" if FAULTS[self.fault].quick else ""
        return f"{quick}/{self.pair}{PATHS[self.client]}"

    def body(self, number: str) -> dict[str, Any]:
        model = json.dumps({"case": number, "fault": self.fault, "at": self.at})
        asked = {"model": model, **ASKED[self.client], "stream": self.stream}
        kept = not PAIRS[self.pair].untouched
        return {**asked, "store": True} if kept else asked

    def sent_before(self) -> list[str]:
        """The words of the events before the fault, which must arrive."""
        if not self.stream or self.fault in _UNSURE or FAULTS[self.fault].at != "every":
            return []
        pieces = answer(self.upstream, stream=True)[: self.at]
        return words_of_events(self.upstream, events_in(b"".join(pieces)))


def cases(pairs: list[str], faults: list[str], *, every: int = 1) -> list[Case]:
    """All that are to be tried; of the events after which there is a fault, each, or one of so many."""
    made = []
    for pair in pairs:
        for fault in faults:
            for stream in (True, False):
                pieces = answer(cast(API, PAIRS[pair].upstream), stream=stream)
                places = (
                    range(0, len(pieces), every) if FAULTS[fault].at == "every" else (min(3, len(pieces)),)
                )
                made += [Case(pair, fault, at, stream) for at in places]
    return made


async def asked(http: httpx.AsyncClient, case: Case, number: str | None = None) -> Seen:
    """Ask, and read to the end, whichever that is."""
    body = case.body(number or str(next(_numbers)))
    pieces: list[bytes] = []
    async with http.stream("POST", case.path, json=body) as response:
        try:
            async for piece in response.aiter_raw():
                pieces.append(piece)  # noqa: PERF401 - what came before an exception counts
        except httpx.RemoteProtocolError:
            return Seen(response.status_code, b"".join(pieces), ended=False)
    return Seen(response.status_code, b"".join(pieces), headers=dict(response.headers))


def check(case: Case, seen: Seen) -> Verdict:
    """Enter the case into the ledger; fails the test when it is not as its fault's row says."""
    fault = FAULTS[case.fault]
    verdict = LEDGER.enter(judge(case.client, seen, stream=case.stream), sent=case.sent_before())
    if PAIRS[case.pair].untouched:
        return verdict
    expected = fault.streamed if case.stream else fault.document
    assert verdict.outcome in expected.split("|"), (str(case), verdict, seen.body[-600:])
    return verdict
