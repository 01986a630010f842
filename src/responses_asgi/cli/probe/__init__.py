"""`responses-asgi probe`: ask a server how it departs from OpenAI, and write the profile that it deserves."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from responses_asgi.errors import APIError
from responses_asgi.profiles import PROFILES, profile_for

if TYPE_CHECKING:
    from responses_asgi.cli.probe.findings import Finding
    from responses_asgi.cli.probe.verdict import Verdict
    from responses_asgi.types.asgi import ASGIApp

__all__ = ["add_parser", "examine", "run"]

BAR_WIDTH = 24

EXAMPLES = """\
examples:
  responses-asgi probe http://localhost:8000
  responses-asgi probe https://api.example.com/v1 --api-key-env EXAMPLE_KEY --model large --write gateway.yaml
  responses-asgi serve gateway.yaml

The server is asked about 40 short requests, one after the other; with one that is paid for, that is a cent
or so. What each question showed stands on stderr, the profile on stdout. Exit status: 0 well; 1 the server
cannot be asked; 2 wrong usage.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `probe` and its options to the command line."""
    parser = commands.add_parser(
        "probe",
        help="find out how a Chat server departs from OpenAI",
        description="Ask a Chat server small questions, and write the profile that it deserves.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", metavar="URL", help="the server's base URL, with or without /v1")
    parser.add_argument(
        "--model", metavar="NAME", help="the model to ask (default: the first that is listed)"
    )
    parser.add_argument(
        "--api-key-env", metavar="VARIABLE", help="the environment variable that holds the key"
    )
    parser.add_argument(
        "--profile",
        metavar="NAME",
        help=f"what to start from (default: by host name, else generic): {', '.join(sorted(PROFILES))}",
    )
    parser.add_argument("--format", choices=("yaml", "python"), default="yaml", help="default: yaml")
    parser.add_argument("--write", metavar="FILE", type=Path, help="write it there, a .py file in Python")
    parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="longest silence (60)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask, then write; returns the exit status. Raises ConfigurationError for a URL or key that cannot be."""
    from responses_asgi.upstreams.upstream import Upstream

    profile_for(options.profile)
    upstream = Upstream.http(
        options.url,
        profile=options.profile,
        api_key_env=options.api_key_env,
        read_timeout=options.timeout,
        retries=0,
    )

    async def ask() -> tuple[dict[str, Finding], Verdict] | APIError:
        try:
            return await examine(upstream.app, base=upstream.profile.name, model=options.model, show=_show)
        except APIError as error:
            return error
        finally:
            await upstream.aclose()

    found = asyncio.run(ask())
    return _refused(options, found) if isinstance(found, APIError) else _write(options, *found)


def _refused(options: argparse.Namespace, error: APIError) -> int:
    if sys.stderr.isatty():
        print(file=sys.stderr)  # below the bar
    print(f"responses-asgi: {options.url}: {error.message}", file=sys.stderr)
    return 1


def _write(options: argparse.Namespace, findings: dict[str, Finding], found: Verdict) -> int:
    from responses_asgi.cli.probe.report import as_python, as_yaml

    for question, finding in findings.items():
        print(f"{question:22} {finding.says}", file=sys.stderr)
    if options.format == "python" or (options.write and options.write.suffix == ".py"):
        text = as_python(found, findings)
    else:
        spoken = "both" if findings["Responses API"].says.startswith("spoken") else "chat"
        keys = {"url": options.url, "api": spoken}
        if options.api_key_env:
            keys["api_key_env"] = options.api_key_env
        text = as_yaml(found, findings, upstream=keys)
    if options.write:
        options.write.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0


async def examine(
    app: ASGIApp,
    *,
    base: str = "generic",
    model: str | None = None,
    show: Callable[[int, int, str], None] | None = None,
) -> tuple[dict[str, Finding], Verdict]:
    """Ask the Chat server that `app` is, or leads to; what each question showed, and the verdict on `base`.

    `model` is the one to ask, else the first that is listed. `show` is told the number of the question, of
    all, and its name. Raises APIError when the server cannot be asked.
    """
    from responses_asgi.cli.probe.questions import QUESTIONS
    from responses_asgi.cli.probe.server import Server
    from responses_asgi.cli.probe.verdict import verdict

    server = Server(app, model)
    findings: dict[str, Finding] = {}
    for number, question in enumerate(QUESTIONS):
        if show is not None:
            show(number, len(QUESTIONS), question.name)
        findings[question.name] = await question.ask(server)
    if show is not None:
        show(len(QUESTIONS), len(QUESTIONS), "done")
    return findings, verdict(profile_for(base), findings)


def _show(number: int, count: int, name: str) -> None:
    """The bar, where somebody sees it."""
    if sys.stderr.isatty():
        filled = BAR_WIDTH * number // count
        end = "\n" if number == count else ""
        bar = "#" * filled + "." * (BAR_WIDTH - filled)
        print(f"\r[{bar}] {number}/{count} {name:24}", end=end, file=sys.stderr, flush=True)
