"""The promises of `docs/reliability.md` and `docs/security.md` name tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.chaos.endings import ENDINGS

HERE = Path(__file__).parent
PAGE = (HERE.parent / "docs" / "reliability.md").read_text(encoding="utf-8")
SECURITY = (HERE.parent / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`((?:chaos/)?test_\w+\.py(?:::\w+)?)`", PAGE + SECURITY)))


def test_every_promise_names_a_test() -> None:
    assert len(NAMED) > 20
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "shown by" not in line]
    for row in rows:
        told = "test_" in row or "the same" in row or row.startswith("| ---")
        assert told or row.split(" | ")[0].removeprefix("| ") in {"server", *ENDINGS}, row


@pytest.mark.parametrize("named", NAMED)
def test_the_named_test_exists(named: str) -> None:
    file, _, name = named.partition("::")
    text = (HERE / file).read_text(encoding="utf-8")
    assert not name or re.search(rf"(def|class) {name}\b|^{name} = ", text, re.MULTILINE)


def test_what_servers_do_is_the_table_of_the_tests() -> None:
    for server, signals in ENDINGS.items():
        for signal, endings in signals.items():
            cells = " | ".join(endings[name] for name in ("short stream", "long stream", "long document"))
            assert f"| {server} | {signal} | {cells} |\n" in PAGE


def test_every_promise_about_credentials_names_a_test() -> None:
    promised = re.findall(r"^(\d+)\. \*\*", SECURITY, re.MULTILINE)
    assert promised
    assert re.findall(r"^\| (\d+) \| `test_", SECURITY, re.MULTILINE) == promised
