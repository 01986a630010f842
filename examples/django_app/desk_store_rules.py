"""The rules that every store obeys, over DjangoStore and a real database; test_django_app.py runs them."""

from __future__ import annotations

import asyncio

import django
import pytest
from django.core.management import call_command

from tests.store_rules import RecordRules, Subject, Time

django.setup()

from desk import stores  # noqa: E402 - models want Django set up
from desk.models import KeptRecord  # noqa: E402 - as above


@pytest.fixture(scope="module", autouse=True)
def tables() -> None:
    call_command("migrate", verbosity=0)


class TestDjangoStore(RecordRules):
    @pytest.fixture
    def subject(self, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Subject:
        KeptRecord.objects.all().delete()
        ttl = 2.0 if request.function.__name__ in vars(Time) else 100.0
        monkeypatch.setattr(stores, "TTL", ttl)
        return Subject(
            store=stores.DjangoStore(),
            wait=asyncio.sleep,
            second=0.4,
            store_ttl=ttl,
            again=stores.DjangoStore,
        )
