"""What the store of desk/stores.py keeps, as two tables."""

from __future__ import annotations

from datetime import datetime

from django.db import models

__all__ = ["KeptName", "KeptRecord"]


class KeptRecord(models.Model):
    """One record. Ids are what clients write, of any length, so what is looked for are their digests."""

    position: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    key: models.CharField[str, str] = models.CharField(max_length=64, unique=True)  # kind, owner, id
    shelf: models.CharField[str, str] = models.CharField(max_length=64)  # kind, owner
    family: models.CharField[str, str] = models.CharField(max_length=64)  # kind, owner, parent
    texts: models.TextField[str, str] = models.TextField()  # id, parent and names, as JSON
    data: models.BinaryField[bytes, bytes] = models.BinaryField()
    ttl: models.FloatField[float | None, float | None] = models.FloatField(null=True)
    version: models.PositiveIntegerField[int, int] = models.PositiveIntegerField(default=0)
    expires_at: models.DateTimeField[datetime, datetime] = models.DateTimeField(db_index=True)

    class Meta:
        indexes = (
            models.Index(fields=("shelf", "position"), name="kept_by_shelf"),
            models.Index(fields=("family", "position"), name="kept_by_family"),
        )


class KeptName(models.Model):
    """Another id under which a record is found."""

    key: models.CharField[str, str] = models.CharField(max_length=64, db_index=True)  # kind, owner, name
    record: models.ForeignKey[KeptRecord, KeptRecord] = models.ForeignKey(
        KeptRecord, models.CASCADE, related_name="found_by"
    )
