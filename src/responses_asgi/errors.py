"""Every failure of the package, and its one shape on the wire: `{"error": {message, type, param, code}}`.

ResponsesASGIError
├── ConfigurationError      the component was set up in a way that cannot work
├── MissingExtraError       an optional dependency is needed; the message names the extra
└── APIError                anything a client is told, with its HTTP status
    ├── InvalidRequestError the client's request cannot be carried out as sent
    ├── UpstreamError       the upstream answered with an error, or broke off
    └── StoreError          the store cannot be asked, or cannot keep what it is given
        └── VersionConflictError  somebody else has changed the record in between
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from responses_asgi.error_codes import recognised, says_nothing

__all__ = [
    "APIError",
    "ConfigurationError",
    "InvalidRequestError",
    "MissingExtraError",
    "ResponsesASGIError",
    "StoreError",
    "UpstreamError",
    "VersionConflictError",
    "error_from_payload",
    "is_error",
]

# HTTP status -> (error type, error code) when an upstream names neither. Both OpenAI SDKs choose their
# exception class by the status alone; type and code are for people and for Codex's retry rules.
STATUS_ERRORS: dict[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("authentication_error", "invalid_api_key"),
    402: ("insufficient_quota", "insufficient_quota"),
    403: ("permission_error", "permission_denied"),
    404: ("invalid_request_error", "not_found"),
    408: ("server_error", "server_error"),
    409: ("invalid_request_error", "conflict"),
    413: ("invalid_request_error", "request_too_large"),
    422: ("invalid_request_error", None),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    500: ("server_error", "server_error"),
    502: ("server_error", "server_error"),
    503: ("server_error", "server_is_overloaded"),
    504: ("server_error", "server_error"),
    # Anthropic's own: https://docs.anthropic.com/en/api/errors
    529: ("server_error", "server_is_overloaded"),
}

# Error type or code -> HTTP status, for errors that arrive in a body with HTTP 200.
ERROR_STATUSES: dict[str, int] = {
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "insufficient_quota": 429,
    "permission_error": 403,
    "not_found": 404,
    "model_not_found": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "server_is_overloaded": 503,
    "overloaded_error": 503,
    "server_error": 500,
    "timeout": 504,
}

# A client that sees a text longer than this has been sent a web page, not an error message.
MAX_MESSAGE_CHARS = 4_000

# Where servers put the sentence of an error, by preference: OpenAI, FastAPI, Cloudflare and watsonx, Baidu,
# MiniMax, API gateways, AWS, and Tencent Cloud.
_MESSAGE_KEYS = (
    "message",
    "error",
    "detail",
    "msg",
    "error_message",
    "errors",
    "error_msg",
    "errorMessage",
    "base_resp",
    "status_msg",
    "fault",
    "faultstring",
    "Message",
    "Response",
    "Error",
)
_KNOWN_KEYS = frozenset({"type", "param", "code", *_MESSAGE_KEYS})

# Fields by which servers say that all went well, whatever sentence they add -> their values then: Spark,
# Baidu, MiniMax, Cloudflare.
_NO_ERROR: dict[str, tuple[object, ...]] = {
    "code": (0, 200, "0", "200"),
    "error_code": (0, "0"),
    "status_code": (0, 200),
    "success": (True,),
}
# How much is shown of an error that has no sentence in it.
_EXCERPT_CHARS = 500


class ResponsesASGIError(Exception):
    """Base of every exception this package raises on purpose."""


class ConfigurationError(ResponsesASGIError, ValueError):
    """A component was set up in a way that cannot work; raised at construction, never per request."""


class MissingExtraError(ResponsesASGIError, ImportError):
    """An optional dependency is not installed: an extra, or a package that belongs to no extra.

    >>> str(MissingExtraError("serve", "server"))
    "serve needs the extra 'server': pip install 'responses-asgi[server]'"
    >>> str(MissingExtraError("client()", package="openai"))
    "client() needs the package 'openai': pip install openai"
    """

    def __init__(self, feature: str, extra: str | None = None, *, package: str | None = None) -> None:
        if extra is not None:
            super().__init__(f"{feature} needs the extra {extra!r}: pip install 'responses-asgi[{extra}]'")
        else:
            super().__init__(f"{feature} needs the package {package!r}: pip install {package}")


class APIError(ResponsesASGIError):
    """An error that a client is told, before the first byte as HTTP `status`, afterwards inside the stream.

    `param` is the exact path in the request (`input[2].content[0].type`). `headers` are sent along when the
    error becomes an HTTP answer (retry-after, request ids). `extra` holds further keys of an upstream's error
    object, such as OpenRouter's `metadata`, and is given on unchanged.

    >>> APIError("slow down", status=429).body()["error"]["code"]
    'rate_limit_exceeded'
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 500,
        type: str | None = None,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        default = STATUS_ERRORS.get(status) or STATUS_ERRORS[400 if status < 500 else 500]
        self.message = message
        self.status = status
        self.type = type or default[0]
        self.param = param
        self.code = code or default[1]
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})

    def error_object(self) -> dict[str, Any]:
        """The inner error object: message, type, param and code (the last two may be null), then extras."""
        return {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
            **self.extra,
        }

    def body(self) -> dict[str, Any]:
        """The HTTP body that the OpenAI SDKs read: `{"error": {...}}`."""
        return {"error": self.error_object()}

    def response_error(self) -> dict[str, Any]:
        """The `error` of a failed response: like the error object, with a code that is never null."""
        return {**self.error_object(), "code": self.code or "server_error"}


