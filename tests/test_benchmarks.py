"""The benchmarks measure what they say, and notice when not all arrives; figures are not tested here."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.__main__ import main
from benchmarks.answers import ANSWERS, Answer
from benchmarks.apps import APPS
from benchmarks.calls import call
from benchmarks.delivery import UnfaithfulError, check
from benchmarks.loads import Asked, Contender, Load, measure
from benchmarks.measurement import Result, alternate
from benchmarks.peers import PEERS
from benchmarks.plot import Bar, bar_chart
from benchmarks.processes import module, running
from benchmarks.report import BEGIN, END, page_with, plot
from benchmarks.results import Run
from benchmarks.scenarios import LOADS
from benchmarks.scenarios import PEERS as BESIDE_PEERS
from benchmarks.suite import SUITE
from benchmarks.yardsticks import YARDSTICKS, Yardstick
from responses_asgi.testing import assert_valid_chat_stream, assert_valid_stream

SMALL = [
    Answer(api, deltas, kind, together=3, streamed=streamed)
    for api in ("chat", "responses")
    for kind, deltas in (("text", 8), ("arguments", 32))
    for streamed in (True, False)
]


def body_of(answer: Answer) -> bytes:
    return b"".join(event for events in answer.writes for event in events)


@pytest.mark.parametrize("answer", SMALL, ids=str)
def test_answers_are_legal_and_say_what_they_say(answer: Answer) -> None:
    body = body_of(answer)
    check(body, answer, answer.api)
    if answer.streamed:
        if answer.api == "chat":
            assert_valid_chat_stream(body, usage=True)
        else:
            assert_valid_stream(body)


@pytest.mark.parametrize("answer", SMALL, ids=str)
async def test_the_middlewares_say_it_too(answer: Answer) -> None:
    name, client = {"chat": ("middleware", "responses"), "responses": ("chat-middleware", "chat")}[answer.api]
    check(await call(APPS[name](answer, ""), answer, client), answer, client)  # type: ignore[arg-type]


def events_of(answer: Answer) -> list[bytes]:
    return [event for events in answer.writes for event in events]


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda events: events[:7] + events[8:],
        lambda events: [*events[:7], events[7], *events[7:]],
        lambda events: [*events[:7], events[8], events[7], *events[9:]],
        lambda events: events[:-1],
        lambda events: [],
    ],
    ids=["lost", "doubled", "disordered", "unended", "empty"],
)
def test_what_does_not_arrive_as_it_was_said_is_noticed(api: str, spoil: object) -> None:
    answer = ANSWERS[f"{api}-short"]
    with pytest.raises(UnfaithfulError):
        check(b"".join(spoil(events_of(answer))), answer, answer.api)  # type: ignore[operator]


def test_contenders_take_turns() -> None:
    turns: list[str] = []

    def turn(name: str) -> float:
        turns.append(name)
        return float(len(turns))

    samples = alternate({"a": lambda: turn("a"), "b": lambda: turn("b")}, 2)
    assert turns == ["a", "b"] * 3
    assert samples == {"a": [3, 5], "b": [4, 6]}
    assert alternate({"a": lambda: turn("a")}, 1, warm_up=False) == {"a": [7]}


def test_ratios_are_those_within_a_turn() -> None:
    result = Result("some", "us/delta", "a", {"a": [1, 10, 100], "b": [2, 20, 150]})
    assert (result.median("a"), result.ratio("b")) == (10, 2)
    assert result.ratio("a", against="b") == 0.5
    assert Yardstick("some", "b", 2, against="a").value({"some": result}) == 2
    assert Yardstick("some", "b", 2).value({"some": result}) == 20
    assert Yardstick("other", "b", 2).value({"some": result}) is None
    assert Yardstick("some", "c", 2).value({"some": result}) is None


def test_yardsticks_and_scenarios_name_what_there_is() -> None:
    for yardstick in YARDSTICKS:
        assert yardstick.scenario in SUITE
        if yardstick.scenario in LOADS:
            names = {contender.name for contender in LOADS[yardstick.scenario].contenders}
            assert {yardstick.contender, yardstick.against or yardstick.contender} <= names
    for load in (*LOADS.values(), *BESIDE_PEERS.values()):
        names = [contender.name for contender in load.contenders]
        assert len(set(names)) == len(names)
        assert {each.answer for each in load.contenders} <= ANSWERS.keys()
        assert {each.app for each in load.contenders} <= APPS.keys() | PEERS.keys()


def test_the_cpu_of_another_process_is_its_own() -> None:
    with running(module("upstream")) as upstream:
        before = upstream.cpu()
        until = time.process_time() + 0.2
        while time.process_time() < until:
            pass
        assert 0 < before <= upstream.cpu() < before + 0.2
        assert upstream.memory() > 1_000_000


def test_a_scenario_is_measured_from_end_to_end() -> None:
    contender = Contender("relay", "relay", "chat-short", "chat")
    bridge = Contender("bridge", "bridge", "chat-short", "responses")
    socket = replace(bridge, name="socket", over="websocket")
    result = measure("small", Load("", (contender, bridge, socket), asked=Asked(1, 2)), 1)
    assert list(result.samples) == ["relay", "bridge", "socket"]
    assert all(sample > 0 for samples in result.samples.values() for sample in samples)


@pytest.fixture
def run() -> Run:
    place = {"date": "2026-01-01", "machine": "Machine", "python": "3", "packages": {"httpx": "1"}}
    samples = {"relay": [10.0], "bridge": [11.0], "bridge [fast]": [5.0]}
    results = {
        "http-burst": Result("http-burst", "us/delta", "relay", samples),
        "translator": Result("translator", "us/delta", "json", {"json": [1.0], "text": [2.0]}),
    }
    return Run(place, results)


def test_runs_are_written_and_read(run: Run) -> None:
    assert Run.read(json.loads(json.dumps(run.document()))) == run


def test_pages_get_the_tables_between_their_markers(run: Run) -> None:
    page = page_with(f"before {BEGIN} old {END} after", [run, run])
    assert page.startswith("before ")
    assert page.endswith(" after")
    assert "old" not in page
    assert "| `http-burst` bridge : relay | 1.25 x | 1.10 | 1.10 | met |" in page
    assert "| `http-burst` bridge [fast] : relay | 0.4 x | 0.50 | 0.50 | **missed** |" in page
    assert "| `translator` text | 3 us/delta | 2.00 | 2.00 | met |" in page
    with pytest.raises(ValueError, match="measured: begin"):
        page_with("no markers", [run])


def test_plots_are_xml(run: Run) -> None:
    assert len(ElementTree.fromstring(plot(run)).findall(".//{*}rect")) == 2
    drawn = ElementTree.fromstring(
        bar_chart("A & B", [Bar("a", 1.0, 2.0), Bar("b", 3.0, 2.0), Bar("c", 1.0)])
    )
    assert len({bar.get("fill") for bar in drawn.findall("{*}rect")}) == 3
    assert len(drawn.findall("{*}line")) == 2


def test_scenarios_are_chosen_by_name(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(SUITE)
    assert main(["impor*", "--repeats", "1", "--json", str(tmp_path / "run.json")]) == 0
    assert "import: import responses_asgi (s)" in capsys.readouterr().out
    document = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert list(document["results"]) == ["import"]
    with pytest.raises(SystemExit):
        main(["nothing-is-called-so"])
