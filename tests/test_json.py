from __future__ import annotations

import math

import pytest

from responses_asgi.types.json import dumps, loads


def test_reads_what_fast_parsers_refuse() -> None:
    assert math.isnan(loads(b"[NaN]")[0])
    assert loads(rb'"\ud83d"') == "\ud83d"


def test_writes_lone_surrogates_escaped() -> None:
    assert dumps({"text": "\ud83d", "more": "é"}) == b'{"text":"\\ud83d","more":"\\u00e9"}'
    assert dumps("é") == '"é"'.encode()


@pytest.mark.parametrize("text", [b"{", b"", b"{}}", "[" * 100_000])
def test_refuses_what_is_no_json(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        loads(text)
