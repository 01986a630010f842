from __future__ import annotations

from typing import Any

import pytest

from responses_asgi.errors import APIError, InvalidRequestError, error_from_payload


@pytest.mark.parametrize(
    ("payload", "status", "expected"),
    [
        (
            {"error": {"message": "no", "type": "t", "param": "p", "code": "c"}},
            400,
            ("no", 400, "t", "p", "c"),
        ),
        (
            {"error": {"message": "no", "code": 429}},
            429,
            ("no", 429, "rate_limit_error", None, "rate_limit_exceeded"),
        ),
        ({"error": "bad key"}, 401, ("bad key", 401, "authentication_error", None, "invalid_api_key")),
        (
            {"detail": "Unauthorized"},
            401,
            ("Unauthorized", 401, "authentication_error", None, "invalid_api_key"),
        ),
        (
            {"detail": [{"loc": ["body", "model"], "msg": "Field required"}, {"msg": "Also this"}]},
            422,
            ("body.model: Field required; Also this", 422, "invalid_request_error", None, None),
        ),
        (
            [{"error": {"message": "quota", "status": "X"}}],
            429,
            ("quota", 429, "rate_limit_error", None, "rate_limit_exceeded"),
        ),
        (
            {"object": "error", "message": "too long", "type": "BadRequestError", "code": 400},
            400,
            ("too long", 400, "BadRequestError", None, None),
        ),
        (
            "<html>Bad Gateway</html>",
            502,
            ("<html>Bad Gateway</html>", 502, "server_error", None, "server_error"),
        ),
        (
            None,
            418,
            ("The upstream failed without a message (HTTP 418).", 418, "invalid_request_error", None, None),
        ),
        (
            {},
            599,
            ("The upstream failed without a message (HTTP 599).", 599, "server_error", None, "server_error"),
        ),
        (
            {"exception": "é", "code": 7},
            418,
            (
                'The upstream failed without a message (HTTP 418): {"exception": "é", "code": 7}',
                418,
                "invalid_request_error",
                None,
                "7",
            ),
        ),
        ({"error_message": "m"}, 400, ("m", 400, "invalid_request_error", None, None)),
        ({"Message": "m"}, 400, ("m", 400, "invalid_request_error", None, None)),
        (
            {"Response": {"Error": {"Code": "c", "Message": "m"}, "RequestId": "r"}},
            400,
            ("m", 400, "invalid_request_error", None, None),
        ),
        (
            {"error": {"message": "m", "code": 503}},
            None,
            ("m", 503, "server_error", None, "server_is_overloaded"),
        ),
        (
            {"error": {"message": "m", "code": "429"}},
            None,
            ("m", 429, "rate_limit_error", None, "rate_limit_exceeded"),
        ),
        (
            {"error": {"message": "m", "type": "invalid_request_error"}},
            None,
            ("m", 400, "invalid_request_error", None, None),
        ),
        ({"error": {"message": "m", "type": "mystery"}}, None, ("m", 502, "mystery", None, "server_error")),
        ({"type": "error", "message": "m"}, None, ("m", 502, "server_error", None, "server_error")),
        (
            {"error": {"message": {"error": {"message": "deep"}}}},
            500,
            ("deep", 500, "server_error", None, "server_error"),
        ),
    ],
)
def test_every_shape_of_upstream_error_gets_the_one_shape(
    payload: Any, status: int | None, expected: Any
) -> None:
    error = error_from_payload(payload, status=status)
    assert (error.message, error.status, error.type, error.param, error.code) == expected
    assert set(error.body()["error"]) >= {"message", "type", "param", "code"}


def test_further_fields_of_an_error_are_kept() -> None:
    error = error_from_payload({"error": {"message": "m", "metadata": {"raw": "why"}}}, status=400)
    assert error.body()["error"]["metadata"] == {"raw": "why"}


def test_a_long_message_is_cut() -> None:
    assert len(error_from_payload("x" * 100_000, status=500).message) == 4_000


def test_a_failed_response_always_has_a_code() -> None:
    assert APIError("m", status=422).error_object()["code"] is None
    assert APIError("m", status=422).response_error()["code"] == "server_error"


def test_invalid_request() -> None:
    error = InvalidRequestError("got 5", param="model", code="unsupported_parameter")
    assert (error.status, error.param, error.code) == (400, "model", "unsupported_parameter")
