"""The functions and the command that convert without a server."""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import responses_asgi
from responses_asgi import (
    PROFILES,
    ConfigurationError,
    ConvertedStream,
    InvalidRequestError,
    Loss,
    UpstreamError,
    chat_request_to_responses,
    chat_stream_to_responses,
    completion_to_response,
    response_to_completion,
    responses_request_to_chat,
    responses_stream_to_chat,
)
from responses_asgi.cli import main
from responses_asgi.testing import assert_valid_chat_stream, assert_valid_stream
from responses_asgi.translate.chat_snapshot import fold_chunks
from responses_asgi.translate.snapshot import fold
from responses_asgi.types.json import JSON
from tests.machine import STOP, call, calls, delta, whole

COMMAND = [sys.executable, "-m", "responses_asgi", "convert"]

USAGE: JSON = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
HEY = [delta({"content": "He"}), delta({"content": "y"}), STOP, {"choices": [], "usage": USAGE}]
TOOL: JSON = {"type": "function", "name": "now", "parameters": {"type": "object", "properties": {}}}
CHAT_TOOL: JSON = {"type": "function", "function": {"name": "now"}}
ASKED: JSON = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def sse(documents: list[JSON], *, done: bool = True) -> bytes:
    blocks = [json.dumps(document).encode() for document in documents] + [b"[DONE]"] * done
    return b"".join(b"data: " + block + b"\n\n" for block in blocks)


def texts(events: list[JSON]) -> list[str]:
    return [event["delta"] for event in events if event["type"] == "response.output_text.delta"]


# Requests


def test_a_responses_request_becomes_a_chat_request_with_its_losses() -> None:
    body = {"model": "m", "input": "Hi", "reasoning": {"summary": "auto"}, "max_output_tokens": 9}
    value, losses = responses_request_to_chat(body, profile="openai")
    assert value == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_completion_tokens": 9,
    }
    assert losses == [
        Loss("reasoning.summary", "dropped", "Chat Completions has no reasoning summary"),
    ]


def test_a_chat_request_becomes_a_responses_request_with_its_losses() -> None:
    converted = chat_request_to_responses({**ASKED, "tools": [CHAT_TOOL], "seed": 1, "n": 2})
    assert converted.value["tools"] == [{**TOOL, "strict": False}]
    assert {(loss.path, loss.action) for loss in converted.losses} == {("seed", "dropped"), ("n", "clamped")}
    assert chat_request_to_responses({**ASKED, "n": 1}).losses == []


