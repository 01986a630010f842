"""The issued keys of a service, over any store of records.

1. A key's state is not told before its secret matches; every refusal takes one comparison of equal length.
2. Nothing is remembered between requests: a key that is revoked is refused at once, by every process over
   the same store. A look-up costs 0.1 ms in SQLite and 0.4 ms in Redis: nothing beside a model's answer.
3. What is changed is written only over what was read (`version`), so that noting a use cannot undo a
   revocation.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from responses_asgi.errors import (
    APIError,
    ConfigurationError,
    InvalidRequestError,
    StoreError,
    VersionConflictError,
)
from responses_asgi.keys.key import IssuedKey, Key, KeyPage, as_data, of_data
from responses_asgi.keys.policy import NOT_SAID, Expiration, KeyPolicy
from responses_asgi.keys.scopes import check_scopes
from responses_asgi.keys.token import Digests, Kept, Pepper, new_token, read_token
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.stores.records import Record, Records
from responses_asgi.stores.url import store_from_url

__all__ = ["KEY", "EndedKeyError", "Keys", "unknown_key"]

logger = logging.getLogger("responses_asgi")

KEY = "key"
"""The kind of these records; they belong to no owner."""

_NOBODY = ""

# Seconds for which a store keeps a key: those that expire are kept until they are purged.
KEPT_SECONDS = 100 * 365 * 24 * 3600.0

# How exactly it is known when a key was last used, in seconds.
USE_SECONDS = 60

MAX_LABEL = 200
MAX_PAGE = 1_000

# How often a change is tried again that another one came before.
_TRIES = 8

# A store in memory forgets its oldest records when it is full, which should not happen to keys.
_IN_MEMORY = 100_000

_CHALLENGE = {"www-authenticate": "Bearer"}

_T = TypeVar("_T")


class EndedKeyError(APIError):
    """The refusal of a key that was a good one: `key` is its id, for the log of who was refused."""

    def __init__(self, message: str, key: str) -> None:
        super().__init__(message, status=401, code="invalid_api_key", headers=_CHALLENGE)
        self.key = key


class Keys:
    """Creates, lists, changes and verifies the keys that a service has issued.

    - `store`: a store of records, or its URL (`sqlite:///keys.db`, `redis://...`, `memory`). One that is made
      from a URL is closed by `aclose`.
    - `pepper`: a secret, 16 bytes at least, without which keys in the store are worth nothing; or several,
      newest first. Processes that share a store need the same.
    - `policy`: how long keys may live.
    - `now`: the unix time in seconds, for tests.

    Every method raises StoreError when the store cannot be asked. Raises ConfigurationError when the settings
    cannot work.

    >>> import asyncio
    >>> async def issue():
    ...     keys = Keys("memory")
    ...     issued = await keys.create(label="ci", scopes=["responses"], ttl=3600)
    ...     return (await keys.verify(issued.token)).label
    >>> asyncio.run(issue())
    'ci'
    """

    def __init__(
        self,
        store: Records | str,
        *,
        pepper: Pepper = None,
        policy: KeyPolicy | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._own = isinstance(store, str)
        self._store = _store_of(store)
        self._digests = Digests(pepper)
        self._policy = policy or KeyPolicy()
        self._now = now

    def __repr__(self) -> str:
        return f"Keys({type(self._store).__name__})"

    @property
    def in_memory(self) -> bool:
        """Whether the keys are known to this process alone."""
        return isinstance(self._store, MemoryStore)

    async def create(
        self,
        *,
        label: str | None = None,
        scopes: Sequence[str] = (),
        expires_at: Expiration = NOT_SAID,
        ttl: float | None = None,
    ) -> IssuedKey:
        """Issue a key. `ttl` is in seconds; `expires_at=None` is never.

        Raises InvalidRequestError for a label, scope or time that cannot be, and against the policy.
        """
        if label is not None and not (
            isinstance(label, str) and len(label) <= MAX_LABEL and label.isprintable()
        ):
            raise InvalidRequestError(
                f"Invalid 'label': expected a string of at most {MAX_LABEL} printable characters.",
                param="label",
                code="invalid_value",
            )
        now = self._now()
        token = new_token()
        key = Key(
            id=token.id,
            label=label,
            scopes=check_scopes(scopes),
            created_at=int(now),
            expires_at=self._policy.expiration(now, expires_at=expires_at, ttl=ttl),
        )
        await _asked(self._store.put(_record(key, self._digests.keep(token.secret)), version=0))
        return IssuedKey(key=key, token=token.shown())

    async def get(self, id: str) -> Key | None:
        """The key with this id; None when there is none."""
        found = await self._find(id)
        return found[0] if found else None

    async def list(self, *, after: str | None = None, limit: int = 100) -> KeyPage:
        """At most `limit` keys in the order of their creation, beginning behind the one with the id `after`.

        Raises InvalidRequestError for an id that there is not.
        """
        position: int | None = None
        if after is not None:
            record = await _asked(self._store.get(KEY, _NOBODY, after))
            if record is None:
                raise InvalidRequestError(f"There is no key {after[:64]!r}.", param="after", status=404)
            position = record.position
        limit = min(max(limit, 1), MAX_PAGE)
        records = await _asked(self._store.list(KEY, _NOBODY, after=position, limit=limit + 1))
        read = [found[0] for record in records[:limit] if (found := _read(record))]
        return KeyPage(read, records[limit - 1].id if len(records) > limit else None)

    async def revoke(self, id: str) -> bool:
        """End a key for ever; False when there is none, or it was revoked before."""
        now = int(self._now())
        changed = await self._change(
            id, lambda key: replace(key, revoked_at=now) if not key.revoked_at else key
        )
        return changed is not None and changed[0].revoked_at is None

    async def set_expiration(
        self, id: str, *, expires_at: Expiration = NOT_SAID, ttl: float | None = None
    ) -> Key | None:
        """Set when a key expires, or with `expires_at=None` that it does not; None when there is no such key.

        Raises InvalidRequestError when neither is given, for a time that has passed, and against the policy.
        """
        if expires_at is NOT_SAID and ttl is None:
            raise InvalidRequestError(
                "Give expires_at, which may be null for never, or ttl_seconds.",
                param="expires_at",
                code="missing_required_parameter",
            )
        until = self._policy.expiration(self._now(), expires_at=expires_at, ttl=ttl)
        changed = await self._change(id, lambda key: replace(key, expires_at=until))
        return None if changed is None else changed[1]

    async def purge(self, *, older_than: float = 0.0) -> int:
        """Forget the keys that were revoked, or expired, more than `older_than` seconds ago; how many."""
        latest = self._now() - older_than
        purged, position = 0, None
        while True:
            records = await _asked(self._store.list(KEY, _NOBODY, after=position, limit=MAX_PAGE))
            keys = [found[0] for record in records if (found := _read(record))]
            ended = [
                key.id for key in keys if any(at <= latest for at in (key.revoked_at, key.expires_at) if at)
            ]
            if ended:
                purged += await _asked(self._store.delete(KEY, _NOBODY, *ended))
            if len(records) < MAX_PAGE:
                return purged
            position = records[-1].position

    async def verify(self, token: str | None) -> Key:
        """The key that this is, if it is a good one.

        Raises APIError: 401 for a token that is none of ours, and for a key that was revoked or has expired.
        """
        shown = read_token(token)
        found = await self._find(shown.id) if shown else None
        matches = self._digests.matches(shown.secret if shown else None, found[1] if found else None)
        if found is None or not matches:
            raise unknown_key(token)
        key, kept, record = found
        self._check_state(key)
        await self._note_use(key, kept, record)
        return key

    async def check(self, id: str) -> None:
        """Return if a key that was verified before is still good. Raises APIError as `verify` does."""
        found = await self._find(id)
        if found is None:
            raise unknown_key("")
        self._check_state(found[0])

    async def aclose(self) -> None:
        """Close a store that was made here; one that was given is its maker's affair."""
        if self._own:
            await self._store.aclose()

    def _check_state(self, key: Key) -> None:
        if key.revoked_at is not None:
            raise EndedKeyError("This API key has been revoked.", key.id)
        if key.expires_at is not None and self._now() >= key.expires_at:
            raise EndedKeyError("This API key has expired.", key.id)

    async def _find(self, id: str) -> tuple[Key, Kept, Record] | None:
        record = await _asked(self._store.get(KEY, _NOBODY, id))
        found = None if record is None else _read(record)
        return None if record is None or found is None else (*found, record)

    async def _change(self, id: str, change: Callable[[Key], Key]) -> tuple[Key, Key] | None:
        """The key before and after a change, which is made to what is there at the moment of writing."""
        for _ in range(_TRIES):
            found = await self._find(id)
            if found is None:
                return None
            key, kept, record = found
            changed = change(key)
            with suppress(VersionConflictError):
                if changed != key:
                    await self._write(changed, kept, record)
                return key, changed
        raise StoreError("This key is being changed by others; try again.")

    async def _note_use(self, key: Key, kept: Kept, record: Record) -> None:
        now = int(self._now())
        if key.last_used_at is not None and 0 <= now - key.last_used_at < USE_SECONDS:
            return
        try:
            await self._write(replace(key, last_used_at=now), kept, record)
        except VersionConflictError:
            pass
        except StoreError as error:
            logger.warning("The use of key %s could not be noted: %s", key.id, error)

    async def _write(self, key: Key, kept: Kept, read: Record) -> None:
        await _asked(self._store.put(_record(key, kept), version=read.version))


