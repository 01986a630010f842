"""Sealed tokens: who can open them, and what happens to all others."""

from __future__ import annotations

import base64
import sys
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responses_asgi import seal
from responses_asgi.errors import ConfigurationError, InvalidRequestError, MissingExtraError
from responses_asgi.seal import SEALED, Seals, is_sealed
from responses_asgi.types.json import JSON

OLD, NEW = "the old secret key", b"\x00\xff of other bytes than text"
PAYLOAD: JSON = {"text": "Hm. " * 400, "details": [{"type": "reasoning.encrypted", "data": "ÄÖ?>"}]}


def sealed(seals: Seals, payload: JSON = PAYLOAD) -> str:
    return seals.seal(payload, owner="alice", purpose="reasoning")


def opened(seals: Seals, token: str) -> JSON | None:
    return seals.open(token, owner="alice", purpose="reasoning", param="input[3].encrypted_content")


def refused(seals: Seals, token: str, *, owner: str = "alice", purpose: str = "reasoning") -> None:
    with pytest.raises(InvalidRequestError, match="cannot be opened") as caught:
        seals.open(token, owner=owner, purpose=purpose, param="input[3].encrypted_content")
    assert caught.value.status == 400
    assert caught.value.code == "invalid_encrypted_content"
    assert caught.value.param == "input[3].encrypted_content"


def rewritten(token: str, change: Callable[[bytearray], object]) -> str:
    """The token with its bytes changed."""
    head, _, text = token.rpartition(".")
    raw = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    change(raw)
    return f"{head}.{base64.urlsafe_b64encode(raw).decode().rstrip('=')}"


def packed(seals: Seals, content: bytes, monkeypatch: pytest.MonkeyPatch) -> str:
    """A token of the right key around content that no version of the package writes."""
    with monkeypatch.context() as patched:
        patched.setattr(seal, "_packed", lambda payload: content)
        return sealed(seals)


def test_another_process_with_the_same_key_opens_it() -> None:
    token = sealed(Seals([OLD]))
    assert token.startswith(SEALED)
    assert is_sealed(token)
    assert opened(Seals([OLD.encode()]), token) == PAYLOAD


def test_nothing_of_the_payload_shows() -> None:
    token = sealed(Seals([OLD]), {"text": "visible"})
    assert b"visible" not in base64.urlsafe_b64decode(token.rpartition(".")[2] + "==")
    assert token != sealed(Seals([OLD]), {"text": "visible"})


def test_repetitive_text_is_stored_small_and_other_text_as_it_is() -> None:
    assert len(sealed(Seals([OLD]))) < 300
    short: JSON = {"text": "q"}
    assert opened(Seals([OLD]), sealed(Seals([OLD]), short)) == short


def test_what_is_too_large_to_be_compressed_still_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal, "MAX_PAYLOAD_BYTES", 100)
    token = sealed(Seals([OLD]))
    assert len(token) > len(PAYLOAD["text"])
    assert opened(Seals([OLD]), token) == PAYLOAD


def test_rotation() -> None:
    before, during, after = Seals([OLD]), Seals([NEW, OLD]), Seals([NEW])
    token = sealed(before)
    assert opened(during, token) == PAYLOAD, "an old key still opens"
    assert opened(after, token) is None, "a key that was taken out does not"
    renewed = sealed(during)
    assert opened(after, renewed) == PAYLOAD, "the first key seals"
    assert opened(before, renewed) is None


def test_a_key_has_the_same_id_everywhere_and_no_two_keys_share_one() -> None:
    ids = {sealed(Seals([key])).split(".")[1] for key in (OLD, OLD.encode(), NEW)}
    assert len(ids) == 2
    assert not any(id in OLD for id in ids)


def test_another_owner_and_another_purpose_are_refused() -> None:
    seals = Seals([OLD])
    token = sealed(seals)
    refused(seals, token, owner="bob")
    refused(seals, token, owner="")
    refused(seals, token, purpose="compaction")
    # The pairs are told apart, not their concatenation.
    refused(seals, token, owner="alicereasoning", purpose="")
    refused(seals, token, owner="", purpose="alicereasoning")


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_one_changed_byte_is_refused(place: int, change: int) -> None:
    seals = Seals([OLD])

    def flip(raw: bytearray) -> None:
        raw[place % len(raw)] ^= change

    refused(seals, rewritten(sealed(seals), flip))


@given(st.integers(1, 10_000))
def test_a_cut_token_is_refused(kept: int) -> None:
    seals = Seals([OLD])
    token = sealed(seals)
    start = len(SEALED) + len("01234567.")
    refused(seals, token[: start + kept % (len(token) - start)])


@pytest.mark.parametrize("token", ["", "sealed1.", "sealed1.x", "sealed1.0123ABCD.AAAA", "gAAAAB", "rd1.e30"])
def test_what_is_no_token_is_refused(token: str) -> None:
    refused(Seals([OLD]), token)


@pytest.mark.parametrize("text", ["", "?", "A", "Ä", "AAAA", "AAAAAAAAAAAAAAAA"])
def test_a_token_without_content_is_refused(text: str) -> None:
    seals = Seals([OLD])
    refused(seals, f"{sealed(seals).rpartition('.')[0]}.{text}")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00",
        b"\x00[1]",
        b"\x00{",
        b"\x01no zlib",
        b"\x01" + zlib.compress(b'{"text": "cut"}')[:-3],
        b"\x01" + zlib.compress(b'{"text": "' + b" " * (seal.MAX_PAYLOAD_BYTES + 1) + b'"}'),
    ],
    ids=["empty", "no JSON", "list", "broken JSON", "no zlib", "cut zlib", "zlib bomb"],
)
def test_what_the_key_holder_wrote_wrongly_is_refused(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    seals = Seals([OLD])
    refused(seals, packed(seals, content, monkeypatch))


@given(
    st.text(st.characters()), st.text(), st.dictionaries(st.text(), st.text() | st.integers(-(2**53), 2**53))
)
def test_any_payload_owner_and_purpose(owner: str, purpose: str, payload: JSON) -> None:
    seals = Seals([NEW])
    token = seals.seal(payload, owner=owner, purpose=purpose)
    assert seals.open(token, owner=owner, purpose=purpose) == payload


def test_keys_that_cannot_be_used() -> None:
    with pytest.raises(
        ConfigurationError, match=r"seal_keys\[1\] has 9 bytes, expected at least 16"
    ) as caught:
        Seals([OLD, "too short"])
    assert "too short" not in str(caught.value)
    for none in ([], OLD, NEW):
        with pytest.raises(ConfigurationError, match="list of one or more keys"):
            Seals(none)  # type: ignore[arg-type]  # what an untyped caller may hand over


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(MissingExtraError, match=r"responses-asgi\[seal\]"):
        Seals([OLD])


def test_an_error_without_a_path_says_what_it_is_about() -> None:
    with pytest.raises(InvalidRequestError, match=r"^This encrypted content") as caught:
        Seals([OLD]).open("x", owner="", purpose="")
    assert caught.value.param is None
