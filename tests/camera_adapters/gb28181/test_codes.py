"""Twenty-digit codes (GB/T 28181-2016 Annex D)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.gb28181 import codes
from camera_adapters.gb28181.codes import Code, CodeError, CodeKind


def test_parts_of_a_code() -> None:
    assert codes.parse("34020000001320000007") == Code("34020000", "00", 132, 0, 7)


@given(
    st.text("0123456789", min_size=8, max_size=8),
    st.integers(0, 999),
    st.integers(0, 999_999),
    st.integers(0, 9),
)
def test_what_is_made_is_read_again(centre: str, kind: int, serial: int, network: int) -> None:
    text = codes.make(centre, kind, serial, network=network)
    assert codes.is_valid(text)
    assert codes.parse(text) == Code(centre, "00", kind, network, serial)
    assert str(codes.parse(text)) == text


@pytest.mark.parametrize("text", ["", "3402", "3402000000132000000x", "٣٤٠٢٠٠٠٠٠٠١٣٢٠٠٠٠٠٠٧"])
def test_what_has_not_twenty_digits_is_no_code(text: str) -> None:
    with pytest.raises(CodeError):
        codes.parse(text)
    assert not codes.is_valid(text)


@pytest.mark.parametrize(
    ("centre", "kind", "serial"),
    [("3402", 132, 1), ("3402000x", 132, 1), ("34020000", 1000, 1), ("34020000", 132, 10**6)],
)
def test_part_that_does_not_fit_is_refused(centre: str, kind: int, serial: int) -> None:
    with pytest.raises(CodeError):
        codes.make(centre, kind, serial)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("34020000001320000007", CodeKind.CAMERA),
        ("34020000001110000007", CodeKind.DEVICE),
        ("34020000001340000007", CodeKind.ALARM_INPUT),
        ("34020000002000000007", CodeKind.PLATFORM),
        ("34020000002150000007", CodeKind.BUSINESS_GROUP),
        ("34020000002160000007", CodeKind.VIRTUAL_ORGANISATION),
        ("34020000003000000007", CodeKind.USER),
        ("340200", CodeKind.DIVISION),
        ("340", CodeKind.OTHER),
        ("camera-7", CodeKind.OTHER),
    ],
)
def test_kind_of_what_a_code_names(text: str, kind: CodeKind) -> None:
    assert codes.kind_of(text) is kind


@given(st.text())
def test_received_code_is_clean_or_nothing(text: str) -> None:
    code = codes.as_received(text)
    assert code in ("", text.strip())
    assert code.isascii()
    assert not set(code) & set(' <>"&/\r\n')
    assert len(code) <= codes.FOREIGN_LENGTH_LIMIT
