"""Offers of real viewers, and the answers to them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.stream import Codec, Track
from camera_adapters.webrtc.ice_lite import Candidate
from camera_adapters.webrtc.sdp_answer import (
    Answer,
    LocalTransport,
    NegotiatedTrack,
    NotPlayable,
    choose,
    write_answer,
)
from camera_adapters.webrtc.sdp_offer import OfferError, parse_offer
from tests.camera_adapters.webrtc.offers import (
    AIORTC,
    CHROMIUM,
    CHROMIUM_WITH_H265,
    FIREFOX,
    GSTREAMER,
)

LOCAL = LocalTransport(
    "ufrag", "password", "AB:CD", [Candidate("192.0.2.1", 4000), Candidate("2001:db8::1", 4000, 9)]
)
HIGH = Track("video", Codec.H264, 90000, (b"\x67\x64\x00\x1f", b"\x68"))
MAIN = Track("video", Codec.H264, 90000, (b"\x67\x4d\x00\x1f", b"\x68"))
BASELINE = Track("video", Codec.H264, 90000, (b"\x67\x42\xe0\x1f", b"\x68"))
H265 = Track("video", Codec.H265, 90000, (b"\x40\x01", b"\x42\x01\x01\x01", b"\x44\x01"))
PCMA = Track("audio", Codec.PCMA, 8000, channels=1)
OPUS = Track("audio", Codec.OPUS, 48000, channels=2)
AAC = Track("audio", Codec.AAC, 16000, (b"\x14\x08",), channels=1)


def answer(text: str, *tracks: Track) -> Answer:
    offer = parse_offer(text)
    chosen, _ = choose(offer, tracks)
    return write_answer(offer, chosen, LOCAL)


def sections(sdp: str) -> list[str]:
    return ["m=" + part for part in sdp.split("\r\nm=")[1:]]


def carries(text: str, track: Track) -> NegotiatedTrack:
    return answer(text, track).tracks[0]


def test_sections_that_differ_by_their_names_alone_are_read_as_any_other() -> None:
    head, first, *_ = CHROMIUM.split("m=")
    said = [line for line in first.splitlines() if not line.startswith("a=mid:")]
    names = [f"v{number}" for number in range(16)]
    text = head + "".join(
        "\r\n".join([f"m={said[0]}", *said[1:], f"a=mid:{one}", ""]) for one in names
    )
    media = parse_offer(text).media
    assert [one.mid for one in media] == names
    for number, one in enumerate(names):
        alone = head + "\r\n".join([f"m={said[0]}", *said[1:], f"a=mid:{one}", ""])
        assert parse_offer(alone).media == [media[number]]


@pytest.mark.parametrize(
    ("offer", "payload_type", "retransmission"),
    [(CHROMIUM, 116, 117), (FIREFOX, 126, 127), (GSTREAMER, 96, None), (AIORTC, 99, 100)],
    ids=["chromium", "firefox", "gstreamer", "aiortc"],
)
def test_high_profile_finds_a_payload_type_with_packetization_mode_1(
    offer: str, payload_type: int, retransmission: int | None
) -> None:
    one = carries(offer, HIGH)
    assert one.payload_type == payload_type
    assert one.retransmission_payload_type == retransmission


@pytest.mark.parametrize(("track", "payload_type"), [(BASELINE, 102), (MAIN, 116), (HIGH, 116)])
def test_the_nearest_profile_is_taken_and_444_never(track: Track, payload_type: int) -> None:
    assert carries(CHROMIUM, track).payload_type == payload_type


def test_the_answer_says_what_whep_asks_for() -> None:
    """draft-ietf-wish-whep §4.2: sendonly, bundled, multiplexed, all candidates in it."""
    made = answer(CHROMIUM, HIGH, PCMA)
    assert "a=ice-lite\r\n" in made.sdp
    assert "a=group:BUNDLE 0 1\r\n" in made.sdp
    for section in sections(made.sdp):
        for line in (
            "a=sendonly",
            "a=rtcp-mux",
            "a=setup:passive",
            "a=ice-ufrag:ufrag",
            "a=fingerprint:sha-256 AB:CD",
            "a=end-of-candidates",
        ):
            assert line in section.split("\r\n")
        assert section.count("a=candidate:") == 2
        assert "typ host" in section


def test_the_first_ssrc_of_a_section_is_the_pictures() -> None:
    """Chromium drops everything as unsignalled when RTX's comes first."""
    made = answer(CHROMIUM, HIGH)
    lines = made.sdp.split("\r\n")
    first = next(line for line in lines if line.startswith("a=ssrc:"))
    assert first.startswith(f"a=ssrc:{made.tracks[0].ssrc} ")
    assert f"a=ssrc-group:FID {made.tracks[0].ssrc} {made.tracks[0].retransmission_ssrc}" in lines


