"""`POST /responses/input_tokens`: how many tokens a request would give the model.

Exact where somebody can count them: the operator's own function, else an upstream that has this endpoint.
Otherwise it is an estimate that says so: `"estimated": true` in the answer, and the loss header.

Source: https://platform.openai.com/docs/api-reference/responses/input-tokens
"""

from __future__ import annotations

from responses_asgi.errors import APIError
from responses_asgi.exchange.token_counts import counted_tokens
from responses_asgi.history.compaction import as_items
from responses_asgi.history.turn import Turn
from responses_asgi.loss import Losses
from responses_asgi.resources.call import Call
from responses_asgi.translate.token_estimate import estimate_tokens
from responses_asgi.types.checks import Open
from responses_asgi.types.json import JSON
from responses_asgi.types.responses import validate_request

__all__ = ["count_input_tokens"]

# How servers that do not have this endpoint answer.
_NOT_THERE = frozenset({404, 405, 501})


async def count_input_tokens(call: Call) -> None:
    """Answer with the number of tokens of the whole history and the request's own input."""
    body = validate_request(await call.body(Open), model_required=False)
    turn = await call.state.begin({**body, "store": False}, call.owner, client="responses", spoken="chat")
    losses = Losses()
    for loss in turn.losses:
        losses.report(*loss)
    whole = _whole(turn)
    tokens = await _exact(call, whole)
    document: JSON = {"object": "response.input_tokens"}
    if tokens is None:
        estimate = estimate_tokens(whole)
        losses.report(
            "input_tokens", "emulated", "an estimate: neither the upstream nor count_tokens= counts"
        )
        if estimate.partial:
            losses.report("input", "dropped", "files and recordings are not in an estimate")
        document |= {"input_tokens": estimate.tokens, "estimated": True}
    else:
        document["input_tokens"] = tokens
    await call.answer(document, losses)


def _whole(turn: Turn) -> JSON:
    """The request with all that comes before it."""
    given = turn.body.get("input")
    own = [{"role": "user", "content": given}] if isinstance(given, str) else as_items(given)
    items = [*turn.history.items, *own]
    return {**turn.body, "input": items} if items else turn.body


async def _exact(call: Call, body: JSON) -> int | None:
    """What the operator's function or the upstream counts; None when there is neither.

    Raises TypeError for a function that returns no number, and APIError with the upstream's error.
    """
    services = call.services
    if services.count_tokens is not None:
        return await counted_tokens(services.count_tokens, body)
    if services.ask_tokens is None:
        return None
    try:
        answer = await services.ask_tokens(call.scope, body)
    except APIError as error:
        if error.status in _NOT_THERE:
            return None
        raise
    number = answer.get("input_tokens")
    return number if isinstance(number, int) else None
