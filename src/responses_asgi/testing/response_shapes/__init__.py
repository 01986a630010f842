"""Hand-written answers in the shapes of Responses servers, one per class of behaviour, and their meaning."""

from __future__ import annotations

from responses_asgi.testing.response_shapes.calls import CALL_SHAPES
from responses_asgi.testing.response_shapes.faults import FAULT_SHAPES
from responses_asgi.testing.response_shapes.parts import PART_SHAPES
from responses_asgi.testing.response_shapes.shape import ResponsesShape
from responses_asgi.testing.response_shapes.texts import TEXT_SHAPES

__all__ = ["RESPONSE_SHAPES", "ResponsesShape"]

RESPONSE_SHAPES: dict[str, ResponsesShape] = {
    shape.name: shape for shape in TEXT_SHAPES + PART_SHAPES + CALL_SHAPES + FAULT_SHAPES
}
"""Every shape by its name. A `FakeModel` with a rule for each name as `model` plays them."""