def test_a_silent_camera_gets_its_audio_section_refused() -> None:
    made = answer(CHROMIUM, HIGH)
    video, audio = sections(made.sdp)
    assert not video.startswith("m=video 0")
    assert audio.startswith("m=audio 0 ")
    assert "a=group:BUNDLE 0\r\n" in made.sdp


@pytest.mark.parametrize(("track", "payload_type"), [(PCMA, 8), (OPUS, 111)])
def test_sound_passes_through(track: Track, payload_type: int) -> None:
    made = answer(CHROMIUM, HIGH, track)
    assert [one.kind for one in made.tracks] == ["video", "audio"]
    assert made.tracks[1].payload_type == payload_type


def test_stereo_opus_is_told() -> None:
    assert "a=fmtp:111 minptime=10;useinbandfec=1;stereo=1" in answer(CHROMIUM, HIGH, OPUS).sdp


def test_aac_is_left_out_and_the_picture_stays() -> None:
    made = answer(CHROMIUM, HIGH, AAC)
    assert [one.kind for one in made.tracks] == ["video"]


def test_h265_where_the_browser_offers_it_else_not_playable() -> None:
    assert carries(CHROMIUM_WITH_H265, H265).payload_type == 49
    with pytest.raises(NotPlayable, match=r"H\.265"):
        answer(CHROMIUM, H265)


def test_an_offer_without_fu_a_is_not_playable() -> None:
    with pytest.raises(NotPlayable, match="packetization-mode=1"):
        answer(FIREFOX.replace(";packetization-mode=1", ""), HIGH)


def test_playout_delay_is_zero_where_offered() -> None:
    """One-byte elements (RFC 8285 §4.2): id 5, three bytes; then mid, id 9, one byte."""
    block = carries(CHROMIUM, HIGH).extension_block
    assert block == bytes.fromhex("bede0003 52000000 9030").ljust(16, b"\0")
    assert "a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay" in (
        answer(CHROMIUM, HIGH).sdp
    )


def test_transport_cc_only_where_remb_is_not_offered() -> None:
    """REMB tells the same for a tenth of the feedback."""
    assert not carries(CHROMIUM, HIGH).transport_cc
    assert "transport-cc" not in answer(CHROMIUM, HIGH).sdp
    assert carries(GSTREAMER, HIGH).transport_cc
    assert "a=rtcp-fb:96 transport-cc" in answer(GSTREAMER, HIGH).sdp


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("v=0", "v=1"), "v=0"),
        (("a=ice-ufrag:4ZcD\n", ""), "ice-ufrag"),
        (("a=setup:actpass", "a=setup:passive"), "setup"),
        (("a=rtcp-mux\n", ""), "rtcp-mux"),
        (("a=rtpmap:102 H264/90000", "a=rtpmap:102 H264"), "rtpmap:102"),
        (("a=mid:0", "a=mid:a b"), "mid"),
        (("m=video 9", "m=video x"), "m=video"),
    ],
)
def test_a_bad_offer_is_refused_with_the_reason(change: tuple[str, str], message: str) -> None:
    with pytest.raises(OfferError, match=message):
        answer(CHROMIUM.replace(*change), HIGH)


def test_who_wants_to_send_gets_nothing() -> None:
    with pytest.raises(NotPlayable):
        answer(CHROMIUM.replace("a=recvonly", "a=sendonly"), HIGH)


@given(st.text(max_size=400))
def test_any_text_is_an_offer_or_an_offer_error(text: str) -> None:
    try:
        parse_offer("v=0\n" + text)
    except OfferError:
        return


@given(st.data())
def test_lines_in_any_order_and_number_never_raise_anything_else(data: st.DataObject) -> None:
    lines = CHROMIUM.splitlines()
    kept = data.draw(st.lists(st.sampled_from(lines), max_size=60))
    try:
        made = answer("v=0\n" + "\n".join(kept), HIGH, OPUS)
    except (OfferError, NotPlayable):
        return
    assert len({one.mid for one in made.tracks}) == len(made.tracks) or not made.tracks[0].mid
