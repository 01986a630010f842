"""`responses-asgi check`: is a configuration right, and what does it come to?"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from responses_asgi.cli.asking import ask
from responses_asgi.cli.flags import add_source_flags
from responses_asgi.cli.serve import prepared
from responses_asgi.errors import APIError

if TYPE_CHECKING:
    from responses_asgi.config import Config, Setup
    from responses_asgi.upstreams.upstream import Upstream

__all__ = ["add_parser", "run", "summary"]

_PATHS = ("/responses", "/chat/completions", "/models", "/health")
_DRY_RUN = ("/convert", "/proxy")

EXAMPLES = """\
examples:
  responses-asgi check gateway.yaml
  responses-asgi check gateway.yaml --probe       also ask each upstream for its models

All that is wrong is told at once, with the path of its key. Exit status: 0 well; 1 an upstream did not answer
(--probe); 2 the configuration is wrong.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `check` and its options to the command line."""
    parser = commands.add_parser(
        "check",
        help="check a configuration and say what it comes to",
        description="Check a configuration, as serve does, and say what it comes to. Nothing is served.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_source_flags(parser)
    parser.add_argument("--probe", action="store_true", help="ask each upstream for its models")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check and tell; returns the exit status. Raises ConfigurationError with all that is wrong."""
    setup = prepared(options, {})
    print("\n".join(summary(setup)))
    if not options.probe:
        return 0
    print("\nprobed")
    verdicts = asyncio.run(_probe_all(setup))
    print("\n".join(_columns([(name, verdict) for name, verdict, _ in verdicts])))
    return 0 if all(well for _, _, well in verdicts) else 1


def summary(setup: Setup) -> Iterator[str]:
    """What is served, for people; no secret is in it."""
    config = setup.config
    yield "upstreams"
    yield from _columns(_upstream(name, setup) for name in setup.upstreams)
    yield ""
    yield "models"
    yield from _columns(_models(setup))
    yield ""
    server = config.server
    scheme = "https" if server.ssl_certfile else "http"
    yield "served"
    yield from _columns(
        [
            ("at", f"{scheme}://{server.host}:{server.port}{server.root_path}/v1"),
            ("paths", ", ".join(_paths(config))),
            (
                "workers",
                f"{server.workers}, open answers may go on for {server.graceful_timeout} s at a stop",
            ),
            ("store", _without_password(config.store or _kept(setup))),
            ("policy", _policy(config)),
            ("keys", _keys(config)),
            ("browsers", "none" if config.cors is None else f"from {', '.join(config.cors.origins)}"),
            *_besides(config),
        ]
    )


def _upstream(name: str, setup: Setup) -> tuple[str, ...]:
    given, made = setup.config.upstreams[name], setup.upstreams[name]
    place = given.url or given.app or given.wsgi or given.handler or ""
    notes = []
    if given.url is not None:
        source = given.api_key_env or ("the environment" if given.api_key else None)
        notes.append(f"key from {source}" if source else "no key")
        notes += [f"credentials: {given.credentials}"] if given.credentials != "own" else []
    notes += [f"{kind} tools: {word}" for kind, word in made.profile.tool_policy.items()]
    return name, place, f"api {made.api}", f"profile {made.profile.name}", ", ".join(notes)


def _models(setup: Setup) -> Iterator[tuple[str, ...]]:
    models = setup.config.models
    if not models:
        yield "*", next(iter(setup.upstreams))
    for model, entry in models.items():
        for api, targets in entry.targets().items():
            named = [each.upstream + (f" (as {each.model})" if each.model else "") for each in targets]
            clients = "" if api == "each" else f"{api} clients"
            yield model, ", else ".join(named), clients


def _paths(config: Config) -> Iterator[str]:
    yield from _PATHS
    if config.dry_run:
        yield from _DRY_RUN
    if config.telemetry.prometheus:
        yield "/metrics"
    if config.auth is not None and config.auth.mode == "managed" and config.auth.keys_path:
        yield config.auth.keys_path


def _besides(config: Config) -> Iterator[tuple[str, str]]:
    """What is there only where it is asked for."""
    if (limits := config.rate_limits) is not None:
        yield "limits", f"of {', '.join(limits.models)}, counted in {_without_password(limits.store)}"
    if told := [name for name, value in config.telemetry if value and name != "content"]:
        yield "telemetry", ", ".join(told) + (" with content" if config.telemetry.content else "")
    if (hosted := config.hosted) is not None:
        yield "tools", ", ".join([*filter(None, [hosted.mcp]), *hosted.tools, *hosted.types])
    if config.webhooks:
        yield "webhooks", ", ".join(config.webhooks)


def _policy(config: Config) -> str:
    strict = "what cannot be carried is refused" if config.strict else "what cannot be carried is reported"
    return (
        f"{strict}; bodies up to {config.limits.max_body_bytes // 1024 // 1024} MiB; {config.dialect} dialect"
    )


def _keys(config: Config) -> str:
    if config.auth is None:
        return "none: everybody is let in"
    kept = _without_password(config.auth.keys_store or config.store or "memory")
    return f"{config.auth.mode}, kept in {kept}" if config.auth.mode == "managed" else config.auth.mode


def _kept(setup: Setup) -> str:
    return "none" if setup.app.state.store is None else "memory"


def _without_password(url: str) -> str:
    split = urlsplit(url)
    return url if split.password is None else url.replace(f":{split.password}@", ":***@")


def _columns(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """The rows with their cells below each other."""
    table = list(rows)
    widths = [max(len(row[i]) for row in table if i < len(row)) for i in range(max(map(len, table)))]
    lines = ("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) for row in table)
    return [f"  {line.rstrip()}" for line in lines]


async def _probe_all(setup: Setup) -> list[tuple[str, str, bool]]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_probe(name, upstream)) for name, upstream in setup.upstreams.items()]
    return [task.result() for task in tasks]


async def _probe(name: str, upstream: Upstream) -> tuple[str, str, bool]:
    """What an upstream says when it is asked for its models."""
    try:
        answer = await ask(upstream.app, "GET", "/v1/models")
        document = answer.document()
        listed = document.get("data") if isinstance(document, dict) else None
        if answer.status == 200 and isinstance(listed, list):
            return name, f"answers; {len(listed)} model{'s' * (len(listed) != 1)}", True
        error = answer.error()
        # A model that lists none is there all the same: a handler, a small server.
        there = answer.status in (404, 405)
        said = error.message if error else "no list of models"
        return name, f"{'answers, but lists no models' if there else said} ({answer.status})", there
    except APIError as error:
        return name, error.message, False
    finally:
        await upstream.aclose()