class InvalidRequestError(APIError):
    """The request cannot be carried out as it was sent; HTTP 400 unless said otherwise.

    >>> InvalidRequestError("got 5, expected a string", param="model").status
    400
    """

    def __init__(
        self, message: str, *, param: str | None = None, code: str | None = None, status: int = 400
    ) -> None:
        super().__init__(message, status=status, type="invalid_request_error", param=param, code=code)


class UpstreamError(APIError):
    """The upstream answered with an error, sent something unreadable, or broke off."""


class StoreError(APIError):
    """The store cannot be asked, or cannot keep what it is given; a client that asks for kept things is told
    to come again."""

    def __init__(self, message: str, *, status: int = 503, code: str = "store_unavailable") -> None:
        headers = {"retry-after": "1"} if status == 503 else {}
        super().__init__(message, status=status, type="server_error", code=code, headers=headers)


class VersionConflictError(StoreError):
    """A record was changed by somebody else since it was read; nothing was written."""

    def __init__(self, message: str = "This was changed by another request in between; try again.") -> None:
        super().__init__(message, status=409, code="conflict")


def error_from_payload(
    payload: object, *, status: int | None = None, headers: Mapping[str, str] | None = None
) -> UpstreamError:
    """Read an upstream's error in any of the shapes servers use and give it the one shape clients know.

    `payload` is the decoded body or chunk: `{"error": {...}}`, `{"error": "text"}`, `{"detail": ...}`
    (FastAPI, Mistral), `{"message": ...}` (vLLM), a list around one of them (Gemini), or plain text.
    `status` is the HTTP status, which stays; None when the error arrived inside a 200, then it is read off a
    numeric code, a known type or the meaning, else 502. The codes that clients act on are recognised from the
    words of other servers (`error_codes`); the server's own code is then `upstream_code`.

    >>> error_from_payload({"detail": "Unauthorized"}, status=401).code
    'invalid_api_key'
    >>> error_from_payload({"error": "prompt is too long: 9 tokens > 8 maximum"}, status=400).code
    'context_length_exceeded'
    """
    if isinstance(payload, list) and payload:
        payload = payload[0]
    outer = payload if isinstance(payload, dict) else {}
    inner = outer.get("error")
    error: dict[str, Any] = inner if isinstance(inner, dict) else outer
    message = _message(payload) or _no_message(error, status)
    kind, code, param = error.get("type"), error.get("code"), error.get("param")
    extra = {k: v for k, v in error.items() if k not in _KNOWN_KEYS} if error is inner else {}
    meaning = _meaning(error, message) if says_nothing(code) else None
    if status is None:
        status = _status_of(code, error.get("status"), kind, meaning)
    if str(code).isdecimal() and 100 <= int(str(code)) <= 599:
        # It repeats the HTTP status; clients know the status's own name.
        code = None
    if meaning and code not in (None, "", meaning):
        extra.setdefault("upstream_code", code)
    code = meaning or code
    return UpstreamError(
        message[:MAX_MESSAGE_CHARS],
        status=status,
        type=kind if isinstance(kind, str) and kind != "error" else None,
        param=param if isinstance(param, str) else None,
        code=str(code) if code not in (None, "") else None,
        headers=headers,
        extra=extra,
    )


def _meaning(error: Mapping[str, Any], message: str) -> str | None:
    """The code that clients act on, if this error means it. Gateways quote the provider in `metadata.raw`."""
    metadata = error.get("metadata")
    quoted = metadata.get("raw") if isinstance(metadata, dict) else None
    sentence = message[:MAX_MESSAGE_CHARS]
    if isinstance(quoted, str):
        sentence = f"{sentence}\n{quoted[:MAX_MESSAGE_CHARS]}"
    return recognised((error.get("code"), error.get("type"), error.get("status")), sentence)


def is_error(payload: Mapping[str, Any]) -> bool:
    """Whether a JSON document that holds no answer says what went wrong, in any of the shapes servers use.

    >>> is_error({"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}), is_error({"type": "ping"})
    (True, False)
    >>> is_error({"code": 0, "message": "Success", "choices": []})
    False
    """
    if "error" in (payload.get("object"), payload.get("type")):
        return True
    inner = payload.get("base_resp")
    verdicts = (payload, inner if isinstance(inner, dict) else {})
    went_well = any(said.get(name) in values for said in verdicts for name, values in _NO_ERROR.items())
    return bool(_message(payload)) and (bool(payload.get("error")) or not went_well)


def _no_message(error: Mapping[str, Any], status: int | None) -> str:
    """What is said of an error without a sentence: what the upstream sent, as far as it is short."""
    sentence = f"The upstream failed without a message (HTTP {status or 200})."
    return f"{sentence[:-1]}: {json.dumps(error, ensure_ascii=False)[:_EXCERPT_CHARS]}" if error else sentence


def _status_of(*hints: object) -> int:
    for hint in hints:
        if isinstance(hint, int | float) and 400 <= hint <= 599:
            return int(hint)
        if isinstance(hint, str):
            if hint.isdecimal() and 400 <= int(hint) <= 599:
                return int(hint)
            if hint in ERROR_STATUSES:
                return ERROR_STATUSES[hint]
    return 502


def _message(payload: object) -> str:
    """The human sentence of an error, wherever the server put it."""
    if isinstance(payload, str):
        return payload.strip()
    if isinstance(payload, list):
        return "; ".join(filter(None, map(_message, payload)))
    if isinstance(payload, dict):
        for key in _MESSAGE_KEYS:
            found = _message(payload.get(key))
            if found:
                where = payload.get("loc")
                return f"{'.'.join(map(str, where))}: {found}" if isinstance(where, list) else found
    return ""
