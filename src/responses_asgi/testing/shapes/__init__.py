"""Hand-written answers in the shapes of real Chat servers, one per class of behaviour, and their meaning."""

from __future__ import annotations

from responses_asgi.testing.shapes.calls import CALL_SHAPES
from responses_asgi.testing.shapes.faults import FAULT_SHAPES
from responses_asgi.testing.shapes.parts import PART_SHAPES
from responses_asgi.testing.shapes.shape import Answer, Figures, Shape
from responses_asgi.testing.shapes.texts import TEXT_SHAPES

__all__ = ["SHAPES", "Answer", "Figures", "Shape"]

SHAPES: dict[str, Shape] = {
    shape.name: shape for shape in TEXT_SHAPES + PART_SHAPES + CALL_SHAPES + FAULT_SHAPES
}
"""Every shape by its name. A `FakeModel` with a rule for each name as `model` plays them."""
