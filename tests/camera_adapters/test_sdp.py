"""Session descriptions as cameras write them."""

from __future__ import annotations

import pytest

from camera_adapters import sdp
from camera_adapters.rtp.tracks import NoVideoError, choose_tracks
from camera_adapters.stream import Codec
from tests.peers.parameter_sets import H264_SETS

HIKVISION = b"""v=0
o=- 1109162014219182 1109162014219192 IN IP4 10.1.1.1
s=Media Presentation
e=NONE
b=AS:5050
t=0 0
a=control:rtsp://10.1.1.1/Streaming/Channels/101/
m=video 0 RTP/AVP 96
b=AS:5000
a=recvonly
a=x-dimensions:768,576
a=control:rtsp://10.1.1.1/Streaming/Channels/101/trackID=1
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z2QAH6yzAYAk0IAAAAMAgAAACgeMGTQ=,aOlwbLIs
m=audio 0 RTP/AVP 8
a=recvonly
a=control:rtsp://10.1.1.1/Streaming/Channels/101/trackID=2
m=application 0 RTP/AVP 107
a=rtpmap:107 vnd.onvif.metadata/90000
a=Media_header:MEDIAINFO=494D4B48010200000400000111710110401F000000FA000000000000000000000000;
a=appversion:1.0
"""


def test_a_common_camera() -> None:
    session = sdp.parse(HIKVISION.replace(b"\n", b"\r\n"))
    assert session.control == "rtsp://10.1.1.1/Streaming/Channels/101/"
    video, audio = choose_tracks(session)
    assert (video.codec, audio.codec) == (Codec.H264, Codec.PCMA)
    assert sdp.parameter_sets(video.format) == H264_SETS
    assert audio.track is not None and audio.track.clock_rate == 8000


def test_fmtp_before_rtpmap_and_an_rtpmap_that_the_media_line_does_not_name() -> None:
    session = sdp.parse(
        b"v=0\nm=video 0 RTP/AVP 96\na=fmtp:98 sprop-sps=QgE=\na=rtpmap:98 H265/90000\n"
    )
    (video,) = choose_tracks(session)
    assert (video.codec, video.format.payload_type) == (Codec.H265, 98)
    assert video.format.parameters == {"sprop-sps": "QgE="}


@pytest.mark.parametrize(
    ("base", "control", "expected"),
    [
        ("rtsp://h/a/", "trackID=1", "rtsp://h/a/trackID=1"),
        ("rtsp://h/a", "trackID=1", "rtsp://h/a/trackID=1"),
        ("rtsp://h/a?x=1", "track1", "rtsp://h/a?x=1/track1"),
        ("rtsp://h/a/", "*", "rtsp://h/a/"),
        ("rtsp://h/a", "", "rtsp://h/a"),
        ("rtsp://h/a", "RTSP://g/b", "RTSP://g/b"),
        ("rtsp://h/a/", "/track1", "rtsp://h/a/track1"),
    ],
)
def test_control_urls(base: str, control: str, expected: str) -> None:
    assert sdp.resolve_control(base, control) == expected


def test_aac_without_a_usable_config_is_guessed_from_the_rtpmap() -> None:
    session = sdp.parse(
        b"v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\nm=audio 0 RTP/AVP 97\n"
        b"a=rtpmap:97 mpeg4-generic/16000/2\na=fmtp:97 config=zz\n"
    )
    audio = choose_tracks(session)[1]
    assert audio.track is not None
    assert (audio.track.codec, audio.track.clock_rate, audio.track.channels) == (
        Codec.AAC,
        16000,
        2,
    )


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"v=0\nm=audio 0 RTP/AVP 0\n", "no video track"),
        (b"v=0\nm=video 0 RTP/AVP 26\n", "JPEG"),
        (b"v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=inactive\n", "no video track"),
    ],
)
def test_no_video_says_what_there_is(body: bytes, named: str) -> None:
    with pytest.raises(NoVideoError, match=named):
        choose_tracks(sdp.parse(body))


@pytest.mark.parametrize("body", [b"", b"<html>404</html>", b"\xff\xfe\x00"])
def test_what_is_no_description(body: bytes) -> None:
    with pytest.raises(sdp.SdpError):
        sdp.parse(body)
