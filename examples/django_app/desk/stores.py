"""A store of the project's own: responses and conversations lie in the project's database, beside its data.

It has the six methods of `responses_asgi.stores.Records`. Each is one job for a thread of Django's, since a
transaction and its connection belong to one thread.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import Error, IntegrityError, close_old_connections, transaction
from django.db.models import QuerySet
from django.utils import timezone

from desk.models import KeptName, KeptRecord
from responses_asgi.errors import StoreError, VersionConflictError
from responses_asgi.stores import Record

__all__ = ["DjangoStore"]

TTL = 30 * 24 * 3600.0
MAX_TTL = 100 * 365 * 24 * 3600.0
MAX_LIMIT = 10_000
SWEPT = 20
"""So many expired records, at most, are deleted by each `put`."""

P = ParamSpec("P")
T = TypeVar("T")


def in_a_thread(
    method: Callable[Concatenate[DjangoStore, P], T],
) -> Callable[Concatenate[DjangoStore, P], Coroutine[Any, Any, T]]:
    """The method as Django's ORM wants it: in a thread, with a connection that works."""

    def job(store: DjangoStore, /, *args: P.args, **kwargs: P.kwargs) -> T:
        close_old_connections()  # Django does so at each request, but these are not Django's requests
        return method(store, *args, **kwargs)

    @wraps(method)
    async def run(store: DjangoStore, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await sync_to_async(job)(store, *args, **kwargs)
        except Error as error:
            raise StoreError("The database cannot be asked.") from error

    return run


class DjangoStore:
    """`ResponsesMiddleware(get_asgi_application(), store=DjangoStore())`"""

    @in_a_thread
    def get(self, kind: str, owner: str, id: str, *, renew: bool = False) -> Record | None:
        row = _living().filter(key=_digest(kind, owner, id)).first()
        if row is not None and renew:
            KeptRecord.objects.filter(pk=row.pk).update(expires_at=_expiry(row.ttl))
        return None if row is None else _record(row, kind, owner)

    @in_a_thread
    def find(self, kind: str, owner: str, name: str) -> Record | None:
        named = _living().filter(found_by__key=_digest(kind, owner, name))
        row = named.order_by("-position").first()
        return None if row is None else _record(row, kind, owner)

    @in_a_thread
    def put(self, *records: Record, version: int | None = None) -> None:
        if version is not None and len(records) != 1:
            raise ValueError(f"version= goes with one record, got {len(records)}")
        try:
            with transaction.atomic():
                expired = KeptRecord.objects.filter(expires_at__lte=timezone.now())
                KeptRecord.objects.filter(pk__in=list(expired.values_list("pk", flat=True)[:SWEPT])).delete()
                for record in records:
                    _put(record, version)
        except IntegrityError as error:
            # Somebody else has put the same new record at the same moment.
            raise VersionConflictError from error

    @in_a_thread
    def delete(self, kind: str, owner: str, *ids: str) -> int:
        _, deleted = _living().filter(key__in={_digest(kind, owner, id) for id in ids}).delete()
        return deleted.get("desk.KeptRecord", 0)

    @in_a_thread
    def list(
        self,
        kind: str,
        owner: str,
        *,
        parent: str | None = None,
        after: int | None = None,
        limit: int = 20,
        descending: bool = False,
    ) -> Sequence[Record]:
        shelf = (
            {"shelf": _digest(kind, owner)} if parent is None else {"family": _digest(kind, owner, parent)}
        )
        rows = _living().filter(**shelf).order_by("-position" if descending else "position")
        if after is not None:
            behind = max(-1, min(after, 2**62))
            rows = rows.filter(**{"position__lt" if descending else "position__gt": behind})
        return [_record(row, kind, owner) for row in rows[: max(0, min(limit, MAX_LIMIT))]]

    async def aclose(self) -> None:
        """Django closes its connections itself."""


def _living() -> QuerySet[KeptRecord]:
    return KeptRecord.objects.filter(expires_at__gt=timezone.now())


def _put(record: Record, version: int | None) -> None:
    key = _digest(record.kind, record.owner, record.id)
    row = KeptRecord.objects.select_for_update().filter(key=key).first()
    if row is not None and row.expires_at <= timezone.now():
        row.delete()
        row = None
    if row is None:
        row = KeptRecord(key=key, shelf=_digest(record.kind, record.owner))
    if version not in (None, row.version):
        raise VersionConflictError
    row.version += 1
    row.family = _digest(record.kind, record.owner, record.parent)
    row.texts = json.dumps([record.id, record.parent, record.names])
    row.data, row.ttl, row.expires_at = bytes(record.data), record.ttl, _expiry(record.ttl)
    row.save()
    KeptName.objects.filter(record=row).delete()
    names = {_digest(record.kind, record.owner, name) for name in record.names}
    KeptName.objects.bulk_create(KeptName(key=name, record=row) for name in names)


def _record(row: KeptRecord, kind: str, owner: str) -> Record:
    id, parent, names = json.loads(row.texts)
    return Record(
        kind=kind,
        owner=owner,
        id=id,
        data=bytes(row.data),
        parent=parent,
        names=tuple(names),
        ttl=row.ttl,
        version=row.version,
        position=row.position,
    )


def _digest(*texts: str) -> str:
    """What stands for texts of any length and characters, of which a client may have written some."""
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def _expiry(ttl: float | None) -> datetime:
    return timezone.now() + timedelta(seconds=min(TTL if ttl is None else ttl, MAX_TTL))
