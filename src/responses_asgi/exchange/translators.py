"""The Translator of a request, and the tools of the service that its answer may use."""

from __future__ import annotations

from typing import NamedTuple

from responses_asgi.exchange.hosted_tools import HostedTools
from responses_asgi.exchange.options import Options
from responses_asgi.exchange.pairs import Pair, Past
from responses_asgi.exchange.tool_rounds import ToolTurn, staged
from responses_asgi.translate.translator import Translator
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.context import ExchangeContext
from responses_asgi.upstreams.upstream import Upstream

__all__ = ["Translators"]


class Translators(NamedTuple):
    """Makes Translators for one exchange; `hosted` are the tools of the service, None: there are none."""

    pair: Pair
    upstream: Upstream
    options: Options
    hosted: HostedTools | None
    context: ExchangeContext

    async def make(self, body: JSON, past: Past) -> tuple[Translator, ToolTurn | None]:
        """The Translator of a request without state, and its tools; None: it uses none.

        Raises InvalidRequestError for tools that it may not ask for.
        """
        pair, upstream, options, hosted, context = self
        if hosted is not None:
            found = await staged(
                body, upstream=upstream, options=options, past=past, hosted=hosted, context=context
            )
            if found is not None:
                return found
        return pair.translator(body, upstream, options, past), None
