"""What is remembered for the next turn: whose it is, for how long, and how much of it."""

from __future__ import annotations

import threading
from typing import Any

from responses_asgi.recall import CallMemory, owner_of

ITEMS = [{"type": "reasoning", "id": "rs_1"}, {"type": "function_call", "call_id": "call_1"}]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_items_come_back_by_owner_and_call_id() -> None:
    memory = CallMemory()
    memory.keep("a", {"call_1": ITEMS, "call_2": ITEMS})
    assert memory.recall("a", "call_1") == memory.recall("a", "call_2") == ITEMS
    assert memory.recall("a", "call_3") == memory.recall("b", "call_1") == memory.recall("", "call_1") == []


def test_what_is_done_to_recalled_items_does_not_change_the_memory() -> None:
    memory = CallMemory()
    given: list[dict[str, Any]] = [{"type": "reasoning"}]
    memory.keep("a", {"c": given})
    given[0]["type"] = "changed"
    memory.recall("a", "c")[0]["type"] = "changed"
    assert memory.recall("a", "c") == [{"type": "reasoning"}]


def test_keeping_nothing_is_nothing() -> None:
    memory = CallMemory(max_entries=1)
    memory.keep("a", {"c": ITEMS})
    memory.keep("a", {})
    assert memory.recall("a", "c") == ITEMS


def test_the_least_recently_used_are_forgotten_first() -> None:
    memory = CallMemory(max_entries=2)
    memory.keep("a", {"1": ITEMS})
    memory.keep("a", {"2": ITEMS})
    assert memory.recall("a", "1")
    memory.keep("a", {"3": ITEMS})
    assert [bool(memory.recall("a", call)) for call in "123"] == [True, False, True]


def test_bytes_are_bounded_too() -> None:
    memory = CallMemory(max_bytes=250)
    for call in "123":
        memory.keep("a", {call: [{"text": "x" * 88}]})
    assert [bool(memory.recall("a", call)) for call in "123"] == [False, True, True]
    memory.keep("a", {"big": [{"text": "x" * 1000}]})
    assert [bool(memory.recall("a", call)) for call in ("2", "3", "big")] == [False, False, False]
    memory.keep("a", {"4": ITEMS})
    assert memory.recall("a", "4") == ITEMS


def test_a_newer_answer_takes_the_place_of_one_with_the_same_call_id() -> None:
    memory = CallMemory(max_bytes=150)
    for number in range(10):
        memory.keep("a", {"call_0": [{"text": "x" * 88, "number": number}]})
    assert memory.recall("a", "call_0")[0]["number"] == 9


def test_an_hour_after_the_last_use_it_is_forgotten() -> None:
    clock = Clock()
    memory = CallMemory(clock=clock)
    memory.keep("a", {"c": ITEMS})
    clock.now = 3599
    assert memory.recall("a", "c")
    clock.now = 3599 + 3599
    assert memory.recall("a", "c")
    clock.now += 3600
    assert memory.recall("a", "c") == []
    memory.keep("a", {"d": ITEMS})
    clock.now -= 3600
    assert memory.recall("a", "c") == []


def test_it_may_be_used_from_several_threads() -> None:
    memory = CallMemory(max_entries=5)

    def work(owner: str) -> None:
        for number in range(500):
            memory.keep(owner, {f"{number % 7}": ITEMS})
            memory.recall(owner, f"{number % 5}")

    threads = [threading.Thread(target=work, args=(owner,)) for owner in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = [call for owner in "abcd" for call in range(7) if memory.recall(owner, str(call))]
    assert len(kept) == 5


def test_the_owner_is_the_credential_and_never_a_cookie() -> None:
    def owner(*headers: tuple[bytes, bytes]) -> str:
        return owner_of({"type": "http", "headers": list(headers)})

    key = (b"Authorization", b"Bearer sk-secret")
    assert owner(key) == owner((b"cookie", b"x"), (b"authorization", b"Bearer sk-secret"))
    assert (
        len({owner(key), owner((b"api-key", b"Bearer sk-secret")), owner((b"authorization", b"o")), ""}) == 4
    )
    assert owner((b"cookie", b"x")) == owner_of({"type": "http"}) == ""
    assert "secret" not in owner(key)
