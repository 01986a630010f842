"""`responses-asgi convert`: a request, an answer or a stream, from stdin to stdout, without a server."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast, get_args

from responses_asgi.convert import (
    Converted,
    ConvertedStream,
    chat_request_to_responses,
    chat_stream_to_responses,
    completion_to_response,
    response_to_completion,
    responses_request_to_chat,
    responses_stream_to_chat,
)
from responses_asgi.errors import APIError, ConfigurationError, InvalidRequestError, UpstreamError
from responses_asgi.loss import Losses
from responses_asgi.profiles import PROFILES, profile_for
from responses_asgi.translate.translator import Dialect
from responses_asgi.types.json import dumps, loads

__all__ = ["add_parser", "run"]

BLOCK_BYTES = 1 << 16


class Conversions(NamedTuple):
    """The functions that make something of one protocol."""

    request: Callable[..., Converted]
    response: Callable[..., Converted]
    stream: Callable[..., ConvertedStream]


TO = {
    "chat": Conversions(responses_request_to_chat, response_to_completion, responses_stream_to_chat),
    "responses": Conversions(chat_request_to_responses, completion_to_response, chat_stream_to_responses),
}

EXAMPLES = """\
examples:
  responses-asgi convert request --to chat < request.json
  curl -N $URL/v1/chat/completions -d @request.json | responses-asgi convert stream --to responses

What does not pass through as it was stands on stderr, one line each. Exit status: 0 converted; 1 not
converted, or the answer is a failure, with the error on stderr; 2 wrong usage.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `convert` and its options to the command line."""
    parser = commands.add_parser(
        "convert",
        help="convert a request, an answer or a stream, from stdin to stdout",
        description="Convert between Chat Completions and Responses, from stdin to stdout, without a server.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=("request", "response", "stream"), help="what stands on stdin")
    parser.add_argument("--to", required=True, choices=sorted(TO), help="the protocol that is wanted")
    parser.add_argument(
        "--profile",
        metavar="NAME",
        help=f"how the server departs from OpenAI (default: generic): {', '.join(sorted(PROFILES))}",
    )
    parser.add_argument(
        "--request",
        metavar="FILE",
        type=Path,
        help="the client's request that the answer belongs to, in the protocol that is wanted",
    )
    parser.add_argument(
        "--dialect",
        choices=get_args(Dialect),
        help="of a response or stream --to responses (default: openai)",
    )
    parser.add_argument("--strict", action="store_true", help="exit with status 1 when something is dropped")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Convert stdin to stdout; returns the exit status. Raises ConfigurationError on wrong usage."""
    given = _given(options)
    convert = _stream if options.what == "stream" else _whole
    try:
        losses, error = convert(options, given)
    except BrokenPipeError:
        # Nobody reads on. What Python would still flush at exit has nowhere to go either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    for path, action, reason in losses:
        print(f"{action} {path}: {reason}", file=sys.stderr)
    if error is not None:
        print(dumps(error.body()).decode(), file=sys.stderr)
    return 0 if error is None else 1


def _whole(options: argparse.Namespace, given: dict[str, Any]) -> tuple[Losses, APIError | None]:
    """Convert one document; it is written unless there is an error."""
    convert: Callable[..., Converted] = getattr(TO[options.to], options.what)
    try:
        value, losses = convert(_document(sys.stdin.buffer.read(), options.what), **given)
    except APIError as error:
        return Losses(), error
    refusal = _refusal(losses) if options.strict else None
    if refusal is None:
        text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        # A lone surrogate cannot be written, but its escape is JSON as well.
        sys.stdout.buffer.write(text.encode(errors="backslashreplace"))
        sys.stdout.buffer.flush()
    return losses, refusal


def _stream(options: argparse.Namespace, given: dict[str, Any]) -> tuple[Losses, APIError | None]:
    """Convert a stream; each block is written before the next one is read."""
    try:
        stream = TO[options.to].stream(_blocks(), **given)
    except APIError as error:
        return Losses(), error
    for block in stream.sse():
        sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()
    return stream.losses, stream.error or (_refusal(stream.losses) if options.strict else None)


def _given(options: argparse.Namespace) -> dict[str, Any]:
    """The arguments of the conversion."""
    given: dict[str, Any] = {"profile": options.profile}
    profile_for(options.profile)
    if options.dialect is not None:
        if options.what == "request" or options.to == "chat":
            raise ConfigurationError("--dialect is for a response or a stream --to responses")
        given["dialect"] = options.dialect
    if options.request is not None:
        if options.what == "request":
            raise ConfigurationError("--request is for a response or a stream; a request stands on stdin")
        try:
            given["request"] = loads(options.request.read_bytes())
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"--request {options.request}: {error}") from None
    return given


def _blocks() -> Iterator[bytes]:
    """What stands on stdin, as it comes."""
    source = cast(io.BufferedReader, sys.stdin.buffer)
    while block := source.read1(BLOCK_BYTES):
        yield block


def _document(text: bytes, what: str) -> object:
    try:
        return loads(text)
    except ValueError as error:
        message = f"The {what} is not valid JSON: {error}."
        raise (
            InvalidRequestError(message) if what == "request" else UpstreamError(message, status=502)
        ) from None


def _refusal(losses: Losses) -> InvalidRequestError | None:
    """The error for the first thing that was dropped, if something was."""
    for path, action, reason in losses:
        if action == "dropped":
            message = f"{path} cannot be carried: {reason}."
            return InvalidRequestError(message, param=path, code="unsupported_parameter")
    return None
