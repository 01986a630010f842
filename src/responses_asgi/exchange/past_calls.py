"""Calls of earlier turns: what the upstream is told of them, and those that people have decided about since.

1. What earlier turns show of calls becomes what the upstream said and was told then.
2. A call that a person has agreed to is waiting; one that was refused is told so.
3. Items come from clients as well: they may lack anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from responses_asgi.errors import InvalidRequestError
from responses_asgi.exchange.hosted_tools import Offer
from responses_asgi.translate.hosted_calls import HostedResult
from responses_asgi.translate.hosted_kinds import EarlierCalls
from responses_asgi.translate.response_writer import NewId
from responses_asgi.types.json import JSON, dumps

__all__ = ["Approved", "PastCalls"]

REFUSED = "The user did not agree to this call."
GONE = "There is no such tool any more."


class Approved(NamedTuple):
    """A call that a person has agreed to, and by which name it is known here.

    `given`: whether this request brings the approval, `carried`: and the question, which is not kept then.
    `used`: whether an earlier request has used the approval.
    """

    question: JSON
    name: str
    given: bool = True
    carried: bool = True
    used: bool = False

    @property
    def id(self) -> str:
        """The id of the question."""
        return str(self.question["id"])

    @property
    def arguments(self) -> str:
        """What it is called with, as it was written."""
        return _written(self.question)


class PastCalls:
    """The calls of earlier turns, for a request that is offered this.

    `waiting` are those that people have agreed to and that are not run yet. `shown` are the items that the
    client is told first: `decide` adds to them.
    """

    def __init__(self, offer: Offer, new_id: NewId) -> None:
        self.waiting: list[Approved] = []
        self.shown: list[JSON] = list(offer.listed)
        self._kinds = offer.kinds
        self._new_id = new_id
        self._by_tool = {(tool.label, tool.name): name for name, tool in offer.tools.items()}
        self._decided: dict[str, HostedResult] = {}
        self._outputs: dict[str, list[JSON]] = {}
        self._earlier = EarlierCalls({}, [])

    def review(self, earlier: Sequence[JSON], given: Sequence[JSON]) -> None:
        """Find the calls that were waiting for an approval and have it now, or have been refused.

        `earlier` are the items of the history, `given` those of the input. Raises InvalidRequestError for an
        answer to a question that is not among them.
        """
        items = [*earlier, *given]
        self._earlier = EarlierCalls(self._kinds, items)
        kept = _questions(earlier)
        # What was agreed to is what was asked, whatever a client says that it was.
        questions = {**_questions(given), **kept}
        answered = {str(item.get("approval_request_id")) for item in items if item.get("type") == "mcp_call"}
        for at, item in enumerate(items):
            about = str(item.get("approval_request_id"))
            if item.get("type") != "mcp_approval_response" or about in answered:
                continue
            question = questions.get(about)
            if question is None:
                raise _unclear(f"There is no approval request {about!r:.100}.")
            if not isinstance(item.get("approve"), bool):
                raise _unclear(
                    f"The approval response to {about!r:.100} has 'approve' {item.get('approve')!r:.60}, "
                    "expected true or false."
                )
            answered.add(question["id"])
            name = self._by_tool.get((str(question.get("server_label")), str(question.get("name"))))
            if not item["approve"]:
                why = f"{REFUSED} {item.get('reason') or ''}".strip()
                self._decided[question["id"]] = HostedResult(why, failed=True)
            elif name is None:
                self.decide(question, HostedResult(GONE, failed=True))
            else:
                self._decided[question["id"]] = HostedResult("")
                now = at >= len(earlier)
                self.waiting.append(Approved(question, name, given=now, carried=about not in kept))

    def plain(self, items: Sequence[JSON]) -> list[JSON]:
        """The items as the upstream knows them: what it called by its own names, and what it was told."""
        plain: list[JSON] = []
        for item in items:
            kind = item.get("type")
            typed = self._earlier.plain(item)
            if typed is not None:
                plain += typed
            elif kind == "mcp_call":
                plain += self._pair(item, _kept(item))
            elif kind == "mcp_approval_request" and (asked := str(item.get("id"))) in self._decided:
                pair = self._pair(item, self._decided[asked].told)
                self._outputs.setdefault(asked, []).append(pair[1])
                plain += pair
            elif kind not in ("mcp_list_tools", "mcp_approval_request", "mcp_approval_response"):
                plain.append(item)
        return plain

    def decide(self, question: JSON, result: HostedResult) -> None:
        """Put the result of a call that a person has agreed to where it is told."""
        self._decided[question["id"]] = result
        for output in self._outputs.get(question["id"], ()):
            output["output"] = result.told
        self.shown.append(
            {
                "id": self._new_id("mcp_"),
                "type": "mcp_call",
                "server_label": question.get("server_label"),
                "name": question.get("name"),
                "arguments": _written(question),
                "output": None,
                "error": None,
                "approval_request_id": question["id"],
                **result.fields,
            }
        )

    def _pair(self, item: JSON, told: str | list[JSON]) -> list[JSON]:
        """A call and its result as a function's; the id of the item joins them."""
        place = (str(item.get("server_label")), str(item.get("name")))
        name, call_id = self._by_tool.get(place) or "__".join(place), item.get("id")
        call_id = call_id if isinstance(call_id, str) and call_id else self._new_id("mcp_")
        called = {"call_id": call_id, "name": name, "arguments": _written(item)}
        answer = {"call_id": call_id, "output": told}
        return [{"type": "function_call", **called}, {"type": "function_call_output", **answer}]


def _questions(items: Iterable[JSON]) -> dict[str, JSON]:
    return {
        item["id"]: item
        for item in items
        if item.get("type") == "mcp_approval_request" and isinstance(item.get("id"), str)
    }


def _written(item: JSON) -> str:
    """The arguments of a call; clients may write anything there."""
    arguments = item.get("arguments") or "{}"
    return arguments if isinstance(arguments, str) else dumps(arguments).decode()


def _unclear(message: str) -> InvalidRequestError:
    return InvalidRequestError(message, param="input", code="invalid_value")


def _kept(item: JSON) -> str:
    """What the model was told by an `mcp_call` of an earlier turn."""
    for told in (item.get("output"), item.get("error")):
        if isinstance(told, str):
            return told
        if isinstance(told, Mapping):
            content = told.get("content")
            parts = content if isinstance(content, list) else []
            texts = [part.get("text") for part in parts if isinstance(part, Mapping)]
            said = "\n".join(text for text in [*texts, told.get("message")] if isinstance(text, str))
            return said or dumps(told).decode()
    return "No result was kept."
