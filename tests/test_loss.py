from __future__ import annotations

from responses_asgi.loss import MAX_HEADER_BYTES, Losses, header_value


def test_each_path_and_action_once() -> None:
    losses = Losses()
    for action in ("dropped", "dropped", "clamped"):
        losses.report("a", action, "because")  # type: ignore[arg-type]  # a literal, seen as str by the loop
    assert [(loss.path, loss.action) for loss in losses] == [("a", "dropped"), ("a", "clamped")]


def test_header_is_ascii_and_bounded() -> None:
    losses = Losses()
    for number in range(200):
        losses.report(f"input[{number}].ü, x", "dropped", "because")
    value = header_value(losses)
    assert value.isascii()
    assert len(value) <= MAX_HEADER_BYTES
    kept, _, left = value.rpartition(";+")
    assert kept.count(", ") + 1 + int(left) == 200
    assert kept.startswith("input[0].%C3%BC%2C%20x;dropped, input[1]")
