"""Recording an upstream, taking out what is secret, and replaying it to the same requests."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

import responses_asgi
from examples.fastapi_app.main import app as order_desk
from responses_asgi import ConfigurationError
from responses_asgi.testing import (
    FakeModel,
    ManualClock,
    Recorder,
    Recording,
    Redactor,
    Replay,
    load_recordings,
)
from responses_asgi.types.asgi import Receive, Scope, Send
from tests.asgi_driver import DONE, SSE, data, playing, post
from tests.recordings import FOLDER, MISSING

KEYS = [
    "sk-proj-abcdefghijklmnopqrstuvwx",
    "sk-ant-REALLOOKING0123456789",
    "gsk_abcdefghijklmnopqrstuvwxyz012345",
    "hf_abcdefghijklmnopqrstuvwxyz",
    "AKIAABCDEFGHIJKLMNOP",
    "AIzaSyA-abcdefghijklmnopqrstuvwxyz01234",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dBjftJeZ4CVPmB92K27uhbUJU1p1r",
    "Bearer abcdefghijklmnop.qrst",
    "org-abcdefghijklmnopqrstuv",
    "user-abcdefghijklmnopqrstuvwx",
    "proj_abcdefghijklmnopqrst",
    "https://store.example/x?sig=abcdefghijkl&n=1",
    "jane.doe@company.org",
]
INNOCENT = ["sk-short", "user-agent", "ask me@ noon", "a@example.com", "the org-chart", "proj_1", "key=value"]


# --- redaction


@pytest.mark.parametrize("text", KEYS)
def test_keys_and_identifiers_are_replaced_at_their_length(text: str) -> None:
    redactor = Redactor()
    sentence = f'{{"said": "é {text} \\n"}}'
    redacted = redactor.text(sentence)
    assert "REDACTED" in redacted
    assert text not in redacted
    assert len(redacted.encode()) == len(sentence.encode())
    assert redactor.count == 1
    assert redactor.text(redacted) == redacted
    json.loads(redacted)


@pytest.mark.parametrize("text", INNOCENT)
def test_words_are_left(text: str) -> None:
    assert Redactor().text(text) == text


def test_own_patterns_and_known_secrets() -> None:
    redactor = Redactor([r"(patient )\d+", r"ticket-\d+"], secrets=["correct horse battery", "short"])
    text = redactor.text("patient 123456789 has ticket-4711 and correct horse battery, short")
    assert text == "patient REDACTED* has REDACTED*** and REDACTED*************, short"
    assert redactor.json({"a": ["ticket-1234567", 1, None]}) == {"a": ["REDACTED******", 1, None]}
    assert Redactor(["n-[0-9]"]).text("n-1") == "RED"


def test_long_base64_is_cut() -> None:
    assert Redactor().json("data:image/png;base64," + "A" * 7000) == "data:image/png;base64," + "A" * 400


@pytest.mark.skipif(not FOLDER.exists(), reason=MISSING)
@pytest.mark.parametrize("text", KEYS)
def test_what_the_checker_of_the_recordings_finds_is_redacted(text: str) -> None:
    spec = importlib.util.spec_from_file_location("check", FOLDER / "check.py")
    assert spec is not None
    assert spec.loader is not None
    check = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check)
    assert not check.SECRET_RX.search(Redactor().text(f"it is {text} "))


# --- recordings


def recording(request: Any = None, /, **response: Any) -> Recording:
    asked = {"method": "POST", "path": "/v1/responses", "body": {"model": "m", "input": "Hi"}}
    answer = {"status": 200, "headers": {"content-type": "application/json"}, "body": '{"a": "é"}'}
    return Recording({"id": "r", "request": {**asked, **(request or {})}, "response": {**answer, **response}})


def test_the_pieces_of_an_answer() -> None:
    cut = recording(chunk_lengths=[3, 8], chunk_times=[0.5, 2.0])
    assert list(cut.pieces()) == [b'{"a', '": "é"}'.encode()]
    assert list(cut.pieces("whole")) == ['{"a": "é"}'.encode()]
    assert list(cut.pieces(4)) == [b'{"a"', b': "\xc3', b'\xa9"}']
    assert list(recording(body="").pieces()) == []
    assert list(cut.waits()) == [0.5, 1.5]


def test_files_and_folders_are_loaded_in_order_and_anything_else_is_refused(tmp_path: Path) -> None:
    first, second = recording(), recording(status=404)
    (tmp_path / "b").mkdir()
    Recording({**first.document, "id": "one"}).save(tmp_path / "b")
    Recording({**second.document, "id": "two"}).save(tmp_path)
    assert [each.id for each in load_recordings(tmp_path)] == ["one", "two"]
    assert load_recordings(tmp_path / "two.json")[0].response["status"] == 404
    for path in (tmp_path / "nothing.json", tmp_path / "nowhere"):
        with pytest.raises(ConfigurationError, match="no recordings"):
            load_recordings(path)
    (tmp_path / "broken.json").write_text("[]")
    with pytest.raises(ConfigurationError, match="not a recording"):
        load_recordings(tmp_path)


# --- recording and replaying


def record(tmp_path: Path, app: Any, ask: Any, **options: Any) -> list[Recording]:
    recorder = Recorder(app, **options)
    with responses_asgi.sync_client(recorder) as client:
        ask(client)
    assert recorder.save(tmp_path) == load_recordings(tmp_path)
    assert recorder.lost == []
    return load_recordings(tmp_path)


def ask_the_order_desk(client: Any) -> list[Any]:
    whole = client.responses.create(model="house", input="Where is A-1002?")
    stream = client.responses.create(model="house", input="Where is A-1003?", stream=True)
    events = [event.to_dict() for event in stream]
    messages = [{"role": "user", "content": "Where is A-1002?"}]
    chunks = client.chat.completions.create(model="house", messages=messages, stream=True)
    return [whole.to_dict(), events, [chunk.to_dict() for chunk in chunks]]


def test_the_fastapi_example_is_recorded_and_replayed(tmp_path: Path) -> None:
    said = []
    recordings = record(
        tmp_path,
        order_desk,
        lambda client: said.extend(ask_the_order_desk(client)),
        name="desk",
        provider="x",
    )
    assert [each.id for each in recordings] == ["desk-001", "desk-002", "desk-003"]
    kinds = [(each.document["api"], each.document["streaming"]) for each in recordings]
    assert kinds == [("responses", False), ("responses", True), ("chat", True)]
    for each in recordings:
        body, lengths = each.response["body"].encode(), each.response["chunk_lengths"]
        assert sum(lengths) == len(body)
        assert len(lengths) == len(each.response["chunk_times"])
        assert set(each.response["headers"]) == {"content-type"}
    replay = Replay(recordings)
    with responses_asgi.sync_client(replay) as client:
        assert ask_the_order_desk(client) == said
    assert replay.problems() == []


async def test_requests_may_come_in_another_order_and_under_another_prefix() -> None:
    one, two = (recording({"body": {"n": n}}, body=str(n)) for n in (1, 2))
    other = recording(
        {"path": "/openai/deployments/x/chat/completions?api-version=1", "body": None}, body="3"
    )
    replay = Replay([one, two, other])
    got = [
        await post(replay, body, path=path).run()
        for body, path in (
            ({"n": 2}, "/v1/responses"),
            ({"any": 1}, "/v1/chat/completions"),
            ({"n": 1}, "/api/v1/responses"),
        )
    ]
    assert [asked.body for asked in got] == [b"2", b"3", b"1"]
    assert replay.problems() == []


async def test_other_paths_and_queries_are_compared() -> None:
    kept = recording(
        {"method": "GET", "path": "/v1/responses/resp_1?stream=false", "body": None}, body="kept"
    )
    replay = Replay([kept])
    scope = {"method": "GET", "pieces": [b""]}
    wrong = await post(replay, path="/v1/responses/resp_1", **scope).run()
    right = await post(replay, path="/v1/responses/resp_1", query_string=b"stream=false", **scope).run()
    assert (wrong.status, right.body) == (400, b"kept")


async def test_drift_is_refused_and_told_with_its_difference() -> None:
    replay = Replay([recording()])
    asked = await post(replay, {"model": "m", "input": "Hello"}).run()
    assert asked.status == 400
    assert asked.headers["x-should-retry"] == "false"
    assert asked.error["code"] == "cassette_drift"
    (told, unused) = replay.problems()
    assert told == asked.error["message"]
    changed = [line for line in told.splitlines() if line.startswith(("- ", "+ "))]
    assert changed == ['- "input": "Hi",', '+ "input": "Hello",']
    assert unused == "Recorded requests were not made:\n  r: POST /responses"
    assert replay.problems(all_used=False) == [told]
    assert (await post(replay, {"model": "m", "input": "Hi"}).run()).status == 200
    again = await post(replay, {"model": "m", "input": "Hi"}).run()
    assert "no recording is left" in again.error["message"]


async def test_fields_can_be_left_out_of_the_comparison() -> None:
    body = {"model": "m", "metadata": {"run": "1", "who": "x"}, "user": "a"}
    ignore = ["user", "metadata.run", "text.format", "model.none"]
    fits = {**body, "metadata": {"run": "2", "who": "x"}, "user": "b"}
    assert (await post(Replay([recording({"body": body})], ignore=ignore), fits).run()).status == 200
    other = {**body, "metadata": {"run": "1", "who": "y"}}
    assert (await post(Replay([recording({"body": body})], ignore=ignore), other).run()).status == 400


async def test_a_timed_replay_takes_the_recorded_time() -> None:
    clock = ManualClock()
    timed = recording(chunk_lengths=[3, 8], chunk_times=[0.5, 2.0])
    asked = await post(Replay([timed], timed=True, clock=clock), {"model": "m", "input": "Hi"}).run()
    assert [body for body in asked.bodies if body] == [b'{"a', '": "é"}'.encode()]
    assert [wait for wait in clock.slept if wait] == [0.5, 1.5]
    untimed = ManualClock()
    await post(Replay([timed], clock=untimed), {"model": "m", "input": "Hi"}).run()
    assert not any(untimed.slept)


async def test_what_is_secret_is_neither_kept_nor_compared(tmp_path: Path) -> None:
    answer = json.dumps({"user": "user-abcdefghijklmnopqrstuvwx", "key": "it is my-own-very-secret-key"})
    headers = [
        (b"content-type", b"application/json"),
        (b"set-cookie", b"a=1"),
        (b"openai-organization", b"acme"),
        (b"x-ratelimit-limit-requests", b"10"),
        (b"retry-after", b"1"),
    ]
    recorder = Recorder(playing(answer.encode(), headers=headers))
    asked = post(
        recorder,
        {"input": "I am jane.doe@company.org, my-own-very-secret-key", "file": "B" * 7000},
        headers=[(b"authorization", b"Bearer my-own-very-secret-key")],
    )
    assert (await asked.run()).sent[1]["body"].decode() == answer
    (kept,) = recorder.save(tmp_path)
    text = (tmp_path / "recording-001.json").read_text()
    for secret in ("jane.doe", "my-own-very", "user-abc", "cookie", "acme", "authorization"):
        assert secret not in text
    assert kept.response["headers"] == {
        "content-type": "application/json",
        "x-ratelimit-limit-requests": "10",
        "retry-after": "1",
    }
    assert kept.response["redactions"] == 2
    assert kept.request["note"] == "long base64 was cut"
    replay = Replay([kept], redactor=Redactor(secrets=["my-own-very-secret-key"]))
    again = {"input": "I am john.foo@company.org, my-own-very-secret-key", "file": "B" * 7000}
    assert json.loads((await post(replay, again).run()).body)["key"].startswith("it is REDACTED")


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        ([data({}), DONE], True),
        ([data({"type": "response.completed"})], True),
        ([data({"choices": []})], False),
        ([data(b"broken")], False),
        ([b"data: "], False),
    ],
)
async def test_a_stream_that_is_left_after_its_last_word_is_whole(pieces: list[bytes], whole: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [SSE]})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})

    recorder = Recorder(app)
    await post(recorder).run()
    assert len(recorder.recordings()) == whole
    assert recorder.lost == ([] if whole else ["POST /v1/responses: the answer was not read to its end"])


async def test_what_no_text_can_hold_is_told(tmp_path: Path) -> None:
    gzip = (b"content-encoding", b"gzip")
    for app, lost in (
        (playing(b"\xff\xfe"), "invalid start byte"),
        (playing(b"x", headers=[gzip]), "compressed"),
    ):
        recorder = Recorder(app)
        await post(recorder).run()
        assert recorder.save(tmp_path / "none") == []
        assert lost in recorder.lost[0]
        assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("content", [b"--boundary", b"[1]", b""])
async def test_a_request_that_is_no_json_object_is_noted(content: bytes) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    recorder = Recorder(app)
    await post(recorder, content).run()
    (kept,) = recorder.recordings()
    assert kept.request["body"] is None
    assert kept.request.get("note") == ("the body is not a JSON object" if content else None)


def test_recording_anew_leaves_other_files_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text("{}")
    (tmp_path / "recording-009.json").write_text("{}")
    recorder = Recorder(FakeModel("hi"))
    with responses_asgi.sync_client(recorder) as client:
        client.responses.create(model="m", input="hello")
    recorder.save(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["notes.json", "recording-001.json"]


async def test_both_are_apps_of_their_own() -> None:
    for app in (Replay([]), Recorder(FakeModel("hi"))):
        sent: list[Any] = []
        messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

        async def receive() -> Any:
            return next(messages)  # noqa: B023 - used up before the next one

        async def send(message: Any) -> None:
            sent.append(message["type"])  # noqa: B023 - used up before the next one

        await app({"type": "lifespan"}, receive, send)
        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_a_replay_denies_websockets_and_ends_when_the_client_leaves() -> None:
    sent: list[str] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await Replay([])({"type": "websocket", "path": "/v1/responses", "headers": []}, receive, send)
    assert sent == ["websocket.close"]
    slow = recording(chunk_lengths=[3, 8], chunk_times=[0.0, 3600.0])
    asked = post(Replay([slow], timed=True), {"model": "m", "input": "Hi"}).start()
    await asked.until(lambda: b'{"a' in asked.bodies)
    asked.left.set()
    await asked.end()


async def test_recordings_replay_to_httpx_as_they_came() -> None:
    cut = recording(
        chunk_lengths=[3, 8], headers={"content-type": "text/plain", "retry-after": "1"}, status=429
    )
    transport = responses_asgi.ASGITransport(Replay([cut]))
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://x") as client,
        client.stream("POST", "/v1/responses", json={"model": "m", "input": "Hi"}) as answer,
    ):
        pieces = [piece async for piece in answer.aiter_raw()]
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert pieces == list(cut.pieces())
