"""What is agreed with a terminal about pictures, and what its decoder takes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters import sdp
from gateway.meetings.telephone import call_sdp, h264_limits
from gateway.meetings.telephone.call_sdp import NothingInCommon
from gateway.meetings.telephone.picture_sdp import Pictures

HEAD = """v=0
o=- 1 1 IN IP4 10.0.0.7
s=-
c=IN IP4 10.0.0.7
t=0 0
m=audio 4000 RTP/AVP 8
"""
# As room systems write them: the camera first, then what is shown of a computer, then its control.
ROOM_SYSTEM = (
    HEAD
    + """m=video 4002 RTP/AVP 109 110 97
b=TIAS:1920000
a=rtpmap:109 H264/90000
a=fmtp:109 profile-level-id=64001f; packetization-mode=1; max-mbps=245000; max-fs=8160
a=rtpmap:110 H264/90000
a=fmtp:110 profile-level-id=42801f; packetization-mode=1; max-mbps=245000; max-fs=8160
a=rtpmap:97 H264/90000
a=fmtp:97 profile-level-id=42801f
a=rtcp-fb:* nack pli
a=rtcp-fb:* nack
a=content:main
a=sendrecv
m=video 4004 RTP/AVP 97
a=rtpmap:97 H264/90000
a=fmtp:97 profile-level-id=42801f
a=content:slides
m=application 4006 UDP/BFCP *
a=floorctrl:c-s
"""
)
SIMPLE = (
    HEAD
    + """m=video 4002 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 profile-level-id=42e00d;packetization-mode=1;level-asymmetry-allowed=1
