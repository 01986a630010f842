from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI, AuthenticationError, NotFoundError, OpenAI

from examples.serving import ROOT, uvicorn

TICKET_TOOL: dict[str, Any] = {
    "type": "function",
    "name": "open_ticket",
    "parameters": {"type": "object", "properties": {"subject": {"type": "string"}}},
}
RETURNS = "Goods can be returned within 30 days."


FOLDER = ROOT / "examples" / "django_app"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A database file with the project's tables, which the processes that are started find."""
    path = tmp_path_factory.mktemp("desk") / "desk.sqlite3"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DESK_DATABASE", str(path))
        subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=FOLDER, check=True)
        yield path


@pytest.fixture(scope="module")
def base_url(database: Path) -> Iterator[str]:
    with uvicorn("desk.asgi:application", folder=FOLDER) as url:
        yield url


@pytest.fixture
def client(base_url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{base_url}/v1", api_key="anybody", max_retries=0) as client:
        yield client


def test_create_answers_with_reasoning_and_text(client: OpenAI) -> None:
    response = client.responses.create(model="clerk", instructions="Be kind.", input="Can I return this?")
    assert response.status == "completed"
    assert response.output_text == RETURNS
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert response.usage is not None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens


def test_stream_arrives_in_pieces(client: OpenAI) -> None:
    with client.responses.stream(model="clerk", input="Can I return this?") as stream:
        events = list(stream)
    words = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(words) == 7
    assert "".join(words) == RETURNS
    assert events[-1].type == "response.completed"


def test_tool_round_trip(client: OpenAI) -> None:
    tools: list[Any] = [TICKET_TOOL]
    conversation: list[Any] = [{"role": "user", "content": "Open a ticket: the lid is broken."}]
    first = client.responses.create(model="clerk", input=conversation, tools=tools)
    (call,) = (item for item in first.output if item.type == "function_call")
    assert json.loads(call.arguments) == {"subject": "Open a ticket: the lid is broken."}
    conversation += [item.to_dict(mode="json") for item in first.output]
    conversation.append({"type": "function_call_output", "call_id": call.call_id, "output": "ticket 17"})
    assert (
        client.responses.create(model="clerk", input=conversation, tools=tools).output_text
        == "Done: ticket 17."
    )


async def test_async_create_and_stream(base_url: str) -> None:
    async with AsyncOpenAI(base_url=f"{base_url}/v1", api_key="anybody", max_retries=0) as client:
        whole = await client.responses.create(model="clerk", input="How can I pay?")
        stream = await client.responses.create(model="clerk", input="How can I pay?", stream=True)
        words = [event.delta async for event in stream if event.type == "response.output_text.delta"]
    assert whole.output_text == "".join(words) == "We take cards and bank transfers."


def test_django_middleware_guards_responses_too(base_url: str) -> None:
    reply = httpx.post(f"{base_url}/v1/responses", json={"model": "clerk", "input": "hi"})
    assert reply.status_code == 401
    assert reply.json()["error"]["message"] == "Bring a bearer token."


def test_a_request_larger_than_djangos_default_limit_passes(client: OpenAI) -> None:
    long_question = "Can I return this? " + "x" * 3_000_000
    assert client.responses.create(model="clerk", input=long_question).output_text == RETURNS


def test_the_chat_route_is_as_it_was(client: OpenAI) -> None:
    completion = client.chat.completions.create(
        model="clerk", messages=[{"role": "user", "content": "How can I pay?"}]
    )
    assert completion.choices[0].message.content == "We take cards and bank transfers."


def test_a_conversation_goes_on_in_another_process(client: OpenAI) -> None:
    tools: list[Any] = [TICKET_TOOL]
    first = client.responses.create(model="clerk", input="A ticket, please: no lid.", tools=tools)
    (call,) = (item for item in first.output if item.type == "function_call")
    output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "ticket 17"}
    with uvicorn("desk.asgi:application", folder=FOLDER) as url:
        there = client.with_options(base_url=f"{url}/v1")
        second = there.responses.create(model="clerk", input=[output], previous_response_id=first.id)
        assert second.output_text == "Done: ticket 17."
        assert there.responses.retrieve(first.id).output == first.output
    client.responses.delete(second.id)
    with pytest.raises(NotFoundError):
        client.responses.retrieve(second.id)


def test_what_is_kept_is_shown_to_those_whom_django_lets_in(client: OpenAI, base_url: str) -> None:
    kept = client.responses.create(model="clerk", input="How can I pay?")
    with pytest.raises(AuthenticationError):
        client.with_options(api_key="nobody knows me").responses.retrieve(kept.id)
    other = client.with_options(api_key="somebody else")
    other.responses.create(model="clerk", input="How can I pay?")
    with pytest.raises(NotFoundError):
        other.responses.retrieve(kept.id)


def test_the_store_obeys_the_rules_of_every_store(tmp_path: Path) -> None:
    """In a process of its own: Django has one set of settings per process."""
    settings = {"DJANGO_SETTINGS_MODULE": "desk.settings", "DESK_DATABASE": str(tmp_path / "rules.sqlite3")}
    paths = os.pathsep.join([str(FOLDER), str(ROOT)])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "desk_store_rules.py"]
    environment = {**os.environ, **settings, "PYTHONPATH": paths}
    run = subprocess.run(command, cwd=FOLDER, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_migrations_are_complete(database: Path) -> None:
    command = [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"]
    assert subprocess.run(command, cwd=FOLDER, check=False).returncode == 0
