"""The state of a component: its store, and how each request begins with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from os import urandom

from responses_asgi.errors import InvalidRequestError
from responses_asgi.history.begin import begin_chat, begin_responses
from responses_asgi.history.chain import MAX_ITEMS, Kept
from responses_asgi.history.completions import Completions
from responses_asgi.history.conversations import Conversations
from responses_asgi.history.misses import RANDOM_BYTES, STATELESS, Misses
from responses_asgi.history.recent import Recent
from responses_asgi.history.requests import Detached, state_request
from responses_asgi.history.responses import Responses
from responses_asgi.history.stateless import begin_over_chat, begin_over_responses
from responses_asgi.history.turn import Keeping, Turn, Warnings
from responses_asgi.owners import Owners
from responses_asgi.profiles import Profile
from responses_asgi.seal import Seals
from responses_asgi.stores.records import Records
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.upstream import WireAPI

__all__ = ["State"]

# Ids that nothing is found by; those of Chat calls may have no more than 40 characters.
_UNTAGGED = frozenset({"call_"})


class State:
    """Everything that is kept between the requests of a component.

    - `store`: where; None: nothing is kept.
    - `owners`: tells whose request it is. `seals`: opens what clients carry; None: nothing is sealed.
    - `ttl`: seconds that responses, completions and conversations are kept; None: the store's default.
    - `max_items`: the most items that are replayed for one request.
    - `now`: the unix time in seconds, for tests.
    """

    def __init__(
        self,
        store: Records | None,
        *,
        owners: Owners,
        seals: Seals | None = None,
        ttl: float | None = None,
        max_items: int = MAX_ITEMS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.owners = owners
        self.seals = seals
        self.ttl = ttl
        self.misses = Misses(store)
        self._max_items = max_items
        self._warnings = Warnings()
        self._kept = None if store is None else self._domains(store, now)

    @property
    def kept(self) -> Kept:
        """The stored responses, completions and conversations. Raises a 404 where nothing is kept."""
        if self._kept is None:
            raise InvalidRequestError(
                f"Nothing can be found here: {STATELESS}.", status=404, code="not_found"
            )
        return self._kept

    def new_id(self, prefix: str) -> str:
        """An id nobody can guess: prefix, tag of the store's process if it has one, random hexadecimals."""
        tag = "" if prefix in _UNTAGGED else self.misses.tag
        return prefix + tag + urandom(RANDOM_BYTES).hex()

    async def begin(
        self,
        body: JSON,
        owner: str,
        *,
        client: WireAPI,
        spoken: WireAPI,
        profile: Profile | None = None,
        detached: Detached | None = None,
        recent: Recent | None = None,
    ) -> Turn:
        """What a validated request of this client API asks, with what came before it.

        `spoken` is the API of the upstream that is asked, `profile` how it departs from OpenAI; None: as
        OpenAI. `detached`: the response is made in the background. `recent` is what the client's connection
        remembers. Without a store, what an upstream's own state may answer passes untouched. Raises
        InvalidRequestError for ids that lead nowhere or need a store, and StoreError when what came before
        cannot be read.
        """
        if self.store is None or self._kept is None:
            if client == "chat":
                return Turn(body, owner)
            begin = begin_over_responses if spoken == "responses" else begin_over_chat
            return begin(
                body,
                owner,
                new_id=self.new_id,
                seals=self.seals,
                profile=profile,
                recent=recent,
                max_items=self._max_items,
            )
        keeping = Keeping(
            store=self.store,
            kept=self._kept,
            new_id=self.new_id,
            ttl=self.ttl,
            warnings=self._warnings,
            asked=state_request(body, client, detached=detached),
            metadata=body.get("metadata"),
        )
        if client == "chat":
            return await begin_chat(
                body,
                owner,
                keeping,
                seals=self.seals,
                spoken=spoken,
                profile=profile,
                max_items=self._max_items,
            )
        return await begin_responses(
            body,
            owner,
            keeping,
            seals=self.seals,
            spoken=spoken,
            profile=profile,
            max_items=self._max_items,
            recent=recent,
        )

    def _domains(self, store: Records, now: Callable[[], float]) -> Kept:
        return Kept(
            Responses(store, ttl=self.ttl),
            Completions(store, self.misses, ttl=self.ttl),
            Conversations(store, self.misses, new_id=self.new_id, now=now, ttl=self.ttl),
            self.misses,
        )
