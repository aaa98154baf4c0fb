"""Codes, recovery codes and PINs as such."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.people.passwords import WeakPassword
from gateway.people.totp import (
    STEP_S,
    check_pin,
    enrol,
    looks_like_recovery_code,
    matching_step,
    new_recovery_codes,
    recovery_code_hash,
)

# RFC 6238 Appendix B, its secret and its codes cut to six digits.
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
VECTORS = [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037")]


@pytest.mark.parametrize(("at_s", "code"), VECTORS)
def test_the_vectors_of_the_standard(at_s: int, code: str) -> None:
    assert matching_step(SECRET, code, at_s * 1_000_000) == at_s // STEP_S


@pytest.mark.parametrize(("off_s", "counts"), [(-30, True), (30, True), (-61, False), (61, False)])
def test_a_telephone_may_be_half_a_minute_off(off_s: int, counts: bool) -> None:
    at_s, code = VECTORS[1]
    step = matching_step(SECRET, code, (at_s // 30 * 30 + off_s + 15) * 1_000_000)
    assert (step == at_s // STEP_S) is counts


@given(st.text(max_size=30))
def test_whatever_is_typed_is_a_code_or_none(text: str) -> None:
    step = matching_step(SECRET, text, 59_000_000)
    assert step is None or re.sub(r"\s", "", text).isdigit()


def test_an_authenticator_takes_the_secret_in_by_its_camera() -> None:
    made = enrol("王 小明")
    parts = urlsplit(made.url)
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert parse_qs(parts.query)["secret"] == [made.secret]
    assert parse_qs(parts.query)["issuer"] == ["gridsight"]
    drawn = ElementTree.fromstring(made.qr_svg)
    assert drawn.tag.endswith("svg")
    assert drawn.findall(".//{*}path")
    assert enrol("王").secret != made.secret


def test_recovery_codes_are_told_from_codes_and_stored_keyed() -> None:
    codes = new_recovery_codes()
    assert len(set(codes)) == 10
    assert all(looks_like_recovery_code(code) for code in codes)
    assert not looks_like_recovery_code("123 456")
    digest = recovery_code_hash(b"k" * 32, "usr_1", codes[0])
    assert digest == recovery_code_hash(b"k" * 32, "usr_1", f" {codes[0].upper()} ")
    assert digest != recovery_code_hash(b"k" * 32, "usr_2", codes[0])
    assert digest != recovery_code_hash(b"l" * 32, "usr_1", codes[0])


@pytest.mark.parametrize(
    "pin", ["12345", "1234567890123", "123456", "654321", "111111", "121212", "19870503", "12a456"]
)
def test_simple_pins_are_refused(pin: str) -> None:
    with pytest.raises(WeakPassword):
        check_pin(pin)


@pytest.mark.parametrize("pin", ["493817", "80249175"])
def test_other_pins_are_taken(pin: str) -> None:
    check_pin(pin)
