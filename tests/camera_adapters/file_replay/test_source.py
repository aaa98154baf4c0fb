"""Files and folders that stand in for a camera."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest

from camera_adapters.file_replay.reading import FileUnusable, read_file
from camera_adapters.file_replay.source import file_attempt
from camera_adapters.retrying import RetryingSource
from camera_adapters.stream import Codec
from tests.peers.ffmpeg_sender import AAC, H264, PICTURES, TONE
from tests.peers.media_file import make_media
from tests.peers.recorded_stream import RecordedStream


def made(path: Path, *arguments: str, seconds: float = 0.8) -> Path:
    return make_media(path, *PICTURES, *TONE, "-t", str(seconds), *arguments)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.flv"])
def test_every_picture_of_a_file_is_read(tmp_path: Path, name: str) -> None:
    frames = list(read_file(made(tmp_path / name, *H264, *AAC)))
    pictures = [frame for frame in frames if frame.track is None]
    assert len(pictures) == 20
    assert all(later.dts_90k > earlier.dts_90k for earlier, later in pairwise(pictures))


async def test_a_file_is_shown_at_its_own_pace_and_begins_anew(tmp_path: Path) -> None:
    path = made(tmp_path / "a.mp4", *H264, *AAC)
    sink = RecordedStream()
    camera = RetryingSource("file://a.mp4", sink.stream, file_attempt(path))
    camera.start()
    await sink.until(lambda: len(sink.pictures) >= 45)
    now_us = time.time_ns() // 1000
    await camera.stop()
    assert sink.runs[0][0].codec is Codec.H264
    walls = [unit.wall_us for unit in sink.pictures]
    assert all(20_000 < later - earlier < 80_000 for earlier, later in pairwise(walls))
    assert abs(now_us - walls[-1]) < 500_000
    assert sum(unit.keyframe for unit in sink.pictures) >= 3


async def test_a_folder_is_played_by_name_and_follows_what_comes(tmp_path: Path) -> None:
    made(tmp_path / "2.mp4", *H264, *AAC)
    made(tmp_path / "1.mp4", *H264, "-s", "160x120", *AAC)
    (tmp_path / "0.txt").write_text("no video")
    sink = RecordedStream()
    camera = RetryingSource("file://folder", sink.stream, file_attempt(tmp_path))
    camera.start()
    await sink.until(lambda: len({run[0].width for run in sink.runs}) == 2)
    widths = [run[0].width for run in sink.runs]
    made(tmp_path / "3.mp4", *H264, "-s", "480x360", *AAC)
    await sink.until(lambda: sink.runs[-1][0].width == 480)
    await camera.stop()
    assert widths[0] == 160
    assert widths[-1] == 320


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100])
async def test_what_is_no_video_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    with pytest.raises(FileUnusable):
        list(read_file(path))
    sink = RecordedStream()
    camera = RetryingSource("file://x", sink.stream, file_attempt(path))
    camera.start()
    await sink.until(lambda: bool(sink.interruptions))
    assert camera.state.fault == "no_video"
    await camera.stop()


def test_a_playlist_leads_nowhere(tmp_path: Path) -> None:
    clip = made(tmp_path / "a.ts", *H264, *AAC)
    playlist = tmp_path / "x.ts"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{clip}\n#EXT-X-ENDLIST\n")
    with pytest.raises(FileUnusable):
        list(read_file(playlist))


async def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    sink = RecordedStream()
    camera = RetryingSource("file://x", sink.stream, file_attempt(tmp_path / "none.mp4"))
    camera.start()
    await sink.until(lambda: bool(sink.interruptions))
    assert "no file none.mp4" in camera.state.detail
    await camera.stop()
