"""Reading back what was written: formats, units, keyframes; damage is an Mp4Error."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder.fmp4.reader import Mp4Error, keyframe_fragment, read_layout, read_tracks, read_units
from recorder.fmp4.writer import fragment, fragment_parts, init_segment
from tests.peers.media_file import decoded_frames, make_media, read_media
from tests.recorder.made import SOUND, VIDEO, picture, sound


@pytest.mark.parametrize("clip", ["pedestrians_h264", "pedestrians_h265"])
def test_formats_come_back(clip: str, request: pytest.FixtureRequest) -> None:
    tracks, _ = read_media(request.getfixturevalue(clip))
    assert read_tracks(init_segment(tracks)) == tracks


@pytest.mark.parametrize("arguments", [("aac",), ("libopus",), ("pcm_alaw",), ("pcm_mulaw",)])
def test_formats_of_sound_come_back(arguments: tuple[str], tmp_path: Path) -> None:
    source = make_media(
        tmp_path / "in.mkv",
        *("-f", "lavfi", "-i", "sine=frequency=440:duration=0.5", "-c:a", *arguments),
    )
    tracks, _ = read_media(source)
    assert read_tracks(init_segment(tracks)) == tracks


def test_units_come_back(pedestrians_h264: Path) -> None:
    tracks, units = read_media(pedestrians_h264, wall_us=5_000_000)
    gop = units[:20]
    data = fragment(1, tracks, [gop], [units[20].dts_90k])
    assert read_units(data, tracks, 5_000_000) == gop


def test_b_frames_come_back_with_both_times(tmp_path: Path) -> None:
    source = make_media(
        tmp_path / "in.mp4",
        *("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=1"),
        *("-c:v", "libx264", "-bf", "3", "-pix_fmt", "yuv420p"),
    )
    tracks, units = read_media(source)
    assert read_units(fragment(1, tracks, [units]), tracks, 0) == units


def test_sound_comes_back_beside_the_pictures() -> None:
    tracks = (SOUND, VIDEO)  # video comes first in the file, whatever its place
    pictures, sounds = [picture(n) for n in range(10)], [sound(n) for n in range(50)]
    for unit in pictures:
        unit.track_index = 1
    for unit in sounds:
        unit.track_index = 0
    data = fragment(1, tracks, [sounds, pictures])
    found = read_units(data, tracks, pictures[0].wall_us)
    assert found == pictures + sounds


def test_a_keyframe_is_taken_from_the_beginning_of_its_fragment(
    tmp_path: Path, pedestrians_h264: Path
) -> None:
    tracks, units = read_media(pedestrians_h264)
    head, payloads, size = fragment_parts(1, tracks, [units[:20]], [units[20].dts_90k])
    prefix = head + payloads[0]
    assert len(prefix) < size / 2
    alone = keyframe_fragment(prefix, tracks, 180_000)
    assert read_layout(alone).samples[0].duration == 180_000
    path = tmp_path / "keyframe.mp4"
    path.write_bytes(init_segment(tracks) + alone)
    assert decoded_frames(path) == {"h264": 1}


def test_a_prefix_without_a_keyframe_is_refused(pedestrians_h264: Path) -> None:
    tracks, units = read_media(pedestrians_h264)
    head, payloads, _ = fragment_parts(1, tracks, [units[1:20]])
    with pytest.raises(Mp4Error):
        keyframe_fragment(head + payloads[0], tracks, 1)
    with pytest.raises(Mp4Error):
        keyframe_fragment(head, tracks, 1)


@pytest.mark.parametrize("data", [b"", b"\0" * 64, b"\0\0\0\x10moof" + b"\0" * 40])
def test_what_is_no_fragment_is_refused(data: bytes) -> None:
    with pytest.raises(Mp4Error):
        read_layout(data)
