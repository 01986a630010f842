from __future__ import annotations

import math

import pydantic_core
import pytest

from responses_asgi.types import json as module
from responses_asgi.types.json import dumps, loads


def test_reads_what_fast_parsers_refuse() -> None:
    assert math.isnan(loads(b"[NaN]")[0])
    assert loads(rb'"\ud83d"') == "\ud83d"


def test_reads_half_characters_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_fast_loads", pydantic_core.from_json)
    assert loads('["\ud83d"]') == ["\ud83d"]
    with pytest.raises(ValueError, match=r"."):
        loads('["\ud83d"')


def test_writes_lone_surrogates_escaped() -> None:
    assert dumps({"text": "\ud83d", "more": "é"}) == b'{"text":"\\ud83d","more":"\\u00e9"}'
    assert dumps("é") == '"é"'.encode()


@pytest.mark.parametrize("text", [b"{", b"", b"{}}", "[" * 100_000])
def test_refuses_what_is_no_json(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        loads(text)
