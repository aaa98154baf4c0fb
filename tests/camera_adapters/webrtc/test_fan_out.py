"""The log of batches since the keyframe, and what breaks a viewer's promise."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.stream import Codec, Track
from camera_adapters.webrtc.batch_log import BatchLog
from camera_adapters.webrtc.distribution import AUDIO, VIDEO
from camera_adapters.webrtc.fan_out import carried_tracks, why_not_continued
from camera_adapters.webrtc.packet_batch import PacketBatch, runs_of_payloads

H264 = Track("video", Codec.H264, 90000, (b"\x67\x42\xe0\x1f", b"\x68"))
H265 = Track("video", Codec.H265, 90000, (b"\x40\x01", b"\x42\x01", b"\x44\x01"))
PCMA = Track("audio", Codec.PCMA, 8000, channels=1)
AAC = Track("audio", Codec.AAC, 16000, (b"\x14\x08",), channels=1)


def batch(*, keyframe: bool = False, size: int = 100) -> PacketBatch:
    return PacketBatch(VIDEO, 0, keyframe, runs_of_payloads([(b"", bytes(size))], marker=True))


@given(st.lists(st.booleans(), max_size=60))
def test_numbers_go_on_and_a_joinable_log_begins_with_its_keyframe(keyframes: list[bool]) -> None:
    log = BatchLog(1500)
    for count, keyframe in enumerate(keyframes, 1):
        log.append(batch(keyframe=keyframe))
        assert log.end == count
        assert log.first + len(log.batches) == log.end
        assert log.size == sum(one.size for one in log.batches) <= 1500
        assert log.joinable == (bool(log.batches) and log.batches[0].keyframe)
        assert not any(one.keyframe for one in log.batches[1:])


def test_a_gop_that_outgrows_the_limit_cannot_be_joined_until_the_next_keyframe() -> None:
    log = BatchLog(1000)
    log.append(batch(keyframe=True, size=800))
    log.append(batch(size=800))
    assert not log.joinable
    assert (log.first, log.end) == (1, 2)
    log.append(batch(keyframe=True))
    assert log.joinable


def test_the_first_playable_track_of_each_kind_is_carried() -> None:
    assert carried_tracks((AAC, H264, H265, PCMA)) == {VIDEO: (1, H264), AUDIO: (3, PCMA)}
    assert carried_tracks((AAC,)) == {}


def test_what_a_viewer_was_promised_decides_whether_it_can_go_on() -> None:
    def verdict(before: tuple[Track, ...], now: tuple[Track, ...]) -> str | None:
        return why_not_continued(carried_tracks(before), carried_tracks(now))

    larger = Track("video", Codec.H264, 90000, (b"\x67\x64\x00\x28", b"\x68"), 1920, 1080)
    assert verdict((H264,), (larger,)) is None  # told in band
    assert verdict((H264,), (PCMA, H264)) is None  # moved, and sound added
    assert verdict((H264,), (H265,)) == "codec_changed"
    assert verdict((H264, PCMA), (H264,)) == "codec_changed"
    assert verdict((H264,), ()) == "codec_changed"
    assert verdict((H264,), (Track("video", Codec.H264, 90000, reorder_depth=1),)) == "has_b_frames"
