"""What clients are told about ids that lead nowhere.

Ids made over a MemoryStore carry the tag of the process that has them (`State.new_id`). A miss with another
tag is no mistake of the client: another worker, or an earlier run, made the id and has it in its own memory.
"""

from __future__ import annotations

import logging
import re

from responses_asgi.errors import InvalidRequestError

__all__ = ["RANDOM_BYTES", "SHARED_STORE", "STATELESS", "Misses", "keeps_nothing", "too_long"]

logger = logging.getLogger("responses_asgi")

RANDOM_BYTES = 16
_TAGGED = re.compile(rf"[a-z]+[_-]([0-9a-f]{{6}})[0-9a-f]{{{2 * RANDOM_BYTES}}}")

SHARED_STORE = 'give the service a store that all of its processes share, such as store="sqlite:///state.db"'

STATELESS = (
    "this service keeps nothing between requests (store=None); send the whole conversation, or have its "
    'operator set `store=`, for example store="memory" or store="sqlite:///state.db"'
)

_OTHER_PROCESS = (
    "It was made by another worker process, or by an earlier run, of this service, and each keeps what it "
    f"makes in its own memory. To be cured by its operator: {SHARED_STORE}."
)
_GONE = "It may have been deleted or have expired, or it belongs to another credential."

# What is missed: kind -> (what it is called, error code, default param).
_KINDS: dict[str, tuple[str, str, str]] = {
    "previous": ("response", "previous_response_not_found", "previous_response_id"),
    "response": ("response", "response_not_found", "response_id"),
    "conversation": ("conversation", "conversation_not_found", "conversation"),
    "completion": ("chat completion", "completion_not_found", "completion_id"),
    "item": ("item", "item_not_found", "item_id"),
}

# How much of an id is shown.
MAX_SHOWN = 80


class Misses:
    """Makes the errors of one store; the first miss of another process's id is also logged.

    `store`: what may have a `tag`, as a MemoryStore has.
    """

    def __init__(self, store: object = None) -> None:
        self._store = store
        self._warned = False

    @property
    def tag(self) -> str:
        """What the ids that are made here begin with, behind their prefix; "" where any process has them."""
        # Read anew each time: a process that forks has another one afterwards.
        return getattr(self._store, "tag", "")

    def error(
        self, kind: str, id: str, *, status: int = 404, param: str | None = None
    ) -> InvalidRequestError:
        """The error for an id of this kind (a key of the table above) that leads nowhere.

        >>> Misses().error("response", "resp_1").code
        'response_not_found'
        """
        name, code, default_param = _KINDS[kind]
        shown = id if len(id) <= MAX_SHOWN else f"{id[:MAX_SHOWN]}..."
        reason = _OTHER_PROCESS if self._is_foreign(id) else _GONE
        return InvalidRequestError(
            f"No {name} with the id {shown!r} was found. {reason}",
            param=param or default_param,
            code=code,
            status=status,
        )

    def _is_foreign(self, id: str) -> bool:
        """Whether another process's MemoryStore has it."""
        match = _TAGGED.fullmatch(id) if self.tag else None
        if match is None or match[1] == self.tag:
            return False
        if not self._warned:
            self._warned = True
            logger.warning(
                "A client asked for %s, which another worker process or an earlier run of this service made. "
                "Each process keeps responses in its own memory: %s. This is said once.",
                id,
                SHARED_STORE,
            )
        return True


def keeps_nothing(param: str, *, code: str = "unsupported_parameter") -> InvalidRequestError:
    """The error for a request that needs what was kept, where nothing is."""
    return InvalidRequestError(f"'{param}' cannot be honoured: {STATELESS}.", param=param, code=code)


def too_long(param: str, max_items: int) -> InvalidRequestError:
    """The error for a history that is not replayed any more."""
    return InvalidRequestError(
        f"What '{param}' names has more than {max_items} items, the most that are replayed here. Compact the "
        "conversation, or begin a new one.",
        param=param,
        code="history_too_long",
    )