def unknown_key(token: str | None) -> APIError:
    """The refusal of a credential that is missing or unknown; it repeats nothing of it."""
    if not token:
        return _refused(
            "You did not provide an API key: send it in the header 'Authorization: Bearer KEY', or 'api-key'."
        )
    return _refused("Incorrect API key provided.")


def _refused(message: str) -> APIError:
    return APIError(message, status=401, code="invalid_api_key", headers=_CHALLENGE)


def _store_of(store: Records | str) -> Records:
    if store == "memory":
        return MemoryStore(max_records=_IN_MEMORY)
    made = store_from_url(store) if isinstance(store, str) else store
    if made is None:
        raise ConfigurationError("keys need a store: memory, SQLite, Redis or one of your own, got none")
    return made


def _record(key: Key, kept: Kept) -> Record:
    return Record(kind=KEY, owner=_NOBODY, id=key.id, data=as_data(key, kept), ttl=KEPT_SECONDS)


def _read(record: Record) -> tuple[Key, Kept] | None:
    try:
        key, kept = of_data(record.data)
    except (ValueError, KeyError, TypeError, AttributeError):
        logger.error("The record of key %s cannot be read; the key is refused", record.id)
        return None
    return (key, kept) if key.id == record.id else None


async def _asked(answer: Awaitable[_T]) -> _T:
    """What a store answers. Whatever goes wrong in a user's own store means that it cannot be asked."""
    try:
        return await answer
    except StoreError:
        raise
    except Exception as error:
        raise StoreError("The store of keys cannot be asked now; try again.") from error
