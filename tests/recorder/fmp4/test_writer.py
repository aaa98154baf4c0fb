"""Fragmented MP4, judged by ffprobe and a full decode: every codec, per GOP and per picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from camera_adapters.stream import AccessUnit, Track
from recorder.fmp4.writer import fragment, init_segment, mime_type
from tests.peers.media_file import decoded_frames, make_media, read_media

SOUNDS = {
    "aac": ("-c:a", "aac", "-ar", "44100"),
    "opus": ("-c:a", "libopus", "-ar", "48000"),
    "pcm_alaw": ("-c:a", "pcm_alaw", "-ar", "8000", "-ac", "1"),
    "pcm_mulaw": ("-c:a", "pcm_mulaw", "-ar", "8000", "-ac", "1"),
}


def write(
    path: Path, tracks: tuple[Track, ...], units: list[AccessUnit], units_per_fragment: int = 0
) -> Path:
    """A file with a fragment per GOP, or per so many units."""
    groups: list[list[AccessUnit]] = []
    for unit in units:
        cut = (
            unit.keyframe and unit.track_index == 0
            if not units_per_fragment
            else not groups or len(groups[-1]) >= units_per_fragment
        )
        if cut or not groups:
            groups.append([])
        groups[-1].append(unit)
    data = init_segment(tracks)
    for number, group in enumerate(groups):
        following = [
            next(
                (u.dts_90k for later in groups[number + 1 :] for u in later if u.track_index == n),
                None,
            )
            for n in range(len(tracks))
        ]
        by_track = [[u for u in group if u.track_index == n] for n in range(len(tracks))]
        data += fragment(number + 1, tracks, by_track, following)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("clip", ["pedestrians_h264", "pedestrians_h265"])
def test_every_picture_of_a_clip_decodes(
    clip: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    tracks, units = read_media(request.getfixturevalue(clip))
    path = write(tmp_path / "out.mp4", tracks, units)
    assert list(decoded_frames(path).values()) == [len(units)]


def test_one_picture_per_fragment_decodes_as_well(tmp_path: Path, pedestrians_h264: Path) -> None:
    tracks, units = read_media(pedestrians_h264)
    path = write(tmp_path / "out.mp4", tracks, units[:100], units_per_fragment=1)
    assert decoded_frames(path) == {"h264": 100}


@pytest.mark.parametrize("sound", SOUNDS)
def test_sound_goes_along_untouched(sound: str, tmp_path: Path) -> None:
    source = make_media(
        tmp_path / "in.mkv",
        *("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=4"),
        *("-f", "lavfi", "-i", "sine=frequency=440:duration=4"),
        *("-c:v", "libx264", "-g", "25", "-bf", "0", "-pix_fmt", "yuv420p"),
        *SOUNDS[sound],
    )
    tracks, units = read_media(source)
    frames = decoded_frames(write(tmp_path / "out.mp4", tracks, units))
    assert frames["h264"] == 100
    assert frames[sound] == sum(unit.track_index == 1 for unit in units)


@pytest.mark.parametrize("encoder", ["libx264", "libx265"])
def test_b_frames_come_out_in_order_of_presentation(encoder: str, tmp_path: Path) -> None:
    source = make_media(
        tmp_path / "in.mp4",
        *("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=4"),
        *("-c:v", encoder, "-g", "25", "-bf", "3", "-pix_fmt", "yuv420p"),
        *(("-x265-params", "log-level=none:open-gop=0") if encoder == "libx265" else ()),
    )
    tracks, units = read_media(source)
    assert any(unit.pts_90k != unit.dts_90k for unit in units)
    path = write(tmp_path / "out.mp4", tracks, units)
    assert list(decoded_frames(path).values()) == [100]


def test_sound_alone_is_a_file_too(tmp_path: Path) -> None:
    source = make_media(
        tmp_path / "in.mkv", "-f", "lavfi", "-i", "sine=frequency=440:duration=2", "-c:a", "aac"
    )
    tracks, units = read_media(source)
    path = write(tmp_path / "out.mp4", tracks, units, units_per_fragment=20)
    assert decoded_frames(path) == {"aac": len(units)}


def test_mime_type_names_all_codecs(tmp_path: Path, pedestrians_h264: Path) -> None:
    tracks, _ = read_media(pedestrians_h264)
    assert mime_type(tracks) == 'video/mp4; codecs="avc1.64001f"'


def test_a_fragment_needs_a_unit(pedestrians_h264: Path) -> None:
    tracks, _ = read_media(pedestrians_h264)
    with pytest.raises(ValueError, match="at least one"):
        fragment(1, tracks, [[]])


def test_times_before_zero_are_clamped(pedestrians_h264: Path) -> None:
    tracks, units = read_media(pedestrians_h264)
    assert fragment(1, tracks, [units[:5]], offset_90k=-20_000)
