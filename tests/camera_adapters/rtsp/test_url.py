"""Camera addresses, and what of them may be shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.redaction import redact
from camera_adapters.rtsp.url import CameraUrl, parse_camera_url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rtsp://10.0.0.1/a", CameraUrl("10.0.0.1", 554, "rtsp://10.0.0.1/a")),
        ("RTSP://h:8554", CameraUrl("h", 8554, "rtsp://h:8554")),
        (
            "rtsp://admin:p%40ss@h/Streaming/Channels/101?a=b@c",
            CameraUrl("h", 554, "rtsp://h/Streaming/Channels/101?a=b@c", "admin", "p@ss"),
        ),
        (
            "rtsp://u:p@:w@[fd00::1]:99/x",
            CameraUrl("fd00::1", 99, "rtsp://[fd00::1]:99/x", "u", "p@:w"),
        ),
    ],
)
def test_addresses(text: str, expected: CameraUrl) -> None:
    assert parse_camera_url(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "http://a/", "rtsp://", "rtsp:///x", "rtsp://h:0x1/", "rtsp://h:99999/", "rtsp://a b"],
)
def test_unusable_addresses(text: str) -> None:
    with pytest.raises(ValueError, match="the address"):
        parse_camera_url(text)


@given(
    st.from_regex(r"[!-.0-?A-~]{1,20}", fullmatch=True).filter(lambda t: not set(t) & set("/?# "))
)
def test_no_password_survives_redaction(password: str) -> None:
    text = f"cannot open rtsp://admin:{password}@10.0.0.1/a twice"
    assert redact(text) == "cannot open rtsp://***@10.0.0.1/a twice"
    assert password not in repr(parse_camera_url(f"rtsp://admin:{password}@10.0.0.1/")) or (
        password
        in "CameraUrl(host='10.0.0.1', port=554, request_url='rtsp://10.0.0.1/', username='admin')"
    )
