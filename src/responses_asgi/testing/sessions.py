"""What a test marked `llm_cassette` is answered by: its cassette, or the upstream that is being recorded."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from responses_asgi.errors import ConfigurationError
from responses_asgi.profiles import profile_for
from responses_asgi.sdk import BothAPIs
from responses_asgi.testing.cassettes import Recorder, Replay
from responses_asgi.testing.recordings import load_recordings
from responses_asgi.testing.redaction import Redactor
from responses_asgi.types.asgi import ASGIApp
from responses_asgi.upstreams.upstream import Upstream

__all__ = ["Session", "session_for"]

# Environment variables that may hold what belongs to nobody else.
_SECRET_ENV = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")


class Session(NamedTuple):
    """`app` answers; `finish`, called after the test, tells what was wrong, or writes the cassette."""

    app: ASGIApp
    finish: Callable[[], list[str]]


def session_for(
    item: pytest.Item, *paths: str | Path, ignore: Sequence[str] = (), all_used: bool = True
) -> Session:
    """The session of this test; `paths` are relative to the folder of its file."""
    option = item.config.getoption
    names = (option("--llm-api-key-env"), *_SECRET_ENV)
    secrets = [os.environ[name] for name in names if name in os.environ]
    redactor = Redactor(item.config.getini("llm_redact"), secrets=secrets)
    folders = [item.path.parent / path for path in paths or [_folder_of(item)]]
    if upstream := option("--llm-record"):
        return _recording(item, upstream, folders, redactor)
    if not paths and not folders[0].exists():
        pytest.fail(
            f"{item.nodeid} has no cassette at {folders[0]}; record it: "
            f"pytest {item.nodeid} --llm-record https://api.openai.com/v1",
            pytrace=False,
        )
    replay = Replay(
        load_recordings(*folders), ignore=ignore, timed=option("--llm-replay") == "timed", redactor=redactor
    )
    return Session(replay, lambda: replay.problems(all_used=all_used))


def _folder_of(item: pytest.Item) -> Path:
    return Path("cassettes") / item.path.stem / re.sub(r"[^\w.-]+", "_", item.name).strip("_")


def _recording(item: pytest.Item, upstream: str, folders: Sequence[Path], redactor: Redactor) -> Session:
    if len(folders) != 1 or folders[0].suffix == ".json":
        pytest.fail("a cassette is recorded into one folder", pytrace=False)
    app, provider = _upstream(item, upstream)
    name = folders[0].name
    recorder = Recorder(app, provider=provider, name=name, source={"test": item.nodeid}, redactor=redactor)

    def finish() -> list[str]:
        recorder.save(folders[0])
        return [f"An exchange was not recorded: {lost}" for lost in recorder.lost]

    return Session(recorder, finish)


def _upstream(item: pytest.Item, upstream: str) -> tuple[ASGIApp, str]:
    """The app that is recorded, and its name. Raises ConfigurationError for one that is not there."""
    if "://" in upstream:
        host = urlsplit(upstream).hostname
        key = os.environ.get(item.config.getoption("--llm-api-key-env"))
        profile = profile_for(None, host)
        app = Upstream.http(upstream, api="both", api_key=key).app
        return app, profile.name if profile.name != "generic" else str(host)
    module, _, name = upstream.partition(":")
    try:
        found: Any = getattr(import_module(module), name or "app")
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"--llm-record {upstream}: {error}") from error
    return BothAPIs(found) if isinstance(found, Upstream) else found, module