def test_a_chat_request_gets_back_what_is_recalled() -> None:
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}
    called = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "now", "arguments": "{}"}
    chat_call = {"id": "c", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    messages = [
        {"role": "assistant", "content": None, "tool_calls": [chat_call]},
        {"role": "tool", "tool_call_id": "c", "content": "noon"},
    ]
    body = {"model": "m", "messages": messages, "tools": [CHAT_TOOL]}
    request = chat_request_to_responses(body, recall=lambda call_id: [thought, called]).value
    assert [item["type"] for item in request["input"]] == [
        "reasoning",
        "function_call",
        "function_call_output",
    ]


@pytest.mark.parametrize("convert", [responses_request_to_chat, chat_request_to_responses])
def test_requests_are_checked(convert: Callable[..., Any]) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        convert({"model": 5})
    assert caught.value.param == "model"
    with pytest.raises(InvalidRequestError):
        convert("Hi")
    with pytest.raises(ConfigurationError, match="nobody"):
        convert({"model": "m", "input": "Hi", "messages": ASKED["messages"]}, profile="nobody")


def test_what_cannot_be_carried_is_refused_with_its_path() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        responses_request_to_chat({"model": "m", "input": "Hi", "background": True})
    assert caught.value.param == "background"


# Whole answers


def test_a_completion_becomes_a_response() -> None:
    completion = whole(
        {"content": "It is noon.", "reasoning_content": "hm"}, model="house", usage=USAGE, created=5
    )
    ids = itertools.count()
    response, losses = completion_to_response(
        completion,
        request={"model": "any", "input": "Hi", "temperature": 0.5, "tools": [TOOL]},
        new_id=lambda prefix: f"{prefix}{next(ids)}",
        now=lambda: 1_700_000_000,
    )
    assert [item["id"] for item in response["output"]] == ["rs_1", "msg_2"]
    assert (response["id"], response["created_at"]) == ("resp_0", 1_700_000_000)
    assert (response["temperature"], response["tools"][0]["name"]) == (0.5, "now")
    assert response["usage"]["input_tokens"] == 2
    assert losses == []


def test_ids_and_the_time_are_made_up_by_default() -> None:
    first, second = (completion_to_response(whole({"content": "Hey"})).value for _ in range(2))
    assert first["id"].startswith("resp_")
    assert first["id"] != second["id"]
    assert first["created_at"] > 1_700_000_000


def test_the_profile_and_the_dialect_of_an_answer_count() -> None:
    completion = whole({"content": "<think>hm</think>Hey"})
    profile = responses_asgi.Profile(name="house", think_tags=True)
    response = completion_to_response(completion, profile=profile).value
    assert [item["type"] for item in response["output"]] == ["reasoning", "message"]
    annotated = whole({"content": "Hey", "annotations": [{"type": "file_citation", "file_id": "f"}]})
    assert completion_to_response(annotated).losses == []
    assert [loss.action for loss in completion_to_response(annotated, dialect="openresponses").losses] == [
        "dropped"
    ]


def test_a_response_becomes_a_completion() -> None:
    response = completion_to_response(
        whole({"content": "one END two", "reasoning_content": "hm"}, usage=USAGE), now=lambda: 5
    ).value
    completion = response_to_completion(response, reasoning_field="reasoning", now=lambda: 7).value
    assert completion["choices"][0]["message"] == {
        "role": "assistant",
        "content": "one END two",
        "refusal": None,
        "reasoning": "hm",
    }
    assert completion["created"] == 7
    assert completion["usage"]["prompt_tokens"] == 2
    cut = response_to_completion(response, request={**ASKED, "stop": "END", "n": 3}, reasoning_field=None)
    assert [choice["message"]["content"] for choice in cut.value["choices"]] == ["one "]
    assert [loss.path for loss in cut.losses] == ["output.reasoning"]


@pytest.mark.parametrize(
    ("convert", "answer", "status", "message"),
    [
        (completion_to_response, {"error": {"message": "no", "type": "rate_limit_error"}}, 429, "no"),
        (completion_to_response, {"detail": "no"}, 502, "no"),
        (completion_to_response, [{"error": {"message": "no", "code": 404}}], 404, "no"),
        (completion_to_response, whole({"content": "x"}, finish="error"), 502, "finish_reason 'error'"),
        (response_to_completion, {"error": {"message": "no", "code": "server_error"}}, 500, "no"),
        (
            response_to_completion,
            {"object": "response", "status": "failed", "output": [], "error": {"message": "no"}},
            502,
            "no",
        ),
        (response_to_completion, {"object": "response", "status": "in_progress", "output": []}, 502, ""),
    ],
)
def test_an_answer_that_failed_is_an_exception(
    convert: Callable[[object], object], answer: object, status: int, message: str
) -> None:
    with pytest.raises(UpstreamError) as caught:
        convert(answer)
    assert caught.value.status == status
    assert message in caught.value.message


def test_the_request_of_an_answer_is_checked() -> None:
    with pytest.raises(InvalidRequestError):
        completion_to_response(whole({"content": "x"}), request={"input": 5})
    with pytest.raises(InvalidRequestError):
        list(responses_stream_to_chat([], request={"messages": 5}))


# Streams


def test_chunks_become_events_as_they_are_read() -> None:
    read: list[int] = []

    def chunks() -> Iterator[JSON]:
        for number, chunk in enumerate(HEY):
            read.append(number)
            yield chunk

    stream = chat_stream_to_responses(chunks(), request={"model": "m", "input": "Hi"})
    events: list[JSON] = []
    for event in stream:
        events.append(event)
        if event["type"] == "response.output_text.delta":
            assert read == list(range(len(texts(events))))
    final = assert_valid_stream(events)
    assert final == fold(events) == stream.value
    assert (final["model"], final["usage"]["total_tokens"]) == ("m", 5)
    assert texts(events) == ["He", "y"]
    assert list(stream) == list(stream.sse()) == []
    assert stream.losses == []
    assert stream.error is None


@pytest.mark.parametrize("block", [1, 7, 1 << 16])
def test_bytes_cut_anywhere_become_the_same_events(block: int) -> None:
    body = sse(HEY)
    pieces = [body[start : start + block] for start in range(0, len(body), block)]
    ids = itertools.count()
    options: JSON = {"new_id": lambda prefix: f"{prefix}0", "now": lambda: next(ids) * 0}
    expected = b"".join(chat_stream_to_responses(HEY, **options).sse())
    assert b"".join(chat_stream_to_responses(pieces, **options).sse()) == expected
    assert assert_valid_stream(expected)["status"] == "completed"


def test_the_other_dialect_ends_with_done() -> None:
    body = b"".join(chat_stream_to_responses(HEY, dialect="openresponses").sse())
    assert body.endswith(b"data: [DONE]\n\n")
    assert_valid_stream(body, dialect="openresponses")


def test_events_become_chunks_and_usage_is_said_unless_not_asked_for() -> None:
    events = list(chat_stream_to_responses(HEY))
    stream = responses_stream_to_chat(events)
    completion = assert_valid_chat_stream(b"".join(stream.sse()), usage=True)
    assert completion == stream.value
    assert completion["choices"][0]["message"]["content"] == "Hey"
    assert {name: completion["usage"][name] for name in USAGE} == USAGE
    chunks = list(responses_stream_to_chat(events, request=ASKED))
    assert all("usage" not in chunk for chunk in chunks)
    assert fold_chunks(chunks)["choices"] == completion["choices"]


def test_what_follows_the_last_event_is_not_read() -> None:
    events = list(chat_stream_to_responses(HEY))
    rest = iter([*events, {"type": "response.unheard"}])
    list(responses_stream_to_chat(rest))
    assert next(rest) == {"type": "response.unheard"}
    blocks = iter([sse(HEY), b"never"])
    list(chat_stream_to_responses(blocks))
    assert next(blocks) == b"never"


def test_a_tool_round_survives_both_streams() -> None:
    chunks = [calls(call(0, "c1", "now", "{}")), delta(finish="tool_calls")]
    completion = fold_chunks(responses_stream_to_chat(chat_stream_to_responses(chunks)))
    assert completion["choices"][0]["finish_reason"] == "tool_calls"
    assert completion["choices"][0]["message"]["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    ]


FAILURES: dict[str, tuple[list[JSON | bytes], str]] = {
    "cut off": (list(HEY[:2]), "cut off"),
    "error chunk": ([HEY[0], {"error": {"message": "no room"}}], "no room"),
    "error event": ([b'event: error\ndata: {"message": "no room"}\n\n'], "no room"),
    "broken event": ([sse([HEY[0]], done=False), b"data: {oops\n\n"], "not a JSON object"),
    "error document": ([b' {"error": ', b'{"message": "no room"}}'], "no room"),
    "another document": ([b'{"detail": "no room"}'], "no room"),
    "list of errors": ([b'[{"error": {"message": "no room"}}]'], "no room"),
    "broken document": ([b'{"choices": '], "not valid JSON"),
    "nothing": ([b"", b"  \n"], "cut off"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_stream_that_fails_ends_legally(name: str) -> None:
    pieces, message = FAILURES[name]
    stream = chat_stream_to_responses(iter(pieces))
    final = assert_valid_stream(list(stream))
    assert final["status"] == "failed"
    assert message in final["error"]["message"]
    assert stream.error is not None
    chunks = list(responses_stream_to_chat(chat_stream_to_responses(iter(pieces))))
    assert message in chunks[-1]["error"]["message"]
    ended = b"".join(responses_stream_to_chat(chat_stream_to_responses(iter(pieces))).sse())
    assert b"[DONE]" not in ended


def test_a_whole_answer_in_place_of_a_stream_is_read() -> None:
    document = json.dumps(whole({"content": "Hey"})).encode()
    events = list(chat_stream_to_responses([b"\xef\xbb\xbf\n", document[:9], document[9:]]))
    assert assert_valid_stream(events)["status"] == "completed"
    assert texts(events) == ["Hey"]
    response = json.dumps(fold(events)).encode()
    assert fold_chunks(responses_stream_to_chat([response]))["choices"][0]["message"]["content"] == "Hey"


def test_the_last_event_may_lack_its_empty_line() -> None:
    stream = chat_stream_to_responses([sse(HEY[:3], done=False).rstrip()])
    assert assert_valid_stream(list(stream))["status"] == "completed"


def test_an_exception_of_the_source_is_told_and_raised() -> None:
    def chunks(error: Exception) -> Iterator[JSON]:
        yield HEY[0]
        raise error

    events: list[JSON] = []
    with pytest.raises(OSError, match="gone"):
        events.extend(chat_stream_to_responses(chunks(OSError("gone"))))
    assert assert_valid_stream(events)["status"] == "failed"
    told = list(chat_stream_to_responses(chunks(UpstreamError("busy", status=503))))
    assert told[-1]["response"]["error"]["message"] == "busy"


# The command


def run(arguments: str, text: str | bytes, monkeypatch: pytest.MonkeyPatch) -> int:
    given = text if isinstance(text, bytes) else text.encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
    return main(["convert", *arguments.split()])


def test_convert_request(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    body = json.dumps({"model": "m", "input": "Grüße", "max_tool_calls": 1, "max_output_tokens": 5})
    assert run("request --to chat --profile openai", body, monkeypatch) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["max_completion_tokens"] == 5
    assert "Grüße" in out
    assert err == "dropped max_tool_calls: it limits hosted tools, of which none are run\n"
    assert run("request --to chat --strict", body, monkeypatch) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert json.loads(err.splitlines()[-1])["error"]["param"] == "max_tool_calls"
    assert run("request --to responses --strict", json.dumps(ASKED), monkeypatch) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["input"][0]["content"] == "Hi"
    assert err == ""


def test_convert_response(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked = tmp_path / "request.json"
    asked.write_text(json.dumps({"model": "m", "input": "Hi", "temperature": 0.25}))
    completion = json.dumps(whole({"content": "a \ud800 b"}))
    assert run(f"response --to responses --request {asked}", completion, monkeypatch) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert json.loads(out)["temperature"] == 0.25
    assert json.loads(out)["output"][0]["content"][0]["text"] == "a \ud800 b"
    assert run("response --to chat", out, monkeypatch) == 0
    assert json.loads(capfd.readouterr().out)["choices"][0]["message"]["content"] == "a \ud800 b"


def test_convert_stream(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("stream --to responses --dialect openresponses", sse(HEY), monkeypatch) == 0
    out, _ = capfd.readouterr()
    assert assert_valid_stream(out, dialect="openresponses")["status"] == "completed"
    assert run("stream --to chat", out, monkeypatch) == 0
    assert assert_valid_chat_stream(capfd.readouterr().out, usage=True)["usage"]["total_tokens"] == 5
    odd = [delta({"content": "Hey", "mood": "good"}), STOP]
    assert run("stream --to responses --strict", sse(odd), monkeypatch) == 1
    out, err = capfd.readouterr()
    assert assert_valid_stream(out)["status"] == "completed"
    assert "dropped choices[0].delta.mood: " in err
    assert json.loads(err.splitlines()[-1])["error"]["param"] == "choices[0].delta.mood"


@pytest.mark.parametrize(
    ("arguments", "text", "message"),
    [
        ("request --to chat", "{oops", "The request is not valid JSON"),
        ("response --to chat", "oops", "The response is not valid JSON"),
        ("response --to responses", '{"error": {"message": "busy"}}', "busy"),
        ("request --to responses", "{}", "'messages'"),
        ("stream --to responses", '{"error": {"message": "busy"}}', "busy"),
    ],
)
def test_what_cannot_be_converted_ends_with_status_1(
    arguments: str,
    text: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run(arguments, text, monkeypatch) == 1
    error = json.loads(capfd.readouterr().err.splitlines()[-1])["error"]
    assert message in error["message"]


def test_wrong_usage_ends_with_status_2(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "broken").write_text("{oops")
    (tmp_path / "wrong").write_text('{"input": 5}')
    for arguments, named in {
        "request --to chat --profile nobody": "nobody",
        "response --to chat --dialect openai": "--dialect",
        "request --to responses --dialect openai": "--dialect",
        f"request --to chat --request {tmp_path / 'broken'}": "--request",
        f"stream --to responses --request {tmp_path / 'broken'}": "broken",
        f"response --to responses --request {tmp_path / 'missing'}": "missing",
    }.items():
        assert run(arguments, "{}", monkeypatch) == 2, arguments
        assert named in capfd.readouterr().err
    with pytest.raises(SystemExit) as caught:
        run("request", "{}", monkeypatch)
    assert caught.value.code == 2
    assert run(f"stream --to responses --request {tmp_path / 'wrong'}", b"", monkeypatch) == 1
    assert "'input'" in capfd.readouterr().err


def test_an_interrupt_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> ConvertedStream:
        raise KeyboardInterrupt

    monkeypatch.setattr("responses_asgi.cli.convert._blocks", interrupted)
    assert run("stream --to chat", b"", monkeypatch) == 130


def test_the_command_converts_live() -> None:
    """The n-th delta is out before the next chunk is in, through two commands in a pipe."""
    options: JSON = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
    with (
        subprocess.Popen([*COMMAND, "stream", "--to", "responses"], **options) as first,
        subprocess.Popen(
            [*COMMAND, "stream", "--to", "chat"], **{**options, "stdin": first.stdout}
        ) as second,
    ):
        assert first.stdin is not None
        assert second.stdout is not None
        watchdog = threading.Timer(60, second.kill)
        watchdog.start()
        lines = iter(second.stdout.readline, b"")
        for number in range(20):
            first.stdin.write(sse([delta({"content": f"word{number} "})], done=False))
            assert any(f"word{number} ".encode() in line for line in lines)
        first.stdin.write(sse([STOP]))
        first.stdin.close()
        assert any(b"[DONE]" in line for line in lines)
        watchdog.cancel()
    assert (first.returncode, second.returncode) == (0, 0)


def test_a_reader_that_leaves_is_no_error() -> None:
    command = [*COMMAND, "stream", "--to", "responses"]
    chunks = [delta({"content": "word " * 2000})] * 2000
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stdin is not None
        with process.stdin, pytest.raises(BrokenPipeError):
            process.stdin.write(sse(chunks, done=False))
        errors = process.stderr.read()
    assert process.returncode == 1
    assert errors == b""


def test_every_profile_converts() -> None:
    for name in PROFILES:
        assert responses_request_to_chat({"model": "m", "input": "Hi"}, profile=name).value["model"] == "m"
        assert chat_request_to_responses(ASKED, profile=name).value["model"] == "m"