"""
)


def pictures(text: str) -> Pictures:
    found = call_sdp.read(text.encode()).pictures
    assert found is not None
    return found


def answered(text: str) -> list[sdp.Media]:
    agreed = call_sdp.read(text.encode())
    return sdp.parse(call_sdp.answer(agreed, "10.0.0.1", 5000, 1, 5002, 2048)).media


def test_a_room_systems_camera_is_taken_and_its_slides_are_not() -> None:
    found = pictures(ROOM_SYSTEM)
    assert (found.host, found.port, found.reports_port, found.kbps) == (
        "10.0.0.7",
        4002,
        4003,
        1920,
    )
    assert found.feedback == {"nack pli"}
    assert [one.payload_type for one in found.formats] == [110, 109, 97]
    assert [one.mode for one in found.formats] == [1, 1, 0]
    assert {one.macroblocks for one in found.formats[:2]} == {8160}
    ports = [(one.kind, one.port) for one in answered(ROOM_SYSTEM)]
    assert ports == [("audio", 5000), ("video", 5002), ("video", 0), ("application", 0)]


def test_an_answer_says_what_they_may_send_us() -> None:
    body = call_sdp.answer(call_sdp.read(SIMPLE.encode()), "10.0.0.1", 5000, 1, 5002, 512).decode()
    assert "m=video 5002 RTP/AVP 96\r\nb=AS:512\r\nb=TIAS:512000\r\n" in body
    assert "profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1" in body
    assert "rtcp-fb" not in body


def test_without_asymmetry_both_keep_to_the_lower_level() -> None:
    low = SIMPLE.replace(";level-asymmetry-allowed=1", "")
    assert answered(low)[1].formats[0].parameters["profile-level-id"] == "42e00d"
    high = low.replace("42e00d", "42e028")
    assert answered(high)[1].formats[0].parameters["profile-level-id"] == "42e01f"
    assert pictures(high).formats[0].macroblocks == 3600


def test_without_a_port_for_them_pictures_are_refused_and_the_sound_is_not() -> None:
    agreed = call_sdp.read(SIMPLE.encode())
    sound, video = sdp.parse(call_sdp.answer(agreed, "10.0.0.1", 5000, 1)).media
    assert (sound.port, video.port) == (5000, 0)


@pytest.mark.parametrize(
    ("theirs", "sends", "shows", "ours"),
    [("sendrecv", True, True, "sendrecv"), ("sendonly", True, False, "recvonly"),
     ("recvonly", False, True, "sendonly"), ("inactive", False, False, "inactive")],
)  # fmt: skip
def test_directions_are_answered(theirs: str, sends: bool, shows: bool, ours: str) -> None:
    found = pictures(f"{SIMPLE}a={theirs}\n")
    assert (found.sends, found.shows) == (sends, shows)
    assert answered(f"{SIMPLE}a={theirs}\n")[1].direction == ours


def test_reports_go_where_they_are_wanted() -> None:
    assert pictures(f"{SIMPLE}a=rtcp:4999 IN IP4 10.0.0.8\n").reports_host == "10.0.0.8"
    assert pictures(f"{SIMPLE}a=rtcp:4999\n").reports_port == 4999
    muxed = pictures(f"{SIMPLE}a=rtcp-mux\n")
    assert (muxed.muxed, muxed.reports_port) == (True, 4002)
    agreed = call_sdp.read(f"{SIMPLE}a=rtcp-mux\n".encode())
    assert b"a=rtcp-mux\r\n" in call_sdp.answer(agreed, "10.0.0.1", 5000, 1, 5002, 512)


def test_avpf_is_answered_as_avpf() -> None:
    media = answered(SIMPLE.replace("RTP/AVP", "RTP/AVPF"))
    assert [one.protocol for one in media] == ["RTP/AVPF", "RTP/AVPF"]


@pytest.mark.parametrize(
    "text",
    [SIMPLE.replace("packetization-mode=1", "packetization-mode=2"),
     SIMPLE.replace("H264", "H263-1998"), SIMPLE.replace("42e00d", "f4001f"),
     SIMPLE.replace("42e00d", "nonsense"), SIMPLE.replace("m=video 4002", "m=video 0"),
     SIMPLE.replace("video 4002 RTP/AVP", "video 4002 RTP/SAVP")],
)  # fmt: skip
def test_pictures_that_we_cannot_take_leave_the_sound(text: str) -> None:
    agreed = call_sdp.read(text.encode())
    assert agreed.pictures is None
    assert [one.port for one in answered(text)] == [5000, 0]


def test_our_offer_is_read_as_what_it_says() -> None:
    found = call_sdp.read(call_sdp.offer("10.0.0.1", 5000, 1, 5002, 768)).pictures
    assert found is not None
    assert [one.payload_type for one in found.formats] == [96, 97, 98]
    assert (found.kbps, found.port) == (768, 5002)
    assert found.feedback == {"nack pli", "ccm fir"}
    assert call_sdp.read(call_sdp.offer("10.0.0.1", 5000, 1)).pictures is None


@pytest.mark.parametrize(
    ("text", "macroblocks"),
    [("42e00a", 99), ("42f00b", 99), ("42e00b", 396), ("42e00d", 396), ("42e01f", 3600),
     ("640028", 8192), ("42e0ff", 36864), ("42e001", 99)],
)  # fmt: skip
def test_levels_say_how_large_a_picture_may_be(text: str, macroblocks: int) -> None:
    profile = h264_limits.read_profile(text)
    assert profile is not None
    assert profile.macroblocks == macroblocks


def test_a_level_of_1b_is_written_as_it_was_read() -> None:
    profile = h264_limits.read_profile("42f00b")
    assert profile is not None
    assert profile.text == "42f00b"
    assert h264_limits.lower_level(11, h264_limits.LEVEL_1B) == h264_limits.LEVEL_1B
    assert h264_limits.lower_level(10, h264_limits.LEVEL_1B) == 10


@pytest.mark.parametrize(
    ("stream", "terminal", "takes"),
    [("42e01f", "42001f", True), ("42e01f", "64001f", True), ("4d401f", "42e01f", False),
     ("4dc01f", "42e01f", True), ("4d401f", "4d001f", True), ("64001f", "4d001f", False),
     ("64001f", "640028", True), ("7a001f", "64001f", False)],
)  # fmt: skip
def test_a_decoder_takes_the_profiles_up_to_its_own(
    stream: str, terminal: str, takes: bool
) -> None:
    one, other = h264_limits.read_profile(stream), h264_limits.read_profile(terminal)
    assert one is not None and other is not None
    assert (one.rank <= other.rank) == takes


@given(st.integers(99, 36_864))
def test_a_picture_of_the_height_that_is_said_to_fit_fits(macroblocks: int) -> None:
    height = h264_limits.wide_height_px(macroblocks)
    assert h264_limits.macroblocks_of(height * 16 // 9, height) <= macroblocks
    taller = height + 32
    assert h264_limits.macroblocks_of(taller * 16 // 9, taller) > macroblocks


_LINE = st.one_of(
    st.sampled_from(ROOM_SYSTEM.splitlines() + SIMPLE.splitlines()),
    st.text(max_size=40),
    st.builds(
        lambda number, text: f"a=fmtp:{number} profile-level-id={text};max-fs=99999999",
        st.integers(0, 200), st.text("0123456789abcdef", max_size=8),
    ),
    st.builds("b={}:{}".format, st.sampled_from(["AS", "TIAS", "CT"]), st.integers(-1, 1 << 40)),
    st.builds("a=rtcp:{}".format, st.integers(-1, 1 << 20)),
)  # fmt: skip


@given(st.lists(_LINE, max_size=40))
def test_whatever_is_offered_is_answered_with_as_many_sections_or_refused(
    lines: list[str],
) -> None:
    body = "\n".join([*HEAD.splitlines(), *lines]).encode()
    try:
        agreed = call_sdp.read(body)
    except NothingInCommon:
        return
    if agreed.pictures is not None:
        assert 0 < agreed.pictures.port < 65536
        assert 0 < agreed.pictures.reports_port < 65536
        assert all(99 <= one.macroblocks <= 36_864 for one in agreed.pictures.formats)
    answer = call_sdp.answer(agreed, "10.0.0.1", 5000, 1, 5002, 2048)
    assert len(sdp.parse(answer).media) == len(agreed.sections)
    assert re.fullmatch(rb"(?:[a-z]=[ -~]*\r\n)+", answer)
