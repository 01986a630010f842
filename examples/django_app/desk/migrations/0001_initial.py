"""Written by `manage.py makemigrations`, then laid out for reading."""

from __future__ import annotations

from typing import Any, ClassVar

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies: ClassVar[list[Any]] = []
    operations: ClassVar[list[Any]] = [
        migrations.CreateModel(
            name="KeptRecord",
            fields=[
                ("position", models.BigAutoField(primary_key=True, serialize=False)),
                ("key", models.CharField(max_length=64, unique=True)),
                ("shelf", models.CharField(max_length=64)),
                ("family", models.CharField(max_length=64)),
                ("texts", models.TextField()),
                ("data", models.BinaryField()),
                ("ttl", models.FloatField(null=True)),
                ("version", models.PositiveIntegerField(default=0)),
                ("expires_at", models.DateTimeField(db_index=True)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["shelf", "position"], name="kept_by_shelf"),
                    models.Index(fields=["family", "position"], name="kept_by_family"),
                ],
            },
        ),
        migrations.CreateModel(
            name="KeptName",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(db_index=True, max_length=64)),
                (
                    "record",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="found_by",
                        to="desk.keptrecord",
                    ),
                ),
            ],
        ),
    ]
