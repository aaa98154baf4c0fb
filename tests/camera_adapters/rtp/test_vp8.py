"""VP8 payloads: frames put together, and cut anew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.rtp import vp8

KEY = b"\x10\x02\x00\x9d\x01\x2a\x80\x02\x68\x01"


def test_a_keyframe_says_its_size() -> None:
    found = vp8.frame([b"\x10" + KEY])
    assert found == vp8.Vp8Frame(KEY, True, 640, 360)
    assert vp8.frame([b"\x10\x11abc"]) == vp8.Vp8Frame(b"\x11abc", False, 0, 0)


def test_every_kind_of_descriptor_is_passed_over() -> None:
    # RFC 7741 §4.2: I with 7 and with 15 bits, L, T and K (one byte for both).
    for descriptor in (
        b"\x90\x80\x23",
        b"\x90\x80\x81\x23",
        b"\x90\xc0\x81\x23\x07",
        b"\x90\xf0\x81\x23\x07\x40",
        b"\x90\x30\x40",
        b"\xb0\x00",
    ):
        found = vp8.frame([descriptor + KEY])
        assert found is not None and found.data == KEY, descriptor.hex()


def test_a_frame_without_its_beginning_or_with_two_is_torn() -> None:
    assert vp8.frame([b"\x00abcd"]) is None
    assert vp8.frame([b"\x10\x11abc", b"\x10\x11abc"]) is None
    assert vp8.frame([b"\x10" + KEY[:6]]) is None  # a keyframe that ends early
    assert vp8.frame([b"\x10" + b"\x10\x02\x00\x00\x00\x00\x80\x02\x68\x01"]) is None
    assert vp8.frame([]) is None
    # Another partition begins in the middle: S with its number.
    assert vp8.frame([b"\x10\x11abc", b"\x11def"]) is not None


@given(st.binary(min_size=3, max_size=5000), st.integers(2, 1200))
def test_what_is_cut_is_put_together_again(data: bytes, limit: int) -> None:
    data = b"\x11" + data
    pieces = [head + bytes(body) for head, body in vp8.payloads(data, limit)]
    assert all(len(one) <= limit for one in pieces)
    assert len({len(one) for one in pieces[:-1]}) <= 1
    found = vp8.frame(pieces)
    assert found is not None and found.data == data


@given(st.lists(st.binary(max_size=30), max_size=5))
def test_anything_may_come(payloads: list[bytes]) -> None:
    vp8.frame(payloads)
    for payload in payloads:
        vp8.starts_picture(payload)
