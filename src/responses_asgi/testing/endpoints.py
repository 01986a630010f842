"""The endpoints of the test double beside its answers: models and embeddings."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from collections.abc import Sequence

from responses_asgi.errors import InvalidRequestError
from responses_asgi.testing.vocabulary import words
from responses_asgi.types.json import JSON, dumps

__all__ = ["embeddings", "model_list", "model_object"]

DIMENSIONS = 8
"""Of an embedding, where the request does not say."""


def model_list(names: Sequence[str]) -> JSON:
    """The answer of `GET /models`."""
    return {"object": "list", "data": [_model(name) for name in names]}


def model_object(name: str, names: Sequence[str]) -> JSON:
    """The answer of `GET /models/{name}`. Raises InvalidRequestError, HTTP 404."""
    if name not in names:
        raise InvalidRequestError(
            f"The model '{name}' does not exist.", param="model", code="model_not_found", status=404
        )
    return _model(name)


def embeddings(body: JSON) -> JSON:
    """The answer of `POST /embeddings`: unit vectors that depend on the text alone, as floats or base64.

    Raises InvalidRequestError for a body without `input`.
    """
    given = body.get("input")
    if given is None or given == []:
        raise InvalidRequestError("input: a text or a list of texts is needed.", param="input")
    # A list of numbers is one text in tokens.
    texts = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
    tokens = sum(len(list(words(text))) if isinstance(text, str) else len(text) for text in texts)
    vectors = [_vector(text, body.get("dimensions") or DIMENSIONS) for text in texts]
    packed = body.get("encoding_format") == "base64"
    return {
        "object": "list",
        "model": body.get("model"),
        "data": [
            {"object": "embedding", "index": index, "embedding": _packed(vector) if packed else vector}
            for index, vector in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _model(name: str) -> JSON:
    return {"id": name, "object": "model", "created": 0, "owned_by": "fake"}


def _vector(text: object, dimensions: int) -> list[float]:
    """Made of a hash, so that equal texts are near each other and others are not."""
    said = dumps(text)
    values = []
    for number in range(dimensions):
        digest = hashlib.sha256(number.to_bytes(4, "big") + said).digest()
        values.append(int.from_bytes(digest[:4], "big") / 2**31 - 1)
    length = math.sqrt(sum(value * value for value in values)) or 1.0
    return [value / length for value in values]


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
