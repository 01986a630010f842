from __future__ import annotations

from typing import Any

import pytest

from responses_asgi.translate.usage import responses_usage


def figures(usage: Any) -> tuple[int, int, int, int, int, int] | None:
    read = responses_usage(usage)
    if read is None:
        return None
    ins, outs = read["input_tokens_details"], read["output_tokens_details"]
    return (
        read["input_tokens"],
        read["output_tokens"],
        read["total_tokens"],
        ins["cached_tokens"],
        ins["cache_write_tokens"],
        outs["reasoning_tokens"],
    )


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 9}, (1, 2, 9, 0, 0, 0)),
        ({"prompt_tokens": 1, "completion_tokens": 2}, (1, 2, 3, 0, 0, 0)),
        ({"completion_tokens": 2}, (0, 2, 2, 0, 0, 0)),
        ({"input_tokens": 1, "output_tokens": 2}, (1, 2, 3, 0, 0, 0)),
        ({"prompt_tokens": 1.0, "completion_tokens": 2}, (1, 2, 3, 0, 0, 0)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "prompt_cache_hit_tokens": 4}, (5, 2, 7, 4, 0, 0)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "cached_tokens": 3}, (5, 2, 7, 3, 0, 0)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "cache_creation_input_tokens": 3}, (5, 2, 7, 0, 3, 0)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "reasoning_tokens": 1}, (5, 2, 7, 0, 0, 1)),
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 2,
                "cached_tokens": 9,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": None},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
            (5, 2, 7, 0, 0, 2),
        ),
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 2,
                "prompt_tokens_details": {},
                "input_tokens_details": {"cached_tokens": 3},
            },
            (5, 2, 7, 3, 0, 0),
        ),
        ({"prompt_tokens": None, "completion_tokens": None}, None),
        ({"prompt_tokens": True, "completion_tokens": float("nan")}, None),
        ({"prompt_tokens": float("inf"), "completion_tokens": "seven"}, None),
        ({"prompt_tokens": "5", "completion_tokens": "7"}, (5, 7, 12, 0, 0, 0)),
        ({}, None),
        (None, None),
        ("3 tokens", None),
    ],
)
def test_five_figures_from_any_spelling(usage: Any, expected: Any) -> None:
    assert figures(usage) == expected


def test_other_figures_stay_where_they_are() -> None:
    usage = {
        "prompt_tokens": 5,
        "completion_tokens": 2,
        "cost": 0.5,
        "queue_time": None,
        "prompt_tokens_details": {"audio_tokens": 4},
    }
    read = responses_usage(usage)
    assert read is not None
    assert read["cost"] == 0.5
    assert "queue_time" not in read
    assert read["input_tokens_details"]["audio_tokens"] == 4
    assert "prompt_tokens" not in read
