"""A record in the log for each exchange: for whoever runs the service, and for whoever answers for its use.

Neither holds content, credentials, or the words of errors, which may repeat either.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from typing import Any, ClassVar

from responses_asgi.errors import APIError
from responses_asgi.exchange import Ended, Interception
from responses_asgi.exchange.attempt import Asked
from responses_asgi.owners import issued_to
from responses_asgi.telemetry.facts import Facts, address_of, facts_of
from responses_asgi.types.asgi import Scope
from responses_asgi.types.json import dumps
from responses_asgi.upstreams.upstream import Upstream, WireAPI

__all__ = ["AuditLog", "RequestLog"]


class _Log:
    """Writes one record for each exchange; subclasses say of what."""

    logger_name: ClassVar[str]

    def __init__(self) -> None:
        self.logger = logging.getLogger(self.logger_name)

    async def begin(self, asked: Asked, upstream: Upstream) -> Interception:
        """Look at the clock."""
        return _Logged(self, asked)

    def refused(self, scope: Scope, client: WireAPI | None, error: APIError) -> None:
        """Write of a request that could not be read, is for a model that is not there, or was not let in."""
        nothing: Any = dict.fromkeys(Facts._fields)
        told = {"client": client, "address": address_of(scope), "who": issued_to(scope)}
        ended = {"status": error.status, "outcome": "refused", "error": error.code}
        self.write(Facts(**{**nothing, **told, **ended}), Ended(error=error), 0.0)

    def write(self, facts: Facts, ended: Ended, seconds: float) -> None:
        """Write of one exchange."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Nothing is held."""


class RequestLog(_Log):
    """One record of the logger `responses_asgi.requests` for each exchange: INFO; WARNING when it failed.

    The figures are attributes of the record (`extra=`), for formatters that write JSON: `client` (the API),
    `model`, `answered_by`, `upstream` (its profile), `stream`, `response_id`, `status`, `outcome`, `error` (a
    code), `duration`, `first_byte`, `first_chunk`, `translation` (seconds), `losses` (how many),
    `input_tokens`, `output_tokens`. What is not known is None.
    """

    logger_name = "responses_asgi.requests"

    def write(self, facts: Facts, ended: Ended, seconds: float) -> None:
        level = logging.WARNING if facts.outcome == "failed" else logging.INFO
        if not self.logger.isEnabledFor(level):
            return
        tokens = facts.tokens
        told = {
            "client": facts.client,
            "model": facts.model,
            "answered_by": facts.answered_by,
            "upstream": facts.upstream,
            "stream": facts.stream,
            "response_id": facts.response_id,
            "status": facts.status,
            "outcome": facts.outcome,
            "error": facts.error,
            "duration": round(seconds, 6),
            **{
                name: _rounded(ended.timings.get(name))
                for name in ("first_byte", "first_chunk", "translation")
            },
            "losses": len(ended.losses),
            "input_tokens": tokens.input if tokens else None,
            "output_tokens": tokens.output if tokens else None,
        }
        if facts.client is None:
            self.logger.log(level, "not let in: %s %s", facts.status, facts.error, extra=told)
            return
        self.logger.log(
            level,
            "%s %r %s %s in %.3f s",
            facts.client,
            facts.model,
            facts.status,
            facts.outcome,
            seconds,
            extra=told,
        )


class AuditLog(_Log):
    """Who has asked which model, and what it took: one line of JSON for each exchange.

    `time` (UTC), `who` (the id of the issued key, else the owner, a hash), `address`, `client` (the API),
    `model`, `response_id`, `status`, `outcome`, `error` (a code), `input_tokens`, `output_tokens`, `duration`
    in seconds. Never content, never a credential.

    `file`: where the lines are appended; it may be moved away and is then made anew. None: the logger
    `responses_asgi.audit` gets them, at INFO.

    Raises OSError when the file cannot be written.
    """

    logger_name = "responses_asgi.audit"

    def __init__(self, file: str | None = None) -> None:
        super().__init__()
        self._handler = WatchedFileHandler(file, encoding="utf-8") if file is not None else None

    def write(self, facts: Facts, ended: Ended, seconds: float) -> None:
        told = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "who": facts.who,
            "address": facts.address,
            "client": facts.client,
            "model": facts.model,
            "response_id": facts.response_id,
            "status": facts.status,
            "outcome": facts.outcome,
            "error": facts.error,
            "input_tokens": facts.tokens.input if facts.tokens else None,
            "output_tokens": facts.tokens.output if facts.tokens else None,
            "duration": round(seconds, 6),
        }
        line = dumps(told).decode()
        if self._handler is None:
            self.logger.info("%s", line)
        else:
            self._handler.handle(logging.LogRecord(self.logger.name, logging.INFO, "", 0, line, None, None))


class _Logged(Interception):
    def __init__(self, log: _Log, asked: Asked) -> None:
        self._log = log
        self._asked = asked
        self._began = time.perf_counter()

    async def end(self, ended: Ended) -> None:
        self._log.write(facts_of(self._asked, ended), ended, time.perf_counter() - self._began)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)
