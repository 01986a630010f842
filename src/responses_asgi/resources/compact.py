"""`POST /responses/compact`: a long conversation becomes its user messages and a summary.

What is kept and what the model is asked is in `history.compaction`; a turn that compacts on its way is in
`exchange.compaction`.

Source: https://platform.openai.com/docs/api-reference/responses/compact
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from responses_asgi.history.compaction import CARRIED, as_items, is_kept, kept_output, summary_question
from responses_asgi.history.items import COMPACTION_TRIGGER
from responses_asgi.history.sealed import summary_token
from responses_asgi.loss import Losses
from responses_asgi.translate.compacting import summary_of
from responses_asgi.types.asgi import Scope
from responses_asgi.types.checks import missing
from responses_asgi.types.json import JSON
from responses_asgi.types.responses import validate_request

if TYPE_CHECKING:
    from responses_asgi.history.state import State

__all__ = ["compact"]

_READ = frozenset({"model", "input", "previous_response_id", *CARRIED})


async def compact(
    body: JSON,
    scope: Scope,
    owner: str,
    *,
    state: State,
    ask: Callable[[Scope, JSON], Awaitable[JSON]],
    max_output_tokens: int | None = None,
    losses: Losses | None = None,
) -> JSON:
    """The `response.compaction` object for a decoded request body.

    `ask` has the model answer a Responses request under this scope. `max_output_tokens` limits the summary
    where the request does not; None: only the upstream does. `losses` receives what was dropped.

    Raises InvalidRequestError for a body that cannot be compacted, what `state.begin` and `ask` raise, and
    UpstreamError when the model wrote no summary.
    """
    checked = validate_request(body)
    turn = await state.begin(_conversation(checked), owner, client="responses", spoken="chat")
    given = as_items(turn.body.get("input"))
    if given and given[-1].get("type") == COMPACTION_TRIGGER:
        # It asks for what is done here anyway.
        given = given[:-1]
    items = [*turn.history.items, *given]
    if not items:
        raise missing("input")
    report = Losses() if losses is None else losses
    for name in sorted(checked.keys() - _READ):
        if checked[name]:
            report.report(name, "dropped", "compaction has no such setting")
    for loss in turn.losses:
        report.report(*loss)
    limit = {} if max_output_tokens is None else {"max_output_tokens": max_output_tokens}
    answer = await ask(scope, {**limit, **summary_question(checked, items)})
    token = summary_token(summary_of(answer, report), state.seals, owner)
    kept = [kept_output(item, state.new_id) for item in items if is_kept(item)]
    return {
        "id": state.new_id("resp_"),
        "object": "response.compaction",
        "created_at": int(time.time()),
        "output": [*kept, {"id": state.new_id("cmp_"), "type": "compaction", "encrypted_content": token}],
        "usage": answer.get("usage"),
    }


def _conversation(body: JSON) -> JSON:
    """The conversation that is meant, as a request that leaves nothing behind."""
    named: JSON = {name: body[name] for name in ("model", "input", "previous_response_id") if name in body}
    return {**named, "store": False}
