from __future__ import annotations

import pytest

from responses_asgi.errors import ConfigurationError
from responses_asgi.upstreams.retry import RetryPolicy, asked_delay


def test_pauses_double_up_to_eight_seconds_and_vary_by_a_quarter() -> None:
    policy = RetryPolicy(delay=0.5)
    for attempt, full in enumerate([0.5, 1, 2, 4, 8, 8, 8]):
        assert all(0.75 * full <= policy.pause(attempt) <= full for _ in range(20))


@pytest.mark.parametrize(
    ("status", "headers", "again"),
    [
        (200, {}, False),
        (200, {"x-should-retry": "true"}, False),
        (400, {}, False),
        (401, {}, False),
        (404, {}, False),
        (422, {}, False),
        (408, {}, True),
        (409, {}, True),
        (429, {}, True),
        (500, {}, True),
        (503, {}, True),
        (503, {"x-should-retry": "false"}, False),
        (400, {"x-should-retry": "true"}, True),
        (429, {"retry-after": "7"}, True),
        (429, {"retry-after": "500"}, False),
    ],
)
def test_which_answers_are_asked_for_again(status: int, headers: dict[str, str], again: bool) -> None:
    policy = RetryPolicy(statuses=1)
    assert (policy.pause_after(0, status, headers) is not None) is again
    assert policy.pause_after(1, status, headers) is None


def test_statuses_are_not_retried_by_default() -> None:
    assert RetryPolicy().pause_after(0, 503, {}) is None


def test_the_server_decides_on_the_pause() -> None:
    assert RetryPolicy(statuses=1).pause_after(0, 429, {"retry-after": "7"}) == 7


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3),
        ({"retry-after": "-3"}, 0),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "3"}, 3),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 60),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:10 GMT"}, 0),
    ],
)
def test_the_pause_a_server_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_delay(headers, now=40) == seconds


@pytest.mark.parametrize("options", [{"connections": -1}, {"statuses": -1}, {"delay": -0.1}])
def test_negative_numbers_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        RetryPolicy(**options)  # type: ignore[arg-type] # one of them is a float
